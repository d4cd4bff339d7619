"""The status row of each market (DynamoDB, MARKET_STATUS_TABLE): may new orders come in?

The row stops the API at once; the HALT command in the market's queue stops the engine in the journal's order. A market
without a row is online. Read by `api_place_order` and the products; written by what halts a market and by operators.
"""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

ONLINE = "online"
HALTED = "halted"


class _Row(Model):
    class Meta:
        table_name = os.environ.get("MARKET_STATUS_TABLE", "")
        connect_timeout_seconds = 2
        read_timeout_seconds = 3

    market = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute()
    reason = UnicodeAttribute()
    since = UnicodeAttribute()


@dataclass(frozen=True, slots=True)
class Status:
    """A market's status; `reason` and `since` (ISO 8601) are empty for a market that was never halted."""

    status: str = ONLINE
    reason: str = ""
    since: str = ""

    @property
    def halted(self) -> bool:
        return self.status == HALTED


class MarketStatus:
    """Reads are cached for `max_age_s`; pynamodb's exceptions pass through."""

    def __init__(self, max_age_s: float = 1.0) -> None:
        self._max_age_s = max_age_s
        self._cached: dict[str, tuple[float, Status]] = {}

    def get(self, market: str) -> Status:
        """The market's status, at most `max_age_s` old."""
        now = time.monotonic()
        cached = self._cached.get(market)
        if cached and now - cached[0] < self._max_age_s:
            return cached[1]
        try:
            row = _Row.get(market)
            status = Status(row.status, row.reason, row.since)
        except _Row.DoesNotExist:
            status = Status()
        self._cached[market] = (now, status)
        return status

    def halt(self, market: str, *, reason: str) -> None:
        """No new orders from now on. The first reason stays: later ones are often its consequences."""
        if self._read(market).halted:
            return
        self._write(market, HALTED, reason)

    def resume(self, market: str, *, reason: str) -> None:
        """New orders are taken again."""
        self._write(market, ONLINE, reason)

    def _read(self, market: str) -> Status:
        self._cached.pop(market, None)
        return self.get(market)

    def _write(self, market: str, status: str, reason: str) -> None:
        _Row(market, status=status, reason=reason[:1000], since=datetime.now(UTC).isoformat()).save()
        self._cached.pop(market, None)
