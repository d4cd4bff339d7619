"""GET /users/self/trailing-volume: what the caller, and everybody, traded in 30 days, per market."""

import time

from exchange.adapters.postgres.orders import sizes_30_days
from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import operation
from exchange.api.render import at_scale
from exchange.api.request import Request
from exchange.markets import listing
from exchange.times import iso

views = MarketViews()


@operation(scope="view")
def lambda_handler(request: Request) -> list[dict]:
    """Volumes in base, of the markets that the caller traded in."""
    markets, sizes = listing().markets, sizes_30_days(request.caller.account)
    traded = [market for market in markets if market in sizes]
    everybody = views.volumes(traded)
    at = iso(time.time_ns() // 1_000_000)
    return [{"product_id": market, "exchange_volume": markets[market].format_size(everybody[market][1]),
             "volume": at_scale(sizes[market], markets[market].base.scale), "recorded_at": at} for market in traded]
