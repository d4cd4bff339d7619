"""POST /orders: order and hold in one transaction, then the order into its market's queue.

    parse -> market online? -> [order row + hold] durable -> send -> answer `pending`

The answer is owed to what is durable. Once row and hold are committed the order stands, and a failed send changes nothing
about that: the sweep sends every order that stays pending again, and the engine's answer resolves it and its hold. So a
send that fails is logged and the trader gets the pending order; an error here would invite a second order.
"""

from uuid import UUID

from exchange.adapters.postgres import orders
from exchange.adapters.postgres.connection import DatabaseUnavailable
from exchange.api.door import operation
from exchange.api.errors import BadRequest, Unavailable
from exchange.api.placing import RepeatedOrder, new_order, send, what_stands
from exchange.api.render import placed_order
from exchange.api.request import Request
from exchange.markets import listing
from exchange.order_terms import OrderRefused
from exchange.orders import NewOrder

listing()


@operation(scope="trade", bucket="orders")
def lambda_handler(request: Request) -> dict:
    """The order as a JSON object with status `pending`."""
    caller = request.caller
    try:
        order = new_order(request.json(), caller, request.received_at_ms)
        earlier = what_stands(caller, order, _place(order))
        if earlier is not None:
            return earlier
    except RepeatedOrder as repeated:
        return repeated.answer
    except OrderRefused as refused:
        raise BadRequest(refused.message, refused.code) from None
    send(order.terms.market.id, [order.command.pack()], dedup_id=str(order.id), resent=True)
    return placed_order(order, caller.profile_id)


def _place(order: NewOrder) -> UUID | None:
    try:
        return orders.place(order)
    except DatabaseUnavailable:
        # The commit may have happened before the connection broke; then the order stands and will be matched.
        raise Unavailable(f"the outcome is unknown: look for order {order.id} before you send another",
                          "outcome_unknown") from None
