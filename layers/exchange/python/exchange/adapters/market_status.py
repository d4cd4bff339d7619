"""The status row of each market (DynamoDB, MARKET_STATUS_TABLE): may new orders come in?

A market without a row is online; `exchange.market_modes` says what a status means. Each write names the row it replaces, so
that of two writers one starts over: an operator who resumes cannot undo a halt that he has not seen. Read by the order
operations and the products, all markets in one request; written by what halts a market (`adapters.halt`) and by operators
(`adapters.steering`).
"""

import math
import os
import time
from datetime import UTC, datetime

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError

from exchange.adapters.aws.tables import Table, TableMeta, condition_failed
from exchange.faults import RetryableFault
from exchange.market_modes import HALTED, LastHalt, Status
from exchange.markets import listing

REASON_LENGTH = 1000


class _Row(Table):
    class Meta(TableMeta):
        table_name = os.environ.get("MARKET_STATUS_TABLE", "")

    market = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute()
    reason = UnicodeAttribute()
    since = UnicodeAttribute()  # also the row's version: it differs in every write
    by = UnicodeAttribute(null=True)
    broken = BooleanAttribute(null=True)
    halt_reason = UnicodeAttribute(null=True)
    halt_since = UnicodeAttribute(null=True)
    halt_by = UnicodeAttribute(null=True)
    halt_broken = BooleanAttribute(null=True)


class StatusChanged(RetryableFault):
    """The row is not the one that was read: somebody else has steered or halted the market meanwhile."""


class MarketStatus:
    """Reads are cached for `max_age_s`; pynamodb's exceptions pass through."""

    def __init__(self, max_age_s: float = 1.0) -> None:
        self._max_age_s = max_age_s
        self._read_at = -math.inf
        self._statuses: dict[str, Status] = {}

    def get(self, market: str) -> Status:
        """The market's status, at most `max_age_s` old. A read takes the rows of all markets along."""
        now = time.monotonic()
        if now - self._read_at >= self._max_age_s or market not in self._statuses:
            markets = {market, *listing().markets}
            rows = {row.market: _status(row) for row in _Row.batch_get(sorted(markets))}
            self._statuses = {name: rows.get(name, Status()) for name in markets}
            self._read_at = now
        return self._statuses[market]

    def forget(self) -> None:
        """The next `get` reads."""
        self._read_at = -math.inf

    def newest(self, market: str) -> Status:
        """The market's status as the table has it now; `get` answers no older one from here on."""
        try:
            status = _status(_Row.get(market, consistent_read=True))
        except _Row.DoesNotExist:
            status = Status()
        self._statuses[market] = status
        return status

    def halt(self, market: str, *, reason: str, by: str = "", broken: bool = True) -> Status:
        """No new orders from now on; the row that stands. The first reason stays, later ones are often its consequences;
        but a broken invariant takes the place of an operator's halt, which is lifted more easily."""
        for _ in range(5):
            seen = self.newest(market)
            if seen.halted and (seen.broken or not broken):
                return seen
            try:
                return self.move(market, seen, to=HALTED, reason=reason, by=by, broken=broken)
            except StatusChanged:
                continue
        raise StatusChanged(f"{market}: the status row changed five times while it was being halted")

    def move(self, market: str, seen: Status, *, to: str, reason: str, by: str, broken: bool = False) -> Status:
        """Replaces the row `seen`; the new one. Raises StatusChanged where the table holds another by now."""
        since, reason = datetime.now(UTC).isoformat(timespec="microseconds"), reason[:REASON_LENGTH]
        last = LastHalt(reason=reason, at=since, by=by, broken=broken) if to == HALTED else seen.last_halt
        row = _Row(market, status=to, reason=reason, since=since, by=by or None, broken=broken)
        if last is not None:
            row.halt_reason, row.halt_since, row.halt_by, row.halt_broken = last.reason, last.at, last.by or None, last.broken
        try:
            row.save(_Row.since == seen.since if seen.since else _Row.market.does_not_exist())
        except PutError as error:
            if condition_failed(error):
                raise StatusChanged(f"{market}: the status row is not that of {seen.since or 'no time'}") from None
            raise
        finally:
            self.forget()
        return Status(to, reason, since, by, broken, last)


def _status(row: _Row) -> Status:
    # A row without `broken` is by an earlier version, when only a broken invariant halted a market.
    broken = row.status == HALTED if row.broken is None else row.broken
    last = None
    if row.halt_since is not None:
        last = LastHalt(row.halt_reason or "", row.halt_since, row.halt_by or "", bool(row.halt_broken))
    elif row.status == HALTED:
        last = LastHalt(row.reason, row.since, "", broken)
    return Status(row.status, row.reason, row.since, row.by or "", broken, last)
