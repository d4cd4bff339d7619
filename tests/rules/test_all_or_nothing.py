"""A batch whose events do not fit in the room it is given changes nothing; with room to the byte it runs.

The same holds whatever the batch does to the book: expiries, stops, icebergs, amends, auctions.
"""

import pytest

from matching_core import EVENT_BYTES, EventsFull
from tests.rules.tables import LAST_100, NOW_MS, parse, play, run

BOOK = """
    b1 bob buys 5 at 99                              | b1 opened 5
    b2 bob buys 9 at 98 show 2                       | b2 opened 2 of 9
    s1 alice sells 3 at 102 gtt until 50             | s1 opened 3
    s2 alice sells 9 at 103 show 2                   | s2 opened 2 of 9
    x1 carol sells 4 at 97 stop-loss 99              | x1 waits
    x2 carol buys funds 900 market stop-entry 103    | x2 waits
"""
BATCHES = {
    "places": ["s9 dave sells 1 at 110", "b9 dave buys 9 market", "b8 dave buys 2 at 200 fok"],
    "a cascade": ["s9 dave sells 5 at 99", "b9 dave buys 4 at 103"],
    "amends": ["amend b1 to 3", "amend b2 to 12", "amend s2 at 98", "amend s1 at 99"],
    "cancel-all": ["cancel b1", "cancel-all"],
    "an auction": ["auction", "b9 dave buys 9 at 103", "s9 dave sells 9 at 98", "resume"],
    "an auction that is not over": ["auction", "b9 dave buys 900 at 103", "s9 carol sells 500 at 98 show 1", "resume"],
    "nothing but time": ["tick"],
}


@pytest.mark.parametrize("name", BATCHES)
def test_all_or_nothing(book, name: str) -> None:
    play(book, LAST_100 + BOOK)
    at_ms = NOW_MS + 50
    commands = b"".join(parse(command, at_ms) for command in BATCHES[name])
    before, seen = book.snapshot(), _seen(book)
    needed = len(type(book).restore(before).apply(at_ms, commands, 10**7))
    assert needed >= EVENT_BYTES
    for room in {0, needed // 2, needed - EVENT_BYTES, needed - 1}:
        with pytest.raises(EventsFull):
            book.apply(at_ms, commands, room)
        assert book.snapshot() == before
        assert _seen(book) == seen
    assert len(book.apply(at_ms, commands, needed)) == needed
    run(book, "tick")


def _seen(book) -> tuple:
    return (book.state_hash(), book.at_ms, book.mode, book.last_price_ticks, book.indicative(), book.work_waits,
            [(book.orders(side), book.levels(side, 9)) for side in (1, 2, 3, 4)])
