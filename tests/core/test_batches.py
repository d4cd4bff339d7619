"""What a batch call promises: all or nothing, growth that nobody sees, refusal of wrong arguments, no silent death."""

import os
import random
import subprocess
import sys
import textwrap

import pytest

from matching_core import Book, BookFull, CoreInvariantBroken, EventsFull
from matching_core.naive import NaiveBook
from matching_core.records import EVENT
from tests.rules.tables import NOW_MS, ROOM, pack, parse

CORES = [Book, NaiveBook]


def _bids(count: int, first: int = 0) -> bytes:
    return b"".join(parse(f"b{number} bob buys 1 at {1 + number % 1000}") for number in range(first, first + count))


@pytest.mark.parametrize("core", CORES)
def test_events_full_leaves_the_book_as_it_was(core: type) -> None:
    """A batch that rests, fills, cancels, reduces and halts is taken back whole at every possible size of the room."""
    book = core.create(orders=16)
    book.apply(NOW_MS, _bids(3) + parse("s1 alice sells 9 at 2000") + parse("s2 bob sells 2 at 2000"), ROOM)
    before = book.snapshot()
    batch = b"".join(map(parse, (
        "c1 carol buys 3 at 2000", "cancel b1", "b1 dave buys 1 at 2", "d1 bob buys 20 at 2000 dc", "cancel b1",
        "a1 alice sells 4 at 1", "halt", "tick")))
    room = len(core.restore(before).apply(NOW_MS + 5, batch, ROOM))
    for too_small in range(0, room, 32):
        with pytest.raises(EventsFull):
            book.apply(NOW_MS + 5, batch, too_small)
        assert book.snapshot() == before, too_small
    with pytest.raises(EventsFull):
        book.apply(NOW_MS + 5, batch, -1)
    assert len(book.apply(NOW_MS + 5, batch, room)) == room
    assert book.snapshot() != before


@pytest.mark.parametrize("core", CORES)
def test_after_events_full_the_smaller_batches_report_their_levels(core: type) -> None:
    book = core.create(orders=16)
    with pytest.raises(EventsFull):
        book.apply(NOW_MS, _bids(4), 96 * 11)
    assert [row[0] for row in EVENT.iter_unpack(book.apply(NOW_MS, _bids(2), 96 * 11))] == [1, 3, 1, 3, 8, 8]


def test_a_batch_deeper_than_the_buffer_is_stopped_early() -> None:
    """The sweep of many makers ends where the room ends, not after the work is done and lost."""
    book = Book.create()
    book.apply(NOW_MS, b"".join(parse(f"s{n} alice sells 1 at {100 + n}") for n in range(300)), ROOM)
    before = book.snapshot()
    for room in (0, 1, 95, 96, 96 * 5, 96 * 599, 96 * 901):
        with pytest.raises(EventsFull):
            book.apply(NOW_MS, parse("b1 bob buys 300 at 999"), room)
        assert book.snapshot() == before
    assert len(book.apply(NOW_MS, parse("b1 bob buys 300 at 999"), 96 * 902)) == 96 * 902


def test_generous_room_costs_no_memory() -> None:
    """Whoever replays a journal wants every event; the buffer is as large as the batch could need, not as offered."""
    book = Book.create()
    wanted = Book.create().apply(NOW_MS, _bids(5), ROOM)
    assert book.apply(NOW_MS, _bids(5), 2**62) == wanted
    assert book._buffer_capacity < 100


def test_a_forked_process_has_a_book_of_its_own() -> None:
    book = Book.create()
    book.apply(NOW_MS, _bids(5), ROOM)
    before = book.snapshot()
    child = os.fork()
    if child == 0:
        book.apply(NOW_MS, _bids(5, first=5), ROOM)
        os._exit(0 if book.order_count == 10 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert book.snapshot() == before


def test_growth_changes_nothing_that_can_be_seen() -> None:
    small, large = Book.create(orders=1), Book.create(orders=100_000)
    for first in range(0, 3000, 250):
        assert small.apply(NOW_MS, _bids(250, first), ROOM) == large.apply(NOW_MS, _bids(250, first), ROOM)
        assert small.state_hash() == large.state_hash()
    assert small.snapshot() == large.snapshot()
    assert small.capacity >= 3000 and large.capacity == 100_000
    assert small.order_count == 3000


def test_a_full_book_that_only_cancels_does_not_grow() -> None:
    book = Book.create(orders=4)
    book.apply(NOW_MS, _bids(4), ROOM)
    book.apply(NOW_MS, b"".join(parse(f"cancel b{n}") for n in range(4)), ROOM)
    assert (book.capacity, book.order_count) == (4, 0)


@pytest.mark.parametrize("orders", [0, -1, 2**24 + 1, 2**40])
def test_a_capacity_out_of_range_is_refused(orders: int) -> None:
    with pytest.raises(BookFull):
        Book.create(orders=orders)


@pytest.mark.parametrize("core", CORES)
def test_wrong_arguments(core: type) -> None:
    book = core.create()
    book.apply(NOW_MS, parse("b1 bob buys 5 at 100"), ROOM)
    before = book.snapshot()
    for at_ms, commands in ((NOW_MS, b"x"), (NOW_MS, parse("tick")[:-1]), (NOW_MS - 1, b""), (-1, b"")):
        with pytest.raises(ValueError):
            book.apply(at_ms, commands, ROOM)
        assert book.snapshot() == before
    assert book.apply(NOW_MS, b"", 0) == b""


@pytest.mark.parametrize("core", CORES)
def test_commands_may_come_as_any_bytes(core: type) -> None:
    """A slice of a message is not aligned; the core copies what it must."""
    message = b"\1" + parse("b1 bob buys 5 at 100")
    wanted = core.create().apply(NOW_MS, message[1:], ROOM)
    for commands in (memoryview(message)[1:], bytearray(message[1:])):
        assert core.create().apply(NOW_MS, commands, ROOM) == wanted


def test_noise_is_refused_record_by_record() -> None:
    """Random bytes are commands too: both cores answer the same, and nobody dies."""
    noise = random.Random(11)
    fast, naive = Book.create(orders=2), NaiveBook.create()
    for _ in range(300):
        records = b"".join(bytes((noise.randrange(12),)) + noise.randbytes(111) for _ in range(5))
        assert fast.apply(NOW_MS, records, ROOM) == naive.apply(NOW_MS, records, ROOM)
    assert fast.snapshot() == naive.snapshot()


def test_prices_of_every_magnitude_cost_no_memory_and_little_time() -> None:
    """One order at each power of two and beside it: the block does not grow with prices, the tree is at most 63 deep."""
    book = Book.create(orders=512)
    prices = sorted({(1 << bit) + near for bit in range(62) for near in (-1, 0, 1) if 0 < (1 << bit) + near < 2**62})
    book.apply(NOW_MS, b"".join(pack(order_id=price.to_bytes(16, "little"), account=1, side=2, order_type=1,
                                     time_in_force=1, price_ticks=price, size_lots=1) for price in prices), ROOM)
    assert book.levels(2, 512) == [(price, 1, 1) for price in prices]
    assert book.capacity == 512


@pytest.mark.parametrize("at", [128, 132, 136])
def test_a_broken_block_raises_and_stays_broken(at: int) -> None:
    """Overwrites indexes in the block's head. An assertion of the core stops the call; the process lives."""
    program = textwrap.dedent(f"""
        from matching_core import Book, CoreInvariantBroken
        from tests.rules.tables import NOW_MS, ROOM, parse
        book = Book.create(orders=8)
        book.apply(NOW_MS, parse("b1 bob buys 5 at 100") + parse("s1 alice sells 5 at 105"), ROOM)
        best = book._memory.find((1).to_bytes(4, "little") + (2).to_bytes(4, "little"), 64, 192)
        book._memory[best:best + 8] = b"\\xff\\xff\\xff\\x7f" * 2
        for _ in range(2):
            try:
                book.apply(NOW_MS, parse("b2 bob buys 5 at {at}"), ROOM)
            except CoreInvariantBroken as broken:
                print(broken)
    """)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                         cwd=__file__.rsplit("/tests/", 1)[0])
    assert run.stdout.count("does not hold") == 2


def test_reading_a_broken_block_raises_too() -> None:
    book = Book.create(orders=8)
    book.apply(NOW_MS, parse("b1 bob buys 5 at 100") + parse("s1 alice sells 5 at 105"), ROOM)
    best = book._memory.find((1).to_bytes(4, "little") + (2).to_bytes(4, "little"), 64, 192)
    book._memory[best:best + 8] = b"\xff\xff\xff\x7f" * 2
    with pytest.raises(CoreInvariantBroken):
        book.levels(1, 5)
    with pytest.raises(CoreInvariantBroken):
        book.snapshot()


def test_the_same_commands_make_the_same_book(tmp_path) -> None:
    """Determinism within a process and from one process to the next: no address, hash seed or clock comes in."""
    program = textwrap.dedent("""
        import hashlib
        from matching_core import Book
        from tests.core.streams import PROFILES, Stream
        book, digest = Book.create(orders=4), hashlib.sha256()
        for at_ms, commands, _ in Stream(PROFILES[0], 9, book).batches():
            digest.update(book.apply(at_ms, commands, 10**7))
        print(digest.hexdigest(), book.state_hash())
    """)
    outputs = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                              env={"PYTHONHASHSEED": seed}, cwd=__file__.rsplit("/tests/", 1)[0]).stdout
               for seed in ("1", "2")}
    assert len(outputs) == 1
