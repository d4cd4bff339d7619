"""DELETE /orders: asks to cancel all of the caller's orders, of one product if one is given (query, or body)."""

from uuid import uuid4

from exchange.adapters.cancels import cancel_all
from exchange.api.door import operation
from exchange.api.order_ids import market_in
from exchange.api.request import Request


@operation(scope="trade")
def lambda_handler(request: Request) -> list[str]:
    """The ids of the orders that a cancel was sent for, oldest first."""
    market = market_in(request.query("product_id") or request.json().get("product_id"))
    return cancel_all(request.caller.account, market=market.id if market else None, now_ms=request.received_at_ms,
                      name=f"cancels:{uuid4().hex}")
