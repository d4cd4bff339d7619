"""An amend gives a resting order another price, another size, or both. Less at the same price keeps the place in the queue.

The size is that of the whole order, with what it has traded. An order that loses its place leaves the book and goes on like
one that was just accepted, with the flags it was placed with.
"""

import pytest

from matching_core import MAX_FILLS
from matching_core.records import FLAG_RESTED, CommandKind, DoneReason, EventKind, RejectCode, Side
from tests.rules.tables import LARGEST, LAST_100, NOW_MS, ROOM, only, order_id, pack, play, read, run, show, told

TABLES = {
    "less keeps the place": """
        s1 alice sells 5 at 100             | s1 opened 5
        s2 carol sells 5 at 100             | s2 opened 5
        amend s1 by alice to 3              | s1 amended 5 to 3
        b1 bob buys 4 at 100                | b1 traded 3 at 100 with s1, s1 filled, b1 traded 1 at 100 with s2, b1 filled
    """,
    "as much keeps the place": """
        s1 alice sells 5 at 100             | s1 opened 5
        s2 carol sells 5 at 100             | s2 opened 5
        amend s1 by alice to 5              | s1 amended 5 to 5
        amend s1 by alice at 100            | s1 amended 5 to 5
        amend s1 by alice to 4 at 100       | s1 amended 5 to 4
        b1 bob buys 4 at 100                | b1 traded 4 at 100 with s1, s1 filled, b1 filled
    """,
    "more loses it": """
        s1 alice sells 5 at 100             | s1 opened 5
        s2 carol sells 5 at 100             | s2 opened 5
        amend s1 by alice to 6              | s1 moved 5 to 6 at 100, s1 opened 6
        b1 bob buys 6 at 100                | b1 traded 5 at 100 with s2, s2 filled, b1 traded 1 at 100 with s1, b1 filled
    """,
    "another price loses it, with less too": """
        s1 alice sells 5 at 100             | s1 opened 5
        s2 carol sells 5 at 101             | s2 opened 5
        amend s1 by alice to 4 at 101       | s1 moved 5 to 4 at 101, s1 opened 4
        b1 bob buys 6 at 101                | b1 traded 5 at 101 with s2, s2 filled, b1 traded 1 at 101 with s1, b1 filled
        amend s1 by alice at 100            | s1 moved 3 to 3 at 100, s1 opened 3
    """,
    "there and back again it is the youngest": """
        s1 alice sells 5 at 100             | s1 opened 5
        s2 carol sells 5 at 100             | s2 opened 5
        amend s1 at 101 ; amend s1 at 100   | s1 moved 5 to 5 at 101, s1 opened 5, s1 moved 5 to 5 at 100, s1 opened 5
        b1 bob buys 5 at 100                | b1 traded 5 at 100 with s2, s2 filled, b1 filled
    """,
    "the size counts what it traded as a maker": """
        s1 alice sells 9 at 100             | s1 opened 9
        b1 bob buys 4 at 100                | b1 traded 4 at 100 with s1, b1 filled
        amend s1 by alice to 7              | s1 amended 5 to 3
        amend s1 by alice to 8              | s1 moved 3 to 4 at 100, s1 opened 4
        b2 bob buys 1 at 100                | b2 traded 1 at 100 with s1, b2 filled
        amend s1 by alice to 8              | s1 amended 3 to 3
        amend s1 by alice to 5              | s1 canceled 3
    """,
    "and as a taker": """
        s1 alice sells 4 at 100             | s1 opened 4
        b1 bob buys 9 at 100                | b1 traded 4 at 100 with s1, s1 filled, b1 opened 5
        amend b1 by bob to 6                | b1 amended 5 to 2
    """,
    "and as a taker after an amend": """
        b1 bob buys 9 at 99                 | b1 opened 9
        s1 alice sells 4 at 100             | s1 opened 4
        amend b1 by bob at 100              | b1 moved 9 to 9 at 100, b1 traded 4 at 100 with s1, s1 filled, b1 opened 5
        amend b1 by bob to 6                | b1 amended 5 to 2
    """,
    "and in an auction, both orders": """
        auction                             | collecting
        b1 bob buys 9 at 100                | b1 opened 9
        s1 alice sells 4 at 100             | s1 opened 4
        b2 carol buys 2 at 101              | b2 opened 2
        resume                              | b2 paired 2 at 100 with s1, b2 filled, s1 paired 2 at 100 with b1, s1 filled
                                            | resumed at 100
        amend b1 by bob to 6                | b1 amended 7 to 4
    """,
    "no more than it traded takes it off": """
        s1 alice sells 9 at 100             | s1 opened 9
        b1 bob buys 4 at 100                | b1 traded 4 at 100 with s1, b1 filled
        amend s1 by alice to 4              | s1 canceled 5
        s2 alice sells 9 at 100             | s2 opened 9
        b2 bob buys 4 at 100                | b2 traded 4 at 100 with s2, b2 filled
        amend s2 by alice to 1 at 1000 collar 1 | s2 canceled 5
    """,
    "lots lost to self-trade prevention are not traded": """
        s1 bob sells 5 at 100               | s1 opened 5
        b1 bob buys 2 at 100                | s1 reduced 5 to 3, b1 self-trade 2
        amend s1 by bob to 3                | s1 amended 3 to 3
        b2 bob buys 9 at 100                | b2 reduced 9 to 6, s1 self-trade 3, b2 opened 6
        amend b2 by bob to 6                | b2 amended 6 to 6
        amend b2 by bob to 7                | b2 moved 6 to 7 at 100, b2 opened 7
    """,
    "it trades at its new price": """
        s1 alice sells 2 at 100             | s1 opened 2
        s2 carol sells 2 at 101             | s2 opened 2
        b1 bob buys 3 at 99                 | b1 opened 3
        amend b1 by bob at 101              | b1 moved 3 to 3 at 101, b1 traded 2 at 100 with s1, s1 filled
                                            | b1 traded 1 at 101 with s2, b1 filled
    """,
    "it keeps its self-trade prevention": """
        s1 bob sells 1 at 100               | s1 opened 1
        b1 bob buys 3 at 99 cn              | b1 opened 3
        b2 bob buys 3 at 99 co              | b2 opened 3
        b3 bob buys 3 at 99                 | b3 opened 3
        b4 bob buys 3 at 99 cb              | b4 opened 3
        amend b1 by bob at 100              | b1 moved 3 to 3 at 100, b1 self-trade 3
        amend b2 by bob at 100              | b2 moved 3 to 3 at 100, s1 self-trade 1, b2 opened 3
        cancel b2                           | b2 canceled 3
        s2 bob sells 1 at 100               | s2 opened 1
        amend b3 by bob at 100              | b3 moved 3 to 3 at 100, b3 reduced 3 to 2, s2 self-trade 1, b3 opened 2
        cancel b3                           | b3 canceled 2
        s3 bob sells 1 at 100               | s3 opened 1
        amend b4 by bob at 100              | b4 moved 3 to 3 at 100, s3 self-trade 1, b4 self-trade 3
    """,
    "it stays post-only": """
        s1 alice sells 2 at 100             | s1 opened 2
        b1 bob buys 3 at 98 post-only       | b1 opened 3
        amend b1 by bob at 100              | rejected post-only-would-cross
        amend b1 by bob to 4 at 99          | b1 moved 3 to 4 at 99, b1 opened 4
        amend b1 by bob to 2                | b1 amended 4 to 2
    """,
    "an iceberg that loses its place shows its part again": """
        s1 alice sells 9 at 100 show 3      | s1 opened 3 of 9
        b1 bob buys 2 at 100                | b1 traded 2 at 100 with s1, b1 filled
        amend s1 by alice at 101            | s1 moved 7 to 7 at 101, s1 opened 3 of 7
        amend s1 by alice to 12             | s1 moved 7 to 10 at 101, s1 opened 3 of 10
        amend s1 by alice to 4 at 100       | s1 moved 10 to 2 at 100, s1 opened 2
        amend s1 by alice to 7              | s1 moved 2 to 5 at 100, s1 opened 3 of 5
    """,
    "an iceberg that becomes less loses hidden lots first": """
        s1 alice sells 9 at 100 show 3      | s1 opened 3 of 9
        s2 carol sells 1 at 100             | s2 opened 1
        amend s1 by alice to 5              | s1 amended 9 to 5
        b1 bob buys 1 at 100                | b1 traded 1 at 100 with s1, b1 filled
        amend s1 by alice to 2              | s1 amended 4 to 1
        b2 bob buys 2 at 100                | b2 traded 1 at 100 with s1, s1 filled, b2 traded 1 at 100 with s2, s2 filled
                                            | b2 filled
    """,
    "as much as an iceberg has left keeps its place": """
        s1 alice sells 9 at 100 show 3      | s1 opened 3 of 9
        b1 bob buys 3 at 100                | b1 traded 3 at 100 with s1, s1 shows 3 of 6, b1 filled
        amend s1 by alice to 9              | s1 amended 6 to 6
        amend s1 by alice to 10             | s1 moved 6 to 7 at 100, s1 opened 3 of 7
    """,
    "an iceberg comes with all its lots": """
        s1 alice sells 4 at 100             | s1 opened 4
        b1 bob buys 9 at 99 show 2          | b1 opened 2 of 9
        amend b1 by bob at 100              | b1 moved 9 to 9 at 100, b1 traded 4 at 100 with s1, s1 filled, b1 opened 2 of 5
    """,
    "whose order": """
        b1 bob buys 3 at 99                 | b1 opened 3
        amend b1 by alice to 2              | rejected unknown-order
        amend b1 to 2                       | b1 amended 3 to 2
        amend b9 by bob to 2                | rejected unknown-order
        cancel b1                           | b1 canceled 2
        amend b1 by bob to 2                | rejected unknown-order
    """,
    "an amend that waited too long": """
        b1 bob buys 3 at 99                 | b1 opened 3
        amend b1 by bob to 2 stale          | rejected expired
    """,
    "a stop that waits": """
        b1 bob buys 3 market stop-loss 99   | b1 waits
        amend b1 by bob to 2                | rejected stop-waiting
        amend b1 by alice to 2              | rejected unknown-order
        cancel b1                           | b1 canceled 3 waiting
    """,
    "a halted market": """
        b1 bob buys 3 at 99                 | b1 opened 3
        halt                                | halted
        amend b1 by bob to 2                | rejected market-halted
        amend b1 by bob at 98               | rejected market-halted
    """,
    "in an auction it rests at once": """
        s1 alice sells 4 at 100             | s1 opened 4
        b1 bob buys 4 at 99 show 3          | b1 opened 3 of 4
        b2 carol buys 4 at 99 post-only     | b2 opened 4
        auction                             | collecting
        amend b1 by bob at 101              | b1 moved 4 to 4 at 101, b1 opened 3 of 4
        amend b1 by bob to 2                | b1 amended 4 to 2
        amend b2 by carol at 100            | rejected post-only-would-cross
        amend b2 by carol at 98             | b2 moved 4 to 4 at 98, b2 opened 4
    """,
    "the band, only of a new price": LAST_100 + """
        b1 bob buys 5 at 120                | b1 opened 5
        amend b1 by bob to 7 collar 500     | b1 moved 5 to 7 at 120, b1 opened 7
        amend b1 by bob to 6 at 120 collar 500 | b1 amended 7 to 6
        amend b1 by bob at 106 collar 500   | rejected outside-band
        amend b1 by bob at 105 collar 500   | b1 moved 6 to 6 at 105, b1 opened 6
        amend b1 by bob at 1 collar 500     | b1 moved 6 to 6 at 1, b1 opened 6
        s1 bob sells 5 at 120               | s1 opened 5
        amend s1 by bob at 94 collar 500    | rejected outside-band
        amend s1 by bob at 95 collar 500    | s1 moved 5 to 5 at 95, s1 opened 5
        amend b1 by bob at 93               | b1 moved 6 to 6 at 93, b1 opened 6
    """,
    "the collar that it was placed with is over": LAST_100 + """
        b1 bob buys 5 at 100 collar 500     | b1 opened 5
        amend b1 by bob at 120              | b1 moved 5 to 5 at 120, b1 opened 5
    """,
    "without a trade there is no band": """
        b1 bob buys 5 at 100                | b1 opened 5
        amend b1 by bob at 900 collar 1     | b1 moved 5 to 5 at 900, b1 opened 5
    """,
    "its own trades meet stops": LAST_100 + """
        x1 carol buys 1 market stop-entry 105 | x1 waits
        s1 alice sells 1 at 105             | s1 opened 1
        b1 bob buys 1 at 99                 | b1 opened 1
        amend b1 by bob at 105              | b1 moved 1 to 1 at 105, b1 traded 1 at 105 with s1, s1 filled, b1 filled
                                            | x1 triggered at 105, x1 no-liquidity 1
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_amend(book, name: str) -> None:
    play(book, TABLES[name])


def test_the_fill_limit(book) -> None:
    run(book, "b1 bob buys 500 at 90", *(f"s{number} alice sells 1 at 100" for number in range(MAX_FILLS + 5)))
    lines = told(run(book, "amend b1 by bob at 100"))
    assert lines[0] == "b1 moved 500 to 500 at 100"
    assert lines[-1] == "b1 fill-limit 100"


def _amended(book, **fields) -> list[str]:
    fields = dict(kind=CommandKind.AMEND, order_id=order_id("b1")) | fields
    return told(book.apply(NOW_MS, pack(**fields), ROOM))


def _rest(book, name: str, size_lots: int, price_ticks: int, **fields) -> None:
    record = pack(side=Side.BUY, order_type=1, time_in_force=1, order_id=order_id(name), account=2, price_ticks=price_ticks,
                  size_lots=size_lots, **fields)
    [line] = told(book.apply(NOW_MS, record, ROOM))
    assert f"{name} opened" in line


def test_overflow(book) -> None:
    """Price x everything on the level where it comes to rest must fit 62 bits; its own lots there do not count twice."""
    _rest(book, "b1", 5, 1)
    _rest(book, "b2", LARGEST // 2 - 10, 2, display_lots=1)
    assert _amended(book, size_lots=LARGEST + 1) == ["rejected overflow"]
    assert _amended(book, price_ticks=LARGEST + 1) == ["rejected overflow"]
    assert _amended(book, price_ticks=LARGEST // 5 + 1) == ["rejected overflow"]
    assert _amended(book, price_ticks=2, size_lots=11) == ["rejected overflow"], "hidden lots count"
    assert _amended(book, price_ticks=2, size_lots=10) == ["b1 moved 5 to 10 at 2", "b1 opened 10"]
    assert _amended(book, size_lots=11) == ["rejected overflow"]
    assert _amended(book, size_lots=9) == ["b1 amended 10 to 9"]
    assert _amended(book, size_lots=10) == ["b1 moved 9 to 10 at 2", "b1 opened 10"], "its own 9 are not there any more"
    assert _amended(book, price_ticks=1, size_lots=LARGEST) == [f"b1 moved 10 to {LARGEST} at 1", f"b1 opened {LARGEST}"]


def test_a_refused_amend_changes_nothing(book) -> None:
    run(book, "b1 bob buys 5 at 100 post-only", "s1 alice sells 5 at 101")
    before = book.snapshot()
    [event] = read(run(book, "amend b1 by bob to 9 at 101"))
    assert (event.kind, event.code, event.flags) == (EventKind.REJECTED, RejectCode.POST_ONLY_WOULD_CROSS, CommandKind.AMEND)
    assert (event.order_id, event.account, event.price_ticks, event.size_lots) == (order_id("b1"), 2, 101, 9)
    assert book.snapshot() == before


def test_the_events(book) -> None:
    run(book, "b1 bob buys 9 at 100 show 3", "s1 alice sells 1 at 100")
    kept = only(run(book, "amend b1 by bob to 6"), EventKind.AMENDED)
    assert (kept.side, kept.code, kept.flags, kept.account) == (1, 0, FLAG_RESTED, 2)
    assert (kept.price_ticks, kept.size_lots, kept.remaining) == (100, 5, 8)
    moved, opened, *levels = read(run(book, "amend b1 to 12 at 99"))
    assert (moved.kind, moved.side, moved.flags, moved.account) == (EventKind.AMENDED, 1, 0, 2)
    assert (moved.price_ticks, moved.size_lots, moved.remaining) == (99, 11, 5)
    assert (opened.kind, opened.flags, opened.price_ticks, opened.size_lots, opened.remaining) == (EventKind.OPENED, 0, 99, 3, 8)
    assert [(level.price_ticks, level.size_lots, level.remaining) for level in levels] == [(100, 0, 0), (99, 3, 1)]
    done, level = read(run(book, "amend b1 to 1"))
    assert (done.kind, done.code, done.flags, done.price_ticks) == (EventKind.DONE, DoneReason.CANCELED, FLAG_RESTED, 99)
    assert (done.size_lots, done.remaining) == (11, 0)
    assert (level.price_ticks, level.size_lots, level.remaining) == (99, 0, 0)


def test_done_of_an_order_that_moved_is_a_takers(book) -> None:
    run(book, "b1 bob buys 3 at 90", "s1 alice sells 3 at 100")
    done = read(run(book, "amend b1 by bob at 101"))[3]
    assert (done.kind, done.code, done.flags, done.price_ticks, done.size_lots) == (
        EventKind.DONE, DoneReason.FILLED, 0, 101, 0)
    assert show(book) == ("", "")


def test_a_level_of_an_order_that_keeps_its_place_is_told(book) -> None:
    run(book, "b1 bob buys 9 at 100 show 3")
    assert [event.kind for event in read(run(book, "amend b1 to 5"))] == [EventKind.AMENDED], "only hidden lots went"
    level = only(run(book, "amend b1 to 2"), EventKind.LEVEL)
    assert (level.size_lots, level.remaining) == (2, 1)
