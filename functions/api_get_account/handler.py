"""GET /accounts/{account_id}: one balance of the caller."""

from exchange.api.accounts import own_balance
from exchange.api.door import operation
from exchange.api.render import account_object
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """The account object; 404 for one that is not the caller's."""
    return account_object(own_balance(request), request.caller.profile_id)
