"""After a busy market each client's own book, kept from the feed alone, is the book that REST answers."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from e2e.clients.ccxt_clients import pro_client
from e2e.clients.churn import book, churn, clear, rest_book, rest_depth
from e2e.clients.conftest import RICH
from e2e.clients.driving import Driver
from e2e.waiting import eventually

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

MARKET = "SOL-USD"


@pytest.fixture(scope="module")
def keys(exchange: Exchange) -> Iterator[list[Key]]:
    made = [exchange.funded_key(RICH) for _ in range(2)]
    yield made
    clear(exchange, made)


def test_level_3_books_of_cbpro_and_coinbase_pro(exchange: Exchange, drive: Callable[..., Driver], keys: list[Key]) -> None:
    """Strict sequence: one number missing, twice or out of order and they load the book anew, or fail an assertion.

    coinbase-pro subscribes to `heartbeat` too, and takes one that names a number it has not been sent for a loss.
    """
    churn(exchange, keys, MARKET, steps=60, seed=1)  # so that they start from a book with orders in it
    cbpro = drive("drivers/cbpro_driver.py", MARKET, key=keys[0])["book"]
    pro = drive("node/coinbase_pro.mjs", MARKET, key=keys[0])["book"]
    cbpro.start()
    assert pro.open()
    eventually(lambda: cbpro.state()["sequence"] > 0)
    churn(exchange, keys, MARKET, steps=200, seed=2)
    # The last cancels may still be on their way: what REST answers goes on for a moment, too.
    kept, there = eventually(lambda: (found := (cbpro.state(), rest_book(exchange, MARKET)))
                             and found[0]["sequence"] == found[1]["sequence"] and found)
    assert there["bids"] and there["asks"]
    assert kept["alive"] and kept["error"] is None and kept["gaps"] == 0
    assert book(kept) == book(there)
    kept = eventually(lambda: book(found := pro.state()) == book(rest_book(exchange, MARKET)) and found)
    assert kept["errors"] == [] and kept["synced"] == 1


def test_level_2_books_of_ccxt_pro(exchange: Exchange, keys: list[Key]) -> None:
    """One market watched alone and two watched together, on connections of their own."""

    async def follow() -> None:
        client, together = pro_client(exchange, keys[0]), pro_client(exchange, keys[0])
        try:
            await client.watch_order_book("SOL/USD")
            await together.watch_order_book_for_symbols(["SOL/USD", "ETH/USD"])
            busy = [asyncio.to_thread(churn, exchange, keys, "SOL-USD", steps=120, seed=3),
                    asyncio.to_thread(churn, exchange, keys, "ETH-USD", middle=2500, steps=80, seed=4)]

            async def watch() -> None:
                while True:
                    seen = await together.watch_order_book_for_symbols(["SOL/USD", "ETH/USD"])
                    assert not (seen["bids"] and seen["asks"]) or seen["bids"][0][0] < seen["asks"][0][0]

            watching = asyncio.create_task(watch())
            await asyncio.gather(*busy)
            for watcher, symbol, market in ((client, "SOL/USD", "SOL-USD"), (together, "SOL/USD", "SOL-USD"),
                                            (together, "ETH/USD", "ETH-USD")):
                await until_equal(watcher.orderbooks[symbol], market)
            assert not watching.done() or watching.result()
            watching.cancel()
        finally:
            await client.close()
            await together.close()

    async def until_equal(kept: dict, market: str) -> None:
        deadline = asyncio.get_running_loop().time() + 20
        while True:
            there = rest_depth(exchange, market)
            here = tuple({price: size for price, size in kept[side]} for side in ("bids", "asks"))
            if here == there and there[0] and there[1]:
                return
            assert asyncio.get_running_loop().time() < deadline, f"{market}: {here} is not {there}"
            await asyncio.sleep(0.1)

    asyncio.run(follow())
