"""Whatever is neither `subscribe` nor `unsubscribe`: answered with an `error` message that says what was found.

The gateway, which looks at `type` first, is stricter about JSON than we are: one of the two that comes here is JSON to us only.
"""

from exchange.adapters.aws.posts import Gone, post
from exchange.feed.requests import BadRequest, parse_message
from exchange.feed.sockets import OK, body_of, connection_of, refusal


def lambda_handler(event: dict, context: object) -> dict:
    """The `$default` route."""
    try:
        kind = parse_message(body_of(event)).get("type")
        if kind in ("subscribe", "unsubscribe"):
            raise BadRequest("Malformed message", "the message is not valid JSON")
        found = repr(kind[:40]) if isinstance(kind, str) else "no type" if kind is None else "a type that is no string"
        refused = BadRequest("Malformed message", f"{found} is not a valid message type: subscribe or unsubscribe")
    except BadRequest as malformed:
        refused = malformed
    try:
        post(connection_of(event), refusal(refused))
    except Gone:
        return OK
    return OK
