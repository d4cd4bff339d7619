"""Corners that streams hardly come to: more waiting work than one command does, ids whose hashes meet, arguments out of range.

What is expected follows from the rules alone. The coverage gate (test_coverage.py) names the lines that need a case here.
"""

import struct
from collections.abc import Callable

import pytest

from matching_core import Book, CoreInvariantBroken
from matching_core._core import ffi, lib
from matching_core.naive import NaiveBook
from matching_core.records import COMMAND, EVENT, CommandKind, DoneReason, EventKind, RejectCode
from tests.core.books import BUY, NOW_MS, TICK, limit, play
from tests.core.commands import Fields
from tests.core.corners import CORNERS, FAR_APART, FULL

both_cores = pytest.mark.parametrize("core", [Book, NaiveBook], ids=["c", "naive"])


def said(book, *commands: Fields, at_ms: int = NOW_MS) -> list[str]:
    """What a batch answers: kind, reason, order, lots and price; ACCEPTED and LEVEL are left out."""
    lines = []
    for kind, _, code, flags, _, _, _, order, maker, _, _, price_ticks, lots, _ in EVENT.iter_unpack(
            play(book, *commands, at_ms=at_ms)):
        name = order.rstrip(b"\0").decode(errors="replace")
        if kind == EventKind.DONE:
            lines.append(f"{name} {DoneReason(code).name} {lots}")
        elif kind == EventKind.REJECTED:
            lines.append(f"{CommandKind(flags).name} {name} refused: {RejectCode(code).name}")
        elif kind == EventKind.TRADE:
            lines.append(f"{name} trades {lots} at {price_ticks} with {maker.rstrip(bytes(1)).decode()}")
        elif kind not in (EventKind.ACCEPTED, EventKind.LEVEL):
            lines.append(f"{EventKind(kind).name} {name} {lots} at {price_ticks}".replace("  ", " "))
    return lines


def expired(first: int, last: int) -> list[str]:
    return [f"g{number:02} EXPIRED 1" for number in range(first, last)]


def triggered(first: int, last: int, reason: str) -> list[str]:
    return [line for number in range(first, last)
            for line in (f"TRIGGERED l{number:02} 1 at 100", f"l{number:02} {reason} 1")]


# What the batches of a corner answer, from the last one backwards; those before are its set-up.
EXPECTED: dict[str, list[list[str]]] = {
    "many levels lie far apart": [
        [f"OPENED o{number:02} 1 at {price_ticks}" for number, price_ticks in enumerate(FAR_APART)]],
    "an order that is due cannot be amended": [[*expired(0, 50), "AMEND g55 refused: UNKNOWN_ORDER"], expired(50, 60)],
    "an order that is due can be canceled": [[*expired(0, 50), "g51 CANCELED 1"], expired(50, 51)],
    # Ten due orders stand before the one that is paired: their steps are the uncross's own.
    "bids that are due are not paired": [[*expired(0, 60), "y trades 1 at 102 with z", "z FILLED 0", "RESUMED 0 at 102"]],
    "asks that are due are not paired": [[*expired(0, 60), "y trades 1 at 102 with z", "z FILLED 0", "RESUMED 0 at 102"]],
    "what a due iceberg hides fills no fok": [[*expired(0, 50), "PLACE t refused: FOK_NOT_FILLABLE"]],
    "what others hide fills a fok": [[
        *expired(0, 50), "i EXPIRED 10", "t trades 3 at 100 with p", "p FILLED 0", "t trades 2 at 100 with j",
        "OPENED j 2 at 100", "t trades 2 at 100 with j", "OPENED j 2 at 100", "t trades 2 at 100 with j", "j FILLED 0",
        "t FILLED 0"]],
    "what an own iceberg hides fills no fok": [["PLACE t refused: FOK_NOT_FILLABLE"], [
        "i SELF_TRADE 10", "t trades 3 at 100 with p", "p FILLED 0", "t trades 2 at 100 with j", "OPENED j 2 at 100",
        "t trades 2 at 100 with j", "OPENED j 2 at 100", "t trades 2 at 100 with j", "j FILLED 0", "t FILLED 0"]],
    "more stops are met than one command triggers": [
        ["b trades 1 at 100 with s", "s FILLED 0", "b FILLED 0", *triggered(0, 50, "NO_LIQUIDITY")],
        triggered(50, 60, "NO_LIQUIDITY")],
    # Each trigger is a step, and so is its meeting.
    "a meeting with an own order is a step": [["RESUMED 0 at 0", *triggered(0, 25, "SELF_TRADE")]],
    "a stop does not see prices of before it came": [
        ["t trades 1 at 101 with x", "x FILLED 0", "t FILLED 0",
         *(line for number in range(25) for line in (
             f"TRIGGERED l{number:02} 1 at 101", f"l{number:02} trades 1 at {100 - number} with b{number:02}",
             f"b{number:02} FILLED 0", f"l{number:02} FILLED 0"))],
        [], ["TRIGGERED l 1 at 95", "l NO_LIQUIDITY 1"]],
    "the lots that wait at one price stay in range": [["PLACE b refused: OVERFLOW", "PLACE d refused: OVERFLOW"]],
    "a move stays in its band": [["AMEND b refused: OUTSIDE_BAND"], ["AMENDED b 1 at 110", "OPENED b 1 at 110"]],
    "the makers of all levels count together": [[
        *(line for number in range(400) for line in (
            f"t trades 1 at {100 + number // 399} with m{number:03}", f"m{number:03} FILLED 0")), "t FILL_LIMIT 3"]],
    "an order is amended up to a full level": [
        ["AMEND a refused: OVERFLOW"], [f"AMENDED a {FULL - 2} at 100", "OPENED a 7 at 100"]],
}


@both_cores
@pytest.mark.parametrize("name", EXPECTED)
def test_corner(core: type, name: str) -> None:
    book = core.create(orders=4)
    answers = [said(book, *commands, at_ms=at_ms) for at_ms, commands in CORNERS[name]]
    assert answers[-len(EXPECTED[name]):] == EXPECTED[name]


def test_every_corner_is_asserted() -> None:
    assert {*EXPECTED, "two ids with one hash are two orders"} == set(CORNERS)


@both_cores
def test_two_ids_with_one_hash_are_two_orders(core: type) -> None:
    book = core.create(orders=4)
    kinds = [[row[0] for row in EVENT.iter_unpack(play(book, *commands, at_ms=at_ms))]
             for at_ms, commands in CORNERS["two ids with one hash are two orders"]]
    accepted, refused, opened, done, level = (EventKind.ACCEPTED, EventKind.REJECTED, EventKind.OPENED, EventKind.DONE,
                                              EventKind.LEVEL)
    assert kinds == [[accepted, opened, level], [refused], [accepted, opened, level], [done, level], [refused],
                     [accepted, opened, done], [done, level]]
    assert book.order_count == 0


# --- the C core's entry points: what is no book, no buffer, no number

def _book() -> Book:
    book = Book.create(orders=77)
    play(book, limit("b", 2, BUY, 1, 100))
    return book


def _apply(book: Book, at_ms: int = NOW_MS, count: int = 1, room: int = 20, shifts: tuple[int, int, int] = (0, 0, 0)) -> int:
    """mc_apply with one TICK. `shifts`: bytes by which commands, events and work space are off their place."""
    memory = [ffi.new("uint64_t[]", size) for size in (20, 400, 1_000)]
    commands, events, work = (ffi.cast("char *", one) + shift for one, shift in zip(memory, shifts, strict=True))
    ffi.memmove(commands, TICK.pack(), COMMAND.size)
    return lib.mc_apply(book._block, at_ms, commands, count, events, room, work)


def _restore(book: Book, capacity: int, *, shift: int = 0) -> int:
    snapshot = book.snapshot()
    size = lib.mc_block_bytes(max(1, capacity))
    target = Book(max(1, capacity))
    return lib.mc_restore(target._block + shift, size, capacity, snapshot, len(snapshot))


def _no_book(call: Callable[[Book], int]) -> Callable[[Book], int]:
    """The call on memory that holds none."""
    return lambda _: call(Book(77))


BAD_INPUT: dict[str, Callable[[Book], int]] = {
    "a block for no orders": lambda book: lib.mc_block_bytes(0),
    "a block for too many orders": lambda book: lib.mc_block_bytes(lib.MC_MAX_ORDERS + 1),
    "work space for fewer than no events": lambda book: lib.mc_work_bytes(-1),
    "work space for more events than there are numbers": lambda book: lib.mc_work_bytes(2**31),
    "create nowhere": lambda book: lib.mc_create(ffi.NULL, 10**9, 5),
    "create off its place": lambda book: lib.mc_create(Book(77)._block + 8, 10**9, 5),
    "create for no orders": lambda book: lib.mc_create(Book(77)._block, 10**9, 0),
    "create in too little memory": lambda book: lib.mc_create(Book(77)._block, lib.mc_block_bytes(77) - 1, 77),
    "apply to nothing": lambda book: lib.mc_apply(ffi.NULL, NOW_MS, ffi.NULL, 0, ffi.NULL, 0, ffi.NULL),
    "apply to no book": _no_book(_apply),
    "apply fewer than no commands": lambda book: _apply(book, count=-1),
    "apply more commands than there are numbers": lambda book: _apply(book, count=2**31),
    "apply with less than no room": lambda book: _apply(book, room=-1),
    "apply commands off their place": lambda book: _apply(book, shifts=(4, 0, 0)),
    "apply with events off their place": lambda book: _apply(book, shifts=(0, 4, 0)),
    "apply with work space off its place": lambda book: _apply(book, shifts=(0, 0, 4)),
    "apply before time began": lambda book: _apply(book, at_ms=-1),
    "levels of no book": _no_book(lambda book: lib.mc_levels(book._block, 1, 0, ffi.NULL)),
    "levels of side 0": lambda book: lib.mc_levels(book._block, 0, 0, ffi.NULL),
    "levels of side 5": lambda book: lib.mc_levels(book._block, 5, 0, ffi.NULL),
    "fewer than no levels": lambda book: lib.mc_levels(book._block, 1, -1, ffi.NULL),
    "the opening price of no book": _no_book(lambda book: lib.mc_indicative(book._block, ffi.new("mc_level *"))),
    "the work that waits in no book": _no_book(lambda book: lib.mc_work_waits(book._block)),
    "the length of no book's snapshot": _no_book(lambda book: lib.mc_snapshot_bytes(book._block)),
    "a snapshot of no book": _no_book(lambda book: lib.mc_snapshot(book._block, ffi.NULL, lib.MC_BAD_INPUT)),
    "a snapshot of another length": lambda book: lib.mc_snapshot(book._block, ffi.NULL, 8),
    "restore off its place": lambda book: _restore(book, 5, shift=8),
    "restore into memory for nothing": lambda book: _restore(Book.create(orders=1), 0),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_arguments_out_of_range_are_refused(name: str) -> None:
    book = _book()
    before = book.snapshot()
    assert BAD_INPUT[name](book) == lib.MC_BAD_INPUT
    assert book.snapshot() == before


def test_arguments_that_are_just_in_range() -> None:
    book = _book()
    assert _apply(book) == 0
    assert lib.mc_work_bytes(0) > 0 and lib.mc_block_bytes(lib.MC_MAX_ORDERS) > 0
    assert _restore(book, 0) == lib.MC_BOOK_FULL and _restore(book, 1) == 0
    assert lib.mc_state_hash(Book(5)._block) == 0


def _heads(book: Book) -> tuple[int, int]:
    """Where the block keeps its magic number, and its capacity with the size of its id table."""
    return book._memory.memory.find(b"\0MCXBLK"), book._memory.memory.find(struct.pack("<2I", 77, 128))


@pytest.mark.parametrize(("capacity", "id_buckets"), [
    (0, 128), (2**24 + 1, 128), (77, 64), (77, 0), (77, 256), (5_000, 192),
])
def test_a_block_with_impossible_sizes_is_no_book(capacity: int, id_buckets: int) -> None:
    book = _book()
    wanted = book.state_hash()
    _, sizes = _heads(book)
    for values, answer in (((capacity, id_buckets), 0), ((77, 128), wanted)):
        book._memory.memory[sizes:sizes + 8] = struct.pack("<2I", *values)
        assert lib.mc_state_hash(book._block) == answer


def test_a_block_of_another_format_is_no_book() -> None:
    book = _book()
    magic, _ = _heads(book)
    book._memory.memory[magic + 7] ^= 1
    assert lib.mc_state_hash(book._block) == 0
    assert lib.mc_state_hash(book._block + 64) == lib.mc_state_hash(book._block + 8) == 0


def test_a_block_that_was_marked_is_not_used_any_more() -> None:
    book = _book()
    book._head.broken_at = 1
    with pytest.raises(CoreInvariantBroken):
        play(book, TICK)
