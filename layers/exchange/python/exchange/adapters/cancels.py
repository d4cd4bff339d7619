"""Asking the markets to cancel all of an account's orders.

Per market one message of up to 500 cancels, so that they reach the engine together. A cancel of an order that is still pending
could overtake it, if the order's own send failed: that is noted on the order first, and the sweep cancels again what is alive
then.
"""

import os

from exchange.adapters.ports import command_queue
from exchange.adapters.postgres import orders
from exchange.commands import MAX_COMMANDS_PER_MESSAGE, Command, CommandKind, encode_message


def cancel_all(account: int, *, market: str | None, now_ms: int, name: str) -> list[str]:
    """Sends a cancel for each live order of the account (in one market if one is given); their ids, oldest first.

    `name`: what the messages are called, each with a suffix; the queue drops a message whose name it has had within 5 minutes.
    """
    live = orders.list_live_ids(account, market)
    pending = [order_id for order_id, _, status in live if status == "pending"]
    if pending:
        orders.request_cancel(account, pending)
    records: dict[str, list[bytes]] = {}
    for order_id, market_id, _ in live:
        cancel = Command(kind=CommandKind.CANCEL, issued_at_ms=now_ms, order_id=order_id, account=account)
        records.setdefault(market_id, []).append(cancel.pack())
    for market_id, cancels in records.items():
        for start in range(0, len(cancels), MAX_COMMANDS_PER_MESSAGE):
            body = encode_message(cancels[start:start + MAX_COMMANDS_PER_MESSAGE])
            command_queue().send(queue=f"{os.environ['COMMAND_QUEUE_URL_PREFIX']}{market_id}.fifo", group=market_id,
                                 dedup_id=f"{name}:{start}", body=body)
    return [str(order_id) for order_id, _, _ in live]
