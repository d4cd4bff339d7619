"""GET /products/{product_id}/trades: trades, newest first, by pages of trade ids."""

from exchange.adapters.redis.market_views import MarketViews
from exchange.api.door import Response, operation
from exchange.api.pages import page_of
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import trade_row

views = MarketViews()
FAR = 2**62


@operation(public=True)
def lambda_handler(request: Request) -> Response:
    """`side` is the maker's. `before` and `after` are trade ids; `cb-after` is absent on the last page. The last 1000 are in
    the views, older ones in the ledger's database, which is asked only where the page reaches them."""
    market, page = product_of(request), page_of(request)
    newer_than, older_than = page.newer_than or 0, FAR if page.older_than is None else page.older_than
    # From a `before` cursor, the page next to it.
    upwards = page.newer_than is not None and page.older_than is None
    is_newest_page = page.newer_than is None and page.older_than is None
    cached = views.trades(market.id, page.limit + 1 if is_newest_page else 0)
    rows = [trade_row(market, trade) for trade in cached if newer_than < trade.trade_id < older_than]
    oldest = cached[-1].trade_id if cached else FAR
    if oldest > 1 and newer_than < oldest - 1 and (upwards or len(rows) <= page.limit):
        # Imported here: most requests are for the newest trades.
        from exchange.adapters.postgres.candles import read_trades
        rows += read_trades(market, newer_than=newer_than, older_than=min(older_than, oldest), limit=page.limit + 1,
                            upwards=upwards)
    shown = rows[-page.limit:] if upwards else rows[:page.limit]
    headers = {}
    if shown:
        headers["cb-before"] = str(shown[0]["trade_id"])
        if upwards or len(rows) > len(shown):
            headers["cb-after"] = str(shown[-1]["trade_id"])
    return Response(shown, headers=headers)
