"""DELETE /orders: asks to cancel all of the caller's orders, of one product if one is given (query, or body).

Per market one message of up to 500 cancels, so that they reach the engine together.
"""

import os
from uuid import uuid4

from exchange.adapters.ports import command_queue
from exchange.adapters.postgres import orders
from exchange.api.door import operation
from exchange.api.order_ids import market_in
from exchange.api.request import Request
from exchange.commands import MAX_COMMANDS_PER_MESSAGE, Command, CommandKind, encode_message

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]


@operation(scope="trade")
def lambda_handler(request: Request) -> list[str]:
    """The ids of the orders that a cancel was sent for, oldest first."""
    asked = request.query("product_id") or request.json().get("product_id")
    market, account = market_in(asked), request.caller.account
    live = orders.list_live_ids(account, market.id if market else None)
    pending = [order_id for order_id, _, status in live if status == "pending"]
    if pending:
        orders.request_cancel(account, pending)
    records: dict[str, list[bytes]] = {}
    for order_id, market_id, _ in live:
        cancel = Command(kind=CommandKind.CANCEL, issued_at_ms=request.received_at_ms, order_id=order_id, account=account)
        records.setdefault(market_id, []).append(cancel.pack())
    for market_id, cancels in records.items():
        for start in range(0, len(cancels), MAX_COMMANDS_PER_MESSAGE):
            command_queue().send(queue=f"{PREFIX}{market_id}.fifo", group=market_id, dedup_id=f"cancels:{uuid4().hex}",
                                 body=encode_message(cancels[start:start + MAX_COMMANDS_PER_MESSAGE]))
    return [str(order_id) for order_id, _, _ in live]
