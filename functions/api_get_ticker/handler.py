"""GET /products/{product_id}/ticker: the last trade, the touch, the volume of 24 hours."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import operation
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import ticker_row

views = MarketViews()


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    """Before the first trade there is no price, and without orders no bid or ask: absent, not null."""
    market = product_of(request)
    return ticker_row(market, views.ticker(market.id))
