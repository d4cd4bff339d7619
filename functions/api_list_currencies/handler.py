"""GET /currencies and /currencies/{currency_id}: the listed assets."""

from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request
from exchange.feed.rows import currency_row
from exchange.markets import listing

ROWS = {asset.id: currency_row(asset, number) for number, asset in enumerate(listing().assets.values(), start=1)}


@operation(public=True)
def lambda_handler(request: Request) -> list | dict:
    """All currencies, or the one in the path; 404 for one that is not listed."""
    if not request.path_parameters:
        return list(ROWS.values())
    row = ROWS.get(request.path_parameter("currency_id"))
    if row is None:
        raise NotFound()
    return row
