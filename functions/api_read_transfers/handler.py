"""GET /transfers, GET /transfers/{transfer_id}, GET /accounts/{account_id}/transfers: the caller's deposits and withdrawals."""

from exchange.adapters.postgres import transfers
from exchange.api.accounts import own_balance
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.pages import page_of
from exchange.api.request import Request
from exchange.api.withdrawals import listed_asset, transfer_object

TYPES = {"deposit": "deposit", "withdraw": "withdrawal", "withdrawal": "withdrawal"}
# Transfers between a user's own profiles: there is one profile, so there are none.
INTERNAL = ("internal_deposit", "internal_withdraw")


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """One transfer with its steps, or a page of them, newest first; by `type` and `currency`."""
    if "transfer_id" in request.path_parameters:
        row = transfers.find(request.path_uuid("transfer_id"), account=request.caller.account)
        if row is None:
            raise NotFound()
        return Response(transfer_object(row))
    kind, page = request.query("type"), page_of(request)
    if kind is not None and kind not in TYPES and kind not in INTERNAL:
        raise BadRequest(f"type is {kind[:40]!r}, wanted deposit or withdraw", "invalid_type")
    if "account_id" in request.path_parameters:
        asset = own_balance(request)["asset"]
    else:
        currency = request.query("currency")
        asset = listed_asset(currency).id if currency is not None else None
    if kind in INTERNAL:
        return Response([])
    rows = transfers.list_transfers(request.caller.account, kind=TYPES.get(kind), asset=asset, page=page)
    return page.answer(rows, [transfer_object(row) for row in rows])
