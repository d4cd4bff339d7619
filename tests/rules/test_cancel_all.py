"""A cancel-all takes the oldest orders of an account off the book, resting or waiting; account 0 (an operator) means everybody's."""

import pytest

from matching_core import MAX_FILLS
from matching_core.records import FLAG_BY_FUNDS, FLAG_RESTED, FLAG_STOP, DoneReason, EventKind
from tests.rules.tables import LAST_100, play, read, run, show, show_stops, told

TABLES = {
    "of an account, on both sides and among the stops": LAST_100 + """
        b1 bob buys 5 at 90                          | b1 opened 5
        s1 bob sells 5 at 110 show 2                 | s1 opened 2 of 5
        b2 alice buys 5 at 91                        | b2 opened 5
        x1 bob sells 5 market stop-loss 80           | x1 waits
        x2 bob buys funds 5 market stop-entry 120    | x2 waits
        x3 alice buys 5 market stop-entry 120        | x3 waits
        b3 bob buys 5 at 99                          | b3 opened 5
        cancel-all by bob                            | b1 canceled 5, s1 canceled 5, x1 canceled 5 waiting
                                                     | x2 canceled funds 5 waiting, b3 canceled 5
        cancel-all by bob                            |
        cancel-all by alice                          | b2 canceled 5, x3 canceled 5 waiting
    """,
    "everybody's": """
        b1 bob buys 5 at 90                          | b1 opened 5
        b2 alice buys 5 at 91                        | b2 opened 5
        cancel-all                                   | b1 canceled 5, b2 canceled 5
        cancel-all                                   |
    """,
    "an order's age is that of its place": """
        s1 bob sells 3 at 100 show 1                 | s1 opened 1 of 3
        s2 bob sells 3 at 101                        | s2 opened 3
        s3 bob sells 3 at 102                        | s3 opened 3
        s4 bob sells 3 at 103                        | s4 opened 3
        b1 alice buys 1 at 100                       | b1 traded 1 at 100 with s1, s1 shows 1 of 2, b1 filled
        amend s2 by bob to 4                         | s2 moved 3 to 4 at 101, s2 opened 4
        amend s3 by bob to 2                         | s3 amended 3 to 2
        cancel-all by bob                            | s3 canceled 2, s4 canceled 3, s1 canceled 2, s2 canceled 4
    """,
    "a stop that was triggered is as old as its place": LAST_100 + """
        x1 bob buys 5 at 90 stop-entry 101           | x1 waits
        b1 bob buys 5 at 91                          | b1 opened 5
        s1 alice sells 1 at 101                      | s1 opened 1
        b2 carol buys 1 at 101                       | b2 traded 1 at 101 with s1, s1 filled, b2 filled, x1 triggered at 101
                                                     | x1 opened 5
        cancel-all by bob                            | b1 canceled 5, x1 canceled 5
    """,
    "in a halted market and in an auction": """
        b1 bob buys 5 at 90                          | b1 opened 5
        halt                                         | halted
        cancel-all by bob                            | b1 canceled 5
        auction                                      | collecting
        b1 bob buys 5 at 90                          | b1 opened 5
        cancel-all by bob                            | b1 canceled 5
    """,
    "one that waited long still counts": """
        b1 bob buys 5 at 90                          | b1 opened 5
        cancel-all by bob stale                      | b1 canceled 5
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_cancel_all(book, name: str) -> None:
    play(book, TABLES[name])


def test_at_most_400_the_oldest(book) -> None:
    run(book, *(f"b{number} bob buys 1 at {1000 - number % 7}" for number in range(MAX_FILLS + 3)))
    assert told(run(book, "cancel-all by bob")) == [f"b{number} canceled 1" for number in range(MAX_FILLS)]
    assert show(book)[0] == "b400 1@999, b401 1@998, b402 1@997"
    assert len(told(run(book, "cancel-all by bob"))) == 3


def test_the_events(book) -> None:
    run(book, "b1 bob buys 5 at 90 show 2", "x1 bob buys 5 at 95 stop-entry 120", "x2 bob buys funds 7 market stop-loss 20")
    done = [event for event in read(run(book, "cancel-all")) if event.kind != EventKind.LEVEL]
    assert {(event.kind, event.code, event.account) for event in done} == {(EventKind.DONE, DoneReason.CANCELED, 2)}
    assert [(event.flags, event.price_ticks, event.size_lots, event.remaining) for event in done] == [
        (FLAG_RESTED, 90, 5, 0), (FLAG_STOP, 95, 5, 0), (FLAG_STOP | FLAG_BY_FUNDS, 0, 0, 7)]
    assert show(book) == show_stops(book) == ("", "")
