"""LEVEL closes a batch: each level that differs from before, once, bids then asks, best first (I9)."""

import pytest

from matching_core.records import EVENT, EventKind
from tests.rules.tables import NOW_MS, ROOM, parse

CASES = {
    "one order": (["b1 bob buys 5 at 100"], ["1 100: 5 of 1"]),
    "two orders on a level are one change": (["b1 bob buys 5 at 100", "b2 bob buys 1 at 100"], ["1 100: 6 of 2"]),
    "bids then asks, best first": (
        ["s1 bob sells 1 at 105", "b1 bob buys 1 at 98", "s2 bob sells 1 at 104", "b2 bob buys 1 at 99"],
        ["1 99: 1 of 1", "1 98: 1 of 1", "2 104: 1 of 1", "2 105: 1 of 1"]),
    "came and went": (["b1 bob buys 5 at 100", "cancel b1"], []),
    "the same lots by another order": (["b1 bob buys 5 at 100", "cancel b1", "b2 bob buys 5 at 100"], ["1 100: 5 of 1"]),
    "a trade inside the batch leaves only the outcome": (
        ["s1 alice sells 5 at 100", "b1 bob buys 7 at 101"], ["1 101: 2 of 1"]),
    "nothing happened": (["tick", "cancel b7"], []),
}


def levels(events: bytes) -> list[str]:
    """LEVEL events as `side price: lots of orders`; they must be the last of the batch."""
    rows = list(EVENT.iter_unpack(events))
    kinds = [row[0] for row in rows]
    first = kinds.index(EventKind.LEVEL) if EventKind.LEVEL in kinds else len(kinds)
    assert all(kind == EventKind.LEVEL for kind in kinds[first:])
    return [f"{row[1]} {row[11]}: {row[12]} of {row[13]}" for row in rows[first:]]


@pytest.mark.parametrize("name", CASES)
def test_from_an_empty_book(book, name: str) -> None:
    commands, wanted = CASES[name]
    assert levels(book.apply(NOW_MS, b"".join(map(parse, commands)), ROOM)) == wanted


@pytest.mark.parametrize(("commands", "wanted"), [
    (["s2 alice sells 2 at 100"], ["1 100: 3 of 1"]),
    (["s2 alice sells 5 at 100"], ["1 100: 0 of 0"]),
    (["s2 alice sells 7 at 99"], ["1 100: 0 of 0", "1 99: 2 of 1"]),
    (["cancel b1", "b3 bob buys 5 at 100"], []),  # went and came again, as it was
    (["cancel b1", "b3 bob buys 4 at 100"], ["1 100: 4 of 1"]),
    (["cancel b1", "b3 bob buys 2 at 100", "b4 bob buys 3 at 100"], ["1 100: 5 of 2"]),
])
def test_from_a_book_with_bids(book, commands: list[str], wanted: list[str]) -> None:
    book.apply(NOW_MS, parse("b1 bob buys 5 at 100") + parse("b2 bob buys 4 at 99"), ROOM)
    assert levels(book.apply(NOW_MS, b"".join(map(parse, commands)), ROOM)) == wanted


@pytest.mark.parametrize(("command", "wanted"), [
    ("s1 bob sells 2 at 100", ["1 100: 3 of 1"]),  # reduced by self-trade prevention
    ("amend b1 to 4", ["1 100: 4 of 1"]),
    ("amend b1 to 6", ["1 100: 6 of 1"]),
    ("amend b1 at 98", ["1 100: 0 of 0", "1 98: 5 of 1"]),
    ("cancel-all", ["1 100: 0 of 0"]),
    ("s1 alice sells 2 at 100", ["1 100: 3 of 1"]),
])
def test_from_one_bid(book, command: str, wanted: list[str]) -> None:
    book.apply(NOW_MS, parse("b1 bob buys 5 at 100"), ROOM)
    assert levels(book.apply(NOW_MS, parse(command), ROOM)) == wanted


def test_it_belongs_to_the_batch_not_to_a_command(book) -> None:
    events = book.apply(NOW_MS, parse("tick") + parse("tick") + parse("b1 bob buys 5 at 100"), ROOM)
    assert [(row[0], row[4]) for row in EVENT.iter_unpack(events)] == [
        (EventKind.ACCEPTED, 2), (EventKind.OPENED, 2), (EventKind.LEVEL, 0)]


def test_its_sequence_is_the_books(book) -> None:
    events = book.apply(NOW_MS, parse("b1 bob buys 5 at 100"), ROOM)
    assert [row[5] for row in EVENT.iter_unpack(events)] == [1, 2, 2]
    assert book.sequence == 2
