"""Load on `POST /orders` through the gateway, open loop, at 100, 200 and 400 requests/s; run by `make bench`.

Each request has its time before the run starts; its latency counts from that time, so that a stall of the server is felt by
all who would have come (no coordinated omission). Beside it, in the same run, `GET /time` at the same rate: the gateway
and an empty function, which is what the requests cost before any of our work. The exchange is started for the run in a
folder of its own, with its durability on; the load generator shares the machine with it and its CPU is listed.

A second figure is the time from the request to the order's `received` message on the public WebSocket feed: through queue,
match, journal, publisher and push. The listener takes several messages in one frame (`batch`, see docs/FEED.md).
"""

import argparse
import asyncio
import random
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import uvloop

from bench.cpu import cpu_seconds
from bench.exchange import RunningExchange, exchange_for_a_run
from bench.wire import QuickTrader, Wire
from local.user import faucet_limits

RATES = (100, 200, 400)
MARKETS = {"BTC-USD": ("50000", "0.01", "0.001"), "ETH-USD": ("3000", "0.01", "0.01"), "SOL-USD": ("150", "0.01", "0.1"),
           "ETH-BTC": ("0.06", "0.00001", "0.01")}
ACCOUNTS = 8


def percentile(values: list[float], share: float) -> float:
    """The value at `share` of the sorted values, in their unit."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def order_body(rng: random.Random) -> dict:
    """An order near the middle: about half of them trade at once, so that the book stays shallow."""
    product, (middle, tick, size) = rng.choice(list(MARKETS.items()))
    places = len(tick.partition(".")[2])
    price = float(middle) * (1 + rng.gauss(0, 0.0005))
    return {"product_id": product, "type": "limit", "side": rng.choice(["buy", "sell"]), "price": f"{price:.{places}f}",
            "size": size}


class Listener:
    """Notes when each order's `received` came over the public feed."""

    def __init__(self, *, batch: bool) -> None:
        self.batch = batch
        self.seen: dict[str, float] = {}
        self.ready = asyncio.Event()

    async def run(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.ws_connect(url, max_msg_size=0) as socket:
            await socket.send_json({"type": "subscribe", "product_ids": list(MARKETS), "channels": ["full"],
                                    "batch": self.batch})
            async for message in socket:
                now = time.perf_counter()
                frame = orjson.loads(message.data)
                for body in frame if isinstance(frame, list) else [frame]:
                    if body["type"] == "received":
                        self.seen[body["order_id"]] = now
                    elif body["type"] == "subscriptions":
                        self.ready.set()


async def open_loop(rate: int, seconds: float, send) -> tuple[list[float], int]:
    """Calls `send(due)` `rate` times a second; the latencies in ms from when each was due, and how many failed."""
    latencies: list[float] = []
    failed = 0
    tasks: set[asyncio.Task] = set()

    async def one(due: float) -> None:
        nonlocal failed
        try:
            await send(due)
        except (RuntimeError, aiohttp.ClientError, OSError):
            failed += 1
        latencies.append((time.perf_counter() - due) * 1000)

    loop, start = asyncio.get_running_loop(), time.perf_counter() + 0.05
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.add(task := loop.create_task(one(due)))
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return latencies, failed


@asynccontextmanager
async def trading_wire(exchange: RunningExchange) -> AsyncIterator[tuple[Wire, list[QuickTrader]]]:
    """The trading API, and ACCOUNTS on it with all that the faucet gives."""
    wire = Wire(exchange.trading)
    try:
        keys = [await asyncio.to_thread(exchange.funded_key, faucet_limits()) for _ in range(ACCOUNTS)]
        yield wire, [QuickTrader(wire, key) for key in keys]
    finally:
        wire.close()


async def measure_time(wire: Wire, rate: int, seconds: float) -> None:
    """Prints the row of `GET /time` at this rate."""
    async def ask_time(due: float) -> None:
        await wire.request("GET", "/time")
    row("GET /time", rate, *await open_loop(rate, min(seconds, 5), ask_time))


async def measure(exchange: RunningExchange, rates: list[int], seconds: float, batch: bool) -> None:
    rng = random.Random(1)
    async with trading_wire(exchange) as (wire, traders), aiohttp.ClientSession() as session:
        listener = Listener(batch=batch)
        listening = asyncio.ensure_future(listener.run(session, exchange.websocket))
        await asyncio.wait_for(listener.ready.wait(), 20)
        sent: dict[str, float] = {}

        async def place(due: float) -> None:
            trader = rng.choice(traders)
            status, answer = await trader.request("POST", "/orders", order_body(rng))
            if status != 200:
                raise RuntimeError(f"{status} {answer}")
            sent[orjson.loads(answer)["id"]] = due

        await open_loop(100, 3, place)  # warm
        print(f"{'request':<12} {'rate/s':>6} {'sent':>6} {'failed':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}"
              f" {'feed p50':>9} {'feed p99':>9} {'drain s':>8}")
        for rate in rates:
            await measure_time(wire, rate, seconds)
            sent.clear()
            before, own = cpu_seconds(exchange.parts()), own_cpu()
            latencies, failed = await open_loop(rate, seconds, place)
            ended = time.perf_counter()
            deadline = ended + 60
            while time.perf_counter() < deadline and any(order not in listener.seen for order in sent):
                await asyncio.sleep(0.02)
            drained = max((listener.seen.get(order, deadline) for order in sent), default=ended) - ended
            feed = [(listener.seen[order] - due) * 1000 for order, due in sent.items() if order in listener.seen]
            row("POST /orders", rate, latencies, failed, feed, drained)
            lost = sum(order not in listener.seen for order in sent)
            if lost:
                print(f"  {lost} orders were not seen on the feed within 60 s")
            await asyncio.to_thread(exchange.wait_until_settled)
            print_cpu("order", len(sent), exchange, before, own)
        listening.cancel()


def row(name: str, rate: int, latencies: list[float], failed: int, feed: list[float] | None = None,
        drained: float | None = None) -> None:
    line = (f"{name:<12} {rate:>6} {len(latencies):>6} {failed:>6} {statistics.median(latencies):>8.1f}"
            f" {percentile(latencies, 0.99):>8.1f} {max(latencies):>8.1f}")
    if feed is not None:
        line += f" {percentile(feed, 0.5):>9.1f} {percentile(feed, 0.99):>9.1f} {drained:>8.2f}"
    print(line, flush=True)


def print_cpu(what: str, count: int, exchange: RunningExchange, before: dict[str, float], own: float) -> None:
    """What each part of the exchange used since `before`, and the load generator since `own`, for each of so many."""
    used = {name: after - before.get(name, 0.0) for name, after in cpu_seconds(exchange.parts()).items()}
    total = sum(used.values())
    used["load generator"] = own_cpu() - own
    parts = ", ".join(f"{name} {value / count * 1000:.2f}" for name, value in
                      sorted(used.items(), key=lambda item: -item[1]) if value / count > 0.00002)
    print(f"  CPU ms per {what}: {total / count * 1000:.2f} in all ({parts})", flush=True)


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15, help="length of each run of orders")
    parser.add_argument("--rates", type=lambda text: [int(part) for part in text.split(",")], default=list(RATES))
    parser.add_argument("--single", action="store_true", help="a listener that wants each message in a frame of its own")
    arguments = parser.parse_args()
    with exchange_for_a_run() as exchange:
        uvloop.run(measure(exchange, arguments.rates, arguments.seconds, not arguments.single))


if __name__ == "__main__":
    main()
