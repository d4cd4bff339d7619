"""DELETE /orders/{order_id}, also as /orders/client:{client_oid}: asks the market to cancel one order.

The id is the answer once the cancel stands in the market's queue; what came of it follows on the feed. A cancel of an order
that is still pending could overtake it, if the order's own send failed: that is noted on the order first, and the sweep
cancels again what is still alive then.
"""

import os
from uuid import UUID, uuid4

from exchange.adapters.ports import command_queue
from exchange.adapters.postgres import orders
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.order_ids import own_order
from exchange.api.request import Request
from exchange.commands import Command, CommandKind, encode_message

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]


@operation(scope="trade")
def lambda_handler(request: Request) -> str:
    """The order's id. A body is not looked at: some clients sign and send one."""
    row, account = own_order(request), request.caller.account
    if row["status"] == "done":
        raise BadRequest("Order already done", "order_already_done")
    order_id, market = UUID(row["id"]), row["market"]
    if row["status"] == "pending":
        orders.request_cancel(account, [order_id])
    cancel = Command(kind=CommandKind.CANCEL, issued_at_ms=request.received_at_ms, order_id=order_id, account=account)
    command_queue().send(queue=f"{PREFIX}{market}.fifo", group=market, dedup_id=f"cancel:{order_id}:{uuid4().hex}",
                         body=encode_message([cancel.pack()]))
    return row["id"]
