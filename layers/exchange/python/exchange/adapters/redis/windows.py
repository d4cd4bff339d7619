"""The minutes of 24 hours and the hours of 30 days of each market, read once and then kept in the process.

A day of trades is 1,440 minutes and 720 hours: 10 ms to read and decode, for every request that shows a volume. But no bucket
before the minute of a market's newest entry changes any more, because an engine's time never runs backwards. What was read
is good up to that minute, and the next read begins there: two or three fields instead of two thousand.

    cursor: epoch, at_ms     read before the buckets: what it says of them is true, or a little less than what they hold
    another epoch            the views were rebuilt: all is read again
"""

from dataclasses import dataclass
from typing import NamedTuple

from exchange.adapters.redis import keys
from exchange.feed.statistics import DAY_MINUTES, HOUR_MS, MINUTE_MS, Statistics


class Wanted(NamedTuple):
    """The buckets to read of a market, where not all."""

    minutes: range
    hours: range


@dataclass(slots=True)
class _Kept:
    """`at_ms`: of the market's newest entry when it was read."""

    epoch: bytes
    at_ms: int
    statistics: Statistics


class Windows:
    """One process's. Not for several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def wanted(self, market: str, now_ms: int) -> Wanted | None:
        """What to read of the market, so that `take` knows all of its buckets; None: all."""
        kept = self._kept.get(market)
        if kept is None or now_ms // MINUTE_MS - kept.at_ms // MINUTE_MS >= DAY_MINUTES:
            return None
        # The engine's clock may be ahead of ours.
        return Wanted(*(range(kept.at_ms // span_ms, max(now_ms, kept.at_ms) // span_ms + 2)
                        for span_ms in (MINUTE_MS, HOUR_MS)))

    def take(self, market: str, wanted: Wanted | None, epoch: bytes | None, at_ms: int, minutes: list[bytes | None],
             hours: list[bytes | None]) -> Statistics | None:
        """The market's statistics with what was read: hashes where all was wanted, else the values of the fields. None where
        that does not reach: then all has to be read. Not to be changed."""
        if epoch is None:
            self._kept.pop(market, None)
            return Statistics()
        if wanted is None:
            statistics = Statistics(keys.decode_buckets(keys.pairs(minutes)), keys.decode_hours(keys.pairs(hours)))
            self._kept[market] = _Kept(epoch, at_ms, statistics)
            return statistics
        kept = self._kept[market]
        if kept.epoch != epoch or at_ms // MINUTE_MS not in wanted.minutes:
            del self._kept[market]
            return None
        kept.statistics.put(keys.decode_buckets(_present(wanted.minutes, minutes)),
                            keys.decode_hours(_present(wanted.hours, hours)))
        kept.at_ms = at_ms
        return kept.statistics


def _present(fields: range, values: list[bytes | None]) -> list[tuple[int, bytes]]:
    return [(number, value) for number, value in zip(fields, values, strict=True) if value is not None]
