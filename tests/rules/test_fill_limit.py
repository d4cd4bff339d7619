"""One order touches at most MAX_FILLS makers; what it still wants is then cancelled with a reason."""

import pytest

from matching_core import MAX_FILLS
from tests.rules.tables import NOW_MS, ROOM, parse, play, told


def _rest(book, count: int, account: str = "alice") -> None:
    lines = [parse(f"s{number} {account} sells 1 at {100 + number % 3}") for number in range(count)]
    book.apply(NOW_MS, b"".join(lines), ROOM)


@pytest.mark.parametrize(("resting", "wanted", "end"), [
    (MAX_FILLS, MAX_FILLS, "b1 filled"),
    (MAX_FILLS + 1, MAX_FILLS, "b1 filled"),
    (MAX_FILLS + 1, MAX_FILLS + 1, "b1 fill-limit 1"),
    (MAX_FILLS + 5, MAX_FILLS + 3, "b1 fill-limit 3"),
    (MAX_FILLS, MAX_FILLS + 3, "b1 opened 3"),  # nothing more to touch: the rest may rest
])
def test_a_limit_order(book, resting: int, wanted: int, end: str) -> None:
    _rest(book, resting)
    lines = told(book.apply(NOW_MS, parse(f"b1 bob buys {wanted} at 200"), ROOM))
    assert lines[-1] == end
    assert sum("traded" in line for line in lines) == min(MAX_FILLS, wanted)


def test_own_orders_taken_away_count(book) -> None:
    _rest(book, MAX_FILLS - 1, account="bob")
    play(book, "s900 alice sells 1 at 103 | s900 opened 1\ns901 alice sells 1 at 103 | s901 opened 1")
    lines = told(book.apply(NOW_MS, parse("b1 bob buys 2 at 200 co"), ROOM))
    assert lines[-3:] == ["b1 traded 1 at 103 with s900", "s900 filled", "b1 fill-limit 1"]


def test_a_fok_beyond_the_limit_is_refused(book) -> None:
    _rest(book, MAX_FILLS + 1)
    play(book, f"b1 bob buys {MAX_FILLS + 1} at 200 fok | rejected fok-not-fillable")
    assert told(book.apply(NOW_MS, parse(f"b2 bob buys {MAX_FILLS} at 200 fok"), ROOM))[-1] == "b2 filled"
