"""GET /api-keys: the account's keys, without what is secret."""

from exchange.adapters.api_keys import list_keys
from exchange.api.door import operation
from exchange.api.request import Request


@operation(scope="keys")
def lambda_handler(request: Request) -> list[dict]:
    """Rows of `key, label, scopes, allowed_addresses, created_at`, oldest first; `last_used_at`, to the minute, of one that has
    signed."""
    return list_keys(request.caller.account)
