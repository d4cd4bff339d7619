"""An order that the engine refused is not taken for one that was filled, in any client (docs/adr/0022).

Each places a post-only order that would cross, which `POST /orders` takes and the engine refuses, and one that is filled.
"""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from e2e.clients.ccxt_clients import pro_client, rest_client
from e2e.clients.conftest import RICH
from e2e.clients.driving import Driver, seen
from e2e.waiting import eventually

from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

MARKET, SYMBOL = "SOL-USD", "SOL/USD"
SIZE = "0.01"


@pytest.fixture(scope="module")
def price(exchange: Exchange) -> Iterator[str]:
    """Of an offer that stands."""
    maker = rest_client(exchange, exchange.funded_key(RICH))
    last = maker.fetch_ticker(SYMBOL)["last"] or 160
    offer = maker.create_order(SYMBOL, "limit", "sell", 10, last)
    eventually(lambda: maker.fetch_order(offer["id"])["info"]["status"] in ("open", "done"))
    yield f"{last:.2f}"
    maker.cancel_all_orders()
    maker.session.close()


def order(price: str, *, post_only: bool) -> dict:
    return {"product_id": MARKET, "side": "buy", "type": "limit", "price": price, "size": SIZE, "post_only": post_only}


# By driver: how an order is placed with it, and how it is read.
CLIENTS: dict[str, tuple[str, Callable[[Driver, str, bool], dict], Callable[[Driver, str], dict]]] = {
    "cbpro": ("drivers/cbpro_driver.py",
              lambda driver, price, post: driver["private"].place_limit_order(MARKET, "buy", price, SIZE, post_only=post),
              lambda driver, order_id: driver["private"].get_order(order_id)),
    "coinbasepro": ("drivers/coinbasepro_driver.py",
                    lambda driver, price, post: driver["private"].place_limit_order(MARKET, "buy", price, SIZE, post_only=post),
                    lambda driver, order_id: driver["private"].get_order(order_id)),
    "copra": ("drivers/copra_driver.py",
              lambda driver, price, post: driver["private"].limit_order("buy", MARKET, price, SIZE, post_only=post),
              lambda driver, order_id: driver["private"].get_order(order_id)),
    "coinbase-pro-node": ("node/coinbase_pro_node.mjs",
                          lambda driver, price, post: driver["rest.order"].placeOrder(order(price, post_only=post)),
                          lambda driver, order_id: driver["rest.order"].getOrder(order_id)),
    "coinbase-pro": ("node/coinbase_pro.mjs",
                     lambda driver, price, post: driver["rest"].placeOrder(order(price, post_only=post)),
                     lambda driver, order_id: driver["rest"].getOrder(order_id)),
    "coinbase-api": ("node/coinbase_api.mjs",
                     lambda driver, price, post: driver["rest"].postPrivate("/orders", {"body": order(price, post_only=post)}),
                     lambda driver, order_id: driver["rest"].getOrder({"order_id": order_id})),
    "ccxt in JavaScript": (
        "node/ccxt.mjs",
        lambda driver, price, post: driver["bot"].createOrder(SYMBOL, "limit", "buy", float(SIZE), float(price),
                                                              {"postOnly": post}),
        lambda driver, order_id: driver["bot"].fetchOrder(order_id)),
}
FILLED = {"ccxt in JavaScript": "closed"}


@pytest.mark.parametrize("client", CLIENTS)
def test_refused_is_not_filled(drive: Callable[..., Driver], price: str, client: str) -> None:
    script, place, read = CLIENTS[client]
    driver = drive(script, MARKET)
    refused, filled = place(driver, price, True)["id"], place(driver, price, False)["id"]
    wanted = FILLED.get(client, "done")
    eventually(lambda: read(driver, filled)["status"] == wanted)
    found = eventually(lambda: (row := read(driver, refused))["status"] == "rejected" and row)
    assert (found.get("info") or found)["reject_reason"] == "post_only_would_cross"


def test_ccxt(exchange: Exchange, price: str) -> None:
    bot = rest_client(exchange, exchange.funded_key(RICH))
    refused, filled = (bot.create_order(SYMBOL, "limit", "buy", float(SIZE), float(price), {"postOnly": post})["id"]
                       for post in (True, False))
    eventually(lambda: bot.fetch_order(filled)["status"] == "closed")
    found = eventually(lambda: (row := bot.fetch_order(refused))["status"] == "rejected" and row)
    assert found["filled"] == 0 and found["info"]["reject_reason"] == "post_only_would_cross"
    assert {row["id"]: row["status"] for row in bot.fetch_orders(SYMBOL)} == {refused: "rejected", filled: "closed"}
    assert [row["id"] for row in bot.fetch_closed_orders(SYMBOL)] == [filled] and bot.fetch_open_orders(SYMBOL) == []
    bot.session.close()


def test_ccxt_pro(exchange: Exchange, price: str) -> None:
    """It knows two ends on the feed, and takes everything else for an order that rests."""
    async def play() -> None:
        bot = pro_client(exchange, exchange.funded_key(RICH))
        told: dict[str, dict] = {}

        async def collect() -> None:
            while True:
                told.update({row["id"]: row for row in await bot.watch_orders(SYMBOL)})

        collecting = asyncio.create_task(collect())
        try:
            await bot.load_markets()
            await asyncio.sleep(1.5)  # the subscription to `user` is answered by nothing that it tells
            refused = (await bot.create_order(SYMBOL, "limit", "buy", float(SIZE), float(price), {"postOnly": True}))["id"]
            filled = (await bot.create_order(SYMBOL, "limit", "buy", float(SIZE), float(price)))["id"]
            async with asyncio.timeout(30):
                while told.get(filled, {}).get("status") != "closed" or refused not in told:
                    await asyncio.sleep(0.05)
            assert told[refused]["status"] == "canceled"
            assert told[refused]["info"]["reject_reason"] == "post_only_would_cross"
        finally:
            collecting.cancel()
            await bot.close()

    asyncio.run(play())


def test_the_feed_of_others(drive: Callable[..., Driver], price: str) -> None:
    """cbpro's feed of the owner: a `done` whose reason is one of the two that there are."""
    driver = drive("drivers/cbpro_driver.py", MARKET)
    driver["user"].start()
    seen(driver["user"], "subscriptions")
    refused = driver["private"].place_limit_order(MARKET, "buy", price, SIZE, post_only=True)["id"]
    done = next(row for row in seen(driver["user"], "done") if row["type"] == "done")
    assert (done["order_id"], done["reason"], done["cancel_reason"], done["reject_reason"]) == (
        refused, "canceled", "rejected", "post_only_would_cross")
