"""An order with an end goes off the book when its time has come: with the next command, or when a taker meets it before."""

import pytest

from matching_core import MAX_BACKGROUND, MAX_FILLS
from matching_core.records import FLAG_BY_FUNDS, FLAG_RESTED, FLAG_STOP, DoneReason, EventKind
from tests.rules.tables import LAST_100, NOW_MS, ROOM, play, read, run, show, told

TABLES = {
    "at its time, not before": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        after 49 tick                                |
        after 1 tick                                 | b1 expired 5
        s1 alice sells 5 at 100                      | s1 opened 5
    """,
    "before the command that it comes with": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        after 50 s1 alice sells 5 at 100             | b1 expired 5, s1 opened 5
    """,
    "with a command that is refused, too": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        after 70 cancel b1 by bob                    | b1 expired 5, rejected unknown-order
    """,
    "its id is free at once": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        after 50 b1 alice buys 1 at 90               | b1 expired 5, b1 opened 1
    """,
    "what is left after a trade": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        s1 alice sells 2 at 100                      | s1 traded 2 at 100 with b1, s1 filled
        after 50 tick                                | b1 expired 3
    """,
    "the earliest end first, then the oldest": """
        b1 bob buys 1 at 103 gtt until 60            | b1 opened 1
        b2 bob buys 1 at 101 gtt until 50            | b2 opened 1
        s1 alice sells 1 at 110 gtt until 50         | s1 opened 1
        b3 carol buys 1 at 102 gtt until 50          | b3 opened 1
        b4 carol buys 1 market stop-loss 80 until 55 | b4 waits
        b5 bob buys 1 at 104 gtt until 61            | b5 opened 1
        after 60 tick                                | b2 expired 1, s1 expired 1, b3 expired 1, b4 expired 1 waiting
                                                     | b1 expired 1
    """,
    "an iceberg's age is that of the lots it shows": """
        b1 bob buys 3 at 100 gtt until 50 show 1     | b1 opened 1 of 3
        b2 carol buys 1 at 90 gtt until 50           | b2 opened 1
        s1 alice sells 1 at 100                      | s1 traded 1 at 100 with b1, b1 shows 1 of 2, s1 filled
        after 50 tick                                | b2 expired 1, b1 expired 2
    """,
    "in a halted market": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        halt                                         | halted
        after 50 tick                                | b1 expired 5
        b2 bob buys 5 market stop-entry 1 until 60   | rejected market-halted
    """,
    "in an auction": """
        auction                                      | collecting
        b1 bob buys 5 at 101 gtt until 50            | b1 opened 5
        s1 alice sells 5 at 100                      | s1 opened 5
        after 50 resume                              | b1 expired 5, resumed
    """,
    "a place whose end has come is refused": """
        b1 bob buys 5 at 100 gtt until 0             | rejected expired
        b2 bob buys 5 at 100 gtt until 1             | b2 opened 5
        after 1 b3 bob buys 5 at 100 gtt until 1     | b2 expired 5, rejected expired
        b4 bob buys 5 at 100 ioc until 1             | rejected expired
        b5 bob buys 5 at 100 fok until 1             | rejected expired
        b6 bob buys 5 market until 1                 | rejected expired
        b7 bob buys 5 market stop-loss 90 until 1    | rejected expired
    """,
    "an end that has not come does not matter to what never rests": """
        s1 alice sells 5 at 100                      | s1 opened 5
        b1 bob buys 1 at 100 ioc until 1             | b1 traded 1 at 100 with s1, b1 filled
        b2 bob buys 1 at 100 fok until 1             | b2 traded 1 at 100 with s1, b2 filled
        b3 bob buys 1 market until 1                 | b3 traded 1 at 100 with s1, b3 filled
        after 5 tick                                 |
    """,
    "of a stop it ends the waiting": LAST_100 + """
        b1 bob buys 5 market stop-entry 110 until 50          | b1 waits
        b2 bob buys 5 at 120 ioc stop-entry 110 until 51      | b2 waits
        b3 bob buys 5 at 120 gtt stop-entry 110 until 52      | b3 waits
        b4 bob buys funds 5 market stop-entry 110 until 53    | b4 waits
        after 60 tick                                         | b1 expired 5 waiting, b2 expired 5 waiting
                                                              | b3 expired 5 waiting, b4 expired funds 5 waiting
    """,
    "of a stop-limit that was met it goes on while the order rests": LAST_100 + """
        b1 bob buys 5 at 90 gtt stop-entry 100 until 50       | b1 waits, b1 triggered at 100, b1 opened 5
        after 50 tick                                         | b1 expired 5
    """,
    "an order that rests after an amend keeps its end": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        amend b1 by bob at 101                       | b1 moved 5 to 5 at 101, b1 opened 5
        after 50 tick                                | b1 expired 5
    """,
    "a gtc order has none": """
        b1 bob buys 5 at 100                         | b1 opened 5
        after 999999999 tick                         |
    """,
    "between the commands of a batch nothing is due that was not before": """
        b1 bob buys 5 at 100 gtt until 50            | b1 opened 5
        after 50 tick ; tick                         | b1 expired 5
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_expiry(book, name: str) -> None:
    play(book, TABLES[name])


def _rest_with_end(book, count: int, account: str = "alice", until: int = 50, price: int = 100) -> None:
    """Asks e0, e1, ... with the same end, one more tick of price each."""
    run(book, *(f"e{number} {account} sells 1 at {price + number} gtt until {until}" for number in range(count)))


def test_a_command_brings_at_most_50_of_them(book) -> None:
    _rest_with_end(book, 2 * MAX_BACKGROUND + 5)
    events = run(book, "tick", after_ms=50)
    assert told(events) == [f"e{number} expired 1" for number in range(MAX_BACKGROUND)]
    assert book.work_waits
    assert len(told(run(book, "tick"))) == MAX_BACKGROUND, "before and after the command together"
    assert len(told(run(book, "tick"))) == 5
    assert not book.work_waits


def test_each_command_of_a_batch_brings_50(book) -> None:
    _rest_with_end(book, 60)
    events = read(run(book, "tick", "tick", after_ms=50))
    indexes = [event.command_index for event in events if event.kind == EventKind.DONE]
    assert indexes == [0] * 50 + [1] * 10


def test_an_empty_batch_brings_none(book) -> None:
    _rest_with_end(book, 1)
    assert book.apply(NOW_MS + 50, b"", ROOM) == b""
    assert book.at_ms == NOW_MS + 50
    assert book.work_waits
    assert show(book) == ("", "e0 1@100")


def test_the_place_after_50_expiries_meets_the_others(book) -> None:
    """e50 and e51 are still on the book when the command comes to its turn."""
    _rest_with_end(book, 52)
    run(book, "s1 carol sells 3 at 200")
    events = told(run(book, "b1 bob buys 2 at 300", after_ms=50))
    assert events[50:] == ["e50 expired 1", "e51 expired 1", "b1 traded 2 at 200 with s1", "b1 filled"]


def test_a_due_order_of_the_takers_own_expires_and_is_no_self_trade(book) -> None:
    _rest_with_end(book, 51, account="bob")
    assert told(run(book, "b1 bob buys 2 at 300 cn", after_ms=50))[50:] == ["e50 expired 1", "b1 opened 2"]


def test_each_due_order_met_is_a_touch(book) -> None:
    _rest_with_end(book, MAX_BACKGROUND + MAX_FILLS + 1)
    run(book, "s1 carol sells 3 at 900")
    lines = told(run(book, "b1 bob buys 2 at 900", after_ms=50))
    assert lines[-2:] == ["e449 expired 1", "b1 fill-limit 2"]


def test_due_orders_give_a_fok_nothing_and_do_not_stop_it(book) -> None:
    _rest_with_end(book, 54, account="bob")
    run(book, "s1 carol sells 3 at 200")
    lines = told(run(book, "b1 bob buys 4 at 300 fok", after_ms=50))
    assert lines[50:] == ["rejected fok-not-fillable"]


def test_a_fok_passes_due_orders_of_its_own(book) -> None:
    _rest_with_end(book, 120, account="bob")
    run(book, "s1 carol sells 3 at 500")
    lines = told(run(book, "b1 bob buys 3 at 500 fok", after_ms=50))
    assert lines[50:] == [f"e{number} expired 1" for number in range(50, 120)] + ["b1 traded 3 at 500 with s1", "s1 filled",
                                                                                  "b1 filled"]


def test_due_icebergs_give_a_fok_nothing(book) -> None:
    _rest_with_end(book, 50)
    run(book, "i1 carol sells 9 at 200 gtt until 50 show 3", "s1 carol sells 3 at 200")
    assert told(run(book, "b1 bob buys 4 at 200 fok", after_ms=50))[50:] == ["rejected fok-not-fillable"]


def test_a_due_order_still_counts_for_post_only_and_for_ids(book) -> None:
    _rest_with_end(book, 52)
    assert told(run(book, "b1 bob buys 1 at 150 post-only", after_ms=50))[-1] == "rejected post-only-would-cross"
    _rest_with_end(book, 52, until=100)
    assert told(run(book, "e51 bob buys 1 at 50", after_ms=50))[-1] == "rejected duplicate-order-id"


def test_a_due_order_may_be_cancelled_and_not_amended(book) -> None:
    _rest_with_end(book, 103)
    assert told(run(book, "amend e51 by alice to 1", after_ms=50))[50:] == ["rejected unknown-order"]
    assert told(run(book, "cancel e102 by alice"))[50:] == ["e102 canceled 1"]
    assert show(book)[1].startswith("e100 1@200")


def test_a_due_order_is_the_touch_that_a_collar_counts_from(book) -> None:
    _rest_with_end(book, 51)
    run(book, "s1 carol sells 3 at 158")
    lines = told(run(book, "b1 bob buys 2 market collar 500", after_ms=50))
    assert lines[50:] == ["e50 expired 1", "b1 no-liquidity 2"], "5 % from 150 is 157"


def test_an_end_counts_in_the_state(book) -> None:
    hashes = set()
    for end in ("", " gtt until 50", " gtt until 51"):
        other = type(book).create()
        run(other, f"b1 bob buys 5 at 100{end}")
        hashes.add(other.state_hash())
    assert len(hashes) == 3


def test_the_events(book) -> None:
    run(book, "b1 bob buys 5 at 100 gtt until 50 show 2", "b2 bob buys funds 70 market 99 stop-loss 90 until 50")
    resting, waiting = (event for event in read(run(book, "tick", after_ms=50)) if event.kind == EventKind.DONE)
    assert resting.code == waiting.code == DoneReason.EXPIRED
    assert (resting.flags, resting.price_ticks, resting.size_lots, resting.remaining) == (FLAG_RESTED, 100, 5, 0)
    assert waiting.flags == FLAG_STOP | FLAG_BY_FUNDS
    assert (waiting.side, waiting.account, waiting.price_ticks, waiting.size_lots, waiting.remaining) == (1, 2, 99, 0, 70)
