"""GET /products: the listed markets and whether they trade."""

from exchange.adapters.market_status import MarketStatus
from exchange.api.door import operation
from exchange.api.request import Request
from exchange.feed.rows import product_row
from exchange.markets import listing

statuses = MarketStatus()


@operation(public=True)
def lambda_handler(request: Request) -> list:
    shown = [(market, statuses.get(market.id)) for market in listing().markets.values()]
    return [product_row(market, halted=status.halted, collecting=status.collecting) for market, status in shown]
