"""DELETE /api-keys/{key}: the key stops working everywhere within seconds, and what it has signed in is disconnected."""

from exchange.adapters.api_keys import delete_key
from exchange.adapters.revocation import disconnect_key
from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request


@operation(scope="keys")
def lambda_handler(request: Request) -> str:
    """The deleted key's id; 404 for an unknown one and for somebody else's."""
    key = request.path_parameter("key")
    if not delete_key(request.caller.account, key):
        raise NotFound()
    disconnect_key(key)
    return key
