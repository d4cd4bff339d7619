"""Ending what a deleted API key has signed in: each of its WebSocket connections is told why, and closed, by `feed_push`.

A connection is noted with its key before the key is looked up for the last time (`ws_subscribe`), and the key is gone before
this looks for connections, so none is left between the two.
"""

import os

from exchange.adapters.connections import connections_by_key
from exchange.adapters.ports import command_queue
from exchange.feed.messages import dump, error_message
from exchange.feed.routing import Outgoing


def disconnect_key(key_id: str) -> None:
    """Call it once the key is gone. Sends nothing for a key that no connection uses."""
    told = dump(error_message("Authentication Failed", "the API key was deleted"))
    shards = int(os.environ["FEED_SHARDS"])
    for connection in connections_by_key(key_id):
        market = min(connection.products, default="none")
        outgoing = Outgoing()
        outgoing.send([connection.id], [told])
        outgoing.close(connection.id)
        for shard, body in outgoing.bodies(market, shards):
            command_queue().send(queue=os.environ["PUSH_QUEUE_URL"], group=f"{market}:{shard}", body=body,
                                 dedup_id=f"revoked:{key_id}:{connection.id}")
