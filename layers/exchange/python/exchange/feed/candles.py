"""Candles: what was traded in each span of time, in six granularities, from the journal's trades.

    journal --CandleRecorder--> minutes and hours in PostgreSQL, for ever      the newest 24 h also stand in Redis, by minute
    both    --regroup---------> rows of any granularity

The recorder is a follower of its own, with a cursor that is stored together with the candles, so that each trade counts
once and a rebuild gives the same rows. It runs once a minute and stands in nobody's way: the newest trades are read from the
publisher's minutes. Time is the engine's; a span without trades has no candle.

Called by `functions/feed_record_candles` and, for reading, `functions/api_list_candles`.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

from exchange.events import CORES, RECORD, SIZE, EventKind
from exchange.feed.statistics import Bucket
from exchange.journal import JournalEntry, check_core, check_follows, decode_entry
from exchange.markets import Market
from exchange.money import format_units
from exchange.ports import Journal

GRANULARITIES_S = (60, 300, 900, 3600, 21600, 86400)
# Those that are stored; the others are put together from them.
STORED_S = (60, 3600)
MAX_ROWS = 300
PAGE = 200

Candles = dict[tuple[int, int], Bucket]  # (granularity in seconds, start in seconds since the epoch) -> what was traded


class CandleStore(Protocol):
    """Where candles are kept."""

    def cursor(self, market: str) -> tuple[int, bytes]:
        """(seq, hash) of the last entry recorded; (0, GENESIS_HASH) for none."""

    def save(self, market: str, *, after: int, seq: int, hash_: bytes, candles: Candles) -> None:
        """Adds the candles to those stored and moves the cursor from `after` to (seq, hash), in one transaction.
        StaleCursor, and nothing changed, where the cursor is not at `after`."""


class CandleRecorder:
    """Moves the stored candles along the journal. `time_left_s`: it stops between two pages while there is still time."""

    def __init__(self, *, journal: Journal, store: CandleStore, page: int = PAGE) -> None:
        self._journal = journal
        self._store = store
        self._page = page

    def catch_up(self, market: str, time_left_s: Callable[[], float] = lambda: 3600) -> int:
        """Up to the journal's head; how many entries there were. Raises JournalBroken where the chain is broken,
        StaleCursor where another is at it."""
        seq, hash_ = self._store.cursor(market)
        recorded = 0
        while time_left_s() > 5 and (page := self._journal.after(market=market, seq=seq, limit=self._page)):
            after, candles = seq, {}
            for raw in page:
                entry = decode_entry(raw)
                check_follows(entry, market=market, seq=seq, prev_hash=hash_)
                check_core(entry.core_version, CORES, entry)
                add_trades(candles, entry)
                seq, hash_ = entry.seq, entry.hash
            self._store.save(market, after=after, seq=seq, hash_=hash_, candles=candles)
            recorded += len(page)
        return recorded


def add_trades(candles: Candles, entry: JournalEntry) -> None:
    """Counts the entry's trades in the stored granularities."""
    events, at_s = entry.events, entry.at_ms // 1000
    for start in range(0, len(events), SIZE):
        if events[start] != EventKind.TRADE:  # most are not, and need not be unpacked
            continue
        *_, price_ticks, lots, _ = RECORD.unpack_from(events, start)
        for granularity_s in STORED_S:
            key = (granularity_s, at_s - at_s % granularity_s)
            bucket = candles.get(key)
            candles[key] = (bucket.with_trade(price_ticks, lots) if bucket is not None
                            else Bucket(price_ticks, price_ticks, price_ticks, price_ticks, lots, 1))


def regroup(parts: Iterable[tuple[int, Bucket]], granularity_s: int) -> dict[int, Bucket]:
    """Coarser candles by their start; `parts` (start in seconds, bucket) in order of time, of any finer granularities."""
    if granularity_s == STORED_S[0]:  # there are no finer ones
        return dict(parts)
    whole: dict[int, Bucket] = {}
    for at_s, part in parts:
        start_s = at_s - at_s % granularity_s
        bucket = whole.get(start_s)
        whole[start_s] = part if bucket is None else Bucket(
            bucket.open, max(bucket.high, part.high), min(bucket.low, part.low), part.close, bucket.lots + part.lots,
            bucket.trades + part.trades)
    return whole


def candle_rows(market: Market, candles: dict[int, Bucket]) -> bytes:
    """`[[time, low, high, open, close, volume], ...]` as JSON, newest first, at most MAX_ROWS. The numbers are JSON numbers and
    yet exact: written out from whole ticks and lots, never through a float."""
    newest = sorted(candles.items(), reverse=True)[:MAX_ROWS]
    rows = [_row(start_s, bucket, market.tick_step, market.quote_places, market.units_per_lot, market.base.scale)
            for start_s, bucket in newest]
    return f"[{','.join(rows)}]".encode("ascii")


# All but the newest candle stay as they are, and the newest 300 are what most ask for.
@lru_cache(maxsize=1 << 13)
def _row(start_s: int, bucket: Bucket, tick_step: int, quote_places: int, units_per_lot: int, base_scale: int) -> str:
    prices = [_number(format_units(ticks * tick_step, quote_places))
              for ticks in (bucket.low, bucket.high, bucket.open, bucket.close)]
    return f"[{start_s},{','.join(prices)},{_number(format_units(bucket.lots * units_per_lot, base_scale))}]"


def _number(text: str) -> str:
    """A decimal text as the shortest JSON number of the same value."""
    return text.rstrip("0").rstrip(".") if "." in text else text
