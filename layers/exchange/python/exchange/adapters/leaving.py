"""Forgetting a connection that is gone: the publishers of its markets are told, then its row goes.

The one way out, whoever notices: `$disconnect`, the pusher, the sweep. Whether orders are to be canceled stands in the row, so
it is told exactly once: whoever finds the row tells it before he deletes it. Told twice it is one message of the feed queue.
"""

import os
from collections.abc import Iterable

from exchange.adapters import connections
from exchange.adapters.ports import command_queue
from exchange.feed.bodies import encode_drop


def forget(connection_id: str, markets: Iterable[str] = ()) -> None:
    """Tells the markets that the connection listens to, and `markets`; one that is not known is no error."""
    known = connections.find_connection(connection_id)
    for market in sorted({*markets, *(known.products if known else ())}):
        cancel = known if known is not None and market in known.cancels else None
        command_queue().send(
            queue=os.environ["FEED_QUEUE_URL"], group=market, dedup_id=f"drop:{connection_id}:{market}",
            body=encode_drop(market, connection_id, account=cancel.account, user_id=cancel.user_id, cancel=True)
            if cancel else encode_drop(market, connection_id))
    if known is not None:
        connections.close_connection(connection_id)
