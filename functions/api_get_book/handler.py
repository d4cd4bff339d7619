"""GET /products/{product_id}/book?level=1|2|3: the book as of `sequence`, the same number as in the feed."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import Response, operation
from exchange.api.large import large_answer
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import level_rows, order_rows
from exchange.times import iso

views = MarketViews()


@operation(public=True)
def lambda_handler(request: Request) -> Response:
    """Level 1: best bid and ask; 2: all price levels; 3: all orders. 400 for another level, or for more than can be sent."""
    market = product_of(request)
    level = request.query_int("level", 1, 1, 3)
    book = views.book(market.id, level)
    rows = order_rows if level == 3 else level_rows
    return large_answer(request, {
        "bids": rows(market, book.bids), "asks": rows(market, book.asks), "sequence": book.sequence,
        "auction_mode": book.in_auction, "time": iso(book.at_ms)})
