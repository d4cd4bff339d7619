"""An iceberg shows a part of its lots at a time; when that is gone it shows the next part, behind the others of its level."""

import pytest

from matching_core import MAX_FILLS
from matching_core.records import FLAG_RESTED, EventKind, Side
from tests.rules.tables import only, play, read, run, show, told

TABLES = {
    "it shows a part": """
        s1 alice sells 10 at 100 show 3     | s1 opened 3 of 10
        cancel s1                           | s1 canceled 10
    """,
    "the next part when the first is gone": """
        s1 alice sells 7 at 100 show 3      | s1 opened 3 of 7
        b1 bob buys 2 at 100                | b1 traded 2 at 100 with s1, b1 filled
        b2 bob buys 1 at 100                | b2 traded 1 at 100 with s1, s1 shows 3 of 4, b2 filled
        b3 bob buys 3 at 100                | b3 traded 3 at 100 with s1, s1 shows 1, b3 filled
        b4 bob buys 1 at 100                | b4 traded 1 at 100 with s1, s1 filled, b4 filled
    """,
    "behind the others of its level": """
        s1 alice sells 4 at 100 show 2      | s1 opened 2 of 4
        s2 carol sells 1 at 100             | s2 opened 1
        b1 bob buys 2 at 100                | b1 traded 2 at 100 with s1, s1 shows 2, b1 filled
        b2 bob buys 2 at 100                | b2 traded 1 at 100 with s2, s2 filled, b2 traded 1 at 100 with s1, b2 filled
    """,
    "one taker takes visible parts first, then part by part in turn": """
        s1 alice sells 5 at 100 show 2      | s1 opened 2 of 5
        s2 carol sells 3 at 100 show 1      | s2 opened 1 of 3
        s3 carol sells 9 at 101             | s3 opened 9
        b1 bob buys 9 at 101                | b1 traded 2 at 100 with s1, s1 shows 2 of 3, b1 traded 1 at 100 with s2
                                            | s2 shows 1 of 2, b1 traded 2 at 100 with s1, s1 shows 1
                                            | b1 traded 1 at 100 with s2, s2 shows 1, b1 traded 1 at 100 with s1, s1 filled
                                            | b1 traded 1 at 100 with s2, s2 filled, b1 traded 1 at 101 with s3, b1 filled
    """,
    "hidden lots trade before a worse price": """
        s1 alice sells 4 at 100 show 1      | s1 opened 1 of 4
        s2 carol sells 1 at 101             | s2 opened 1
        b1 bob buys 3 market                | b1 traded 1 at 100 with s1, s1 shows 1 of 3, b1 traded 1 at 100 with s1
                                            | s1 shows 1 of 2, b1 traded 1 at 100 with s1, s1 shows 1, b1 filled
    """,
    "as large as its display, or smaller: a plain order": """
        s1 alice sells 5 at 100 show 5      | s1 opened 5
        s2 alice sells 5 at 100 show 6      | s2 opened 5
        amend s1 by alice to 9              | s1 moved 5 to 9 at 100, s1 opened 9
    """,
    "as a taker it comes with all its lots": """
        s1 alice sells 5 at 100             | s1 opened 5
        b1 bob buys 9 at 100 show 2         | b1 traded 5 at 100 with s1, s1 filled, b1 opened 2 of 4
        s2 alice sells 2 at 100             | s2 traded 2 at 100 with b1, b1 shows 2, s2 filled
    """,
    "what is left of a taker may fit its display": """
        s1 alice sells 8 at 100             | s1 opened 8
        b1 bob buys 9 at 100 show 2         | b1 traded 8 at 100 with s1, s1 filled, b1 opened 1
    """,
    "post-only and good till time": """
        s1 alice sells 5 at 100 show 2 post-only gtt until 50    | s1 opened 2 of 5
        b1 bob buys 5 at 100 show 2 post-only                    | rejected post-only-would-cross
        after 50 tick                                            | s1 expired 5
    """,
    "on the bid side": """
        b1 alice buys 5 at 100 show 2       | b1 opened 2 of 5
        b2 carol buys 1 at 100              | b2 opened 1
        s1 bob sells 4 at 100               | s1 traded 2 at 100 with b1, b1 shows 2 of 3, s1 traded 1 at 100 with b2
                                            | b2 filled, s1 traded 1 at 100 with b1, s1 filled
    """,
    "self-trade, co: the whole order goes": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 1 at 100 co             | s1 self-trade 5, b1 opened 1
    """,
    "self-trade, cb: both go whole": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 1 at 100 cb             | s1 self-trade 5, b1 self-trade 1
    """,
    "self-trade, cn: it stays": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 9 at 100 cn             | b1 self-trade 9
        cancel s1                           | s1 canceled 5
    """,
    "self-trade, dc: hidden lots go first": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        s2 alice sells 1 at 100             | s2 opened 1
        b1 bob buys 2 at 100                | s1 reduced 5 to 3, b1 self-trade 2
        b2 carol buys 2 at 100              | b2 traded 2 at 100 with s1, s1 shows 1, b2 filled
        cancel s2                           | s2 canceled 1
        b3 carol buys 1 at 100              | b3 traded 1 at 100 with s1, s1 filled, b3 filled
    """,
    "self-trade, dc: then visible ones": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 4 at 100                | s1 reduced 5 to 1, b1 self-trade 4
        b2 carol buys 1 at 100              | b2 traded 1 at 100 with s1, s1 filled, b2 filled
    """,
    "self-trade, dc: as large as the whole order": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 5 at 100                | s1 self-trade 5, b1 self-trade 5
    """,
    "self-trade, dc: larger than the whole order": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys 7 at 100                | b1 reduced 7 to 2, s1 self-trade 5, b1 opened 2
    """,
    "self-trade, dc: a taker by funds": """
        s1 bob sells 5 at 100 show 2        | s1 opened 2 of 5
        b1 bob buys funds 350 market        | s1 reduced 5 to 2, b1 self-trade funds 350
        b2 bob buys funds 350 market        | b2 reduced funds 150, s1 self-trade 2, b2 no-liquidity funds 150
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_iceberg(book, name: str) -> None:
    play(book, TABLES[name])


def test_the_book_shows_the_visible_lots(book) -> None:
    run(book, "s1 alice sells 7 at 100 show 3", "s2 alice sells 1 at 100")
    assert show(book) == ("", "s1 3@100, s2 1@100")
    assert book.levels(Side.SELL, 1) == [(100, 4, 2)]
    run(book, "b1 bob buys 3 at 100")
    assert show(book) == ("", "s2 1@100, s1 3@100")


def test_a_level_that_looks_the_same_is_not_told(book) -> None:
    run(book, "s1 alice sells 9 at 100 show 3")
    events = read(run(book, "b1 bob buys 3 at 100"))
    assert [event.kind for event in events] == [EventKind.ACCEPTED, EventKind.TRADE, EventKind.OPENED, EventKind.DONE]
    level = only(run(book, "b2 bob buys 4 at 100"), EventKind.LEVEL)
    assert (level.side, level.price_ticks, level.size_lots, level.remaining) == (Side.SELL, 100, 2, 1)


def test_each_part_is_a_touch(book) -> None:
    run(book, "s1 alice sells 900 at 100 show 2")
    lines = told(run(book, "b1 bob buys 850 at 100"))
    assert sum("traded 2 at 100" in line for line in lines) == MAX_FILLS
    assert lines[-1] == "b1 fill-limit 50"


def test_the_events(book) -> None:
    opened = only(run(book, "s1 alice sells 7 at 100 show 3"), EventKind.OPENED)
    assert (opened.side, opened.flags, opened.price_ticks, opened.size_lots, opened.remaining) == (2, 0, 100, 3, 4)
    events = run(book, "b1 bob buys 5 at 100")
    trades = [event for event in read(events) if event.kind == EventKind.TRADE]
    assert [(trade.size_lots, trade.remaining) for trade in trades] == [(3, 0), (2, 1)], "visible lots left, before the refresh"
    shown = only(events, EventKind.OPENED)
    assert (shown.side, shown.flags, shown.account, shown.price_ticks, shown.size_lots, shown.remaining) == (
        2, FLAG_RESTED, 1, 100, 3, 1)
    done = only(run(book, "cancel s1"), EventKind.DONE)
    assert (done.flags, done.size_lots, done.remaining) == (FLAG_RESTED, 2, 0)


def test_what_is_hidden_counts_in_the_state(book) -> None:
    hashes = []
    for command in ("s1 alice sells 7 at 100 show 3", "s1 alice sells 8 at 100 show 3", "s1 alice sells 3 at 100"):
        other = type(book).create()
        run(other, command)
        assert show(other) == ("", "s1 3@100")
        hashes.append(other.state_hash())
    assert len(set(hashes)) == 3
