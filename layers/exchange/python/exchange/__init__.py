"""The exchange's domain, and in `adapters` the services it runs on.

Everything directly in this package is pure: integers in, integers out, no AWS, no SQL, no Redis, no clock, no
environment. `adapters` holds what talks to a service. `tests/unit/test_import_direction.py` enforces it.
"""
