"""The matching core beside its peers, on the same operations in the same run: `make bench-core`.

Workload mix10k: 10,000 orders rest; 52 % of the operations are limit orders that rest, 38 % cancel a random live order,
10 % are marketable and touch 1-5 makers; prices are geometric behind the touch (mean 40 ticks) and the touch walks within
+-300 ticks. Seeded; drawn against a dict book so that every cancel hits. Figures are ns per operation from Python, events
written and returned; the median and best of the repeats. Peers: a dict book in pure Python, `orderly-chaos` from PyPI
(native, one ctypes call per operation, no events), and our own naive core.
"""

import argparse
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from matching_core import COMMAND_BYTES, Book
from matching_core.naive import NaiveBook
from matching_core.records import COMMAND, NIL, CommandKind, OrderType, Side, TimeInForce

NOW_MS = 1_700_000_000_000
MIDDLE_TICKS = 1_000_000
ROOM = 1 << 21
TAKER_ACCOUNT = 1_000_000


class Operation(NamedTuple):
    """`kind`: rest, cancel or take. `number`: the order's id as an integer."""

    kind: str
    number: int
    side: int = 0
    price_ticks: int = 0
    lots: int = 0

    def pack(self) -> bytes:
        order_id = (self.number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).to_bytes(16, "little")
        if self.kind == "cancel":
            return COMMAND.pack(CommandKind.CANCEL, 0, 0, 0, 0, 0, 0, order_id, 0, *[0] * 6, NOW_MS, 0, 0, NIL)
        time_in_force = TimeInForce.IOC if self.kind == "take" else TimeInForce.GTC
        account = TAKER_ACCOUNT if self.kind == "take" else 1 + self.number % 1000
        return COMMAND.pack(CommandKind.PLACE, self.side, OrderType.LIMIT, time_in_force, 0, 0, 0, order_id, account,
                            self.price_ticks, self.lots, 0, 0, 0, 0, NOW_MS, 0, 0, NIL)


class DictBook:
    """The usual forty lines of Python: price-time priority, no self-trade rules, no events but trades."""

    def __init__(self) -> None:
        self.queues = {Side.BUY: {}, Side.SELL: {}}
        self.live: dict[int, tuple[int, int]] = {}
        self.trades: list[tuple[int, int, int]] = []

    def rest(self, number: int, side: int, price_ticks: int, lots: int) -> None:
        self.queues[side].setdefault(price_ticks, {})[number] = lots
        self.live[number] = (side, price_ticks)

    def cancel(self, number: int) -> None:
        side, price_ticks = self.live.pop(number)
        queue = self.queues[side][price_ticks]
        del queue[number]
        if not queue:
            del self.queues[side][price_ticks]

    def take(self, side: int, price_ticks: int, lots: int) -> None:
        queues = self.queues[Side.SELL if side == Side.BUY else Side.BUY]
        while lots and queues:
            best = min(queues) if side == Side.BUY else max(queues)
            if best > price_ticks if side == Side.BUY else best < price_ticks:
                return
            queue = queues[best]
            number, there = next(iter(queue.items()))
            traded = min(lots, there)
            self.trades.append((number, best, traded))
            lots -= traded
            if traded < there:
                queue[number] = there - traded
            else:
                self.cancel(number)

    def run(self, operations: list[Operation]) -> None:
        for kind, number, side, price_ticks, lots in operations:
            if kind == "rest":
                self.rest(number, side, price_ticks, lots)
            elif kind == "cancel":
                self.cancel(number)
            else:
                self.take(side, price_ticks, lots)


def mix(resting: int, count: int, seed: int = 1) -> tuple[list[Operation], list[Operation]]:
    """The operations that fill the book, and the ones that are measured."""
    draw = random.Random(seed)
    book, touch, number = DictBook(), MIDDLE_TICKS, 0
    live: list[int] = []
    fill, measured = [], []

    def rest() -> Operation:
        nonlocal number
        number += 1
        side = draw.choice((Side.BUY, Side.SELL))
        behind = 1 + int(draw.expovariate(1 / 40))
        # Never through the other side, so that what should rest does.
        if side == Side.BUY:
            price_ticks = min(touch - behind, min(book.queues[Side.SELL], default=2 * MIDDLE_TICKS) - 1)
        else:
            price_ticks = max(touch + behind, max(book.queues[Side.BUY], default=0) + 1)
        live.append(number)
        return Operation("rest", number, side, price_ticks, draw.randint(1, 10))

    while len(fill) < resting:
        fill.append(rest())
        book.run(fill[-1:])
    while len(measured) < count:
        touch = max(MIDDLE_TICKS - 300, min(MIDDLE_TICKS + 300, touch + draw.choice((-1, 0, 1))))
        share = draw.random()
        if share < 0.38 and book.live:
            while True:
                at = draw.randrange(len(live))
                live[at], live[-1] = live[-1], live[at]
                if (candidate := live.pop()) in book.live:
                    break
            operation = Operation("cancel", candidate)
        elif share < 0.48:
            number += 1
            side = draw.choice((Side.BUY, Side.SELL))
            operation = Operation("take", number, side, 2 * MIDDLE_TICKS if side == Side.BUY else 1, draw.randint(1, 22))
        else:
            operation = rest()
        measured.append(operation)
        book.run([operation])
    return fill, measured


def time_core(core: type, fill: list[Operation], measured: list[Operation], batch: int) -> Callable[[], float]:
    """A run answers ns per operation, in batches of `batch` records packed before."""
    full = core.create(orders=len(fill) + len(measured))
    full.apply(NOW_MS, b"".join(operation.pack() for operation in fill), 96 * 4 * len(fill))
    snapshot = full.snapshot()
    records = b"".join(operation.pack() for operation in measured)
    step = batch * COMMAND_BYTES
    batches = [records[at:at + step] for at in range(0, len(records), step)]

    def run() -> float:
        book = core.restore(snapshot)
        start = time.perf_counter_ns()
        for commands in batches:
            book.apply(NOW_MS, commands, ROOM)
        return (time.perf_counter_ns() - start) / len(measured)
    return run


def time_dict_book(fill: list[Operation], measured: list[Operation]) -> Callable[[], float]:
    def run() -> float:
        book = DictBook()
        book.run(fill)
        start = time.perf_counter_ns()
        book.run(measured)
        return (time.perf_counter_ns() - start) / len(measured)
    return run


def time_orderly_chaos(fill: list[Operation], measured: list[Operation]) -> Callable[[], float]:
    from orderly_chaos import LimitOrderBook
    from orderly_chaos import Side as TheirSide
    sides = {Side.BUY: TheirSide.BUY, Side.SELL: TheirSide.SELL}

    def play(book: "LimitOrderBook", operations: list[Operation]) -> None:
        for kind, number, side, price_ticks, lots in operations:
            if kind == "rest":
                book.limit(sides[side], number, lots, price_ticks)
            elif kind == "cancel":
                book.cancel(number)
            else:
                book.market(sides[side], number, lots)

    def run() -> float:
        with LimitOrderBook() as book:
            play(book, fill)
            start = time.perf_counter_ns()
            play(book, measured)
            return (time.perf_counter_ns() - start) / len(measured)
    return run


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resting", type=int, default=10_000)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    fill, measured = mix(options.resting, options.operations)
    few = measured[:max(1000, len(measured) // 20)]
    runs = {
        "C core, batches of 1000": time_core(Book, fill, measured, 1000),
        "C core, batches of 10": time_core(Book, fill, measured, 10),
        "C core, one by one": time_core(Book, fill, measured, 1),
        "dict book": time_dict_book(fill, measured),
        "orderly-chaos (ctypes)": time_orderly_chaos(fill, measured),
        "naive core, batches of 1000": time_core(NaiveBook, fill, few, 1000),
    }
    samples = {name: [] for name in runs}
    for _ in range(options.repeats):  # in turns, so that a noisy minute hits all
        for name, run in runs.items():
            samples[name].append(run())
    base = statistics.median(samples["C core, batches of 1000"])
    print(f"{len(measured):,} operations on {options.resting:,} resting orders; Python {platform.python_version()}, "
          f"{platform.machine()}, {_processor()}")
    print(f"{'':30}{'median':>10}{'best':>10}   ns/op{'ratio':>10}")
    for name, values in samples.items():
        middle = statistics.median(values)
        print(f"{name:30}{middle:10.0f}{min(values):10.0f}{middle / base:18.1f}")
    return 0


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
