"""GET /products/{product_id}/trades: the last trades, newest first, by pages of trade ids."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import Response, operation
from exchange.api.pages import page_of
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import trade_row

views = MarketViews()


@operation(public=True)
def lambda_handler(request: Request) -> Response:
    """`side` is the maker's. `before` and `after` are trade ids; `cb-after` is absent on the last page."""
    market, page = product_of(request), page_of(request)
    trades = [trade for trade in views.trades(market.id)
              if (page.newer_than is None or trade.trade_id > page.newer_than)
              and (page.older_than is None or trade.trade_id < page.older_than)]
    # From a `before` cursor, the page next to it.
    upwards = page.newer_than is not None and page.older_than is None
    shown = trades[-page.limit:] if upwards else trades[:page.limit]
    headers = {}
    if shown:
        headers["cb-before"] = str(shown[0].trade_id)
        if upwards or len(trades) > len(shown):
            headers["cb-after"] = str(shown[-1].trade_id)
    return Response([trade_row(market, trade) for trade in shown], headers=headers)
