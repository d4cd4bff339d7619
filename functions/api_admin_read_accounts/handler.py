"""GET /admin/accounts, GET /admin/accounts/{account_id}: users' accounts, by `query`, and one with its balances."""

from exchange.adapters.postgres import operated_accounts
from exchange.api.door import Response, operation
from exchange.api.operated import account_of, operated_account
from exchange.api.pages import page_of
from exchange.api.request import Request


@operation(scope="operate")
def lambda_handler(request: Request) -> Response:
    """A page of accounts, newest first; or one account."""
    if "account_id" in request.path_parameters:
        return Response(operated_account(account_of(request.path_uuid("account_id"))))
    page = page_of(request)
    rows = operated_accounts.search(request.query("query"), page)
    return page.answer(rows, [operated_account(row) for row in rows])
