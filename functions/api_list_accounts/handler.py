"""GET /accounts: the caller's balance in each listed asset."""

from exchange.adapters.postgres.accounts import list_balances
from exchange.api.door import operation
from exchange.api.render import account_object
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> list[dict]:
    """Account objects by currency; `balance` is exactly `available + hold`."""
    return [account_object(row, request.caller.profile_id) for row in list_balances(request.caller.account)]
