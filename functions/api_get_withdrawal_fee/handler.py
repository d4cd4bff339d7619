"""GET /withdrawals/fee-estimate: what a withdrawal of a currency costs."""

from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.request import Request
from exchange.api.withdrawals import listed_asset


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """`fee`, in the currency."""
    asset = listed_asset(request.query("currency"))
    if asset.withdrawal is None:
        raise BadRequest(f"{asset.id} cannot be withdrawn", "currency_not_withdrawable")
    return {"fee": asset.format(asset.parse(asset.withdrawal.fee)), "currency": asset.id}
