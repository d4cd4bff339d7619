"""A day's requests in one stream, open loop, at 100, 250 and 500 requests/s; run by `make bench-mixed`.

What comes is drawn, seeded, from `MIX`: three of four requests read, as where bots watch the market and their orders and trade
now and then; of what they write half are orders and half cancels of resting ones. Latencies count from when each request was
due, as in bench.orders, whose markets, accounts and exchange these are; the views look as after a month of trades. Beside it,
in the same run and at the same rate, `GET /time`: the gateway and an empty function. The load generator shares the machine; its
CPU is listed and is no part of a request's.
"""

import argparse
import asyncio
import random
import time
from decimal import Decimal
from itertools import accumulate

import orjson
import redis
import uvloop

from bench.cpu import cpu_seconds
from bench.exchange import RunningExchange, exchange_for_a_run
from bench.orders import MARKETS, measure_time, open_loop, order_body, own_cpu, print_cpu, row, trading_wire
from bench.wire import QuickTrader
from local.addresses import find_domain

find_domain()

RATES = (100, 250, 500)
# Of a hundred requests; the paths are taken by `Day.path`.
MIX = {"GET book": 18, "GET ticker": 18, "GET trades": 9, "GET candles": 5, "GET accounts": 7, "GET order": 12,
       "GET orders": 3, "GET fills": 3, "POST order": 13, "DELETE order": 12}
_KINDS, _UP_TO = list(MIX), list(accumulate(MIX.values()))


class Day:
    """Draws requests and sends them; `kinds` counts them. A cancel of an order that has traded meanwhile is an answer like any
    other."""

    def __init__(self, traders: list[QuickTrader], rng: random.Random) -> None:
        self._traders = traders
        self._rng = rng
        self._resting: list[tuple[QuickTrader, str]] = []
        self.kinds: dict[str, int] = dict.fromkeys(MIX, 0)

    async def send(self, due: float) -> None:
        kind, = self._rng.choices(_KINDS, cum_weights=_UP_TO)
        if kind in ("GET order", "DELETE order") and not self._resting:
            kind = "POST order"
        self.kinds[kind] += 1
        if kind == "POST order":
            trader = self._rng.choice(self._traders)
            answer = await self._answered(trader, "POST", "/orders", order_body(self._rng))
            self._resting.append((trader, orjson.loads(answer)["id"]))
            return
        if kind in ("GET order", "DELETE order"):
            at = self._rng.randrange(len(self._resting))
            trader, order = self._resting.pop(at) if kind == "DELETE order" else self._resting[at]
            await self._answered(trader, kind.partition(" ")[0], f"/orders/{order}", gone=True)
            return
        await self._answered(self._rng.choice(self._traders), "GET", self.path(kind))

    def path(self, kind: str) -> str:
        product = self._rng.choice(list(MARKETS))
        return {"GET book": f"/products/{product}/book?level=2", "GET ticker": f"/products/{product}/ticker",
                "GET trades": f"/products/{product}/trades?limit=100", "GET accounts": "/accounts",
                "GET candles": f"/products/{product}/candles?granularity=60", "GET orders": "/orders?status=open",
                "GET fills": f"/fills?product_id={product}"}[kind]

    async def _answered(self, trader: QuickTrader, method: str, path: str, body: dict | None = None, *,
                        gone: bool = False) -> bytes:
        status, answer = await trader.request(method, path, body)
        # An order that has traded or is canceled is no longer there to cancel.
        if status != 200 and not (gone and status in (400, 404)):
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer


def add_a_month_of_trades(exchange: RunningExchange) -> None:
    """To the minutes and hours of the views, before those that the run itself fills."""
    from exchange.adapters.redis import keys
    from exchange.feed.statistics import DAY_MINUTES, MONTH_HOURS, Bucket

    now_minute = time.time_ns() // 60_000_000_000
    with redis.Redis.from_url(exchange.redis) as client:
        for market, (middle, tick, _) in MARKETS.items():
            ticks = int(Decimal(middle) / Decimal(tick))
            client.hset(keys.key(market, "minutes"), mapping={
                now_minute - back: keys.encode_bucket(Bucket(ticks, ticks + back, ticks - back, ticks, 1000 + back, 20))
                for back in range(2, DAY_MINUTES)})
            client.hset(keys.key(market, "hours"), mapping={
                now_minute // 60 - back: 60_000 + back for back in range(1, MONTH_HOURS)})


async def measure(exchange: RunningExchange, rates: list[int], seconds: float) -> None:
    async with trading_wire(exchange) as (wire, traders):
        day = Day(traders, random.Random(1))
        await open_loop(60, 5, day.send)  # warm
        await asyncio.to_thread(add_a_month_of_trades, exchange)
        print(f"{'request':<12} {'rate/s':>6} {'sent':>6} {'failed':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
        for rate in rates:
            await measure_time(wire, rate, seconds)
            day.kinds = dict.fromkeys(MIX, 0)
            before, own = cpu_seconds(exchange.parts()), own_cpu()
            latencies, failed = await open_loop(rate, seconds, day.send)
            row("mixed", rate, latencies, failed)
            print(f"  of it {', '.join(f'{kind} {count}' for kind, count in day.kinds.items())}")
            print_cpu("request", len(latencies), exchange, before, own)
            await asyncio.to_thread(exchange.wait_until_settled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15, help="length of each run")
    parser.add_argument("--rates", type=lambda text: [int(part) for part in text.split(",")], default=list(RATES))
    arguments = parser.parse_args()
    with exchange_for_a_run() as exchange:
        uvloop.run(measure(exchange, arguments.rates, arguments.seconds))


if __name__ == "__main__":
    main()
