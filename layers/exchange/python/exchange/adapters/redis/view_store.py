"""Writing the views: one script per save, which does nothing unless it finds the revision it was computed from.

The script gets the keys of one market and a list of commands, each `name, key number, argument count, arguments...`. It
is atomic: no reader and no other writer sees a part of it.
"""

import json
import secrets
from pathlib import Path

import redis

from exchange.adapters.redis import keys
from exchange.adapters.redis.connection import reaching_redis
from exchange.commands import Side
from exchange.events import Mode
from exchange.feed.levels import Levels
from exchange.feed.orders import LiveOrder, Trade
from exchange.feed.publisher import Push, Room, Save
from exchange.feed.routing import Subscriber
from exchange.feed.state import TOLD_KEPT, TRADES_KEPT, MarketState, ViewChanges
from exchange.feed.statistics import Statistics
from exchange.follower import StaleCursor

_SCRIPT = Path(__file__).with_name("save.lua").read_text(encoding="ascii")
# Of what is written under the keys. Views of another format are as good as lost.
FORMAT = b"3"
_NUMBER = {part: number for number, part in enumerate(keys.PARTS, start=1)}


class RedisViewStore:
    """See `publisher.ViewStore`. A fault of Redis is ViewsUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(_SCRIPT)

    def load(self, market: str) -> Room:
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=True)
            for part in ("cursor", "bids", "asks", "live", "minutes", "hours", "subscribers", "outbox"):
                pipeline.hgetall(keys.key(market, part))
            pipeline.lindex(keys.key(market, "trades"), 0)
            cursor, bids, asks, live, minutes, hours, subscribers, outbox, trade = pipeline.execute()
            if cursor and cursor.get(b"format") != FORMAT:
                self._client.delete(*keys.keys(market))
                cursor = None
        room = Room(MarketState(market))
        if not cursor:
            return room
        state = room.state
        room.epoch, room.revision = cursor[b"epoch"].decode(), int(cursor[b"revision"])
        state.seq, state.hash = int(cursor[b"seq"]), cursor[b"hash"]
        state.sequence, state.at_ms, state.mode = int(cursor[b"sequence"]), int(cursor[b"at_ms"]), Mode(int(cursor[b"mode"]))
        state.bids = _levels(Side.BUY, bids)
        state.asks = _levels(Side.SELL, asks)
        state.orders = {order_id: LiveOrder.unpack(order_id, record) for order_id, record in live.items()}
        state.last_trade = Trade.unpack(trade) if trade else None
        state.statistics = Statistics(keys.decode_buckets(minutes.items()), keys.decode_hours(hours.items()))
        room.subscribers = {name.decode(): _decode_subscriber(name.decode(), value)
                            for name, value in subscribers.items()}
        room.unsent = [Push(push_id.decode(), *json.loads(value)) for push_id, value in sorted(outbox.items(), key=_order)]
        return room

    def save(self, room: Room, save: Save) -> None:
        state = room.state
        arguments: list[object] = [save.epoch, save.revision]
        writes = _Writes(arguments)
        writes.add("HSET", "cursor", [
            "epoch", save.epoch, "revision", save.revision + 1, "seq", state.seq, "hash", state.hash,
            "sequence", state.sequence, "at_ms", state.at_ms, "mode", int(state.mode), "format", FORMAT,
            "touch", keys.encode_touch(state.bids, state.asks, state.last_trade),
            *(("listening", ",".join(sorted(save.listening))) if save.listening is not None else ())])
        _write_changes(writes, save.changes)
        writes.add("HSET", "subscribers", [part for name, subscriber in save.subscribers.items() if subscriber
                                           for part in (name, _encode_subscriber(subscriber))])
        writes.add("HDEL", "subscribers", [name for name, subscriber in save.subscribers.items() if not subscriber])
        writes.add("HSET", "outbox", [part for push in save.pushes
                                      for part in (push.id, json.dumps((push.group, push.body)))])
        with reaching_redis():
            done = self._script(keys=keys.keys(state.market), args=arguments)
        if not done:
            raise StaleCursor(f"{state.market}: the views are not at revision {save.revision} of {save.epoch}")

    def clear_sent(self, market: str, pushes: list[Push]) -> None:
        with reaching_redis():
            self._client.hdel(keys.key(market, "outbox"), *[push.id for push in pushes])

    def forget(self, market: str) -> None:
        with reaching_redis():
            self._client.delete(*keys.keys(market))

    def new_epoch(self) -> str:
        return secrets.token_hex(6)


class _Writes:
    """Appends commands to the script's arguments; one without arguments is left out."""

    def __init__(self, arguments: list[object]) -> None:
        self._arguments = arguments

    def add(self, command: str, part: str, arguments: list[object]) -> None:
        if arguments:
            self._arguments += [command, _NUMBER[part], len(arguments), *arguments]


def _write_changes(writes: _Writes, changes: ViewChanges) -> None:
    for side, part in ((Side.BUY, "bids"), (Side.SELL, "asks")):
        levels = [(price, *level) for (level_side, price), level in changes.levels.items() if level_side == side]
        writes.add("HSET", part, [text for price, lots, orders in levels if lots
                                  for text in (price, keys.encode_level(lots, orders))])
        writes.add("HDEL", part, [price for price, lots, _ in levels if not lots])
    writes.add("HSET", "live", [part for order_id, order in changes.orders.items() if order
                                for part in (order_id, order.pack())])
    writes.add("HDEL", "live", [order_id for order_id, order in changes.orders.items() if not order])
    if changes.trades:
        writes.add("LPUSH", "trades", [trade.pack() for trade in changes.trades])
        writes.add("LTRIM", "trades", [0, TRADES_KEPT - 1])
    if changes.told:
        writes.add("LPUSH", "told", [keys.encode_told(told) for told in changes.told])
        writes.add("LTRIM", "told", [0, TOLD_KEPT - 1])
    writes.add("HSET", "minutes", [part for minute, bucket in changes.minutes.items()
                                   for part in (minute, keys.encode_bucket(bucket))])
    writes.add("HDEL", "minutes", list(changes.expired_minutes))
    writes.add("HSET", "hours", [part for item in changes.hours.items() for part in item])
    writes.add("HDEL", "hours", list(changes.expired_hours))


def _encode_subscriber(subscriber: Subscriber) -> str:
    return json.dumps([subscriber.version, sorted(subscriber.channels), subscriber.account, subscriber.user_id,
                       subscriber.profile_id])


def _decode_subscriber(name: str, value: bytes) -> Subscriber:
    version, channels, account, user_id, profile_id = json.loads(value)
    return Subscriber(name, version, frozenset(channels), account, user_id, profile_id)


def _order(item: tuple[bytes, bytes]) -> list[int]:
    """Push ids are `epoch:revision:part:digest`; the outbox is sent in their order."""
    return [int(number) for number in item[0].split(b":")[1:3]]


def _levels(side: Side, found: dict[bytes, bytes]) -> Levels:
    return Levels(side, {price: (lots, orders) for price, lots, orders in keys.decode_levels(found.items())})
