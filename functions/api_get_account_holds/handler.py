"""GET /accounts/{account_id}/holds: what holds money of one balance of the caller, newest first."""

from exchange.adapters.postgres.accounts import list_holds
from exchange.api.accounts import own_balance
from exchange.api.door import Response, operation
from exchange.api.pages import page_of
from exchange.api.render import asset_of, at_scale
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """A page of holds; `ref` is the order or the withdrawal. A hold has its id, and shrinks with it."""
    balance, page = own_balance(request), page_of(request)
    scale = asset_of(balance).scale
    rows = list_holds(request.caller.account, balance["asset"], page)
    return page.answer(rows, [
        {"id": row["id"], "created_at": row["created_at"], "updated_at": row["created_at"], "type": row["type"],
         "ref": row["id"], "amount": at_scale(row["amount"], scale)} for row in rows])
