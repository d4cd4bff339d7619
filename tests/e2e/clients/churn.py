"""A busy market for the clients to follow: limit, post-only, IOC, FOK, iceberg, stop and market orders of two accounts,
cancels, trades of an account with itself (self-trade prevention changes sizes), from a seed.
"""

import asyncio
import random
from decimal import Decimal

import aiohttp

from bench.client import Key, Trader
from bench.exchange import RunningExchange as Exchange

Level = tuple[Decimal, list[tuple[str, Decimal]]]


async def _play(exchange: Exchange, keys: list[Key], product_id: str, middle: int, steps: int, seed: int) -> None:
    draw = random.Random(seed)
    async with aiohttp.ClientSession() as session:
        traders = [Trader(session, exchange.trading, key) for key in keys]
        placed: list[tuple[Trader, str]] = []

        async def ask(trader: Trader, method: str, path: str, body: dict | None = None) -> object:
            while True:
                status, answer = await trader.request(method, path, body)
                if status != 429:
                    return answer
                await asyncio.sleep(0.2)

        async def step() -> None:
            trader = draw.choice(traders)
            side = draw.choice(("buy", "sell"))
            what = draw.random()
            body = {"product_id": product_id, "side": side, "size": f"{draw.randint(1, 40) / 10}"}
            if what < 0.25 and placed:
                owner, order_id = placed.pop(draw.randrange(len(placed)))
                await ask(owner, "DELETE", f"/orders/{order_id}")
                return
            if what < 0.35:
                body["type"] = "market"
            else:
                away = draw.randint(-3, 12) * (-1 if side == "buy" else 1)
                body |= {"price": f"{middle + away}.{draw.choice(('00', '50'))}", "stp": draw.choice(("dc", "co", "cn", "cb"))}
                if what < 0.42:
                    body["time_in_force"] = draw.choice(("IOC", "FOK"))
                elif what < 0.5:
                    body["post_only"] = True
                elif what < 0.58:
                    body |= {"size": f"{draw.randint(10, 40) / 10}", "display_size": "0.4"}
                elif what < 0.64:
                    stop, at = ("entry", middle + 4) if side == "buy" else ("loss", middle - 4)
                    body |= {"stop": stop, "stop_price": f"{at}.00"}
            answer = await ask(trader, "POST", "/orders", body)
            if "id" in answer:
                placed.append((trader, answer["id"]))

        for _ in range(steps // 4):
            await asyncio.gather(*(step() for _ in range(4)))


def churn(exchange: Exchange, keys: list[Key], product_id: str, *, middle: int = 150, steps: int = 200, seed: int = 7) -> None:
    """Plays the steps and returns when their orders are settled."""
    asyncio.run(_play(exchange, keys, product_id, middle, steps, seed))
    exchange.wait_until_settled()


def clear(exchange: Exchange, keys: list[Key]) -> None:
    """Cancels what these accounts have resting, and returns when it is gone."""

    async def cancel() -> None:
        async with aiohttp.ClientSession() as session:
            for trader in (Trader(session, exchange.trading, key) for key in keys):
                deadline = asyncio.get_running_loop().time() + 30
                while (await trader.request("DELETE", "/orders"))[1] != []:
                    assert asyncio.get_running_loop().time() < deadline, "orders could not be canceled"
                    await asyncio.sleep(0.3)

    asyncio.run(cancel())


def levels(rows: list[list]) -> list[Level]:
    """Level 3 rows of one side as price and queue, best or worst first, made comparable: by price, sizes as Decimal."""
    sides: dict[Decimal, list[tuple[str, Decimal]]] = {}
    for price, size, order_id in rows:
        sides.setdefault(Decimal(str(price)), []).append((order_id, Decimal(str(size))))
    return sorted(sides.items())


def book(rows: dict) -> tuple[list[Level], list[Level]]:
    """Both sides of a level 3 book."""
    return levels(rows["bids"]), levels(rows["asks"])


def rest_book(exchange: Exchange, product_id: str, level: int = 3) -> dict:
    return exchange.get(f"/products/{product_id}/book?level={level}")


def rest_depth(exchange: Exchange, product_id: str) -> tuple[dict[float, float], dict[float, float]]:
    """Price and size of each level as floats, as ccxt keeps them."""
    found = rest_book(exchange, product_id, 2)
    return tuple({float(price): float(size) for price, size, _ in found[side]} for side in ("bids", "asks"))


