"""Reading the views: what the public REST operations and the order's price band need. One round trip each."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from exchange.adapters.redis import keys
from exchange.adapters.redis.connection import read, read_by
from exchange.adapters.redis.node import Command
from exchange.adapters.redis.windows import Wanted, Windows
from exchange.commands import Side
from exchange.events import Mode
from exchange.feed.orders import LiveOrder, Trade
from exchange.feed.state import Told
from exchange.feed.statistics import DAY_MINUTES, Bucket, Figures, Statistics

if TYPE_CHECKING:
    import redis

Row = tuple[int, int, int]  # price in ticks, lots, orders


class BookView(NamedTuple):
    """A book as of `sequence`. Bids and asks are best first: `Row`s, or `LiveOrder`s in priority order at level 3. While an
    auction collects orders, and until it is over, the two sides may cross."""

    sequence: int
    at_ms: int
    in_auction: bool
    bids: list
    asks: list


class TickerView(NamedTuple):
    """The touch, the last trade (None before the first) and the figures of the last 24 h."""

    sequence: int
    bid: Row | None
    ask: Row | None
    last: Trade | None
    figures: Figures


class CursorView(NamedTuple):
    """How far the feed has followed the journal, and what it last saw."""

    seq: int
    sequence: int
    at_ms: int
    mode: Mode
    last: Trade | None


class _Windowed(NamedTuple):
    """What belongs to a market's figures. `touch` as it is encoded."""

    sequence: int
    touch: bytes | None
    last: Trade | None
    statistics: Statistics


class MarketViews:
    """A market without views (no entry yet, or being rebuilt) reads as empty, at sequence 0. ViewsUnavailable when Redis
    does not answer."""

    def __init__(self, redis_client: "redis.Redis | None" = None,
                 now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._given = redis_client
        self._now_ms = now_ms
        self._windows = Windows()

    def _read(self, commands: Sequence[Command], *, together: bool = False) -> list:
        return read(commands, together=together) if self._given is None else read_by(self._given, commands, together=together)

    def best(self, market: str) -> tuple[int | None, int | None, int | None]:
        """(best bid, best ask, last trade), in ticks."""
        touch, = self._read([("HGET", keys.key(market, "cursor"), "touch")])
        if not touch:
            return None, None, None
        bid, _, _, ask, _, _, last = keys.decode_touch(touch)
        return bid, ask, last

    def book(self, market: str, level: int) -> BookView:
        """Level 1: the touch; 2: all price levels; 3: all resting orders."""
        cursor = keys.key(market, "cursor")
        if level == 1:
            (*head, touch), = self._read([("HMGET", cursor, *_HEAD, "touch")])
            bid, ask = _touch_rows(touch) if touch else (None, None)
            return BookView(*_head(*head), [bid] if bid else [], [ask] if ask else [])
        parts = ("bids", "asks") if level == 2 else ("live",)
        found_head, *found = self._read([("HMGET", cursor, *_HEAD), *(("HGETALL", keys.key(market, part)) for part in parts)],
                                        together=True)
        head = _head(*found_head)
        if level == 2:
            bids, asks = (keys.decode_levels(keys.pairs(side)) for side in found)
            return BookView(*head, sorted(bids, reverse=True), sorted(asks))
        orders = [order for order in (LiveOrder.unpack(*item) for item in keys.pairs(found[0])) if order.opened]
        bids = sorted((order for order in orders if order.side == Side.BUY), key=lambda o: (-o.price_ticks, o.opened))
        asks = sorted((order for order in orders if order.side == Side.SELL), key=lambda o: (o.price_ticks, o.opened))
        return BookView(*head, bids, asks)

    def trades(self, market: str, limit: int = 0) -> list[Trade]:
        """The last trades, newest first, at most 1000, and of these at most `limit` where it is not 0."""
        found, = self._read([("LRANGE", keys.key(market, "trades"), 0, limit - 1)])
        return [Trade.unpack(record) for record in found]

    def ticker(self, market: str) -> TickerView:
        found = self._windowed([market])[market]
        bid, ask = _touch_rows(found.touch) if found.touch else (None, None)
        return TickerView(found.sequence, bid, ask, found.last, found.statistics.figures(self._now_ms()))

    def position(self, market: str) -> tuple[str, int]:
        """(epoch, seq): which views these are, and the journal entry that they stand at."""
        (epoch, seq), = self._read([("HMGET", keys.key(market, "cursor"), "epoch", "seq")])
        return (epoch or b"").decode(), int(seq or 0)

    def told(self, market: str) -> tuple[int, dict[int, Told]]:
        """(sequence, what the journal does not say of events up to it, by sequence)."""
        sequence, records = self._read([("HGET", keys.key(market, "cursor"), "sequence"),
                                        ("LRANGE", keys.key(market, "told"), 0, -1)], together=True)
        return int(sequence or 0), keys.decode_told(records)

    def minutes(self, market: str) -> dict[int, Bucket]:
        """The trades of each minute (by its number since the epoch) of the last 24 hours that had any, in order of time.
        Not to be changed."""
        return self._windowed([market])[market].statistics.minutes

    def volumes(self, markets: Iterable[str]) -> dict[str, tuple[int, int]]:
        """(lots of 24 h, lots of 30 days) of each market, in one round trip; what `/products/volume-summary` lists."""
        now_ms = self._now_ms()
        figures = {market: found.statistics.figures(now_ms) for market, found in self._windowed(list(markets)).items()}
        return {market: (found.lots, found.lots_30d) for market, found in figures.items()}

    def spark_lines(self, markets: Iterable[str], step_s: int = 900) -> dict[str, list[tuple[int, int, int, int, int]]]:
        """(start of the step in seconds since the epoch; low, high, open, close in ticks) of each step of the last 24 h
        that had trades, newest first, in one round trip; what `/products/spark-lines` lists. `step_s`: whole minutes."""
        first = self._now_ms() // 60_000 - DAY_MINUTES
        lines = {}
        for market, found in self._windowed(list(markets)).items():
            steps: dict[int, tuple[int, int, int, int, int]] = {}
            for minute, bucket in found.statistics.minutes.items():
                if minute > first:
                    at_s = minute * 60 // step_s * step_s
                    _, low, high, opened, _ = steps.get(at_s, (at_s, bucket.low, bucket.high, bucket.open, bucket.close))
                    steps[at_s] = (at_s, min(low, bucket.low), max(high, bucket.high), opened, bucket.close)
            lines[market] = sorted(steps.values(), reverse=True)
        return lines

    def listening(self, markets: Iterable[str]) -> dict[str, frozenset[str]]:
        """The channels moved by the clock that anybody has, of each market that has any; one round trip."""
        names = list(markets)
        answers = self._read([("HGET", keys.key(market, "cursor"), "listening") for market in names])
        return {market: frozenset(found.decode().split(",")) for market, found in zip(names, answers, strict=True) if found}

    def _windowed(self, markets: list[str]) -> dict[str, "_Windowed"]:
        """Each market with its windows. One round trip, and another where the kept windows do not reach; a market alone is as
        of one moment, several may live on different nodes."""
        found: dict[str, _Windowed] = {}
        while left := [market for market in markets if market not in found]:
            now_ms = self._now_ms()
            wanted = {market: self._windows.wanted(market, now_ms) for market in left}
            answers = iter(self._read_windows(wanted))
            for (market, fields), (epoch, at_ms, sequence, touch), trade, minutes, hours in zip(
                    wanted.items(), answers, answers, answers, answers, strict=True):
                statistics = self._windows.take(market, fields, epoch, int(at_ms or 0), minutes, hours)
                if statistics is not None:
                    found[market] = _Windowed(int(sequence or 0), touch, Trade.unpack(trade) if trade else None, statistics)
        return found

    def _read_windows(self, wanted: dict[str, Wanted | None]) -> list:
        """Of each market its cursor, last trade, minutes and hours, one after the other."""
        commands: list[Command] = []
        for market, fields in wanted.items():
            commands += [("HMGET", keys.key(market, "cursor"), "epoch", "at_ms", "sequence", "touch"),
                         ("LINDEX", keys.key(market, "trades"), 0)]
            for part in ("minutes", "hours"):
                name = keys.key(market, part)
                commands.append(("HGETALL", name) if fields is None else ("HMGET", name, *getattr(fields, part)))
        return self._read(commands, together=len(wanted) == 1)

    def cursor(self, market: str) -> CursorView:
        (seq, sequence, at_ms, mode), trade = self._read(
            [("HMGET", keys.key(market, "cursor"), "seq", *_HEAD), ("LINDEX", keys.key(market, "trades"), 0)], together=True)
        return CursorView(int(seq or 0), int(sequence or 0), int(at_ms or 0), Mode(int(mode or 0)),
                          Trade.unpack(trade) if trade else None)


_HEAD = ("sequence", "at_ms", "mode")


def _head(sequence: bytes | None, at_ms: bytes | None, mode: bytes | None) -> tuple[int, int, bool]:
    return int(sequence or 0), int(at_ms or 0), int(mode or 0) == Mode.AUCTION


def _touch_rows(touch: bytes) -> tuple[Row | None, Row | None]:
    bid, bid_lots, bid_orders, ask, ask_lots, ask_orders, _ = keys.decode_touch(touch)
    return ((bid, bid_lots, bid_orders) if bid is not None else None,
            (ask, ask_lots, ask_orders) if ask is not None else None)
