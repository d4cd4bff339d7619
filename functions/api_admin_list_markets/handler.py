"""GET /admin/markets: each market's status, its book's mode, its journal's head and how far the followers are behind."""

from exchange.adapters.market_overview import market_rows
from exchange.api.door import operation
from exchange.api.request import Request
from exchange.markets import listing


@operation(scope="operate")
def lambda_handler(request: Request) -> list:
    return market_rows(list(listing().markets.values()))
