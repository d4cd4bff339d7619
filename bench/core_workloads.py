"""The operations of `bench.core`, drawn against a book of plain dicts, and their command records.

Each operation is one row of `OPERATION`: 24 bytes that every peer reads in its own way and that `records` expands into the
core's commands. The draw is seeded. Because the dict book follows along, each cancel and each move names an order that is
live at that moment, each marketable order touches the number of makers that was drawn for it, and nothing that should
rest crosses.

Prices lie geometrically behind the touch, which walks one tick at most per operation within +-300 ticks. Where older orders
stand in front of the touch, the best of them counts instead, so that the shape behind it stays geometric. Whether the last
maker of a marketable order is taken whole or in part is what keeps the book near its size: whole above it, in part below.

In `wide` the touch jumps 25-40 % up or down and back in turns. Orders that are then in the way go first: until they are
gone, cancels name them and marketable orders trade with them. Then the book is where the touch is.
"""

import heapq
from typing import NamedTuple

import numpy as np

from matching_core import COMMAND_BYTES, EVENT_BYTES
from matching_core.records import CommandKind, OrderType, Side, TimeInForce

NOW_MS = 1_700_000_000_000
MIDDLE_TICKS = 1_000_000
WALK_TICKS = 300
MOST_LOTS = 100
TAKER_ACCOUNT = 1_000_000
REST, CANCEL, TAKE, MOVE = range(4)
MAKERS = (0.40, 0.30, 0.20, 0.05, 0.05)  # how often a marketable order touches 1, 2, 3, 4, 5 makers

# `price_ticks`: the limit of what rests, the new one of a move, the worst one of what takes; 0 in a cancel.
OPERATION = np.dtype([("kind", "u1"), ("side", "u1"), ("makers", "u2"), ("number", "u4"), ("price_ticks", "i8"),
                      ("lots", "i8")])
COMMAND = np.dtype({
    "names": ["kind", "side", "order_type", "time_in_force", "id0", "id1", "account", "price_ticks", "size_lots",
              "issued_at_ms"],
    "formats": ["u1", "u1", "u1", "u1", "u8", "u8", "u8", "i8", "i8", "i8"],
    "offsets": [0, 1, 2, 3, 8, 16, 24, 32, 40, 80],
    "itemsize": COMMAND_BYTES,
})
EVENT = np.dtype([("kind", "u1"), ("side", "u1"), ("code", "u1"), ("flags", "u1"), ("command_index", "u4"), ("sequence", "u8"),
                  ("trade_id", "u8"), ("order_id", "V16"), ("maker_order_id", "V16"), ("account", "u8"),
                  ("maker_account", "u8"), ("price_ticks", "i8"), ("size_lots", "i8"), ("remaining", "i8")])
assert EVENT.itemsize == EVENT_BYTES
_KINDS = np.array([CommandKind.PLACE, CommandKind.CANCEL, CommandKind.PLACE, CommandKind.AMEND], "u1")
_TIMES_IN_FORCE = np.array([TimeInForce.GTC, 0, TimeInForce.IOC, 0], "u1")


class Workload(NamedTuple):
    """Shares are of their sum; `mean_ticks` is the mean distance of prices behind the touch."""

    name: str
    resting: int
    mean_ticks: int
    shares: tuple[float, float, float, float]  # rest, cancel, take, move
    jump_every: int = 0


WORKLOADS = {each.name: each for each in (
    Workload("mix10k", 10_000, 40, (52, 38, 10, 0)),
    Workload("mix1m", 1_000_000, 200, (52, 38, 10, 0)),
    Workload("moves", 1_000, 40, (9, 5, 3, 82)),
    Workload("wide", 10_000, 40, (52, 38, 10, 0), jump_every=20_000),
)}


class Stream(NamedTuple):
    """What fills the book, what is measured, and how many orders rest after it."""

    fill: np.ndarray
    measured: np.ndarray
    resting_after: int


class _Reference:
    """The book that the draw looks at. Buy prices are kept negative, so that the best is the smallest on both sides."""

    def __init__(self, most: int) -> None:
        self.queues: tuple[dict[int, dict[int, None]], ...] = ({}, {})
        self.heaps: tuple[list[int], ...] = ([], [])
        self.side = bytearray(most)
        self.price = [0] * most
        self.lots = [0] * most  # 0: not live
        self.live: list[int] = []  # holds every live order once; the dead leave it when they are met
        self.count = 0

    def best(self, side: int) -> int | None:
        heap, queues = self.heaps[side], self.queues[side]
        while heap:
            if heap[0] in queues:
                return heap[0]
            heapq.heappop(heap)
        return None

    def _queue(self, number: int, side: int, price: int) -> None:
        self.price[number] = price
        queue = self.queues[side].get(price)
        if queue is None:
            self.queues[side][price] = {number: None}
            heapq.heappush(self.heaps[side], price)
        else:
            queue[number] = None

    def _leave(self, number: int) -> None:
        queues, price = self.queues[self.side[number]], self.price[number]
        queue = queues[price]
        del queue[number]
        if not queue:
            del queues[price]

    def rest(self, number: int, side: int, price: int, lots: int) -> None:
        self.side[number], self.lots[number] = side, lots
        self._queue(number, side, price)
        self.live.append(number)
        self.count += 1

    def remove(self, number: int) -> None:
        self._leave(number)
        self.lots[number] = 0
        self.count -= 1

    def move(self, number: int, price: int) -> None:
        self._leave(number)
        self._queue(number, self.side[number], price)

    def take(self, side: int, makers: int, whole: bool, share: float) -> tuple[int, int]:
        """Takes from `side` what `makers` orders have, of the last one a part unless `whole`: (makers, lots)."""
        lots = touched = 0
        while touched < makers and (best := self.best(side)) is not None:
            number = next(iter(self.queues[side][best]))
            touched += 1
            there = self.lots[number]
            if touched == makers and not whole and there > 1:
                part = 1 + int(share * (there - 1))
                self.lots[number] = there - part
                return touched, lots + part
            lots += there
            self.remove(number)
        return touched, lots

    def random(self, share: float, at_random: np.random.Generator) -> int:
        """A live order, drawn evenly; it stays in `live`."""
        live, lots = self.live, self.lots
        while True:
            at = int(share * len(live))
            if lots[live[at]]:
                return live[at]
            live[at] = live[-1]
            live.pop()
            share = at_random.random()


def draw(workload: Workload, operations: int, resting: int | None = None, seed: int = 1) -> Stream:
    """The stream of a workload; `resting` other than the workload's is for tests."""
    resting = workload.resting if resting is None else resting
    total = resting + operations
    at_random = np.random.default_rng(seed)
    shares = np.cumsum(workload.shares) / sum(workload.shares)
    kinds = np.searchsorted(shares, at_random.random(total), side="right").astype("u1")
    kinds[:resting] = REST
    sides = at_random.integers(0, 2, total, "u1")
    behind = at_random.geometric(1 / workload.mean_ticks, total)
    lots = at_random.integers(1, MOST_LOTS + 1, total)
    makers = 1 + np.searchsorted(np.cumsum(MAKERS), at_random.random(total), side="right").clip(max=len(MAKERS) - 1)
    touches, jumped = _touches(workload, resting, total, at_random)

    book = _Reference(total + 1)
    numbers, prices, sizes, touched_makers = [0] * total, [0] * total, [0] * total, [0] * total
    out_sides = bytearray(total)
    in_the_way: list[int] = []
    next_number = 1
    drawn = zip(kinds.tolist(), sides.tolist(), behind.tolist(), lots.tolist(), makers.tolist(), touches.tolist(),
                at_random.random(total).tolist(), strict=True)
    for at, (kind, side, distance, size, wanted, touch, share) in enumerate(drawn):
        if at in jumped:
            blocked = 1 if jumped[at] > 0 else 0
            in_the_way = [each for each in book.live if book.lots[each] and book.side[each] == blocked]
        while in_the_way and not book.lots[in_the_way[-1]]:
            in_the_way.pop()
        if kind == TAKE:
            maker_side = book.side[in_the_way[-1]] if in_the_way else 1 - side
            touched, taken = book.take(maker_side, wanted, book.count > resting, share)
            if touched:
                numbers[at], out_sides[at], sizes[at], touched_makers[at] = next_number, 1 - maker_side, taken, touched
                prices[at] = 1 if maker_side == 0 else 2 * MIDDLE_TICKS
                next_number += 1
                continue
            kind = kinds[at] = REST
        if kind != REST and not book.count:
            kind = kinds[at] = REST
        if kind == REST:
            price = _price(book, side, touch, distance)
            book.rest(next_number, side, price, size)
            numbers[at], out_sides[at], sizes[at], prices[at] = next_number, side, size, abs(price)
            next_number += 1
            continue
        number = in_the_way.pop() if in_the_way and kind == CANCEL else book.random(share, at_random)
        numbers[at], out_sides[at], sizes[at] = number, book.side[number], book.lots[number]
        if kind == CANCEL:
            book.remove(number)
        else:
            side = book.side[number]
            price = _price(book, side, touch, distance)
            price += price == book.price[number]  # one tick further behind, where it stood there already
            book.move(number, price)
            prices[at] = abs(price)

    rows = np.zeros(total, OPERATION)
    rows["kind"], rows["side"], rows["makers"] = kinds, np.frombuffer(out_sides, "u1") + np.uint8(Side.BUY), touched_makers
    rows["number"], rows["price_ticks"], rows["lots"] = numbers, prices, sizes
    return Stream(rows[:resting], rows[resting:], book.count)


def _price(book: _Reference, side: int, touch: int, distance: int) -> int:
    """A price `distance` behind the touch, or behind the best order of the other side if that is nearer."""
    front = touch if side else -touch
    other = book.best(1 - side)
    return (front if other is None else max(front, -other)) + distance


def _touches(workload: Workload, resting: int, total: int, at_random: np.random.Generator) -> tuple[np.ndarray, dict[int, int]]:
    """The touch at each operation, reflected at the ends of its walk, and where it jumps: up 1, down -1."""
    walk = np.cumsum(at_random.integers(-1, 2, total))
    touches = MIDDLE_TICKS + np.abs((walk + WALK_TICKS) % (4 * WALK_TICKS) - 2 * WALK_TICKS) - WALK_TICKS
    jumped, offset = {}, 0
    if workload.jump_every:
        for turn, at in enumerate(range(resting + workload.jump_every, total, workload.jump_every)):
            before = offset
            sign = 1 if turn % 4 == 0 else -1
            offset = 0 if turn % 2 else sign * int(at_random.integers(MIDDLE_TICKS * 25 // 100, MIDDLE_TICKS * 40 // 100))
            touches[at:at + workload.jump_every] += offset
            jumped[at] = 1 if offset > before else -1
    return touches, jumped


def records(operations: np.ndarray) -> np.ndarray:
    """The core's command records of some operations; `.tobytes()` gives what `Book.apply` reads."""
    kinds = operations["kind"]
    numbers = operations["number"].astype("u8")
    commands = np.zeros(len(operations), COMMAND)
    commands["kind"], commands["time_in_force"] = _KINDS[kinds], _TIMES_IN_FORCE[kinds]
    # The exchange draws order ids at random; odd factors give ids as scattered, and each only once.
    commands["id0"] = numbers * np.uint64(0x9E3779B97F4A7C15)
    commands["id1"] = (numbers * np.uint64(0xBF58476D1CE4E5B9)) ^ np.uint64(0x94D049BB133111EB)
    commands["account"] = np.where(kinds == TAKE, np.uint64(TAKER_ACCOUNT), 1 + numbers % np.uint64(1000))
    commands["price_ticks"], commands["issued_at_ms"] = operations["price_ticks"], NOW_MS
    places = (kinds == REST) | (kinds == TAKE)
    commands["side"] = np.where(places, operations["side"], 0)
    commands["order_type"] = np.where(places, np.uint8(OrderType.LIMIT), 0)
    commands["size_lots"] = np.where(places, operations["lots"], 0)
    return commands
