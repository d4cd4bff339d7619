"""A WebSocket connection is closed: the publishers of its markets are told, then it is forgotten.

The service calls this at best once. What it misses, the first post to the gone connection finds (`feed_push`).
"""

import os

from exchange.adapters.connections import close_connection, find_connection
from exchange.adapters.ports import command_queue
from exchange.feed.bodies import encode_drop
from exchange.feed.sockets import OK, connection_of

FEED_QUEUE_URL = os.environ["FEED_QUEUE_URL"]


def lambda_handler(event: dict, context: object) -> dict:
    """The `$disconnect` route."""
    connection_id = connection_of(event)
    connection = find_connection(connection_id)
    if connection is not None:
        for product in sorted(connection.products):
            command_queue().send(queue=FEED_QUEUE_URL, group=product, dedup_id=f"gone:{connection_id}:{product}",
                                 body=encode_drop(product, connection_id))
        close_connection(connection_id)
    return OK
