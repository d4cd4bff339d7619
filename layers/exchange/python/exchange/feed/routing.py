"""Which connection gets which message: one event reaches a connection once, in its richest form.

    full     every public event          user     the events of one's own orders, with one's ids
    matches  the trades                  ticker   the newest state, after the trades
    level2   one update, last

A connection with several channels gets one merged stream in the order of the events, the ticker after them and the level
update last, so that nobody sees a book before the trades that made it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

import orjson

from exchange.events import EventKind, RejectCode
from exchange.feed import messages
from exchange.feed.state import MarketState, Published, is_rejected_amend
from exchange.markets import Market
from exchange.times import iso

LEVEL_CHANNELS = frozenset(("level2", "level2_batch"))
EVENT_CHANNELS = frozenset(("full", "matches", "user"))
# Moved by the clock; see `beat`.
BEAT_CHANNELS = frozenset(("heartbeat", "ticker_batch", "status"))

# A queue message holds 1 MiB, and what is in it is escaped once more.
MAX_PUSH_BYTES = 600_000


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A connection's part in one market. `version` grows with each change that the client asked for; `account` is 0, and
    the ids are empty, while nobody has signed in."""

    connection: str
    version: int
    channels: frozenset[str]
    account: int = 0
    user_id: str = ""
    profile_id: str = ""


@dataclass(slots=True)
class Buffered:
    """What entries have brought since messages were last made: events in order, levels, and the sequence before."""

    previous_sequence: int
    events: list[Published] = field(default_factory=list)
    levels: set[tuple[int, int]] = field(default_factory=set)
    traded: bool = False

    def add(self, events: list[Published], levels: Iterable[tuple[int, int]]) -> None:
        self.events += events
        self.levels.update(levels)
        self.traded = self.traded or any(item.event.kind == EventKind.TRADE for item in events)


@dataclass(slots=True)
class Outgoing:
    """Messages in order with their receivers, until `bodies` cuts them into the queue's messages per shard."""

    _parts: list[tuple[list[str], list[str]]] = field(default_factory=list)  # (connections, texts)
    _closes: list[str] = field(default_factory=list)

    def send(self, connections: list[str], texts: list[str]) -> None:
        if connections and texts:
            self._parts.append((connections, texts))

    def close(self, connection: str) -> None:
        """Ends a connection after what was sent to it."""
        self._closes.append(connection)

    def __bool__(self) -> bool:
        return bool(self._parts or self._closes)

    def bodies(self, market: str, shards: int, batched: frozenset[str] = frozenset()) -> list[tuple[int, str]]:
        """(shard, body) in the order to be sent; a body is JSON:
        `{"market", "texts": [...], "send": [[[connection, ...], [index of a text, ...]], ...], "close": [...]}`, and as `batch`
        those of its connections that are in `batched`: they take several messages in one frame."""
        by_shard: dict[int, list[_Body]] = {}
        for connections, texts in self._parts:
            for shard, members in _by_shard(connections, shards).items():
                bodies = by_shard.setdefault(shard, [_Body()])
                for text in texts:
                    if bodies[-1].size + len(text) > MAX_PUSH_BYTES and bodies[-1].texts:
                        bodies.append(_Body())
                    bodies[-1].add(members, text)
        for shard, members in _by_shard(self._closes, shards).items():
            by_shard.setdefault(shard, [_Body()])[-1].close += members
        self._parts, self._closes = [], []
        return [(shard, body.encode(market, batched)) for shard, bodies in by_shard.items() for body in bodies]


class _Body:
    __slots__ = ("_index", "close", "send", "size", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.send: list[tuple[list[str], list[int]]] = []
        self.close: list[str] = []
        self.size = 0
        self._index: dict[str, int] = {}

    def add(self, connections: list[str], text: str) -> None:
        index = self._index.get(text)
        if index is None:
            index = self._index[text] = len(self.texts)
            self.texts.append(text)
            self.size += len(text)
        if self.send and self.send[-1][0] == connections:
            self.send[-1][1].append(index)
        else:
            self.send.append((connections, [index]))
            self.size += sum(map(len, connections))

    def encode(self, market: str, batched: frozenset[str]) -> str:
        batch = batched and sorted({one for connections, _ in self.send for one in connections if one in batched})
        return orjson.dumps({"market": market, "texts": self.texts, "send": self.send, "close": self.close,
                             "batch": list(batch)}).decode()


def shard_of(connection: str, shards: int) -> int:
    return crc32(connection.encode()) % shards


def _by_shard(connections: Iterable[str], shards: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for connection in connections:
        found.setdefault(shard_of(connection, shards), []).append(connection)
    return found


def route(market: Market, state: MarketState, buffered: Buffered, subscribers: Iterable[Subscriber],
          outgoing: Outgoing) -> None:
    """Turns what was buffered into messages for the subscribers and puts them into `outgoing`."""
    alike: dict[frozenset[str], list[str]] = {}
    signed_in: list[Subscriber] = []
    for subscriber in subscribers:
        if "user" in subscriber.channels or (subscriber.account and "full" in subscriber.channels):
            signed_in.append(subscriber)
        else:
            alike.setdefault(subscriber.channels, []).append(subscriber.connection)
    if not alike and not signed_in:
        return
    writer = _Writer(market, state, buffered)
    for channels, connections in alike.items():
        outgoing.send(connections, writer.texts(channels))
    for subscriber in signed_in:
        outgoing.send([subscriber.connection], writer.texts(subscriber.channels, subscriber))


def greeting(market: Market, state: MarketState, channels: Iterable[str]) -> list[str]:
    """What a subscription is answered with, at the cursor: the book, the last match, the ticker. `full` and `user` have
    none; their start is the level 3 book of the REST API. `status` is added by the publisher, who reads it."""
    texts = []
    if "matches" in channels and state.last_trade is not None:
        texts.append(messages.dump(messages.last_match(market, state.last_trade)))
    if not {"ticker", "ticker_batch"}.isdisjoint(channels) and (ticker := messages.ticker(market, state)) is not None:
        texts.append(messages.dump(ticker))
    if not LEVEL_CHANNELS.isdisjoint(channels):
        texts += map(messages.dump, messages.snapshot_messages(market, state))
    return texts


class _Writer:
    """Makes each text once, and only if somebody gets it."""

    def __init__(self, market: Market, state: MarketState, buffered: Buffered) -> None:
        self._market = market
        self._state = state
        self._buffered = buffered
        self._public: dict[int, dict] = {}
        self._texts: dict[int, str] = {}
        self._ticker: list[str] | None = None
        self._levels: list[str] | None = None

    def texts(self, channels: frozenset[str], signed_in: Subscriber | None = None) -> list[str]:
        texts: list[str] = []
        full, matches = "full" in channels, "matches" in channels
        if not EVENT_CHANNELS.isdisjoint(channels):
            for index, item in enumerate(self._buffered.events):
                if is_rejected_amend(item):
                    if signed_in is not None and _concerns(item, signed_in.account):
                        texts.append(messages.dump(messages.amend_rejected(
                            self._market, item, user_id=signed_in.user_id, profile_id=signed_in.profile_id)))
                elif signed_in is not None and _concerns(item, signed_in.account):
                    if full or not _is_repeat(item):
                        texts.append(messages.dump(messages.user_message(
                            self._market, self._message(index), item, account=signed_in.account,
                            user_id=signed_in.user_id, profile_id=signed_in.profile_id)))
                elif full or (matches and item.event.kind == EventKind.TRADE):
                    texts.append(self._text(index))
        if "ticker" in channels and self._buffered.traded:
            texts += self._ticker_texts()
        if not LEVEL_CHANNELS.isdisjoint(channels) and self._state.sequence != self._buffered.previous_sequence:
            texts += self._level_texts()
        return texts

    def _message(self, index: int) -> dict:
        message = self._public.get(index)
        if message is None:
            item = self._buffered.events[index]
            message = self._public[index] = messages.public_message(self._market, item, iso(item.at_ms))
        return message

    def _text(self, index: int) -> str:
        text = self._texts.get(index)
        if text is None:
            text = self._texts[index] = messages.dump(self._message(index))
        return text

    def _ticker_texts(self) -> list[str]:
        if self._ticker is None:
            ticker = messages.ticker(self._market, self._state)
            self._ticker = [messages.dump(ticker)] if ticker is not None else []
        return self._ticker

    def _level_texts(self) -> list[str]:
        if self._levels is None:
            self._levels = [messages.dump(message) for message in messages.level_updates(
                self._market, self._state, self._buffered.levels, self._buffered.previous_sequence)]
        return self._levels


def _concerns(item: Published, account: int) -> bool:
    return item.order.account == account or (item.maker is not None and item.maker.account == account)


def _is_repeat(item: Published) -> bool:
    return item.event.kind == EventKind.REJECTED and item.event.code == RejectCode.DUPLICATE_ORDER_ID
