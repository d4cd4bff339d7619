"""A client subscribes: check, note, answer `subscriptions`, and only then tell the publishers of the markets.

The answer is posted before the subscription enters the markets' feed queues, so it comes before every snapshot.
"""

import os
import time

from exchange.adapters import connections
from exchange.adapters.aws.posts import Gone, disconnect, post
from exchange.adapters.ports import command_queue
from exchange.api.errors import ApiError
from exchange.faults import RetryableFault
from exchange.feed.beat import Start
from exchange.feed.bodies import Subscription
from exchange.feed.requests import CANCEL_ON_DISCONNECT, BadRequest, FeedRequest, parse_message, parse_subscribe
from exchange.feed.routing import BEAT_CHANNELS
from exchange.feed.sockets import OK, body_of, connection_of, refusal, subscriptions_message
from exchange.markets import listing

FEED_QUEUE_URL, BEAT_QUEUE_URL = os.environ["FEED_QUEUE_URL"], os.environ["BEAT_QUEUE_URL"]
SIGNED_PATH = "/users/self/verify"


def lambda_handler(event: dict, context: object) -> dict:
    """The `subscribe` route. A refused request changes nothing and is answered with an `error` message."""
    connection_id = connection_of(event)
    try:
        request = parse_subscribe(parse_message(body_of(event)), listing().markets)
        identity = sign_in(request, event["requestContext"].get("identity", {}).get("sourceIp", ""))
        known = connections.find_connection(connection_id)
        if known is not None and known.user_id and identity and known.user_id != identity["user_id"]:
            raise BadRequest("Authentication Failed", "this connection is signed in as another user")
        on, off = switches(request)
        connection = connections.subscribe(connection_id, request.wanted | on, **identity)
        if off:
            connection = connections.unsubscribe(connection_id, off)
        # Who deletes a key closes the connections that say they use it: either it sees this one, or this sees it gone.
        if identity.get("key_id") and not key_exists(identity["key_id"]):
            answer(connection_id, refusal(BadRequest("Authentication Failed", "Invalid API Key")))
            disconnect(connection_id)
            return OK
        post(connection_id, subscriptions_message(connection.subscriptions))
    except BadRequest as refused:
        answer(connection_id, refusal(refused))
        return OK
    except RetryableFault:
        answer(connection_id, refusal(BadRequest("Failed to subscribe", "a service is unavailable, try again")))
        raise
    except (connections.ConnectionGone, Gone):
        return OK
    try:
        enqueue(connection, request, others=known is not None and known.batch != connection.batch)
    except Exception:
        # `subscriptions` was answered and a snapshot may never come: better no connection than one that stays silent.
        answer(connection_id, refusal(BadRequest("Failed to subscribe", "a service is unavailable, connect again")))
        disconnect(connection_id)
        raise
    return OK


def switches(request: FeedRequest) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The pairs that the request's `true`s put on and its `false`s take off."""
    cancels = {(CANCEL_ON_DISCONNECT, product) for product in request.signed_products}
    asked = ((request.cancel_on_disconnect, cancels), (request.batch, {connections.OF_THE_CONNECTION}))
    on, off = (set().union(*(pairs for value, pairs in asked if value is wanted)) for wanted in (True, False))
    return on, off


def enqueue(connection: connections.Connection, request: FeedRequest, *, others: bool) -> None:
    """Tells the publisher of each market that the request names, and starts the clock where a channel needs it. `others`: what
    changed is of the connection's other markets, too."""
    named = {product for _, product in request.wanted}
    for product in sorted(named | connection.products if others else named):
        subscription = Subscription(
            market=product, connection=connection.id, version=connection.version, channels=connection.channels(product),
            requested=frozenset(channel for channel, wanted in request.wanted if wanted == product),
            account=connection.account, user_id=connection.user_id, profile_id=connection.profile_id)
        command_queue().send(queue=FEED_QUEUE_URL, group=product, body=subscription.encode(),
                             dedup_id=f"{connection.id}:{connection.version}:{product}")
    if not BEAT_CHANNELS.isdisjoint(request.channels):
        start = Start.at(time.time_ns() // 1_000_000)
        command_queue().send(queue=BEAT_QUEUE_URL, group=start.group, dedup_id=start.dedup_id, body=start.body)


def sign_in(request: FeedRequest, source_ip: str) -> dict:
    """Who the credentials belong to, as the keywords of `connections.subscribe`. They are looked at only for channels
    that show something of one's own: real clients send them everywhere. BadRequest where they are wrong or missing."""
    given = request.credentials
    private = "user" in request.channels
    if not private and not ("full" in request.channels and ("key" in given or "token" in given)):
        return {}
    if "token" in given:
        from exchange.adapters.access_tokens import BadToken, user_of
        try:
            return {"user_id": user_of(given["token"])}
        except BadToken as bad:
            raise BadRequest("Authentication Failed", str(bad)) from None
    if "key" not in given:
        raise BadRequest("Authentication Failed", "the user channel requires authentication")
    from exchange.api.auth import check_signed
    headers = {"cb-access-key": given["key"], "cb-access-sign": given.get("signature", ""),
               "cb-access-timestamp": given.get("timestamp", ""), "cb-access-passphrase": given.get("passphrase", "")}
    try:
        caller = check_signed(headers, "GET", SIGNED_PATH, b"", time.time_ns() // 1_000_000, source_ip)
    except ApiError as wrong:
        raise BadRequest("Authentication Failed", wrong.message) from None
    for scope in ("view", "trade") if request.cancel_on_disconnect else ("view",):
        if scope not in caller.scopes:
            raise BadRequest("Authentication Failed", f"this key lacks the scope '{scope}'")
    return {"account": caller.account, "user_id": caller.user_id, "profile_id": caller.profile_id,
            "key_id": given["key"]}


def key_exists(key_id: str) -> bool:
    from exchange.adapters import api_keys
    return api_keys.key_exists(key_id)


def answer(connection_id: str, text: str) -> None:
    try:
        post(connection_id, text)
    except Gone:
        return
