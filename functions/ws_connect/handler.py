"""A WebSocket connection opens: anybody may, private channels ask for credentials when they are subscribed to."""

from exchange.adapters.connections import open_connection
from exchange.feed.sockets import OK, connection_of


def lambda_handler(event: dict, context: object) -> dict:
    """The `$connect` route; an answer other than 200 refuses the connection."""
    open_connection(connection_of(event))
    return OK
