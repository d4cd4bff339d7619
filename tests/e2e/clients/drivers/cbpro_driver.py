"""The unmodified cbpro: its REST clients, its feed and its `OrderBook`, which keeps level 3 from `full` by strict sequence.

Called with one JSON argument: `trading`, `websocket`, `key`, `secret`, `passphrase`, `product_id`.
"""

import json
import sys

import cbpro
from stdio import serve

settings = json.loads(sys.argv[1])
credentials = (settings["key"], settings["secret"], settings["passphrase"])


class Feed(cbpro.WebsocketClient):
    """Collects what comes."""

    def __init__(self, **more: object) -> None:
        super().__init__(url=settings["websocket"], should_print=False, **more)
        self.seen: list[dict] = []

    def on_message(self, msg: dict) -> None:
        self.seen.append(msg)

    def messages(self) -> list[dict]:
        return list(self.seen)


class Book(cbpro.OrderBook):
    """The client's book; its constructor takes no URLs, they are attributes."""

    gaps = 0

    def __init__(self) -> None:
        super().__init__(product_id=settings["product_id"])
        self.url = settings["websocket"]
        self._client = cbpro.PublicClient(api_url=settings["trading"])

    def on_sequence_gap(self, gap_start: int, gap_end: int) -> None:
        self.gaps += 1
        super().on_sequence_gap(gap_start, gap_end)

    def state(self) -> dict:
        book = self.get_current_book()
        return {"sequence": book["sequence"], "gaps": self.gaps, "error": self.error, "alive": self.thread.is_alive(),
                "bids": book["bids"], "asks": book["asks"]}


serve({
    "public": cbpro.PublicClient(api_url=settings["trading"]),
    "private": cbpro.AuthenticatedClient(*credentials, api_url=settings["trading"]),
    "book": Book(),
    "feed": Feed(products=[settings["product_id"]], channels=["matches", "ticker", "level2"]),
    "old_feed": Feed(products=settings["product_id"]),  # the old form: no channels at all
    "user": Feed(products=[settings["product_id"]], channels=["user"], auth=True, api_key=settings["key"],
                 api_secret=settings["secret"], api_passphrase=settings["passphrase"]),
})
