"""A WebSocket connection is closed: the publishers of its markets are told, then it is forgotten.

The service calls this at best once. What it misses is found by the first post to the gone connection (`feed_push`) or by the
sweep.
"""

from exchange.adapters.leaving import forget
from exchange.feed.sockets import OK, connection_of


def lambda_handler(event: dict, context: object) -> dict:
    """The `$disconnect` route."""
    forget(connection_of(event))
    return OK
