"""The secret that the custody signs its notices with: a row of the API keys' table, encrypted by their KMS key.

A new one replaces the old one everywhere within MAX_AGE_S. It is shown once, when it is made, as an API key's is.
"""

import os
import secrets
import time

from pynamodb.attributes import BinaryAttribute, UnicodeAttribute

from exchange.adapters import api_keys
from exchange.adapters.aws.tables import Table, TableMeta

MAX_AGE_S = 5.0
ROW = "custody:notices"  # no API key's id: those are 32 hexadecimal digits

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
        try:
            secret = _decrypt(bytes(_Row.get(ROW, consistent_read=True).secret))
        except _Row.DoesNotExist:
            secret = None
        _kept = time.monotonic(), secret
    return _kept[1]


def make_secret() -> str:
    """A new secret in the place of the old one. Only now can it be seen."""
    global _kept
    secret = secrets.token_hex(32)
    blob = api_keys._kms().encrypt(KeyId=os.environ["API_KEY_KMS_KEY_ID"], Plaintext=secret.encode(),
                                   EncryptionContext={"api-key": ROW})["CiphertextBlob"]
    _Row(ROW, secret=blob).save()
    _kept = None
    return secret


def _decrypt(blob: bytes) -> str:
    return api_keys._kms().decrypt(KeyId=os.environ["API_KEY_KMS_KEY_ID"], CiphertextBlob=blob,
                                   EncryptionContext={"api-key": ROW})["Plaintext"].decode()
