"""GET /products/{product_id}/stats: open, high, low and volume of 24 hours, volume of 30 days."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import operation
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import statistics_row

views = MarketViews()


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    market = product_of(request)
    return statistics_row(market, views.ticker(market.id))
