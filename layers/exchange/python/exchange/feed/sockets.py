"""What the WebSocket functions share: the connection of an event, and the answers that say what is on."""

from collections.abc import Iterable

from exchange.feed.messages import dump, error_message
from exchange.feed.requests import BATCH, CANCEL_ON_DISCONNECT, STATUS, BadRequest

OK = {"statusCode": 200}


def connection_of(event: dict) -> str:
    return event["requestContext"]["connectionId"]


def body_of(event: dict) -> str:
    """The client's message as text; a frame that is not text comes as base64 and is no JSON of ours."""
    return "" if event.get("isBase64Encoded") else event.get("body") or ""


def subscriptions_message(pairs: Iterable[tuple[str, str]]) -> str:
    """The `subscriptions` answer: every channel that is on, with its products, whose orders end with the connection, and
    whether it takes several messages in one frame."""
    by_channel: dict[str, list[str]] = {}
    for channel, product in sorted(pairs):
        by_channel.setdefault(channel, []).append(product)
    cancels = by_channel.pop(CANCEL_ON_DISCONNECT, None)
    switches = {CANCEL_ON_DISCONNECT: cancels} if cancels else {}
    if by_channel.pop(BATCH, None):
        switches[BATCH] = True
    return dump({"type": "subscriptions", **switches, "channels": [
        {"name": channel, "product_ids": products if channel != STATUS else []} for channel, products in by_channel.items()]})


def refusal(refused: BadRequest) -> str:
    return dump(error_message(refused.title, refused.reason))
