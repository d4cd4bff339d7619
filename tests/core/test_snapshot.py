"""Snapshot and restore: the same bytes from both cores, each restores the other's, and damage is refused (I5)."""

import hashlib
import random
import struct
from collections.abc import Callable

import pytest

from matching_core import Book, DamagedSnapshot
from matching_core.naive import NaiveBook
from tests.core.books import BOOKS, NOW_MS, RESUME, ROOM, book_of, limit, order_id, play
from tests.core.commands import MAX
from tests.core.duel import SIDES
from tests.core.snapshots import EXTRA_FIELDS, HEADER, ORDER, SECTIONS, WITH_EXTRA, Snapshot, as_older, mutated, rechecked
from tests.core.streams import PROFILES, Stream
from tests.seeds import seeds

CORES = [Book, NaiveBook]
# SHA-256 of the book "open", as the last core with this version wrote it.
WRITTEN_BY_VERSION_2 = "3b98772cd3aac73a388c06fabe772f98bb1cb15d0ccd57ea18c500e7abb1ef16"


def _verdict(core: type, snapshot: bytes):
    """The restored book, or None when it was refused."""
    try:
        return core.restore(snapshot, orders=1)
    except DamagedSnapshot:
        return None


@pytest.mark.parametrize("name", BOOKS)
def test_a_book_goes_to_bytes_and_back(name: str) -> None:
    """Both cores write the same bytes; each restores them to the same book, whoever wrote them, which goes on the same."""
    snapshot = book_of(Book, name).snapshot()
    assert book_of(NaiveBook, name).snapshot() == snapshot
    assert Snapshot.unpack(snapshot).state_hash() == book_of(Book, name).state_hash()
    original = book_of(Book, name)
    restored = [core.restore(snapshot, orders=1) for core in CORES]
    later = [RESUME, limit("late", 77, 1, 2, 101), limit("later", 78, 2, 900, 90), limit("b1", 79, 1, 1, 1), RESUME]
    events = [play(book, *later, at_ms=NOW_MS + 6_000) for book in (original, *restored)]
    for book in restored:
        assert book.snapshot() == original.snapshot()
    assert events[0] == events[1] == events[2]
    for side in SIDES:
        assert restored[0].orders(side) == restored[1].orders(side)
        assert restored[0].levels(side, 99) == restored[1].levels(side, 99)


@pytest.mark.parametrize("reader", CORES)
@pytest.mark.parametrize("writer", CORES)
@pytest.mark.parametrize("profile", [profile for profile in PROFILES if profile.name in ("everything", "auctions")],
                         ids=lambda profile: profile.name)
def test_a_restored_book_is_the_book(profile, writer: type, reader: type) -> None:
    """Restored in the middle of a stream by either core, it goes on exactly like the one that was not."""
    book, other = writer.create(orders=4), None
    for number, (at_ms, commands, _) in enumerate(Stream(profile, 5, book).batches()):
        if number % 20 == 0:
            other = reader.restore(book.snapshot(), orders=1)
        assert book.apply(at_ms, commands, ROOM) == other.apply(at_ms, commands, ROOM)
        assert book.snapshot() == other.snapshot()
        if number == 150:
            break


@pytest.mark.parametrize("core", CORES)
def test_an_empty_book(core: type) -> None:
    empty = core.create()
    assert core.restore(empty.snapshot()).snapshot() == empty.snapshot()
    assert Book.create(orders=1).state_hash() == NaiveBook.create().state_hash()


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", ["first orders", "stops before any trade"])
def test_every_truncation_is_refused(core: type, name: str) -> None:
    snapshot = book_of(Book, name).snapshot()
    for length in range(len(snapshot)):
        assert _verdict(core, snapshot[:length]) is None
        assert _verdict(core, rechecked(snapshot[:length])) is None
    for more in (1, 8, 48, 64):
        assert _verdict(core, snapshot + bytes(more)) is None
        assert _verdict(core, rechecked(snapshot + bytes(more))) is None


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", ["first orders", "stops before any trade"])
@pytest.mark.parametrize("fits", [False, True], ids=["", "with a fitting checksum"])
def test_every_flipped_bit_is_refused(core: type, name: str, fits: bool) -> None:
    """By the checksum; and behind it stand the checks of each number and the state hash, which a forger had to make fit."""
    snapshot = book_of(Book, name).snapshot()
    for bit in range(8 * len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[bit // 8] ^= 1 << bit % 8
        if fits and HEADER.size - 8 <= bit // 8 < HEADER.size:
            continue
        assert _verdict(core, rechecked(bytes(damaged)) if fits else bytes(damaged)) is None, bit


def _head(**changes: int) -> Callable[[Snapshot], None]:
    return lambda saved: saved.header.update(changes)


def _order(name: str, **changes: object) -> Callable[[Snapshot], None]:
    """Changes the fields of an order and of its extra record."""
    def change(saved: Snapshot) -> None:
        order = next(order for order in saved.orders if order["order_id"] == order_id(name))
        for field, value in changes.items():
            of_extra = field in EXTRA_FIELDS and field != "zero"
            (order["extra"] if of_extra else order)[field] = value
    return change


def _extra(name: str, **changes: int) -> Callable[[Snapshot], None]:
    """Gives a plain order an extra record."""
    def change(saved: Snapshot) -> None:
        order = next(order for order in saved.orders if order["order_id"] == order_id(name))
        order["extra"] = dict.fromkeys(EXTRA_FIELDS, 0) | changes
        order["flags"] |= WITH_EXTRA
        saved.header["extras"] += 1
    return change


def _no_extra(saved: Snapshot) -> None:
    stop = saved.orders[-1]
    stop["extra"], stop["flags"] = None, 0
    saved.header["extras"] -= 1


def _swapped(first: str, second: str) -> Callable[[Snapshot], None]:
    def change(saved: Snapshot) -> None:
        places = {order["order_id"]: place for place, order in enumerate(saved.orders)}
        one, two = places[order_id(first)], places[order_id(second)]
        saved.orders[one], saved.orders[two] = saved.orders[two], saved.orders[one]
    return change


def _both(*changes: Callable[[Snapshot], None]) -> Callable[[Snapshot], None]:
    return lambda saved: [change(saved) for change in changes]


def _more(section: str, more: int) -> Callable[[Snapshot], None]:
    def change(saved: Snapshot) -> None:
        saved.header[section] += more
    return change


def _counted_as(section: str, other: str) -> Callable[[Snapshot], None]:
    def change(saved: Snapshot) -> None:
        saved.header[section] -= 1
        saved.header[other] += 1
    return change


FAR = NOW_MS + 10**6
# Each breaks one rule; the state hash and the checksum are made to fit.
DAMAGES = {
    "another magic": _head(magic=1), "version 1": _head(version=1), "a later version": _head(version=4),
    "version 2 with the checksum of version 3": _head(version=2),
    "other orders": _head(order_bytes=48), "other extras": _head(extra_bytes=56), "a zero that is none": _head(zero=1),
    **{f"one {'more' if more > 0 else 'less'} of {section}": _more(section, more) for section in (*SECTIONS, "extras")
       for more in (1, -1)},
    "counts beyond every book": _head(bids=2**63, asks=2**63), "a count that wraps": _head(bids=2**64 - 1, asks=7),
    "counts that wrap in bytes": _head(bids=4 + 2**58), "extras that wrap in bytes": _head(extras=10 + 2**60),
    "more extras than orders": _head(extras=13),
    "mode 4": _head(mode=4), "a mode beyond 32 bits": _head(mode=2**32), "a negative time": _head(at_ms=-1),
    "a sequence beyond 63 bits": _head(sequence=2**63), "more trades than events": _head(last_trade_id=10**6),
    **{f"{name} {value}": _head(**{name: value}) for name in ("last_price", "low", "high", "auction_price")
       for value in (-1, MAX + 1)},
    "low above last": _head(low=102), "high below last": _head(high=100), "no trade but prices": _head(last_trade_id=0),
    "trades but no price": _head(last_price=0, low=0, high=0), "a low but no last": _head(last_price=0, low=0),
    "a last price but no low": _head(low=0), "a last price but no high": _head(high=0),
    "an auction price in an open market": _head(auction_price=101),
    "an auction price in a halted market": _head(auction_price=101, mode=1),
    "an auction price while collecting": _head(auction_price=101, mode=2),
    "a sequence before its orders": _head(sequence=33),
    "crossed": _order("b1", price=101),
    # any order
    "the nil id": _order("b1", order_id=bytes(16)), "an id twice on a level": _order("b2", order_id=order_id("b1")),
    "an id of a bid and an ask": _order("s3", order_id=order_id("b1")),
    "an id of an order and a stop": _order("e3", order_id=order_id("b1")),
    "no account": _order("b1", account=0), "no account of a stop": _order("l2", account=0),
    "no price": _order("b4", price=0), "a negative price": _order("b4", price=-97),
    "a price beyond 62 bits": _order("s3", price=MAX + 1),
    "no stop price": _order("l3", price=0), "a negative stop price": _order("l3", price=-1),
    "a stop price beyond 62 bits": _order("e3", price=MAX + 1),
    "no lots": _order("b1", lots=0), "negative lots": _order("b1", lots=-4), "lots beyond 62 bits": _order("b1", lots=MAX + 1),
    "no visible lots but hidden ones": _order("b3", lots=0), "lots of a stop beyond 62 bits": _order("l3", lots=MAX + 1),
    "negative lots of a stop": _order("l3", lots=-1),
    "no age": _order("b1", opened=0), "an age to come": _order("b1", opened=10**6),
    "an age to come of a stop": _order("l2", opened=10**6),
    "traded beyond 62 bits": _order("b1", traded=MAX + 1), "traded beyond 63 bits": _order("b1", traded=2**63),
    "a bid that sells": _order("b1", side=2), "an ask that buys": _order("s3", side=1),
    "a bid without a side": _order("b1", side=0),
    "a stop without a side": _order("l2", side=0), "a stop of side 3": _order("l2", side=3),
    "no stp": _order("b1", stp=0), "stp 5": _order("b1", stp=5), "flag 4": _order("b1", flags=4),
    "flag 4 beside the others": _order("b3", flags=7),
    "a byte that is not zero": _order("b1", zero=1), "a word that is not zero": _order("b1", zero_too=1),
    "a post-only stop": _order("l2", flags=3),
    "an extra for nothing": _extra("b1"), "an extra that says nothing": _order("b2", expire_at=0),
    "a stop without an extra": _no_extra,
    # extras
    "a word of an extra that is not zero": lambda saved: saved.orders[1]["extra"].update(zero=1),
    **{f"{name} {value} of a resting order": _order("b3", **{name: value}) for name in ("hidden", "display")
       for value in (-1, MAX + 1)},
    "an end before time": _order("b3", expire_at=-1), "an end before time of a stop": _order("e1", expire_at=-1),
    **{f"{name} {value} of a stop": _order("l3", **{name: value}) for name in ("limit", "funds") for value in (-1, MAX + 1)},
    "a limit beyond 62 bits": _order("l2", limit=MAX + 1), "no negative limit": _order("l2", limit=-1),
    "a display beyond 62 bits of a stop": _order("l1", display=MAX + 1),
    "a negative display of a stop": _order("l1", display=-1),
    "hidden lots of a plain order": _order("b2", hidden=1), "it shows more than its display": _order("b3", lots=5),
    **{f"a resting order with {name}": _order("b3", **{name: 1})
       for name in ("limit", "funds", "collar_bp", "order_type", "time_in_force")},
    "hidden lots of a stop": _order("l1", hidden=1), "a negative hidden of a stop": _order("l1", hidden=-1),
    "a collar beyond 100 %": _order("l3", collar_bp=10_001),
    **{f"a waiting order of type {kind}": _order("l2", order_type=kind) for kind in (0, 1, 2, 5)},
    "a stop-limit without limit": _order("l2", limit=0), "a stop-limit without lots": _order("l2", lots=0),
    "a stop-limit with funds": _order("l2", funds=1), "a stop-limit without time in force": _order("l2", time_in_force=0),
    "a stop-limit FOK": _order("l2", time_in_force=4), "a stop-limit of time in force 5": _order("l2", time_in_force=5),
    "a stop-limit beyond 62 bits": _order("l2", lots=MAX // 95 + 1),
    "a GTC stop with an end": _order("l2", expire_at=FAR), "a GTT stop without an end": _order("l1", expire_at=0),
    "an IOC stop with a display": _order("e1", display=1), "a stop that displays all": _order("l1", display=7),
    "a stop that displays more than all": _order("l1", display=8),
    "a stop-market with lots and funds": _order("l3", funds=1), "a stop-market with neither": _order("e2", funds=0),
    "a stop-market of time in force 5": _order("l3", time_in_force=5), "a stop-market with a display": _order("l3", display=1),
    # priority, levels
    **{f"{first} behind {second}": _swapped(first, second) for first, second in (
        ("b1", "b2"), ("b2", "b3"), ("s2", "s3"), ("l1", "l2"), ("l2", "l3"), ("e1", "e2"), ("e2", "e3"))},
    "the same age twice on a level": _order("b2", opened=2), "the same age twice at a stop price": _order("l2", opened=29),
    "a bid better than the one before": _order("b3", price=100), "an ask better than the one before": _order("s3", price=100),
    "a loss stop better than the one before": _order("l3", price=96),
    "an entry stop better than the one before": _order("e2", price=103),
    "a bid counted as an ask": _counted_as("bids", "asks"), "an ask counted as a bid": _counted_as("asks", "bids"),
    "an ask counted as a stop": _counted_as("asks", "loss_stops"),
    "a stop counted as an ask": _counted_as("loss_stops", "asks"),
    "a level beyond 62 bits": _both(_order("b1", lots=MAX // 99 - 2), _order("b2", lots=3)),
    "a level beyond 62 bits with its hidden lots": _order("b3", hidden=MAX // 98 - 3),
    "stops of more lots than 62 bits at one price": _both(_order("e2", funds=0, lots=MAX - 2), _order("e3", lots=3)),
    "an order beyond 62 bits": _order("b1", lots=MAX // 99 + 1),
    "another state hash": lambda saved: None,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_refused(name: str) -> None:
    good = Snapshot.unpack(book_of(Book, "open").snapshot())
    assert good.fitting() == book_of(Book, "open").snapshot()
    DAMAGES[name](good)
    if name == "another state hash":
        good.header["state_hash"] ^= 1
    damaged = good.fitting(state_hash=name != "another state hash")
    for core in CORES:
        with pytest.raises(DamagedSnapshot):
            core.restore(damaged)


# What looks odd and is sound: no rule forbids it, so no core may.
ODD = {
    "a wide range": _head(low=1, high=MAX),
    "an auction price while uncrossing": _head(mode=3, auction_price=101),
    "uncrossing without a price": _head(mode=3), "crossed and halted": _both(_order("b1", price=101), _head(mode=1)),
    "crossed and collecting": _both(_order("b1", price=101), _head(mode=2)),
    "two of one age on two levels": _order("b3", opened=2), "an old end": _order("b2", expire_at=1),
    "an end beyond 62 bits": _order("b2", expire_at=2**63 - 1), "much traded": _order("b1", traded=MAX),
    "a level that is full": _both(_order("b1", lots=MAX // 99 - 3)),
    "stops of all lots at one price": _both(_order("e2", funds=0, lots=MAX - 2), _order("e3", lots=2)),
    "stops beyond 62 bits of price x lots": _both(_order("l1", lots=MAX // 94), _order("l2", lots=MAX // 95)),
    "a by-funds stop of all funds": _order("e2", funds=MAX), "an iceberg that shows less": _order("b3", lots=1),
    "a post-only GTT": _order("b2", flags=3), "a stop that is met": _order("l1", price=103),
    "a largest account": _order("b1", account=2**64 - 1), "a stop-market with an end": _order("l3", expire_at=FAR),
    "a loss stop that buys": _order("l2", side=1), "an entry stop that sells": _order("e3", side=2),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_sound_is_restored(name: str) -> None:
    saved = Snapshot.unpack(book_of(Book, "open").snapshot())
    ODD[name](saved)
    for core in CORES:
        assert core.restore(saved.fitting()).snapshot() == saved.fitting()


@pytest.mark.parametrize("seed", seeds(4, quick=1))
def test_both_cores_believe_the_same(seed: int) -> None:
    """Some thousand changed snapshots with fitting hashes: both refuse them, or both restore exactly what stands there."""
    draw, refused, restored = random.Random(seed), 0, 0
    snapshots = [book_of(Book, name).snapshot() for name in BOOKS]
    for _ in range(1_000):
        damaged = mutated(draw.choice(snapshots), draw)
        fast, naive = _verdict(Book, damaged), _verdict(NaiveBook, damaged)
        assert (fast is None) == (naive is None), damaged.hex()
        if fast is None:
            refused += 1
            continue
        restored += 1
        assert fast.snapshot() == damaged == naive.snapshot()
        assert fast.indicative() == naive.indicative()
        assert [fast.levels(side, 99) for side in SIDES] == [naive.levels(side, 99) for side in SIDES]
    assert refused > 250 and restored > 125


@pytest.mark.parametrize("name", BOOKS)
def test_a_snapshot_of_version_2_is_restored_and_written_anew(name: str) -> None:
    snapshot = book_of(Book, name).snapshot()
    for core in CORES:
        assert core.restore(as_older(snapshot)).snapshot() == snapshot
        damaged = bytearray(as_older(snapshot))
        damaged[-1] ^= 1
        assert _verdict(core, bytes(damaged)) is None


def test_version_2_is_what_was_written_before() -> None:
    written = hashlib.sha256(as_older(book_of(Book, "open").snapshot())).hexdigest()
    assert written == WRITTEN_BY_VERSION_2


def test_the_layout_is_the_documented_one() -> None:
    """Snapshots outlive the code that wrote them: these bytes may not change without a new version."""
    book = book_of(Book, "open")
    snapshot = book.snapshot()
    assert len(snapshot) == 144 + 12 * 64 + 10 * 48
    assert snapshot[:8] == b"\0LXBOOK\0"
    assert ORDER.unpack_from(snapshot, 144) == (order_id("b1"), 2, 99, 4, 2, 1, 1, 1, 0, 0, 0)
    assert struct.unpack_from("<4I4QQ", snapshot, 8) == (3, 64, 48, 0, 4, 2, 3, 3, 10)
    assert struct.unpack_from("<Q", snapshot, 128)[0] == book.state_hash() == book_of(NaiveBook, "open").state_hash()
