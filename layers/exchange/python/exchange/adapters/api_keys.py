"""API keys (DynamoDB, API_KEYS_TABLE). The secret is encrypted by KMS for this key's id and shown once; the passphrase is
kept as a salted hash.

A key that was found is kept in the process for at most MAX_AGE_S, so a deleted one stops working everywhere within that
time. A key that was not found is not kept: a new one works at once. When a kept key has to be read again, the others that were
used since they were read and are old, too, come in the same request: after a pause all of them would be read one by one, in
the first requests of those who come back.

When a key last signed a good request is noted on its row, by one write a minute and key, whichever environments it calls; a
note that cannot be made is left out.

Beside the keys stands one row per account, `account:<number>`, with the set of its keys' ids, so that listing them reads
what is theirs and nothing else. An id is entered there before its key exists and taken out after it is gone: a crash in
between leaves an id without a key, never a key that its owner cannot see.
"""

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DeleteError, PynamoDBException, UpdateError

from exchange.adapters.aws import answers
from exchange.adapters.aws.tables import Table, TableMeta, condition_failed

MAX_AGE_S = 5.0
# How exactly the last use is known, and so how often it is written.
USE_NOTED_EVERY_S = 60
# From this age on a kept key that is in use is read with another one; what is read together grows old together.
_READ_ALONG_AGE_S = MAX_AGE_S / 2
_READ_AT_ONCE = 100  # BatchGetItem takes no more
_KEPT = 10_000
_SECRET_BYTES = 64
logger = logging.getLogger("exchange.api_keys")
_KEY_ID = re.compile(r"[0-9a-f]{32}")


class _Row(Table):
    class Meta(TableMeta):
        table_name = os.environ.get("API_KEYS_TABLE", "")

    key = UnicodeAttribute(hash_key=True)
    account = NumberAttribute()
    user_id = UnicodeAttribute()
    profile_id = UnicodeAttribute()
    label = UnicodeAttribute()
    scopes = UnicodeSetAttribute()
    secret = BinaryAttribute(legacy_encoding=False)
    passphrase_salt = BinaryAttribute(legacy_encoding=False)
    passphrase_hash = BinaryAttribute(legacy_encoding=False)
    created_at = UnicodeAttribute()
    allowed_addresses = UnicodeSetAttribute(null=True)
    last_used_s = NumberAttribute(null=True)


class _Owner(Table):
    class Meta(_Row.Meta):
        pass

    key = UnicodeAttribute(hash_key=True)
    ids = UnicodeSetAttribute(null=True)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that can sign requests. `secret` is base64, as it was shown to the user. `allowed_addresses`: ranges such as
    `192.0.2.0/24`; none for any address."""

    key: str
    account: int
    user_id: str
    profile_id: str
    label: str
    scopes: frozenset[str]
    secret: str
    passphrase_salt: bytes
    passphrase_hash: bytes
    created_at: str
    allowed_addresses: tuple[str, ...] = ()
    last_used_s: int = 0


_noted: dict[str, float] = {}  # key -> when this environment last noted its use, or found that another had
_found: dict[str, tuple[float, ApiKey]] = {}
_used: dict[str, None] = {}  # of those found, which were asked for after they were read, in the order in which that was first


@lru_cache(maxsize=1)
def _kms() -> object:
    return answers.client("kms")


def find_key(key: str) -> ApiKey | None:
    """The key with this id, at most MAX_AGE_S old, or None; pynamodb's and botocore's exceptions pass through."""
    now = time.monotonic()
    kept = _found.get(key)
    if kept is not None:
        _used[key] = None
        if now - kept[0] < MAX_AGE_S:
            return kept[1]
        if _read_again(key, now):
            return _found[key][1] if key in _found else None
    if not _KEY_ID.fullmatch(key):
        return None
    try:
        row = _Row.get(key, consistent_read=True)
    except _Row.DoesNotExist:
        _forget(key)
        return None
    if len(_found) >= _KEPT:
        _found.clear()
        _used.clear()
    return _keep(row, now)


def _read_again(key: str, now: float) -> bool:
    """Reads the kept key, and others with it, in one request; False if the table left just this one unanswered. What is not
    there any more is kept no longer; what was left unanswered stays as old as it is."""
    old = (other for other in _used if now - _found[other][0] >= _READ_ALONG_AGE_S and other != key)
    asked = [key, *islice(old, _READ_AT_ONCE - 1)]
    table = _Row._get_connection()
    # Not the model's batch_get, which asks for what was left unanswered again and again without a pause.
    answer = table.batch_get_item([{"key": each} for each in asked], consistent_read=True)
    unanswered = {row["key"]["S"] for row in answer["UnprocessedKeys"].get(_Row.Meta.table_name, {}).get("Keys", ())}
    rows = {row.key: row for row in map(_Row.from_raw_data, answer["Responses"].get(_Row.Meta.table_name, ()))}
    for each in asked:
        if each in rows:
            _keep(rows[each], now)
        elif each not in unanswered:
            _forget(each)
    return key not in unanswered


def _keep(row: _Row, now: float) -> ApiKey:
    kept = _found.get(row.key)
    # A secret never changes: one that was decrypted before need not be decrypted again.
    secret = kept[1].secret if kept is not None else decrypt(row.key, bytes(row.secret))
    made = ApiKey(key=row.key, account=int(row.account), user_id=row.user_id, profile_id=row.profile_id, label=row.label,
                  scopes=frozenset(row.scopes), secret=secret, passphrase_salt=bytes(row.passphrase_salt),
                  passphrase_hash=bytes(row.passphrase_hash), created_at=row.created_at,
                  allowed_addresses=tuple(sorted(row.allowed_addresses or ())), last_used_s=int(row.last_used_s or 0))
    _found[row.key] = (now, made)
    _used.pop(row.key, None)
    return made


def _forget(key: str) -> None:
    _found.pop(key, None)
    _used.pop(key, None)


def note_use(key: ApiKey, now_s: float) -> None:
    """Notes that the key signed a good request, unless that was noted within the minute."""
    if now_s - max(key.last_used_s, _noted.get(key.key, 0)) < USE_NOTED_EVERY_S:
        return
    if len(_noted) >= _KEPT:
        _noted.clear()
    _noted[key.key] = now_s
    stale = _Row.last_used_s.does_not_exist() | (_Row.last_used_s <= int(now_s) - USE_NOTED_EVERY_S)
    try:
        _Row(key.key).update(actions=[_Row.last_used_s.set(int(now_s))], condition=_Row.key.exists() & stale)
    except UpdateError as error:
        if not condition_failed(error):  # deleted, or noted by another environment
            logger.warning("the use of a key was not noted: %s", error)
    except PynamoDBException as fault:
        logger.warning("the use of a key was not noted: %s", fault)


def key_exists(key: str) -> bool:
    """Whether the key is there at this moment."""
    try:
        _Row.get(key, consistent_read=True, attributes_to_get=["key"])
    except _Row.DoesNotExist:
        return False
    return True


def passphrase_matches(key: ApiKey, passphrase: str) -> bool:
    """Whether this is the key's passphrase; takes the same time for right and wrong ones."""
    given = _hash(key.passphrase_salt, passphrase.encode("utf-8", "surrogatepass"))
    return hmac.compare_digest(given, key.passphrase_hash)


def create_key(*, account: int, user_id: str, profile_id: str, label: str, scopes: frozenset[str],
               passphrase: str | None = None, allowed_addresses: tuple[str, ...] = ()) -> tuple[ApiKey, str]:
    """A new key and its passphrase (drawn if none is given). Only now can secret and passphrase be seen."""
    key = secrets.token_hex(16)
    secret = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    passphrase = passphrase or secrets.token_urlsafe(16)
    salt = secrets.token_bytes(16)
    made = ApiKey(key=key, account=account, user_id=user_id, profile_id=profile_id, label=label, scopes=scopes, secret=secret,
                  passphrase_salt=salt, passphrase_hash=_hash(salt, passphrase.encode()),
                  created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                  allowed_addresses=allowed_addresses)
    _Owner(_owner(account)).update(actions=[_Owner.ids.add({key})])
    _Row(key, account=account, user_id=user_id, profile_id=profile_id, label=label, scopes=set(scopes),
         secret=encrypt(key, secret), passphrase_salt=salt, passphrase_hash=made.passphrase_hash,
         created_at=made.created_at, allowed_addresses=set(allowed_addresses) or None).save(_Row.key.does_not_exist())
    return made, passphrase


def list_keys(account: int) -> list[dict]:
    """The account's keys without what is secret, oldest first."""
    try:
        ids = _Owner.get(_owner(account), consistent_read=True).ids or ()
    except _Owner.DoesNotExist:
        return []
    rows = sorted(_Row.batch_get(list(ids), consistent_read=True), key=lambda row: (row.created_at, row.key))
    return [{"key": row.key, "label": row.label, "scopes": sorted(row.scopes), "created_at": row.created_at,
             "allowed_addresses": sorted(row.allowed_addresses or ()),
             **({"last_used_at": _iso(row.last_used_s)} if row.last_used_s else {})} for row in rows]


def delete_key(account: int, key: str) -> bool:
    """Deletes the account's key; False if it has no such key."""
    if not _KEY_ID.fullmatch(key):
        return False
    try:
        _Row(key).delete(_Row.account == account)
    except DeleteError as error:
        if not condition_failed(error):
            raise
        return False
    _forget(key)
    _Owner(_owner(account)).update(actions=[_Owner.ids.delete({key})])
    return True


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(int(at_s), UTC).isoformat().replace("+00:00", "Z")


def _owner(account: int) -> str:
    return f"account:{account}"


def encrypt(row: str, secret: str) -> bytes:
    """What stands for the secret in this row of the table, and opens in no other."""
    return _kms().encrypt(KeyId=os.environ["API_KEY_KMS_KEY_ID"], Plaintext=secret.encode(),
                          EncryptionContext={"api-key": row})["CiphertextBlob"]


def decrypt(row: str, blob: bytes) -> str:
    """The secret that was encrypted for this row."""
    return _kms().decrypt(KeyId=os.environ["API_KEY_KMS_KEY_ID"], CiphertextBlob=blob,
                          EncryptionContext={"api-key": row})["Plaintext"].decode()


def _hash(salt: bytes, passphrase: bytes) -> bytes:
    # Checked with every request, after a signature that already proves the 512-bit secret: a fast hash is enough.
    return hashlib.blake2b(passphrase, salt=salt, digest_size=32).digest()
