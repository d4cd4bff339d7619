"""Fan-out of the feed: N listeners of one channel while orders come in; run by `make bench-fanout`.

    an order --> received on every `full` listener            latency: from before the request is sent until the message is
    an order --> l2update on every `level2` listener          there, over all listeners; level 2 by the sequence that an update
                                                              leads to, which is at least that of the order's `received`

Listeners, orders and the exchange share the machine; the listeners' own CPU is listed beside the exchange's and is no part of
it. An order rests alone at a price of its own and is a `received`, an `open` and at most one `l2update`. The exchange is
started for the run in a folder of its own, with its durability on.
"""

import argparse
import asyncio
import json
import random
import time
from collections import defaultdict
from itertools import cycle
from math import ceil

import aiohttp

from bench.client import Trader
from bench.cpu import cpu_seconds
from bench.exchange import RunningExchange, exchange_for_a_run
from bench.orders import open_loop, own_cpu, percentile
from local.user import faucet_limits

MARKET = "BTC-USD"
LISTENERS = (10, 100)
RATE = 50
ORDERS_OF_ONE = 400  # all orders rest, and a market takes only so many of one account


class Listeners:
    """Connections that note when which message came."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.messages = 0
        self.ready = 0
        self.arrived: defaultdict[str, list[float]] = defaultdict(list)  # order -> when its `received` came, per listener
        self.updates: list[tuple[int, float]] = []  # (sequence, when)
        self.order_of: dict[int, str] = {}  # sequence -> order; from the one listener of `full` beside

    async def run(self, session: aiohttp.ClientSession, url: str, channel: str) -> None:
        async with session.ws_connect(url, max_msg_size=0) as socket:
            await socket.send_json({"type": "subscribe", "product_ids": [MARKET], "channels": [channel]})
            async for message in socket:
                now = time.perf_counter()
                body = json.loads(message.data)
                if body["type"] == "subscriptions":
                    self.ready += 1
                    continue
                if channel == self.channel:
                    self.messages += 1
                if body["type"] == "received":
                    self.order_of[body["sequence"]] = body["order_id"]
                    if channel == self.channel:
                        self.arrived[body["order_id"]].append(now)
                elif body["type"] == "l2update":
                    self.updates.append((body["sequence"], now))

    def latencies_ms(self, sent: dict[str, float]) -> list[float]:
        """Of each order and listener."""
        if self.channel == "full":
            return [(at - due) * 1000 for order, due in sent.items() for at in self.arrived[order]]
        found, known = [], sorted(self.order_of)
        previous: dict[float, int] = {}
        for sequence, at in sorted(self.updates, key=lambda update: update[1]):
            previous.setdefault(sequence, at)
        reached = sorted(previous.items())
        position = 0
        for sequence in known:
            while position < len(reached) and reached[position][0] < sequence:
                position += 1
            order = self.order_of[sequence]
            if position < len(reached) and order in sent:
                found.append((reached[position][1] - sent[order]) * 1000)
        return found


async def measure(exchange: RunningExchange, channel: str, count: int, rate: int, seconds: float) -> None:
    rng = random.Random(count)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        turns = cycle([Trader(session, exchange.trading, await asyncio.to_thread(exchange.funded_key, faucet_limits()))
                       for _ in range(ceil(rate * (seconds + 1) / ORDERS_OF_ONE))])
        listeners = Listeners(channel)
        channels = [channel] * count + (["full"] if channel != "full" else [])
        tasks = [asyncio.ensure_future(listeners.run(session, exchange.websocket, name)) for name in channels]
        while listeners.ready < len(channels):
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        sent: dict[str, float] = {}

        async def place(due: float) -> None:
            body = {"product_id": MARKET, "type": "limit", "side": "buy", "size": "0.001",
                    "price": f"{rng.randint(100_000, 900_000) / 100:.2f}"}
            status, answer = await next(turns).request("POST", "/orders", body)
            if status != 200:
                raise RuntimeError(f"{status} {answer}")
            sent[answer["id"]] = due

        await open_loop(rate, 1, place)
        await asyncio.sleep(2)
        sent.clear()
        listeners.messages, before, own = 0, cpu_seconds(exchange.parts()), own_cpu()
        started = time.perf_counter()
        _, failed = await open_loop(rate, seconds, place)
        deadline = time.perf_counter() + 60
        while time.perf_counter() < deadline and any(order not in set(listeners.order_of.values()) for order in sent):
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        took = time.perf_counter() - started - 1
        used = {name: after - before.get(name, 0.0) for name, after in cpu_seconds(exchange.parts()).items()}
        latencies = listeners.latencies_ms(sent)
        pushing = sum(value for name, value in used.items() if "feed_push" in name or name == "gateway")
        publishing = sum(value for name, value in used.items() if "feed_publish" in name)
        thousands = listeners.messages / 1000
        print(f"{channel:<7} {count:>9} {len(sent):>7} {failed:>6} {listeners.messages:>9} {listeners.messages / took:>8.0f}"
              f" {percentile(latencies, 0.5):>8.1f} {percentile(latencies, 0.99):>8.1f}"
              f" {pushing / thousands * 1000:>12.0f} {publishing / max(1, len(sent)) * 1000:>12.2f}"
              f" {(own_cpu() - own) / thousands * 1000:>10.0f}", flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="length of each run")
    parser.add_argument("--rate", type=int, default=RATE, help="orders a second")
    parser.add_argument("--listeners", type=lambda text: [int(part) for part in text.split(",")], default=list(LISTENERS))
    arguments = parser.parse_args()
    with exchange_for_a_run() as exchange:
        print(f"{'channel':<7} {'listeners':>9} {'orders':>7} {'failed':>6} {'messages':>9} {'/s':>8} {'p50 ms':>8}"
              f" {'p99 ms':>8} {'push ms/1000':>12} {'publish ms/o':>12} {'own/1000':>10}")
        for channel in ("level2", "full"):
            for count in arguments.listeners:
                asyncio.run(measure(exchange, channel, count, arguments.rate, arguments.seconds))


if __name__ == "__main__":
    main()
