"""A client unsubscribes: note, answer with what is still on, tell the publishers of the markets."""

import os

from exchange.adapters import connections
from exchange.adapters.aws.posts import Gone, post
from exchange.adapters.ports import command_queue
from exchange.feed.bodies import Subscription
from exchange.feed.requests import CANCEL_ON_DISCONNECT, SIGNED_CHANNELS, BadRequest, parse_message, parse_unsubscribe
from exchange.feed.sockets import OK, body_of, connection_of, refusal, subscriptions_message
from exchange.markets import listing

FEED_QUEUE_URL = os.environ["FEED_QUEUE_URL"]


def lambda_handler(event: dict, context: object) -> dict:
    """The `unsubscribe` route. What was not on stays off without a word; a malformed request is answered `error`."""
    connection_id = connection_of(event)
    try:
        try:
            request = parse_unsubscribe(parse_message(body_of(event)), listing().markets)
        except BadRequest as refused:
            post(connection_id, refusal(refused))
            return OK
        before = connections.find_connection(connection_id)
        if before is None:
            return OK
        ended = {(channel, product) for channel, product in before.subscriptions
                 if (channel, product) in request.wanted or (channel, None) in request.wanted}
        # Whose last signed channel of a product ends is not watched over there any more.
        signed = {product for channel, product in before.subscriptions - ended if channel in SIGNED_CHANNELS}
        ended |= {(CANCEL_ON_DISCONNECT, product) for product in before.cancels - signed}
        connection = connections.unsubscribe(connection_id, ended)
        post(connection_id, subscriptions_message(connection.subscriptions))
    except (connections.ConnectionGone, Gone):
        return OK
    for product in sorted({product for _, product in ended}):
        subscription = Subscription(
            market=product, connection=connection_id, version=connection.version, channels=connection.channels(product),
            account=connection.account, user_id=connection.user_id, profile_id=connection.profile_id)
        command_queue().send(queue=FEED_QUEUE_URL, group=product, body=subscription.encode(),
                             dedup_id=f"{connection_id}:{connection.version}:{product}")
    return OK
