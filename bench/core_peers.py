"""The peers of `bench.core`: other order books, fed with the same operations through the fastest interface they have.

A peer is a class. Its object is a book: `prepare` turns rows of `OPERATION` into what it likes to be fed with, outside the
timed part; `play` runs them and answers the lots traded; `close` frees it. Three peers have a C interface and are fed by
`core_loop.c`, so no Python stands between their calls; the others are fed by a Python loop, and their figures contain it.

Tried from PyPI: obook, litebook, liquibook, limit-order-book, cython-orderbook, lightmatchingengine and orderly-chaos. All
install with pip alone (limit-order-book and orderly-chaos are C++ that pip compiles; litebook and liquibook have no wheels
for Python 3.14) and trade the same lots, so all are here. Not tried, as their pages say that they are pure Python like
lightmatchingengine: pyorderbook, order-matching, fastlob, OrderBook, akhil4n-orderbook; hft-lob, a program without a library. A
search of Debian's packages found no order book. A peer that is not installed is named at the end of the run and left out.
"""

import ctypes
import hashlib
import importlib.util
import os
import shlex
import subprocess
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.core_workloads import CANCEL, REST, TAKE
from matching_core.records import Side

SOURCES = [Path(__file__).with_name(name) for name in ("core_loop.c", "core_sketch.c")]
RECORDS = Path(__file__).parents[1] / "matching_core" / "src" / "records.h"
BUILD = Path(__file__).parents[1] / "build" / "bench"
_Row = tuple[int, int, int, int, int]  # kind, side, number, price_ticks, lots


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "cc"))


def _loops() -> ctypes.CDLL:
    command = [*compiler(), "-std=gnu11", "-O3", "-fPIC", "-shared"]
    read = b"".join(source.read_bytes() for source in (*SOURCES, RECORDS))
    stamp = hashlib.sha256(" ".join(command).encode() + read).hexdigest()[:16]
    library = BUILD / f"core_peers-{stamp}.so"
    if not library.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = library.with_suffix(f".{os.getpid()}")
        subprocess.run([*command, *map(str, SOURCES), "-o", str(scratch)], check=True)
        scratch.replace(library)
    return ctypes.CDLL(str(library))


class BareSketch:
    """No engine: what a workload costs without any rule (core_sketch.c). It is fed with the core's commands."""

    title, writes = "bare sketch, no rules", "no LEVEL events"

    def __init__(self, most_orders: int, most_events: int) -> None:
        self._library = _loops()
        self._library.sketch_new.restype = ctypes.c_void_p
        self._library.sketch_free.argtypes = [ctypes.c_void_p]
        self.book = self._library.sketch_new(ctypes.c_uint32(most_orders), ctypes.c_uint32(most_events))
        self.batch_address = _address(self._library.sketch_batch)

    def close(self) -> None:
        self._library.sketch_free(self.book)


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value


class Peer:
    """`share`: one operation of so many is run. `says_trades`: whether `play` knows the lots traded."""

    title: ClassVar[str]
    module: ClassVar[str] = ""
    package: ClassVar[str] = ""
    writes: ClassVar[str] = "no events"
    share: ClassVar[int] = 10
    says_trades: ClassVar[bool] = True
    moves: ClassVar[bool] = False

    @classmethod
    def installed(cls) -> bool:
        return not cls.module or importlib.util.find_spec(cls.module) is not None

    def __init__(self, most_orders: int) -> None:
        raise NotImplementedError

    def prepare(self, operations: np.ndarray) -> object:
        columns = (operations[name].tolist() for name in ("kind", "side", "number", "price_ticks", "lots"))
        return list(zip(*columns, strict=True))

    def play(self, rows: list[_Row]) -> int:
        raise NotImplementedError

    def close(self) -> None:
        pass


class _InC(Peer):
    """A peer behind a C interface. `calls` are the addresses that its loop in core_loop.c names."""

    share = 1
    moves = True
    loop: ClassVar[str]

    def _start(self, calls: list[int], book: int) -> None:
        self._book = book
        self._calls = (ctypes.c_void_p * len(calls))(*calls)
        self._play = getattr(_loops(), self.loop)
        self._play.restype = ctypes.c_int64
        self._play.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]

    def prepare(self, operations: np.ndarray) -> np.ndarray:
        return operations.copy()  # freshly written, so as near in the caches as the core's commands

    def play(self, rows: np.ndarray) -> int:
        traded = self._play(self._calls, self._book, rows.ctypes.data, len(rows))
        if traded < 0:
            raise RuntimeError(f"{self.title} refused an operation")
        return traded


class OrderlyChaosInC(_InC):
    title, module, package, loop = "orderly-chaos, in C", "orderly_chaos", "orderly-chaos", "orderly_chaos"
    keeps = False

    def __init__(self, most_orders: int) -> None:
        from orderly_chaos._library import library
        self._library = library()
        names = ("oc_book_limit", "oc_book_market", "oc_book_cancel")
        self._start([_address(getattr(self._library, name)) for name in names], self._library.oc_book_new())
        if self.keeps:
            self._kept = (ctypes.c_uint64 * (1 + 5 * 4096))()
            set_callback = ctypes.cast(self._library.oc_book_set_trade_callback,
                                       ctypes.PYFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3))
            set_callback(self._book, _address(_loops().keep_orderly_trade), ctypes.addressof(self._kept))

    def close(self) -> None:
        self._library.oc_book_free(self._book)


class OrderlyChaosWithTradesInC(OrderlyChaosInC):
    title, writes, keeps = "orderly-chaos, in C, trades kept", "trades", True


class LimitOrderBookInC(_InC):
    title, module, package, loop = "limit-order-book, in C", "limit_order_book", "limit-order-book", "limit_order_book"
    says_trades = False

    def __init__(self, most_orders: int) -> None:
        from limit_order_book.library import Library
        self._functions = Library.functions
        names = ("limit", "market", "cancel")
        self._start([_address(getattr(self._functions, name)) for name in names], self._functions.new_())

    def volume(self) -> int:
        """The lots that rest."""
        return self._functions.volume(self._book)

    def close(self) -> None:
        self._functions.delete_(self._book)


class ObookInC(_InC):
    """Written in Go: each call enters its runtime."""

    title, module, package, loop = "obook, in C", "obook", "obook", "obook"
    writes, share = "events", 10

    def __init__(self, most_orders: int) -> None:
        import obook
        self._library = obook.load(obook._library_path())
        self._ids = np.zeros(most_orders + 1, "i8")
        names = ("ob_submit", "ob_cancel", "ob_replace", "ob_events")
        self._start([*(_address(getattr(self._library, name)) for name in names), self._ids.ctypes.data],
                    self._library.ob_new(most_orders))

    def close(self) -> None:
        self._library.ob_free(self._book)


class DictBook(Peer):
    """The usual forty lines of Python: price-time priority, no self-trade rules, no events but trades."""

    title, writes = "dict book, Python", "trades"

    def __init__(self, most_orders: int) -> None:
        self.queues = {Side.BUY: {}, Side.SELL: {}}
        self.live: dict[int, tuple[int, int]] = {}
        self.trades: list[tuple[int, int, int]] = []

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

    def play(self, rows: list[_Row]) -> int:
        self.trades = []
        for kind, side, number, price_ticks, lots in rows:
            if kind == REST:
                self.queues[side].setdefault(price_ticks, {})[number] = lots
                self.live[number] = (side, price_ticks)
            elif kind == CANCEL:
                self.cancel(number)
            else:
                self.take(side, price_ticks, lots)
        return sum(traded for _, _, traded in self.trades)


class OrderlyChaosClass(Peer):
    title, module, package = "orderly-chaos, its Python class", "orderly_chaos", "orderly-chaos"

    def __init__(self, most_orders: int) -> None:
        import orderly_chaos
        self._book = orderly_chaos.LimitOrderBook()
        self._sides = {Side.BUY: orderly_chaos.Side.BUY, Side.SELL: orderly_chaos.Side.SELL}

    def play(self, rows: list[_Row]) -> int:
        book, sides, traded = self._book, self._sides, 0
        for kind, side, number, price_ticks, lots in rows:
            if kind == REST:
                book.limit(sides[side], number, lots, price_ticks)
            elif kind == CANCEL:
                book.cancel(number)
            else:
                traded += book.market(sides[side], number, lots)
        return traded

    def close(self) -> None:
        self._book.close()


class Liquibook(Peer):
    """C++ behind SWIG; a Python listener is called for each fill."""

    title, module, package, writes = "liquibook, its Python class", "liquibook", "liquibook", "events"

    def __init__(self, most_orders: int) -> None:
        import liquibook

        class Listener(liquibook.OrderListener):
            traded = 0

            def on_fill(self, passive: object, aggressive: object, lots: int, cost: int) -> None:
                passive.fill(lots, cost, 0)
                aggressive.fill(lots, cost, 0)
                self.traded += lots

            def ignore(self, *_: object) -> None:
                pass

            on_accept = on_cancel = ignore

            def refused(self, *_: object) -> None:
                raise RuntimeError("liquibook refused an operation")

            on_reject = on_cancel_reject = refused

        self._order, self._book, self._listener = liquibook.SimpleOrder, liquibook.DepthOrderBook(), Listener()
        self._take, self._rest = liquibook.oc_immediate_or_cancel, liquibook.oc_no_conditions
        self._book.set_order_listener(self._listener)
        self._orders: dict[int, object] = {}

    def play(self, rows: list[_Row]) -> int:
        book, orders, make, rest, take = self._book, self._orders, self._order, self._rest, self._take
        before = self._listener.traded
        for kind, side, number, price_ticks, lots in rows:
            if kind == CANCEL:
                book.cancel(orders.pop(number))
                continue
            how = take if kind == TAKE else rest
            orders[number] = order = make(side == 1, price_ticks, lots, 0, how)
            book.add(order, how)
        return self._listener.traded - before


class Litebook(Peer):
    """Rust behind PyO3; quantities are floats and ids are its own strings."""

    title, module, package, writes = "litebook, its Python class", "litebook", "litebook", "trades"

    def __init__(self, most_orders: int) -> None:
        import litebook
        self._book = litebook.OrderBook(tick_size=1.0)
        self._sides = {Side.BUY: litebook.OrderType.Buy, Side.SELL: litebook.OrderType.Sell}
        self._ids: dict[int, str] = {}

    def play(self, rows: list[_Row]) -> int:
        book, sides, ids, fills = self._book, self._sides, self._ids, []
        for kind, side, number, price_ticks, lots in rows:
            if kind == CANCEL:
                book.cancel(ids.pop(number))
                continue
            order = book.create_order(sides[side], price_ticks, lots)
            if kind == REST:
                ids[number] = order.id
            fills += book.add(order)
        return sum(int(fill.quantity) for fill in fills)


class CythonOrderbook(Peer):
    title, module, package, writes = "cython-orderbook, its Python class", "cython_orderbook", "cython-orderbook", "trades"

    def __init__(self, most_orders: int) -> None:
        import cython_orderbook
        self._order, self._book = cython_orderbook.Order, cython_orderbook.OrderBook()
        self._sides = {Side.BUY: cython_orderbook.OrderSide.BID, Side.SELL: cython_orderbook.OrderSide.ASK}
        self._ids: dict[int, str] = {}

    def play(self, rows: list[_Row]) -> int:
        book, sides, ids, make = self._book, self._sides, self._ids, self._order
        before = len(book.trade_log)
        for kind, side, number, price_ticks, lots in rows:
            if kind == CANCEL:
                book.cancel_order(ids.pop(number))
            elif kind == REST:
                order = make(sides[side], lots, price_ticks)
                ids[number] = order.order_id
                book.add_limit_order(order)
            else:
                book.add_market_order(make(sides[side], lots))
        return sum(trade.quantity_filled for trade in book.trade_log[before:])


class LightMatchingEngine(Peer):
    title, module, package, writes = "lightmatchingengine, Python", "lightmatchingengine", "lightmatchingengine", "trades"
    share = 20

    def __init__(self, most_orders: int) -> None:
        from lightmatchingengine.lightmatchingengine import LightMatchingEngine as Engine
        self._engine = Engine()
        self._ids: dict[int, int] = {}

    def play(self, rows: list[_Row]) -> int:
        engine, ids, traded = self._engine, self._ids, 0
        for kind, side, number, price_ticks, lots in rows:
            if kind == CANCEL:
                engine.cancel_order(ids.pop(number), "")
                continue
            order, _ = engine.add_order("", price_ticks, lots, side)
            if kind == REST:
                ids[number] = order.order_id
            else:
                traded += order.cum_qty
        return traded


IN_C = (OrderlyChaosInC, OrderlyChaosWithTradesInC, LimitOrderBookInC, ObookInC)
IN_PYTHON = (DictBook, OrderlyChaosClass, Liquibook, Litebook, CythonOrderbook, LightMatchingEngine)
