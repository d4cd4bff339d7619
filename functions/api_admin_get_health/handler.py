"""GET /admin/health: markets, queues, audits, withdrawals under way, and what of them is wrong, in words.

A part that cannot be read does not hide the others: it stands in `unreachable`, and the exchange is not healthy.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from exchange.adapters.audit_overview import audit_rows
from exchange.adapters.market_overview import market_rows
from exchange.adapters.postgres.withdrawals import under_way
from exchange.adapters.queue_depths import queue_rows, queue_urls
from exchange.adapters.service_faults import SERVICE_FAULTS
from exchange.api.door import operation
from exchange.api.request import Request
from exchange.health import troubles
from exchange.markets import listing
from exchange.times import iso

IN_THE_CLOUD = os.environ["EXCHANGE_PORTS"] == "aws"


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """`troubles`: `what` (its runbook), `subject`, `text`. `functions` (cloud only): errors, throttles and environments of the
    last five minutes."""
    unreachable: list[dict] = []

    def part(name: str, read: Callable[[], list[dict]]) -> list[dict]:
        try:
            return read()
        except SERVICE_FAULTS as fault:
            unreachable.append({"part": name, "text": type(fault).__name__})
            return []

    markets = part("markets", lambda: market_rows(list(listing().markets.values())))
    queues = part("queues", _queues)
    audits = part("audits", lambda: audit_rows(list(listing().markets.values())))
    withdrawals = part("withdrawals", under_way)
    found = troubles(markets=markets, queues=queues, audits=audits, withdrawals=withdrawals, now=datetime.now(UTC))
    answer = {"time": iso(request.received_at_ms), "healthy": not found and not unreachable, "troubles": found,
              "unreachable": unreachable, "markets": markets, "queues": queues, "audits": audits,
              "withdrawals": withdrawals}
    return answer | ({"functions": part("functions", _functions)} if IN_THE_CLOUD else {})


def _queues() -> list[dict]:
    ages: dict[str, float] = {}
    if IN_THE_CLOUD:
        from exchange.adapters.aws.metrics import queue_ages_s

        ages = queue_ages_s([url.rsplit("/", 1)[-1] for url in queue_urls().values()])
    return [_given({"name": row.name, "dead": row.dead, "waiting": row.waiting, "in_flight": row.in_flight,
                    "oldest_age_s": row.oldest_age_s}) for row in queue_rows(ages)]


def _functions() -> list[dict]:
    from exchange.adapters.aws.metrics import function_figures

    prefix = f"exchange-{os.environ['STAGE']}-"
    names = [f"engine_match_orders-{market}" for market in listing().markets]
    return function_figures([prefix + name for name in (*names, "ledger_settle_fills", "feed_publish", "api_place_order")])


def _given(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}
