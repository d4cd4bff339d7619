"""The WebSocket connections and what each asked for (DynamoDB, CONNECTIONS_TABLE).

One item per connection: its subscriptions as a set of `channel|product`, a version that grows with every change, and who
has signed in. The set is changed by ADD and DELETE, so two messages of one client that are handled at once both count.
`feed_publish` keeps its own copy per market; this table says what a client was told. Items leave with `$disconnect`, with
the first post that finds the connection gone, or by `expires_at`: a connection lasts two hours at most.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import UpdateError

from exchange.adapters.aws.tables import Table, TableMeta, condition_failed
from exchange.feed.requests import BATCH, CANCEL_ON_DISCONNECT

LIFETIME_S = 3 * 3600
OF_THE_CONNECTION = (BATCH, "")


class _Row(Table):
    class Meta(TableMeta):
        table_name = os.environ.get("CONNECTIONS_TABLE", "")

    connection_id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute()
    version = NumberAttribute()
    subscriptions = UnicodeSetAttribute(null=True)
    account = NumberAttribute(null=True)
    user_id = UnicodeAttribute(null=True)
    profile_id = UnicodeAttribute(null=True)
    key_id = UnicodeAttribute(null=True)


class ConnectionGone(LookupError):
    """The table has no such connection."""


@dataclass(frozen=True, slots=True)
class Connection:
    """`subscriptions`: (channel, product) pairs, (CANCEL_ON_DISCONNECT, product), and of the connection whole (BATCH, "").
    `account` 0 and empty ids: nobody has signed in."""

    id: str
    version: int
    subscriptions: frozenset[tuple[str, str]]
    account: int = 0
    user_id: str = ""
    profile_id: str = ""
    opened_at_s: int = 0

    def channels(self, product: str) -> frozenset[str]:
        """What the product's publisher is to know: BATCH is among them."""
        found = frozenset(channel for channel, wanted in self.subscriptions
                          if wanted == product and channel != CANCEL_ON_DISCONNECT)
        return found | {BATCH} if found and self.batch else found

    @property
    def batch(self) -> bool:
        """Whether it takes several messages in one frame."""
        return OF_THE_CONNECTION in self.subscriptions

    @property
    def cancels(self) -> set[str]:
        """The products whose orders of the account end with the connection."""
        return {product for channel, product in self.subscriptions if channel == CANCEL_ON_DISCONNECT}

    @property
    def products(self) -> set[str]:
        return {product for _, product in self.subscriptions if product}


def open_connection(connection_id: str) -> None:
    _Row(connection_id, expires_at=int(time.time()) + LIFETIME_S, version=0).save()


def find_connection(connection_id: str) -> Connection | None:
    """Strongly consistent."""
    try:
        return _connection(_Row.get(connection_id, consistent_read=True))
    except _Row.DoesNotExist:
        return None


def subscribe(connection_id: str, pairs: Iterable[tuple[str, str]], *, account: int = 0, user_id: str = "",
              profile_id: str = "", key_id: str = "") -> Connection:
    """Adds the pairs and, where given, who signed in (and with which API key); the connection after it. Raises
    ConnectionGone."""
    row = _Row(connection_id)
    actions = [_Row.version.add(1), _Row.subscriptions.add({_pack(pair) for pair in pairs})]
    if user_id:
        actions += [_Row.account.set(account), _Row.user_id.set(user_id), _Row.profile_id.set(profile_id)]
    if key_id:
        actions.append(_Row.key_id.set(key_id))
    return _update(row, actions)


def unsubscribe(connection_id: str, pairs: Iterable[tuple[str, str]]) -> Connection:
    """Removes the pairs; the connection after it. Raises ConnectionGone."""
    packed = {_pack(pair) for pair in pairs}
    row = _Row(connection_id)
    return _update(row, [_Row.version.add(1), *([_Row.subscriptions.delete(packed)] if packed else [])])


def close_connection(connection_id: str) -> None:
    """Forgets the connection; one that is not there is no error."""
    _Row(connection_id).delete()


def connections_of(product: str) -> list[str]:
    """Ids of all connections with a subscription in a product. Reads the whole table: only for when views were lost."""
    return [connection.id for connection in map(_connection, _Row.scan()) if product in connection.products]


def connections_by_key(key_id: str) -> list[Connection]:
    """Those that an API key has signed in. Reads the whole table, strongly consistent: only for when a key is deleted."""
    return [_connection(row) for row in _Row.scan(_Row.key_id == key_id, consistent_read=True)]


def all_connections() -> Iterator[Connection]:
    """Reads the whole table, a page at a time: for the sweep."""
    return map(_connection, _Row.scan())


def _update(row: _Row, actions: list) -> Connection:
    try:
        row.update(actions=actions, condition=_Row.connection_id.exists())
    except UpdateError as error:
        if condition_failed(error):
            raise ConnectionGone(row.connection_id) from None
        raise
    return _connection(row)


def _connection(row: _Row) -> Connection:
    pairs = frozenset(_unpack(packed) for packed in row.subscriptions or ())
    return Connection(row.connection_id, int(row.version), pairs, int(row.account or 0), row.user_id or "",
                      row.profile_id or "", int(row.expires_at or 0) - LIFETIME_S)


def _pack(pair: tuple[str, str]) -> str:
    return "|".join(pair)


def _unpack(packed: str) -> tuple[str, str]:
    channel, _, product = packed.partition("|")
    return channel, product
