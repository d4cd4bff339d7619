"""The C matching core as the engine takes it, with the cores of older rules that are kept behind it."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

import matching_core
from exchange.events import CORES
from exchange.markets import Market
from exchange.replica import Core


def core_for(market: Market) -> Core:
    """The core with room for the market's stated number of resting orders to start with; it grows by itself."""
    return core_of(matching_core, market.capacity_orders, _kept(CORES[:-1], market.capacity_orders))


def core_of(package: ModuleType, orders: int, older: Callable[[], Core] | None = None) -> Core:
    """The core in `matching_core`, or in a package like it."""
    return Core(create=partial(package.Book.create, orders=orders), restore=package.Book.restore, version=package.CORE_VERSION,
                damaged=package.DamagedSnapshot, events_full=package.EventsFull, older=older)


def _kept(versions: Sequence[int], orders: int) -> Callable[[], Core] | None:
    """The newest of these versions (oldest first) with the others behind it, imported when it is asked for."""
    if not versions:
        return None
    return lambda: core_of(importlib.import_module(f"matching_core.kept.v{versions[-1]}"), orders, _kept(versions[:-1], orders))


def naive_core() -> Core:
    """The same rules in obvious Python. Books of both are each other's snapshots; this one is hundreds of times slower."""
    from matching_core.naive import NaiveBook

    return Core(create=NaiveBook.create, restore=NaiveBook.restore, version=matching_core.CORE_VERSION,
                damaged=matching_core.DamagedSnapshot, events_full=matching_core.EventsFull)


def limits_in(snapshot: bytes) -> dict[bytes, int]:
    """The limit price in ticks (0: none) by order id of the orders in a book's sound snapshot."""
    from matching_core.records import ORDER_EXTRA, SNAPSHOT_EXTRA, SNAPSHOT_HEADER, SNAPSHOT_ORDER

    counts = SNAPSHOT_HEADER.unpack_from(snapshot)[5:9]  # bids, asks, loss stops, entry stops
    first_extra = SNAPSHOT_HEADER.size + sum(counts) * SNAPSHOT_ORDER.size
    extras = SNAPSHOT_EXTRA.iter_unpack(snapshot[first_extra:])
    limits = {}
    for index, order in enumerate(SNAPSHOT_ORDER.iter_unpack(snapshot[SNAPSHOT_HEADER.size:first_extra])):
        order_id, _, level_ticks, *_, flags, _, _ = order
        extra = next(extras) if flags & ORDER_EXTRA else None
        limits[order_id] = extra[3] if index >= counts[0] + counts[1] else level_ticks
    return limits
