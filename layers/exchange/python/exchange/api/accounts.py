"""The account (a balance in one asset) that a path names."""

from exchange.adapters.postgres.accounts import find_balance
from exchange.api.errors import NotFound
from exchange.api.request import Request


def own_balance(request: Request) -> dict:
    """The caller's balance row with the path's account id. Raises NotFound, also for somebody else's."""
    row = find_balance(request.caller.account, request.path_uuid("account_id"))
    if row is None:
        raise NotFound()
    return row
