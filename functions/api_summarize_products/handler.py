"""GET /products/volume-summary and /products/spark-lines: all markets at a glance, in one round trip to the views."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import Response, operation
from exchange.api.request import Request
from exchange.feed.rows import spark_lines_json, volume_row
from exchange.markets import listing

views = MarketViews()


@operation(public=True)
def lambda_handler(request: Request) -> list | Response:
    """Volumes as a list; by product, lines of `[time, low, high, open, close]` per quarter hour with trades, newest first."""
    markets = listing().markets
    if request.path.endswith("/spark-lines"):
        return Response(spark_lines_json(markets, views.spark_lines(markets)))
    return [volume_row(markets[market], *lots) for market, lots in views.volumes(markets).items()]
