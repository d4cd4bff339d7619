"""GET /products/{product_id}: one market and whether it trades."""

from exchange.adapters.market_status import MarketStatus
from exchange.api.door import operation
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.rows import product_row

statuses = MarketStatus()


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    market = product_of(request)
    status = statuses.get(market.id)
    return product_row(market, halted=status.halted, collecting=status.collecting)
