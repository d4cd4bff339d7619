"""24 h and 30 d figures of a market, from buckets of a minute and of an hour.

Time is the engine's (`at_ms` of the entries, or the reader's clock for an answer), so a rebuild from the journal gives
the same buckets. The 24 h window is the current minute and the 1,439 before it.
"""

from dataclasses import dataclass
from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MINUTES = 1440
MONTH_HOURS = 720


class Bucket(NamedTuple):
    """One minute's trades, in ticks and lots."""

    open: int
    high: int
    low: int
    close: int
    lots: int
    trades: int

    def with_trade(self, price_ticks: int, lots: int) -> "Bucket":
        return Bucket(self.open, max(self.high, price_ticks), min(self.low, price_ticks), price_ticks, self.lots + lots,
                      self.trades + 1)


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in 24 hours (`open` None: nothing) and the lots of 30 days."""

    open: int | None
    high: int | None
    low: int | None
    lots: int
    lots_30d: int


class Statistics:
    """`minutes` and `hours` by number since the epoch; `touched` and `expired` name what the views must write."""

    def __init__(self, minutes: dict[int, Bucket] | None = None, hours: dict[int, int] | None = None) -> None:
        self.minutes = dict(sorted((minutes or {}).items()))
        self.hours = dict(sorted((hours or {}).items()))
        self.touched_minutes: set[int] = set()
        self.touched_hours: set[int] = set()
        self.expired_minutes: list[int] = []
        self.expired_hours: list[int] = []
        # Sums over the closed minutes of the window, good while `_closed_at` is the current minute.
        self._closed_at = -1
        self._closed: tuple[int | None, int, int, int, int] = (None, 0, 0, 0, 0)

    def add(self, at_ms: int, price_ticks: int, lots: int) -> None:
        """Counts a trade; time never runs backwards."""
        minute, hour = at_ms // MINUTE_MS, at_ms // HOUR_MS
        bucket = self.minutes.get(minute)
        if bucket is None:
            self._expire(minute)
            self.minutes[minute] = Bucket(price_ticks, price_ticks, price_ticks, price_ticks, lots, 1)
        else:
            self.minutes[minute] = bucket.with_trade(price_ticks, lots)
        self.hours[hour] = self.hours.get(hour, 0) + lots
        self.touched_minutes.add(minute)
        self.touched_hours.add(hour)

    def put(self, minutes: dict[int, Bucket], hours: dict[int, int]) -> None:
        """Takes over buckets that somebody else has counted, none older than the newest here, and forgets what their windows no
        longer reach. Notes nothing of it."""
        for mine, theirs, now in ((self.minutes, minutes, self._closed_at), (self.hours, hours, self._closed_at // 60)):
            mine.update(sorted(theirs.items()))
            if theirs and min(theirs) < now:
                self._closed_at = -1
        if minutes:
            self._expire(max(minutes))
            self.expired_minutes.clear()
            self.expired_hours.clear()

    def figures(self, now_ms: int) -> Figures:
        """The figures of the windows that end now."""
        now = now_ms // MINUTE_MS
        if self._closed_at != now:
            self._sum_closed(now)
        opened, high, low, lots, month = self._closed
        current = self.minutes.get(now)
        month += self.hours.get(now_ms // HOUR_MS, 0)
        if current is None:
            return Figures(opened, high if opened is not None else None, low if opened is not None else None, lots, month)
        if opened is None:
            return Figures(current.open, current.high, current.low, current.lots, month)
        return Figures(opened, max(high, current.high), min(low, current.low), lots + current.lots, month)

    def _sum_closed(self, now: int) -> None:
        closed = [bucket for minute, bucket in self.minutes.items() if now - DAY_MINUTES < minute < now]
        this_hour = now // 60
        month = sum(lots for hour, lots in self.hours.items() if this_hour - MONTH_HOURS < hour < this_hour)
        if closed:
            self._closed = (closed[0].open, max(b.high for b in closed), min(b.low for b in closed),
                            sum(b.lots for b in closed), month)
        else:
            self._closed = (None, 0, 0, 0, month)
        self._closed_at = now

    def _expire(self, now: int) -> None:
        """Forgets what no window reaches any more; both dicts are in order of time."""
        while self.minutes and (first := next(iter(self.minutes))) <= now - DAY_MINUTES:
            del self.minutes[first]
            self.expired_minutes.append(first)
        while self.hours and (first := next(iter(self.hours))) <= now // 60 - MONTH_HOURS:
            del self.hours[first]
            self.expired_hours.append(first)
