"""What an account pays: its 30-day volume from the ledger, and the rates of its tier, fixed for an order when it is placed.

The volume of an account is kept in the process for at most MAX_AGE_S, so an order costs no round trip for it; a tier that was
reached applies everywhere within that time. The rates travel in the order's command: its hold, its fees and their audit use
those, whatever the tier is later.

What was traded in a market with another quote than US dollars counts at the last price of that quote in US dollars.
"""

import time
from decimal import Decimal

from exchange.adapters.postgres.connection import repeatable
from exchange.markets import Market, listing

MAX_AGE_S = 60.0
_KEPT = 10_000
_volumes: dict[int, tuple[float, Decimal]] = {}

_VOLUME = """SELECT coalesce(sum(v.value * CASE WHEN v.quote = 'USD' THEN 1 ELSE coalesce((
        SELECT f.price FROM fills f WHERE f.market = v.quote || '-USD' ORDER BY f.trade_id DESC LIMIT 1), 0) END), 0)
        ::numeric(32,8)
    FROM (SELECT split_part(market, '-', 2) AS quote, sum(value) AS value FROM trading_volumes
           WHERE account_no = %s AND day > (now() AT TIME ZONE 'UTC')::date - 30 GROUP BY 1) v"""


def volume_30_days(account: int) -> Decimal:
    """The account's traded value of the last 30 days (UTC) in US dollars, now."""
    volume, = repeatable(lambda connection: connection.execute(_VOLUME, (account,)).fetchone())
    if len(_volumes) >= _KEPT:
        _volumes.clear()
    _volumes[account] = (time.monotonic(), volume)
    return volume


def fee_rates(account: int, market: Market) -> tuple[int, int]:
    """(maker, taker) in parts per million for the account's next order, by a volume at most MAX_AGE_S old."""
    kept = _volumes.get(account)
    fresh = kept is not None and time.monotonic() - kept[0] < MAX_AGE_S
    return listing().fee_rates(market, kept[1] if fresh else volume_30_days(account))
