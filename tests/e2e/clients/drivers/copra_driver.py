"""The unmodified copra: REST and feed on asyncio.

Called with one JSON argument: `trading`, `websocket`, `key`, `secret`, `passphrase`, `product_id`.
"""

import asyncio
import json
import sys

from copra import rest, websocket
from stdio import serve

settings = json.loads(sys.argv[1])
credentials = {name: settings[name] for name in ("key", "secret", "passphrase")}
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


class Feed(websocket.Client):
    """Collects what comes."""

    def __init__(self, channel: str, **more: object) -> None:
        self.seen: list[dict] = []
        super().__init__(loop, websocket.Channel(channel, settings["product_id"]), feed_url=settings["websocket"],
                         auto_reconnect=False, **more)

    def on_message(self, message: dict) -> None:
        self.seen.append(message)

    def on_error(self, message: str, reason: str = "") -> None:
        self.seen.append({"type": "error", "message": message, "reason": reason})

    async def messages(self, seconds: float) -> list[dict]:
        """What came, after that long more."""
        await asyncio.sleep(seconds)
        return self.seen

    async def drop(self, channel: str) -> None:
        self.unsubscribe(websocket.Channel(channel, settings["product_id"]))


async def public() -> rest.Client:
    return rest.Client(loop, url=settings["trading"])


async def private() -> rest.Client:
    return rest.Client(loop, url=settings["trading"], auth=True, **credentials)


serve({
    "public": loop.run_until_complete(public()),
    "private": loop.run_until_complete(private()),
    "matches": Feed("matches"),
    "user": Feed("user", auth=True, **credentials),
}, loop)
