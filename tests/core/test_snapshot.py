"""Snapshot and restore: the same bytes from both cores, each restores the other's, and damage is refused (I5)."""

import struct

import pytest

from matching_core import Book, DamagedSnapshot
from matching_core.digest import checksum
from matching_core.naive import NaiveBook
from matching_core.records import SNAPSHOT_HEADER, SNAPSHOT_ORDER
from tests.core.streams import PROFILES, Stream
from tests.rules.tables import NOW_MS, ROOM, parse

CORES = [Book, NaiveBook]
HEADER_FIELDS = ("magic", "version", "order_bytes", "bids", "asks", "sequence", "last_trade_id", "at_ms", "halted",
                 "state_hash", "reserved", "reserved_too", "checksum")
ORDER_FIELDS = ("order_id", "account", "price_ticks", "lots", "opened")


def _small(core: type = Book):
    book = core.create(orders=8)
    for line in ("b1 bob buys 5 at 99", "b2 alice buys 3 at 99", "b3 bob buys 1 at 98", "s1 carol sells 2 at 101",
                 "s2 dave sells 4 at 103", "s3 dave sells 1 at 99"):
        book.apply(NOW_MS, parse(line), ROOM)
    return book


def _rechecked(damaged: bytes) -> bytes:
    """With a checksum that fits: only the validation behind it can refuse these bytes."""
    if len(damaged) < SNAPSHOT_HEADER.size:
        return damaged
    total = checksum(damaged[:88] + damaged[96:])
    return damaged[:88] + struct.pack("<Q", total) + damaged[96:]


def _with_header(snapshot: bytes, **changes: int) -> bytes:
    fields = dict(zip(HEADER_FIELDS, SNAPSHOT_HEADER.unpack_from(snapshot), strict=True)) | changes
    return _rechecked(SNAPSHOT_HEADER.pack(*fields.values()) + snapshot[SNAPSHOT_HEADER.size:])


def _with_order(snapshot: bytes, number: int, **changes: object) -> bytes:
    at = SNAPSHOT_HEADER.size + number * SNAPSHOT_ORDER.size
    fields = dict(zip(ORDER_FIELDS, SNAPSHOT_ORDER.unpack_from(snapshot, at), strict=True)) | changes
    return _rechecked(snapshot[:at] + SNAPSHOT_ORDER.pack(*fields.values()) + snapshot[at + SNAPSHOT_ORDER.size:])


@pytest.mark.parametrize("reader", CORES)
@pytest.mark.parametrize("writer", CORES)
def test_a_restored_book_is_the_book(writer: type, reader: type) -> None:
    """Restored in the middle of a stream by either core, it goes on exactly like the one that was not."""
    profile = PROFILES[0]
    book, other = writer.create(orders=4), None
    for number, (at_ms, commands, _) in enumerate(Stream(profile, 5, book).batches()):
        if number % 50 == 0:
            other = reader.restore(book.snapshot())
        assert book.apply(at_ms, commands, ROOM) == other.apply(at_ms, commands, ROOM)
        assert book.snapshot() == other.snapshot()
        if number == 400:
            break


@pytest.mark.parametrize("core", CORES)
def test_an_empty_book(core: type) -> None:
    empty = core.create()
    assert core.restore(empty.snapshot()).snapshot() == empty.snapshot()
    assert Book.create(orders=1).state_hash() == NaiveBook.create().state_hash()


@pytest.mark.parametrize("core", CORES)
def test_every_truncation_is_refused(core: type) -> None:
    snapshot = _small().snapshot()
    for length in range(len(snapshot)):
        with pytest.raises(DamagedSnapshot):
            core.restore(snapshot[:length])
        if length % 8 == 0:
            with pytest.raises(DamagedSnapshot):
                core.restore(_rechecked(snapshot[:length]))
    with pytest.raises(DamagedSnapshot):
        core.restore(snapshot + b"\0")
    with pytest.raises(DamagedSnapshot):
        core.restore(_rechecked(snapshot + bytes(SNAPSHOT_ORDER.size)))


@pytest.mark.parametrize("core", CORES)
def test_every_flipped_byte_is_refused(core: type) -> None:
    snapshot = _small().snapshot()
    for at in range(len(snapshot)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(snapshot)
            damaged[at] ^= mask
            with pytest.raises(DamagedSnapshot):
                core.restore(bytes(damaged))


@pytest.mark.parametrize("core", CORES)
def test_every_flipped_byte_with_a_fitting_checksum_is_refused(core: type) -> None:
    """Behind the checksum stand the checks of each number and the state hash: a forger would have to make that fit too."""
    snapshot = _small().snapshot()
    for at in [*range(88), *range(96, len(snapshot))]:
        damaged = bytearray(snapshot)
        damaged[at] ^= 0x01
        with pytest.raises(DamagedSnapshot):
            core.restore(_rechecked(bytes(damaged)))


# The orders of the small book in its snapshot: b1 4@99 (s3 took one), b2 3@99, b3 1@98, then s1 2@101, s2 4@103.
DAMAGES = {
    "another format": lambda good: _with_header(good, magic=1),
    "a later version": lambda good: _with_header(good, version=2),
    "other records": lambda good: _with_header(good, order_bytes=56),
    "more orders than there are bytes": lambda good: _with_header(good, bids=4),
    "a count beyond every book": lambda good: _with_header(good, bids=2**63, asks=2**63),
    "a bid counted as an ask": lambda good: _with_header(good, bids=2, asks=3),
    "an ask counted as a bid": lambda good: _with_header(good, bids=4, asks=1),
    "half halted": lambda good: _with_header(good, halted=2),
    "a negative time": lambda good: _with_header(good, at_ms=-1),
    "more trades than events": lambda good: _with_header(good, last_trade_id=10**6),
    "a sequence beyond 63 bits": lambda good: _with_header(good, sequence=2**63),
    "reserved": lambda good: _with_header(good, reserved=1),
    "reserved too": lambda good: _with_header(good, reserved_too=1),
    "another state hash": lambda good: _with_header(good, state_hash=1),
    "a sequence before its orders": lambda good: _with_header(good, sequence=3),
    "an id twice": lambda good: _with_order(good, 1, order_id=b"b1".ljust(16, b"\0")),
    "the nil id": lambda good: _with_order(good, 0, order_id=bytes(16)),
    "no account": lambda good: _with_order(good, 0, account=0),
    "no lots": lambda good: _with_order(good, 0, lots=0),
    "negative lots": lambda good: _with_order(good, 0, lots=-4),
    "more than 62 bits": lambda good: _with_order(good, 0, lots=2**62),
    "a level beyond 62 bits": lambda good: _with_order(good, 1, lots=2**62 // 99),
    "no price": lambda good: _with_order(good, 2, price_ticks=0),
    "a negative price": lambda good: _with_order(good, 2, price_ticks=-98),
    "a better price behind a worse": lambda good: _with_order(good, 2, price_ticks=100),
    "a better ask behind a worse": lambda good: _with_order(good, 4, price_ticks=100),
    "crossed": lambda good: _with_order(good, 0, price_ticks=101),
    "an older order behind a younger": lambda good: _with_order(good, 0, opened=5),
    "the same age twice": lambda good: _with_order(good, 1, opened=2),
    "no age": lambda good: _with_order(good, 2, opened=0),
    "an age to come": lambda good: _with_order(good, 2, opened=10**6),
}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_refused(core: type, name: str) -> None:
    good = _small(core).snapshot()
    core.restore(good)
    with pytest.raises(DamagedSnapshot):
        core.restore(DAMAGES[name](good))


def test_the_layout_is_the_documented_one() -> None:
    """Snapshots outlive the code that wrote them: these bytes may not change without a new version."""
    snapshot = _small().snapshot()
    assert len(snapshot) == 96 + 5 * 48
    assert snapshot[:8] == b"\0LXBOOK\0"
    assert SNAPSHOT_ORDER.unpack_from(snapshot, 96) == (b"b1".ljust(16, b"\0"), 2, 99, 4, 2)
    assert _small().state_hash() == _small(NaiveBook).state_hash() == struct.unpack_from("<Q", snapshot, 64)[0]
