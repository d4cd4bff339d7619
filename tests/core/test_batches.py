"""What a batch call promises: all or nothing, growth that nobody sees, refusal of wrong arguments, no silent death."""

import os
import random
import subprocess
import sys
import textwrap

import pytest

from matching_core import Book, BookFull, CoreInvariantBroken, EventsFull
from matching_core.naive import NaiveBook
from matching_core.records import COMMAND, EVENT, CommandKind, EventKind
from tests.core import books
from tests.core.books import AUCTION, BUY, GTT, HALT, RESUME, SELL, TICK, UNCROSS, amend, limit, market, of_kind, stop_market
from tests.core.commands import MAX, Fields
from tests.rules.tables import NOW_MS, ROOM, pack, parse

CORES = [Book, NaiveBook]
MAX_EVENTS = 2_700  # of one command
LATE_MS = 9_000

_dominoes = [stop_market(f"d{price}", 6, SELL, 1, price) for price in range(94, 98)]
# By name: the book (tests/core/books.py), how much later, and the commands that do it.
RICH_BATCHES = {
    "stops cascade": ("open", 0, (*_dominoes, market("m", 8, SELL, 12), limit("n", 8, BUY, 1, 500, stp=3), TICK)),
    "orders and stops end": ("open", LATE_MS, (limit("n", 8, SELL, 9, 90), TICK)),
    "an auction uncrosses": ("collecting", 0, (UNCROSS, TICK)),
    "an uncross goes on in the background": ("uncrossing", 0, (TICK, limit("n", 8, SELL, 3, 99), TICK)),
    "an uncross is halted": ("uncrossing", 0, (HALT, of_kind(CommandKind.CANCEL_ALL, account=7), RESUME, AUCTION)),
    "own orders uncross": ("open", 0, (AUCTION, limit("n", 2, SELL, 9, 97), limit("o", 3, BUY, 40, 103, display_lots=3),
                                      RESUME)),
    "icebergs are eaten": ("open", 0, (limit("n", 8, SELL, 30, 97), limit("o", 8, BUY, 30, 102, GTT, display_lots=4,
                                                                         expire_at_ms=NOW_MS + 10**6))),
    "own icebergs shrink": ("open", 0, (limit("n", 2, SELL, 18, 98), limit("o", 4, BUY, 4, 101, stp=1),
                                        market("m", 5, SELL, 0, funds=97 * 4, stp=1))),
    "amends": ("open", 0, (
        amend("b1", size_lots=3), amend("b3", size_lots=12), amend("b3", size_lots=2), amend("b1", price_ticks=98),
        amend("s2", size_lots=30), amend("b2", price_ticks=101, size_lots=20), amend("s3", price_ticks=97),
        amend("b1", size_lots=1), amend("b4", size_lots=1), amend("s2", price_ticks=104))),
    "everything is canceled": ("open", 0, (
        limit("n", 8, BUY, 1, 96), of_kind(CommandKind.CANCEL_ALL, account=2), of_kind(CommandKind.CANCEL_ALL),
        limit("b1", 8, BUY, 1, 96))),
    "modes": ("open", 0, (HALT, RESUME, AUCTION, AUCTION, UNCROSS, stop_market("n", 8, BUY, 1, 1, entry=True))),
}


@pytest.mark.parametrize("name", RICH_BATCHES)
def test_any_batch_is_taken_back_whole(name: str) -> None:
    """With room for any number of records too few, the book is unchanged; with just enough, both cores do the same."""
    setup, later_ms, commands = RICH_BATCHES[name]
    fast, naive = books.book_of(Book, setup), books.book_of(NaiveBook, setup)
    before, at_ms = fast.snapshot(), NOW_MS + later_ms
    events = books.play(NaiveBook.restore(before), *commands, at_ms=at_ms)
    count = len(events) // 96
    assert count > 5
    for room in range(count):
        with pytest.raises(EventsFull):
            books.play(fast, *commands, at_ms=at_ms, room=room * 96 + room % 96)
        assert fast.snapshot() == before, room
        assert fast.indicative() == naive.indicative()
    for room in range(0, count, count // 10 + 1):
        with pytest.raises(EventsFull):
            books.play(naive, *commands, at_ms=at_ms, room=room * 96)
        assert naive.snapshot() == before, room
    # What follows must not see that anything was taken back: first the half of the batch, then the other.
    half = len(commands) // 2
    for part in (commands[:half], commands[half:]):
        assert books.play(fast, *part, at_ms=at_ms) == books.play(naive, *part, at_ms=at_ms)
        assert fast.snapshot() == naive.snapshot()


def test_the_largest_command() -> None:
    """The end of an uncross, a trigger and an amend that both touch as many makers as they may, each on its own level: one
    command, and no more events than are promised."""
    pairs = [order for number in range(1, 299) for order in (
        limit(f"p{number}", 10, BUY, 1, 1_000 + number), limit(f"q{number}", 11, SELL, 1, 1_000 - number))]
    asks = [limit(f"a{number}", 12, SELL, 1, 1_400 + number) for number in range(800)]
    setup = (limit("first", 12, SELL, 1, 1_000), limit("second", 13, BUY, 1, 1_000), AUCTION, *pairs, *asks,
             stop_market("stop", 13, BUY, 400, 900, entry=True), limit("sweep", 13, BUY, 401, 1), UNCROSS)
    fast, naive = Book.create(), NaiveBook.create()
    for book in (fast, naive):
        books.play(book, *setup)
    assert fast.mode == 3 and fast.snapshot() == naive.snapshot()
    before = fast.snapshot()
    events = books.play(naive, amend("sweep", price_ticks=9_999))
    assert len(events) // 96 == 48 * 5 + 1 + (400 * 3 + 2) + (400 * 3 + 4) <= MAX_EVENTS
    for room in (0, 96 * 100, 96 * 241, 96 * 800, 96 * 1_700, len(events) - 1):
        with pytest.raises(EventsFull):
            books.play(fast, amend("sweep", price_ticks=9_999), room=room)
        assert fast.snapshot() == before
    assert books.play(fast, amend("sweep", price_ticks=9_999), room=len(events)) == events
    assert fast.snapshot() == naive.snapshot()


@pytest.mark.parametrize(("asks", "bids"), [(1, 1), (4, 40), (12, 200), (40, 2_300)])
def test_an_auction_of_more_than_64_bits(asks: int, bids: int) -> None:
    """Levels full to the last lot: what would be paired passes 2**62, 2**63 and 2**64; the volume stays in its field."""
    fast, naive = Book.create(), NaiveBook.create()
    orders = [AUCTION, *(limit(f"a{price}", 1, SELL, MAX // price, price) for price in range(1, asks + 1)),
              *(limit(f"b{price}", 2, BUY, MAX // price, price) for price in range(asks, bids + 1))]
    paired = min(sum(MAX // price for price in range(1, asks + 1)), sum(MAX // price for price in range(asks, bids + 1)))
    for book in (fast, naive):
        books.play(book, *orders)
        assert book.indicative()[1] == min(paired, MAX)
    assert fast.indicative() == naive.indicative()
    for command in (TICK, UNCROSS, TICK, TICK, TICK):
        assert books.play(fast, command) == books.play(naive, command)
        assert fast.snapshot() == naive.snapshot()
    assert paired > 2**64 or bids < 2_000


@pytest.mark.parametrize("core", CORES)
def test_indicative_changes_nothing(core: type) -> None:
    for name in books.BOOKS:
        book = books.book_of(core, name)
        before = book.snapshot()
        assert (book.indicative() != (0, 0)) == (name in ("collecting", "halted and crossed", "uncrossing"))
        assert book.snapshot() == before


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


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("step", [1, 70, 10**6])
def test_the_room_may_end_among_the_levels(core: type, step: int) -> None:
    """However far apart the many changed levels are: told in order, and not one more than fit."""
    orders = 60
    book = core.create()
    commands = b"".join(limit(f"o{i}", 1, BUY, 1, 1 + i * 37 % orders * step).pack() for i in range(orders))
    before = book.state_hash()
    for room in range(2 * orders - 1, 3 * orders):
        with pytest.raises(EventsFull):
            book.apply(NOW_MS, commands, room * EVENT.size)
        assert book.state_hash() == before
    events = [*EVENT.iter_unpack(book.apply(NOW_MS, commands, 3 * orders * EVENT.size))]
    prices = [event[11] for event in events if event[0] == EventKind.LEVEL]
    assert prices == [1 + at * step for at in reversed(range(orders))]


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
    assert book._buffer_capacity <= 5 * MAX_EVENTS


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


def test_growth_keeps_every_kind_of_order() -> None:
    small, large, naive = Book.create(orders=1), Book.create(orders=100_000), NaiveBook.create()
    for book in (small, large, naive):
        for number in range(40):
            renamed = [Fields.unpack(command.pack()) for command in books.RICH]
            for command in renamed:
                command.order_id = command.order_id[:8] + number.to_bytes(8, "little")
            books.play(book, *renamed, *(TICK,) * (number % 3))
        books.play(book, of_kind(CommandKind.CANCEL_ALL, account=3), TICK, at_ms=NOW_MS + 6_000)
    assert small.snapshot() == large.snapshot() == naive.snapshot()
    assert large.capacity == 100_000 > small.capacity > small.order_count > 100


def test_a_full_book_that_only_cancels_does_not_grow() -> None:
    book = Book.create(orders=4)
    book.apply(NOW_MS, _bids(4), ROOM)
    book.apply(NOW_MS, b"".join(parse(f"cancel b{n}") for n in range(4)), ROOM)
    assert (book.capacity, book.order_count) == (4, 0)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
@pytest.mark.parametrize("core", CORES)
def test_levels_and_orders_of_each_side(core: type, side: int) -> None:
    book = books.book_of(core, "open")
    orders, levels = book.orders(side), book.levels(side, 99)
    assert [book.levels(side, limit) for limit in (0, 1, 2)] == [levels[:0], levels[:1], levels[:2]]
    assert [price for price, _, _ in levels] == list(dict.fromkeys(price for _, _, price, _ in orders))
    assert [(lots, count) for _, lots, count in levels] == [
        (sum(lots for _, _, price, lots in orders if price == level), sum(price == level for _, _, price, _ in orders))
        for level, _, _ in levels]
    assert len(orders) == (4, 2, 3, 3)[side - 1]


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


def test_noise_in_a_rich_book() -> None:
    """Good commands with some bytes changed, on a book that holds the orders they name."""
    noise = random.Random(12)
    fast, naive = (books.book_of(core, "open") for core in CORES)
    good = [command.pack() for setup, _, commands in RICH_BATCHES.values() for command in (*books.BOOKS[setup], *commands)]
    kinds = set()
    for number in range(3_000):
        record = bytearray(noise.choice(good))
        for _ in range(noise.randrange(3)):
            record[noise.randrange(COMMAND.size)] = noise.choice((0, 1, 2, 3, 4, 127, 128, 255))
        events = fast.apply(NOW_MS + number, bytes(record), 10**7)
        assert naive.apply(NOW_MS + number, bytes(record), 10**7) == events, record.hex()
        assert naive.state_hash() == fast.state_hash(), record.hex()
        kinds |= {row[0] for row in EVENT.iter_unpack(events)}
    assert kinds == set(EventKind)
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
        best = book._memory.memory.find((1).to_bytes(4, "little") + (2).to_bytes(4, "little"), 64, 192)
        book._memory.memory[best:best + 8] = b"\\xff\\xff\\xff\\x7f" * 2
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
    best = book._memory.memory.find((1).to_bytes(4, "little") + (2).to_bytes(4, "little"), 64, 192)
    book._memory.memory[best:best + 8] = b"\xff\xff\xff\x7f" * 2
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
        for profile in PROFILES:
            if profile.name in ("shallow", "auctions", "everything"):
                book, digest = Book.create(orders=4), hashlib.sha256()
                for at_ms, commands, _ in Stream(profile, 9, book).batches():
                    digest.update(book.apply(at_ms, commands, 10**7))
                print(digest.hexdigest(), book.state_hash())
    """)
    outputs = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                              env={"PYTHONHASHSEED": seed}, cwd=__file__.rsplit("/tests/", 1)[0]).stdout
               for seed in ("1", "2")}
    assert len(outputs) == 1
