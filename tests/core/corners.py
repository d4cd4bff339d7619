"""Corners of the rules that streams hardly come to, as batches; tests/core/test_corners.py says what must come of them.

The recorded commands of tests/core/variants.py end with them, so every build of the core plays them too.
"""

import struct

from matching_core.digest import K0, K1, mix
from matching_core.records import CommandKind, Stp
from tests.core.books import (
    AUCTION,
    BUY,
    FOK,
    GTT,
    IOC,
    NOW_MS,
    RESUME,
    SELL,
    TICK,
    UNCROSS,
    amend,
    limit,
    of_kind,
    order_id,
    stop_market,
)
from tests.core.commands import MAX, Fields

END_MS = NOW_MS + 10
Batches = list[tuple[int, list[Fields]]]


def ending(count: int, side: int, price_ticks: int) -> list[Fields]:
    """Orders g00, g01, ... of one lot that end at END_MS."""
    return [limit(f"g{number:02}", 2, side, 1, price_ticks, GTT, expire_at_ms=END_MS) for number in range(count)]


def cancel(order: bytes, account: int = 2) -> Fields:
    return of_kind(CommandKind.CANCEL, order_id=order, account=account)


def _paired(side: int) -> Batches:
    other, best, next_best, far = (SELL, 105, 104, 101) if side == BUY else (BUY, 100, 101, 104)
    return [(NOW_MS, [AUCTION, *ending(60, side, best), limit("z", 3, side, 1, next_best), limit("y", 4, other, 2, far)]),
            (END_MS, [UNCROSS])]


def _fok_against(wanted: int) -> Batches:
    """Of an iceberg that is due, a plain order and another iceberg at one price; fifty others are due before."""
    return [(NOW_MS, [*ending(50, SELL, 200), limit("i", 3, SELL, 10, 100, GTT, display_lots=2, expire_at_ms=END_MS),
                      limit("p", 3, SELL, 3, 100), limit("j", 5, SELL, 6, 100, display_lots=2)]),
            (END_MS, [limit("t", 4, BUY, wanted, 100, FOK)])]


def same_hash() -> tuple[bytes, bytes]:
    """Two ids with the same 32 bits in the id table's slots."""
    seen: dict[int, int] = {}
    number = 1
    while (met := seen.setdefault(mix(number ^ K0, 1 ^ K1) & 0xFFFFFFFF, number)) == number:
        number += 1
    return struct.pack("<2Q", met, 1), struct.pack("<2Q", number, 1)


def _two_ids() -> Batches:
    first, second = same_hash()
    one, two = limit("", 2, BUY, 1, 100, order_id=first), limit("", 2, BUY, 2, 100, order_id=second)
    return [(NOW_MS, commands) for commands in (
        [one], [cancel(second)], [two], [cancel(first)], [two], [one, cancel(first)], [cancel(second)])]


FAR_APART = [1 + number * 37 % 60 * 10**6 for number in range(60)]  # prices of so many levels, out of order
FULL = MAX // 100  # lots that fill a level at 100
CORNERS: dict[str, Batches] = {
    "an order that is due cannot be amended": [
        (NOW_MS, ending(60, BUY, 99)), (END_MS, [amend("g55", account=2, size_lots=3)]), (END_MS, [TICK])],
    "an order that is due can be canceled": [
        (NOW_MS, ending(52, SELL, 99)), (END_MS, [cancel(order_id("g51"))]), (END_MS, [TICK])],
    "bids that are due are not paired": _paired(BUY),
    "asks that are due are not paired": _paired(SELL),
    "what a due iceberg hides fills no fok": _fok_against(10),
    "what others hide fills a fok": _fok_against(9),
    "what an own iceberg hides fills no fok": [
        (NOW_MS, [limit("i", 4, SELL, 10, 100, display_lots=2), limit("p", 3, SELL, 3, 100), limit("j", 5, SELL, 6, 100,
                                                                                                  display_lots=2)]),
        (NOW_MS, [limit("t", 4, BUY, 10, 100, FOK, stp=Stp.CANCEL_OLDEST)]),
        (NOW_MS, [limit("t", 4, BUY, 9, 100, FOK, stp=Stp.CANCEL_OLDEST)])],
    "more stops are met than one command triggers": [
        (NOW_MS, [*(stop_market(f"l{number:02}", 2, SELL, 1, 100) for number in range(60)), limit("s", 3, SELL, 1, 100)]),
        (NOW_MS, [limit("b", 4, BUY, 1, 100, IOC)]), (NOW_MS, [TICK])],
    "a meeting with an own order is a step": [
        (NOW_MS, [limit("s", 8, SELL, 1, 100), limit("b", 9, BUY, 1, 100, IOC), limit("o", 1, SELL, 1, 101), AUCTION,
                  *(stop_market(f"l{number:02}", 1, BUY, 1, 100, stp=Stp.CANCEL_NEWEST) for number in range(60))]),
        (NOW_MS, [RESUME])],
    # Twenty-five stops, each with the one maker that it meets, are all the steps of one command.
    "a stop does not see prices of before it came": [
        (NOW_MS, [limit("x", 3, BUY, 1, 101), *(limit(f"b{number:02}", 3, BUY, 1, 100 - number) for number in range(25)),
                  *(stop_market(f"l{number:02}", 2, SELL, 1, 101) for number in range(25))]),
        (NOW_MS, [limit("t", 4, SELL, 1, 101, IOC)]),
        (NOW_MS, [stop_market("e", 5, BUY, 1, 95, entry=True)]), (NOW_MS, [stop_market("l", 5, SELL, 1, 95)])],
    "the lots that wait at one price stay in range": [
        (NOW_MS, [stop_market("a", 2, SELL, MAX - 1, 5), stop_market("b", 2, SELL, 2, 5), stop_market("c", 2, BUY, 1, 5),
                  stop_market("d", 2, BUY, 1, 5), stop_market("e", 2, BUY, 1, 5, entry=True), stop_market("f", 2, BUY, 1, 6)])],
    "an order is amended up to a full level": [
        (NOW_MS, [limit("a", 2, BUY, FULL - 9, 100, display_lots=7), limit("b", 2, BUY, 2, 100)]),
        (NOW_MS, [amend("a", size_lots=FULL - 1)]), (NOW_MS, [amend("a", size_lots=FULL - 2)])],
    "a move stays in its band": [
        (NOW_MS, [limit("s", 3, SELL, 1, 100), limit("t", 4, BUY, 1, 100, IOC), limit("b", 2, BUY, 1, 90)]),
        (NOW_MS, [amend("b", price_ticks=111, collar_bp=1000)]), (NOW_MS, [amend("b", price_ticks=110, collar_bp=1000)])],
    "the makers of all levels count together": [
        (NOW_MS, [limit(f"m{number:03}", 3, SELL, 1, 100 + number // 399) for number in range(403)]),
        (NOW_MS, [limit("t", 4, BUY, 403, 101)])],
    "many levels lie far apart": [
        (NOW_MS, [limit(f"o{number:02}", 2, BUY, 1, price_ticks) for number, price_ticks in enumerate(FAR_APART)])],
    "two ids with one hash are two orders": _two_ids(),
}
