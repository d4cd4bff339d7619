"""ccxt.pro: what its `watch` methods give while two accounts trade (the books stand in test_books).

Its `watch_trades_for_symbols`, `watch_orders_for_symbols` and `watch_my_trades_for_symbols` wait for a name that no message of
this API resolves (`matches:BTC/USD`, where its own handlers say `matches:BTC-USD`), here as at Coinbase.
"""

import asyncio
from collections.abc import Awaitable, Callable

import ccxt
import ccxt.pro
import pytest
from e2e.clients.ccxt_clients import pro_client
from e2e.clients.conftest import RICH

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

WITHIN_S = 30


@pytest.fixture(scope="module")
def keys(exchange: Exchange) -> list[Key]:
    return [exchange.funded_key(RICH) for _ in range(2)]


async def until(watch: Callable[[], Awaitable[object]], like: Callable[[object], object]) -> object:
    """The first update that `like` is true of."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            update = await watch()
            if like(update):
                return update


def run(exchange: Exchange, keys: list[Key],
        scene: Callable[[ccxt.pro.coinbaseexchange, ccxt.pro.coinbaseexchange], Awaitable[None]]) -> None:
    async def play() -> None:
        maker, taker = (pro_client(exchange, key) for key in keys)
        try:
            await maker.load_markets()
            await taker.load_markets()
            await scene(maker, taker)
        finally:
            await maker.cancel_all_orders()
            await maker.close()
            await taker.close()

    asyncio.run(play())


def test_public_channels(exchange: Exchange, keys: list[Key]) -> None:
    async def scene(maker: ccxt.pro.coinbaseexchange, taker: ccxt.pro.coinbaseexchange) -> None:
        both = ["BTC/USD", "ETH/USD"]
        watching = [
            asyncio.create_task(until(lambda: taker.watch_trades("BTC/USD"),
                                      lambda rows: any(row["price"] == 51000 for row in rows))),
            asyncio.create_task(until(lambda: taker.watch_ticker("BTC/USD"), lambda row: row["last"] == row["ask"] == 51000)),
            asyncio.create_task(until(lambda: maker.watch_tickers(both),
                                      lambda rows: rows.get("BTC/USD", {}).get("ask") == 51000)),
        ]
        await asyncio.sleep(1)  # the channels of a market without trades begin with nothing that would say they are on
        await maker.create_order("BTC/USD", "limit", "sell", 1, 51000)
        await taker.create_order("BTC/USD", "limit", "buy", 0.5, 51000)
        trades, ticker, tickers = await asyncio.gather(*watching)
        trade = next(row for row in trades if row["price"] == 51000)
        assert (trade["side"], trade["amount"], trade["symbol"]) == ("buy", 0.5, "BTC/USD")
        for row in (ticker, tickers["BTC/USD"]):
            assert row["ask"] == 51000 and row["askVolume"] == 0.5 and row["high"] >= 51000 and row["baseVolume"] >= 0.5
            assert row["timestamp"]

    run(exchange, keys, scene)


def test_orders_and_own_trades(exchange: Exchange, keys: list[Key]) -> None:
    async def scene(maker: ccxt.pro.coinbaseexchange, taker: ccxt.pro.coinbaseexchange) -> None:
        orders: list[dict] = []

        async def collect() -> None:
            while True:
                orders.extend({**row, "info": row["info"]["type"]} for row in await taker.watch_orders("ETH/BTC"))

        collecting = asyncio.create_task(collect())
        trades = [asyncio.create_task(until(lambda client=client: client.watch_my_trades("ETH/BTC"), bool))
                  for client in (maker, taker)]
        await asyncio.sleep(1.5)
        offer = await maker.create_order("ETH/BTC", "limit", "sell", 2, 0.06)
        bought = await taker.create_order("ETH/BTC", "limit", "buy", 1.5, 0.06)
        resting = await taker.create_order("ETH/BTC", "limit", "buy", 1, 0.03)
        made, taken = [(await task)[0] for task in trades]
        assert (made["order"], made["side"], made["takerOrMaker"]) == (offer["id"], "sell", "maker")
        assert (taken["order"], taken["side"], taken["takerOrMaker"]) == (bought["id"], "buy", "taker")
        assert made["id"] == taken["id"] and made["amount"] == taken["amount"] == 1.5
        assert 0 < made["fee"]["rate"] < taken["fee"]["rate"] and taken["fee"]["currency"] == "BTC"
        for client, told in ((maker, made), (taker, taken)):
            settled = await until(lambda client=client, told=told: client.fetch_order_trades(told["order"], "ETH/BTC"), bool)
            assert told["fee"]["cost"] == pytest.approx(settled[0]["fee"]["cost"])

        async def ended(order_id: str, status: str) -> dict:
            async with asyncio.timeout(WITHIN_S):
                while not (found := [row for row in orders if row["id"] == order_id and row["status"] == status]):
                    await asyncio.sleep(0.05)
            return found[-1]

        assert (await ended(bought["id"], "closed"))["filled"] == 1.5
        await ended(resting["id"], "open")
        await taker.cancel_order(resting["id"], "ETH/BTC")
        await ended(resting["id"], "canceled")
        collecting.cancel()

    run(exchange, keys, scene)


def test_a_wrong_secret_is_an_authentication_error(exchange: Exchange, keys: list[Key]) -> None:
    async def watch() -> None:
        stranger = pro_client(exchange, Key(keys[0].key, "d3Jvbmc=", keys[0].passphrase))
        try:
            with pytest.raises(ccxt.AuthenticationError, match="Authentication failed"):
                async with asyncio.timeout(WITHIN_S):
                    await stranger.watch_orders("BTC/USD")
        finally:
            await stranger.close()

    asyncio.run(watch())
