"""The secret that the custody signs its notices with: the row CUSTODY_SECRET_ROW of the API keys' table, encrypted as
theirs are.

A new one replaces the old one everywhere within MAX_AGE_S. It is shown once, when it is made, as an API key's is.
"""

import os
import secrets
import time

from pynamodb.attributes import BinaryAttribute, UnicodeAttribute

from exchange.adapters import api_keys
from exchange.adapters.aws.tables import Table, TableMeta

MAX_AGE_S = 5.0

_kept: tuple[float, str | None] | None = None


class _Row(Table):
    class Meta(TableMeta):
        table_name = os.environ.get("API_KEYS_TABLE", "")

    key = UnicodeAttribute(hash_key=True)
    secret = BinaryAttribute(legacy_encoding=False)


def current_secret() -> str | None:
    """The secret, at most MAX_AGE_S old; None while nobody has made one."""
    global _kept
    if _kept is None or time.monotonic() - _kept[0] >= MAX_AGE_S:
        row = os.environ["CUSTODY_SECRET_ROW"]
        try:
            secret = api_keys.decrypt(row, bytes(_Row.get(row, consistent_read=True).secret))
        except _Row.DoesNotExist:
            secret = None
        _kept = time.monotonic(), secret
    return _kept[1]


def make_secret() -> str:
    """A new secret in the place of the old one. Only now can it be seen."""
    global _kept
    row, secret = os.environ["CUSTODY_SECRET_ROW"], secrets.token_hex(32)
    _Row(row, secret=api_keys.encrypt(row, secret)).save()
    _kept = None
    return secret
