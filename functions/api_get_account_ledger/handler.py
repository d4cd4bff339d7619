"""GET /accounts/{account_id}/ledger: what moved one balance of the caller, newest first, with the balance after each."""

from exchange.adapters.postgres.accounts import list_postings
from exchange.api.accounts import own_balance
from exchange.api.door import Response, operation
from exchange.api.pages import page_of
from exchange.api.render import asset_of, ledger_object
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """A page of ledger rows."""
    balance, page = own_balance(request), page_of(request)
    rows = list_postings(request.caller.account, balance["asset"], page)
    return page.answer(rows, [ledger_object(row, asset_of(balance).scale) for row in rows])
