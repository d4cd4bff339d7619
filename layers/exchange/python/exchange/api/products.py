"""The product that a path names."""

from exchange.api.errors import NotFound
from exchange.api.request import Request
from exchange.markets import Market, listing


def product_of(request: Request) -> Market:
    """The market of `{product_id}`; NotFound for one that is not listed."""
    market = listing().markets.get(request.path_parameter("product_id"))
    if market is None:
        raise NotFound()
    return market
