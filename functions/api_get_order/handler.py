"""GET /orders/{order_id}, also as /orders/client:{client_oid}."""

from exchange.api.door import operation
from exchange.api.order_ids import own_order
from exchange.api.render import order_object
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """The order, whatever its status; 404 for one that is not the caller's."""
    return order_object(own_order(request), request.caller.profile_id)
