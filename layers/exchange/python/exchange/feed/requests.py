"""What a WebSocket client may ask for: the `subscribe` and `unsubscribe` messages, checked in one place.

    {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2", {"name": "matches", "product_ids": [...]}]}

A request is good as a whole or refused as a whole, with an `error` message whose `reason` says what was found. Numbers
are kept as the text they were sent in, because a timestamp is part of what was signed.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

CHANNELS = frozenset(("level2", "level2_batch", "matches", "user", "full", "ticker", "ticker_batch", "heartbeat", "status"))
DEFAULT_CHANNEL = "full"
# Of no product. Its subscriptions are kept with the first listed one, whose publisher sends it; see `status_market`.
STATUS = "status"
# Kept beside the channels in a connection's subscriptions, and no channel: this product's orders end with the connection.
CANCEL_ON_DISCONNECT = "cancel_on_disconnect"
# No channel either, and of the connection whole: it takes several messages in one frame.
BATCH = "batch"
SIGNED_CHANNELS = frozenset(("user", "full"))
# A frame of API Gateway; what is longer is no request of a real client.
MAX_REQUEST_BYTES = 32 * 1024
CREDENTIALS = ("key", "signature", "passphrase", "timestamp", "token")


def status_market(products: Iterable[str]) -> str:
    """The market whose publisher tells `status`."""
    return next(iter(products))


class BadRequest(ValueError):
    """The message cannot be done. `title` and `reason` are the texts of the `error` answer."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(reason)
        self.title = title
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """(channel, product) pairs asked for, and the credentials as text. For an unsubscribe, a product of None means all."""

    wanted: frozenset[tuple[str, str | None]]
    credentials: dict[str, str]
    cancel_on_disconnect: bool | None = None
    batch: bool | None = None

    @property
    def channels(self) -> set[str]:
        return {channel for channel, _ in self.wanted}

    @property
    def signed_products(self) -> set[str]:
        """The products of the channels that somebody is signed in for."""
        return {product for channel, product in self.wanted if channel in SIGNED_CHANNELS}


def parse_message(body: str | None) -> dict:
    """The JSON object of a client's message; BadRequest for anything else."""
    if not body:
        raise BadRequest("Malformed message", "the message is empty")
    if len(body) > MAX_REQUEST_BYTES:
        raise BadRequest("Malformed message", f"{len(body)} characters, at most {MAX_REQUEST_BYTES} are taken")
    try:
        message = json.loads(body, parse_float=str)
    except (ValueError, RecursionError):
        raise BadRequest("Malformed message", "the message is not valid JSON") from None
    if not isinstance(message, dict):
        raise BadRequest("Malformed message", "the message is not a JSON object")
    return message


def parse_subscribe(message: dict, products: Collection[str]) -> FeedRequest:
    """A checked `subscribe`; no `channels` means `full`. Raises BadRequest."""
    title = "Failed to subscribe"
    channels = message.get("channels")
    wanted = _wanted(message, [DEFAULT_CHANNEL] if channels is None else channels, products, title)
    for channel, product in wanted:
        if product is None:
            raise BadRequest(title, f"the channel {channel} needs product_ids")
    if not wanted:
        raise BadRequest(title, "no channel was asked for")
    credentials = _credentials(message, title)
    cancel, batch = (_switch(message, name, title) for name in (CANCEL_ON_DISCONNECT, BATCH))
    request = FeedRequest(frozenset(wanted), credentials, cancel, batch)
    if cancel is not None and not (request.signed_products and ("key" in credentials or "token" in credentials)):
        raise BadRequest(title, f"{CANCEL_ON_DISCONNECT} needs the channel user or full, signed")
    return request


def parse_unsubscribe(message: dict, products: Collection[str]) -> FeedRequest:
    """A checked `unsubscribe`; no `channels` means all, no or empty `product_ids` all products. Raises BadRequest."""
    title = "Failed to unsubscribe"
    channels = message.get("channels")
    if channels is None:
        channels = sorted(CHANNELS)
    return FeedRequest(frozenset(_wanted(message, channels, products, title)), {})


def _wanted(message: dict, channels: object, products: Collection[str], title: str) -> set[tuple[str, str | None]]:
    given = message.get("product_ids")
    if given is None and message.get("product_id") is not None:
        given = [message["product_id"]]  # the first form of this API, which old clients still send
    common = _products(given, products, title)
    if not isinstance(channels, list):
        raise BadRequest(title, f"channels is {_found(channels)}, wanted a list")
    wanted: set[tuple[str, str | None]] = set()
    for channel in channels:
        own = common
        if isinstance(channel, dict):
            if "product_ids" in channel:
                own = _products(channel["product_ids"], products, title)
            channel = channel.get("name")
        if not isinstance(channel, str) or channel not in CHANNELS:
            raise BadRequest(title, f"{_found(channel)} is not a valid channel")
        if channel == STATUS:
            own = [status_market(products)]
        wanted |= {(channel, product) for product in own or [None]}
    return wanted


def _products(value: object, products: Collection[str], title: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(title, f"product_ids is {_found(value)}, wanted a list")
    for product in value:
        if not isinstance(product, str) or product not in products:
            raise BadRequest(title, f"{_found(product)} is not a valid product")
    return value


def _credentials(message: dict, title: str) -> dict[str, str]:
    credentials = {}
    for name in CREDENTIALS:
        value = message.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise BadRequest(title, f"{name} is {_found(value)}, wanted a string")
        credentials[name] = str(value)
    return credentials


def _switch(message: dict, name: str, title: str) -> bool | None:
    value = message.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(title, f"{name} is {_found(value)}, wanted true or false")
    return value


def _found(value: object) -> str:
    """A value as an error message may repeat it: short, on one line."""
    return (value.encode("ascii", "backslashreplace").decode() if isinstance(value, str) else json.dumps(value))[:40]
