"""The demo market: two bots that make a market move, so that a newcomer sees one. Play money, through the public API only.

A maker quotes layers around a price that wanders and comes back; a taker trades against it in small orders at random times.
Each has an account and an API key of its own, `demo-maker@example.com` and `demo-taker@example.com`; the exchange knows nothing
of this. `make run DEMO=0` leaves them out; tests and benchmarks run without.
"""
