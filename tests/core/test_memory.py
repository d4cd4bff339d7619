"""A dropped book's memory is the next book's: zeroed, and only where it is sound and of about the right size."""

import gc
import struct
import subprocess
import sys
from contextlib import suppress
from itertools import islice

import pytest

from matching_core import Book, EventsFull
from matching_core._core import lib
from matching_core.memory import Block, large_bytes
from tests.core.books import limit, play
from tests.core.streams import PROFILES, Stream
from tests.core.variants import ROOT

BYTES = lib.mc_block_bytes(1000)


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_left_alone() -> None:
    """What the tests before have left would be looked through at each collection here: most of the time these tests take."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    """Dropped before the test: a block of a size that no other block's wishes fit."""
    gc.collect()
    Block(64)


def _used(placed: int = 700) -> Block:
    """The block of a book with orders on it, which is dropped."""
    book = Book.create(orders=1000)
    for number in range(placed):
        price_ticks = 5000 + number if number % 2 else 4000 - number
        play(book, limit(f"order {number}", 1 + number, 1 + number % 2, 5, price_ticks))
    assert book.order_count == placed
    return book._memory


def _is_zero(memory) -> bool:
    return memory[:] == bytes(len(memory))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_block_that_is_used_again_is_zero(profile) -> None:
    """After whatever may have been done to the book: refused batches, growth, stops, icebergs, ends."""
    book = Book.create(orders=4)
    for at_ms, commands, room in islice(Stream(profile, 11, book).batches(), 80):
        with suppress(EventsFull):
            book.apply(at_ms, commands, room)
    memory = book._memory.memory
    assert not _is_zero(memory)
    del book
    gc.collect()
    again = Block(len(memory))
    assert again.memory is memory
    assert _is_zero(memory)


def test_a_book_in_used_memory_is_a_book() -> None:
    memory = _used().memory
    book = Book.create(orders=1000)
    assert book._memory.memory is memory
    assert book.snapshot() == Book.create(orders=5).snapshot()


def test_a_smaller_block_may_have_it_and_a_much_smaller_one_not() -> None:
    for size, is_given in ((BYTES * 6 // 10, True), (BYTES // 3, False), (BYTES + 1, False)):
        memory = _used().memory
        assert (Block(size).memory is memory) is is_given


@pytest.mark.parametrize("damage", ["broken", "no book", "too large"])
def test_a_block_that_is_no_sound_book_is_not_used_again(damage: str) -> None:
    used = _used()
    memory = used.memory
    magic = memory.find(b"\0MCXBLK")
    if damage == "broken":
        memory[magic - 8:magic] = struct.pack("<Q", 1)
        assert used.head.broken_at == 1
    elif damage == "no book":
        memory[magic:magic + 8] = bytes(8)
    else:
        memory[magic + 16:magic + 20] = struct.pack("<I", 100_000)
    del used
    other = Block(BYTES)
    assert other.memory is not memory
    assert _is_zero(other.memory)


def test_books_that_live_until_the_process_ends_are_no_trouble() -> None:
    """Wherever they are held: at the end modules lose their names before some of what they hold is dropped."""
    program = "import sys, matching_core, matching_core.memory\n" \
              "for module in (sys, matching_core, matching_core.memory):\n" \
              "    module.book, module.circle = matching_core.Book.create(), [matching_core.Book.create()]\n" \
              "    module.circle.append(module.circle)\n"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("size", [0, 144, (1 << 25) - 1, 1 << 25, (1 << 25) + 12_345])
def test_large_bytes_are_zeros(size: int) -> None:
    assert large_bytes(size) == bytes(size)
