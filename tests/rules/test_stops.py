"""A stop waits beside the book until a trade is at its stop price or beyond; then it goes on like an order just accepted.

A loss stop is met at or below its stop price, an entry stop at or above, whichever side it is on. Prices are checked after
each command against the range of the trades since, so a price that was only touched on the way counts.
"""

import pytest

from matching_core import MAX_BACKGROUND, MAX_FILLS
from matching_core.records import (
    FLAG_BY_FUNDS,
    FLAG_STOP,
    DoneReason,
    EventKind,
    OrderType,
    Side,
    TimeInForce,
)
from tests.rules.tables import LARGEST, LAST_100, NOW_MS, ROOM, only, order_id, pack, play, read, run, show, show_stops, told

TABLES = {
    "loss: at its price, not above": LAST_100 + """
        b1 bob buys 1 at 96                          | b1 opened 1
        b2 bob buys 9 at 95                          | b2 opened 9
        s1 alice sells 5 market stop-loss 95         | s1 waits
        s2 carol sells 1 at 96                       | s2 traded 1 at 96 with b1, b1 filled, s2 filled
        s3 carol sells 1 at 95                       | s3 traded 1 at 95 with b2, s3 filled, s1 triggered at 95
                                                     | s1 traded 5 at 95 with b2, s1 filled
    """,
    "loss: below its price": LAST_100 + """
        b1 bob buys 9 at 90                          | b1 opened 9
        s1 alice sells 5 market stop-loss 95         | s1 waits
        s2 carol sells 1 at 90                       | s2 traded 1 at 90 with b1, s2 filled, s1 triggered at 95
                                                     | s1 traded 5 at 90 with b1, s1 filled
    """,
    "entry: at its price, not below": LAST_100 + """
        s1 bob sells 1 at 104                        | s1 opened 1
        s2 bob sells 9 at 105                        | s2 opened 9
        b1 alice buys 5 market stop-entry 105        | b1 waits
        b2 carol buys 1 at 104                       | b2 traded 1 at 104 with s1, s1 filled, b2 filled
        b3 carol buys 1 at 105                       | b3 traded 1 at 105 with s2, b3 filled, b1 triggered at 105
                                                     | b1 traded 5 at 105 with s2, b1 filled
    """,
    "entry: above its price": LAST_100 + """
        s1 bob sells 9 at 110                        | s1 opened 9
        b1 alice buys 5 market stop-entry 105        | b1 waits
        b2 carol buys 1 at 110                       | b2 traded 1 at 110 with s1, b2 filled, b1 triggered at 105
                                                     | b1 traded 5 at 110 with s1, b1 filled
    """,
    "either kind on either side": LAST_100 + """
        b1 alice buys 5 market stop-loss 99          | b1 waits
        s1 alice sells 5 market stop-entry 101       | s1 waits
        s2 carol sells 1 at 99                       | s2 opened 1
        b2 dave buys 1 at 99                         | b2 traded 1 at 99 with s2, s2 filled, b2 filled, b1 triggered at 99
                                                     | b1 no-liquidity 5
        s3 carol sells 1 at 101                      | s3 opened 1
        b3 dave buys 1 at 101                        | b3 traded 1 at 101 with s3, s3 filled, b3 filled
                                                     | s1 triggered at 101, s1 no-liquidity 5
    """,
    "without a trade nothing is met": """
        s1 alice sells 5 market stop-loss 95         | s1 waits
        b1 alice buys 5 market stop-entry 1          | b1 waits
        tick                                         |
    """,
    "the first trade of the market meets": """
        s1 alice sells 5 market stop-loss 95         | s1 waits
        b1 alice buys 5 market stop-entry 105        | b1 waits
        b2 bob buys 1 at 95                          | b2 opened 1
        s2 carol sells 1 at 95                       | s2 traded 1 at 95 with b2, b2 filled, s2 filled, s1 triggered at 95
                                                     | s1 no-liquidity 5
    """,
    "met already when it comes": LAST_100 + """
        s1 alice sells 5 market stop-loss 100        | s1 waits, s1 triggered at 100, s1 no-liquidity 5
        s2 alice sells 5 market stop-loss 150        | s2 waits, s2 triggered at 150, s2 no-liquidity 5
        b1 alice buys 5 market stop-entry 100        | b1 waits, b1 triggered at 100, b1 no-liquidity 5
        b2 alice buys 5 market stop-entry 50         | b2 waits, b2 triggered at 50, b2 no-liquidity 5
        b3 alice buys 5 market stop-entry 101        | b3 waits
    """,
    "prices of an earlier command do not count": LAST_100 + """
        s1 bob sells 1 at 90                         | s1 opened 1
        b1 carol buys 1 at 90                        | b1 traded 1 at 90 with s1, s1 filled, b1 filled
        s2 bob sells 1 at 100                        | s2 opened 1
        b2 carol buys 1 at 100                       | b2 traded 1 at 100 with s2, s2 filled, b2 filled
        s3 alice sells 5 market stop-loss 95         | s3 waits
    """,
    "the whole range of one sweep counts, not its last price": LAST_100 + """
        s1 bob sells 1 at 95                         | s1 opened 1
        s2 bob sells 1 at 105                        | s2 opened 1
        x1 alice sells 5 market stop-loss 96         | x1 waits
        x2 alice buys 5 market stop-entry 104        | x2 waits
        x3 alice sells 5 market stop-loss 94         | x3 waits
        x4 alice buys 5 market stop-entry 106        | x4 waits
        b1 carol buys 2 at 105                       | b1 traded 1 at 95 with s1, s1 filled, b1 traded 1 at 105 with s2
                                                     | s2 filled, b1 filled, x1 triggered at 96, x1 no-liquidity 5
                                                     | x2 triggered at 104, x2 no-liquidity 5
    """,
    "loss stops first, highest first, then the oldest; then entry stops, lowest first": LAST_100 + """
        e1 alice buys 1 market stop-entry 103        | e1 waits
        e2 alice buys 1 market stop-entry 102        | e2 waits
        e3 carol buys 1 market stop-entry 103        | e3 waits
        l1 alice sells 1 market stop-loss 96         | l1 waits
        l2 alice sells 1 market stop-loss 97         | l2 waits
        l3 carol sells 1 market stop-loss 97         | l3 waits
        l4 carol sells 1 market stop-loss 99         | l4 waits
        s1 bob sells 1 at 95                         | s1 opened 1
        s2 bob sells 1 at 105                        | s2 opened 1
        b1 dave buys 2 at 105                        | b1 traded 1 at 95 with s1, s1 filled, b1 traded 1 at 105 with s2
                                                     | s2 filled, b1 filled
                                                     | l4 triggered at 99, l4 no-liquidity 1, l2 triggered at 97
                                                     | l2 no-liquidity 1, l3 triggered at 97, l3 no-liquidity 1
                                                     | l1 triggered at 96, l1 no-liquidity 1, e2 triggered at 102
                                                     | e2 no-liquidity 1, e1 triggered at 103, e1 no-liquidity 1
                                                     | e3 triggered at 103, e3 no-liquidity 1
    """,
    "a cascade: one stop's trade meets the next, which goes before an older one met already": LAST_100 + """
        b1 bob buys 2 at 95                          | b1 opened 2
        b2 bob buys 9 at 90                          | b2 opened 9
        x1 alice sells 2 market stop-loss 95         | x1 waits
        x2 carol sells 1 market stop-loss 90         | x2 waits
        x3 carol sells 1 market stop-loss 92         | x3 waits
        x4 carol sells 1 market stop-loss 89         | x4 waits
        s1 dave sells 1 at 95                        | s1 traded 1 at 95 with b1, s1 filled
                                                     | x1 triggered at 95, x1 traded 1 at 95 with b1, b1 filled
                                                     | x1 traded 1 at 90 with b2, x1 filled
                                                     | x3 triggered at 92, x3 traded 1 at 90 with b2, x3 filled
                                                     | x2 triggered at 90, x2 traded 1 at 90 with b2, x2 filled
    """,
    "a cascade up": LAST_100 + """
        s1 bob sells 1 at 105                        | s1 opened 1
        s2 bob sells 1 at 110                        | s2 opened 1
        x1 alice buys 1 market stop-entry 105        | x1 waits
        x2 carol buys 1 market stop-entry 110        | x2 waits
        b1 dave buys 1 at 105                        | b1 traded 1 at 105 with s1, s1 filled, b1 filled, x1 triggered at 105
                                                     | x1 traded 1 at 110 with s2, s2 filled, x1 filled
                                                     | x2 triggered at 110, x2 no-liquidity 1
    """,
    "before the next command of the batch": LAST_100 + """
        s1 alice sells 1 market stop-loss 95         | s1 waits
        b1 bob buys 1 at 95                          | b1 opened 1
        s2 carol sells 1 at 95 ; b2 dave buys 1 at 95 | s2 traded 1 at 95 with b1, b1 filled, s2 filled
                                                     | s1 triggered at 95, s1 no-liquidity 1, b2 opened 1
    """,
    "a stop-market by funds": LAST_100 + """
        s1 bob sells 9 at 101                        | s1 opened 9
        b1 alice buys funds 250 market stop-entry 100 | b1 waits, b1 triggered at 100, b1 traded 2 at 101 with s1
                                                     | b1 filled funds 48
    """,
    "a stop-market stops at its worst price": LAST_100 + """
        b1 bob buys 1 at 98                          | b1 opened 1
        b2 bob buys 1 at 96                          | b2 opened 1
        s1 alice sells 2 market 97 stop-loss 100     | s1 waits, s1 triggered at 100, s1 traded 1 at 98 with b1, b1 filled
                                                     | s1 no-liquidity 1
    """,
    "a stop-market's time in force does not matter": LAST_100 + """
        b1 bob buys 1 at 98                          | b1 opened 1
        s1 alice sells 2 market fok stop-loss 100    | s1 waits, s1 triggered at 100, s1 traded 1 at 98 with b1, b1 filled
                                                     | s1 no-liquidity 1
    """,
    "a stop-limit rests with what it cannot trade": LAST_100 + """
        b1 bob buys 1 at 98                          | b1 opened 1
        s1 alice sells 3 at 97 stop-loss 100         | s1 waits, s1 triggered at 100, s1 traded 1 at 98 with b1, b1 filled
                                                     | s1 opened 2
        b2 carol buys 1 at 97                        | b2 traded 1 at 97 with s1, b2 filled
        cancel s1 by alice                           | s1 canceled 1
    """,
    "a stop-limit ioc does not rest": LAST_100 + """
        b1 bob buys 1 at 98                          | b1 opened 1
        s1 alice sells 3 at 97 ioc stop-loss 100     | s1 waits, s1 triggered at 100, s1 traded 1 at 98 with b1, b1 filled
                                                     | s1 ioc-remainder 2
    """,
    "a stop-limit may be an iceberg once it rests": LAST_100 + """
        b1 bob buys 3 at 98                          | b1 opened 3
        s1 alice sells 9 at 98 show 2 stop-loss 100  | s1 waits, s1 triggered at 100, s1 traded 3 at 98 with b1, b1 filled
                                                     | s1 opened 2 of 6
    """,
    "its own self-trade prevention counts": LAST_100 + """
        b1 alice buys 1 at 98                        | b1 opened 1
        b2 bob buys 1 at 97                          | b2 opened 1
        s1 alice sells 1 market co stop-loss 100     | s1 waits, s1 triggered at 100, b1 self-trade 1
                                                     | s1 traded 1 at 97 with b2, b2 filled, s1 filled
        b3 alice buys 1 at 90                        | b3 opened 1
        s2 alice sells 1 market cn stop-loss 100     | s2 waits, s2 triggered at 100, s2 self-trade 1
        cancel b3                                    | b3 canceled 1
    """,
    "a waiting stop is cancelled by its owner or an operator": LAST_100 + """
        s1 alice sells 5 market stop-loss 95         | s1 waits
        b1 alice buys funds 70 market stop-entry 105 | b1 waits
        cancel s1 by bob                             | rejected unknown-order
        cancel s1 by alice                           | s1 canceled 5 waiting
        cancel s1 by alice                           | rejected unknown-order
        cancel b1                                    | b1 canceled funds 70 waiting
    """,
    "a waiting stop takes part in nothing": LAST_100 + """
        s1 alice sells 5 at 90 stop-loss 95          | s1 waits
        b1 bob buys 1 at 90 post-only                | b1 opened 1
        b2 bob buys 1 at 99 fok                      | rejected fok-not-fillable
        b3 alice buys 1 market                       | b3 no-liquidity 1
    """,
    "in a halted market nothing triggers; open again, what was met does": LAST_100 + """
        s1 alice sells 5 market stop-loss 95         | s1 waits
        s2 alice sells 5 market stop-loss 90         | s2 waits
        b1 bob buys 1 at 95                          | b1 opened 1
        s3 carol sells 1 at 95 ; halt                | s3 traded 1 at 95 with b1, b1 filled, s3 filled, s1 triggered at 95
                                                     | s1 no-liquidity 5, halted
        s4 alice sells 5 market stop-loss 99         | rejected market-halted
    """,
    "in an auction stops may be placed; those met already trigger when it is over": LAST_100 + """
        auction                                      | collecting
        s1 alice sells 5 market stop-loss 100        | s1 waits
        s2 alice sells 5 at 90 ioc stop-loss 90      | s2 waits
        tick                                         |
        resume                                       | resumed, s1 triggered at 100, s1 no-liquidity 5
    """,
    "the auction's price meets stops": LAST_100 + """
        s0 alice sells 5 market stop-loss 95         | s0 waits
        auction                                      | collecting
        b1 bob buys 1 at 95                          | b1 opened 1
        s1 carol sells 1 at 94                       | s1 opened 1
        resume                                       | s1 paired 1 at 95 with b1, b1 filled, s1 filled, resumed at 95
                                                     | s0 triggered at 95, s0 no-liquidity 5
    """,
    "one that was triggered is an order like others": LAST_100 + """
        s1 alice sells 3 at 97 stop-loss 100         | s1 waits, s1 triggered at 100, s1 opened 3
        s1 alice sells 3 at 97                       | rejected duplicate-order-id
        amend s1 by alice to 2                       | s1 amended 3 to 2
        s2 bob sells 1 at 97                         | s2 opened 1
        b1 bob buys 2 at 97                          | b1 traded 2 at 97 with s1, s1 filled, b1 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_stops(book, name: str) -> None:
    play(book, TABLES[name])


def test_stops_read_out_next_to_be_met_first(book) -> None:
    play(book, LAST_100 + """
        l1 alice sells 1 market stop-loss 90         | l1 waits
        l2 alice sells 2 at 70 stop-loss 95          | l2 waits
        l3 bob buys 3 market stop-loss 95            | l3 waits
        e1 bob buys 4 market stop-entry 110          | e1 waits
        e2 bob buys funds 70 market stop-entry 105   | e2 waits
    """)
    assert show_stops(book) == ("l2 2@95, l3 3@95, l1 1@90", "e2 0@105, e1 4@110")
    assert book.levels(3, 10) == [(95, 5, 2), (90, 1, 1)]
    assert book.levels(3, 1) == [(95, 5, 2)]
    assert book.levels(4, 10) == [(105, 0, 1), (110, 4, 1)]
    assert show(book) == ("", "")
    assert book.order_count == 5


def test_nobody_sees_waiting_stops(book) -> None:
    play(book, LAST_100)
    events = run(book, "s1 alice sells 5 at 90 stop-loss 95", "cancel s1")
    assert EventKind.LEVEL not in [event.kind for event in read(events)]


def test_stops_count_in_the_state(book) -> None:
    hashes = [book.state_hash()]
    for name in ("s1 alice sells 5 at 90 stop-loss 95", "cancel s1", "s1 alice sells 5 at 90 stop-entry 95", "cancel s1",
                 "s1 alice sells 5 at 91 stop-entry 95", "cancel s1", "s1 alice sells 5 at 90 ioc stop-entry 95", "cancel s1",
                 "s1 alice sells 5 at 90 collar 7 stop-entry 95"):
        run(book, name)
        hashes.append(book.state_hash())
    assert len(set(hashes)) == len(hashes)


def _stops(book, count: int, text: str) -> None:
    run(book, *(f"x{number} alice {text}" for number in range(count)))


def test_a_command_triggers_about_50(book) -> None:
    play(book, LAST_100)
    run(book, "s1 bob sells 1 at 95")
    _stops(book, 60, "sells 1 market stop-loss 95")
    lines = told(run(book, "b1 carol buys 1 at 95"))[3:]
    assert lines == [line for number in range(MAX_BACKGROUND)
                     for line in (f"x{number} triggered at 95", f"x{number} no-liquidity 1")]
    assert book.work_waits
    assert len(told(run(book, "tick"))) == 20
    assert not book.work_waits


def test_the_range_is_kept_for_what_could_not_be_checked_yet(book) -> None:
    """The sweep went from 95 to 100: the price that the stops are met by is no longer the last one."""
    play(book, LAST_100)
    run(book, "s1 bob sells 1 at 95", "s2 bob sells 1 at 100")
    _stops(book, 60, "sells 1 market stop-loss 95")
    run(book, "x60 alice buys 1 market stop-entry 101")
    lines = told(run(book, "b1 carol buys 2 at 100"))
    assert lines[-2:] == ["x49 triggered at 95", "x49 no-liquidity 1"]
    assert book.last_price_ticks == 100
    assert told(run(book, "tick"))[-2:] == ["x59 triggered at 95", "x59 no-liquidity 1"]
    assert told(run(book, "s9 alice sells 1 market stop-loss 99")) == ["s9 waits"], "all is checked up to the last price"


def test_the_makers_that_a_stop_touches_count(book) -> None:
    """Each stop is a step and the two makers it touches are two more: 17 stops pass 50."""
    play(book, LAST_100)
    run(book, *(f"b{number} bob buys 1 at 95" for number in range(101)))
    _stops(book, 20, "sells 2 market stop-loss 95")
    lines = told(run(book, "s1 carol sells 1 at 95"))
    assert [line for line in lines if "triggered" in line][-1] == "x16 triggered at 95"
    assert sum("triggered" in line for line in told(run(book, "tick"))) == 3


def test_what_was_done_before_the_command_counts_for_what_comes_after(book) -> None:
    """The first command leaves 30 of 80 stops; the second takes these before it, and 20 of those that it meets after it."""
    play(book, LAST_100)
    run(book, "s1 bob sells 1 at 95", "b0 bob buys 1 at 90")
    _stops(book, 80, "buys 1 market stop-loss 95")
    run(book, *(f"y{number} alice buys 1 market stop-loss 90" for number in range(40)))
    assert sum("triggered" in line for line in told(run(book, "b1 carol buys 1 at 95"))) == 50
    lines = told(run(book, "s2 carol sells 1 at 90"))
    traded = lines.index("s2 traded 1 at 90 with b0")
    assert sum("triggered" in line for line in lines[:traded]) == 30
    assert sum("triggered" in line for line in lines[traded:]) == 20
    assert sum("triggered" in line for line in told(run(book, "tick"))) == 20


def test_one_stop_touches_at_most_400_makers(book) -> None:
    play(book, LAST_100)
    run(book, *(f"b{number} bob buys 1 at 95" for number in range(MAX_FILLS + 5)))
    assert told(run(book, "x alice sells 500 market stop-loss 100"))[-1] == "x fill-limit 100"


def test_expiries_go_before_stops(book) -> None:
    play(book, LAST_100 + """
        auction                                      | collecting
        s1 alice sells 5 market stop-loss 100        | s1 waits
        b1 bob buys 5 at 90 gtt until 50             | b1 opened 5
        after 50 uncross                             | b1 expired 5, resumed, s1 triggered at 100, s1 no-liquidity 5
    """)


# --- a level that cannot take the stop

@pytest.mark.parametrize(("time_in_force", "others", "end"), [
    (TimeInForce.GTC, LARGEST - 5, "x opened 5"),
    (TimeInForce.GTC, LARGEST - 4, "x level-full 5"),
    (TimeInForce.GTT, LARGEST - 4, "x level-full 5"),
    (TimeInForce.IOC, LARGEST - 4, "x ioc-remainder 5"),  # it never rests
])
def test_a_level_too_large_for_it_ends_a_stop(book, time_in_force: TimeInForce, others: int, end: str) -> None:
    """It waits to buy at 1; then there are so many lots at 1, most of them hidden, that price x lots would leave 62 bits."""
    play(book, LAST_100)
    stop = dict(side=Side.BUY, order_type=OrderType.STOP_LIMIT, time_in_force=time_in_force, order_id=order_id("x"), account=1,
                price_ticks=1, size_lots=5, stop_price_ticks=90,
                expire_at_ms=NOW_MS + 99 if time_in_force == TimeInForce.GTT else 0)
    large = dict(side=Side.BUY, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, order_id=order_id("y"), account=2,
                 price_ticks=1, size_lots=others, display_lots=1)
    book.apply(NOW_MS, pack(**stop) + pack(**large), ROOM)
    run(book, "s1 carol sells 1 at 90")
    events = run(book, "b1 dave buys 1 at 90")
    assert told(events)[-2:] == ["x triggered at 90", end]
    if "level-full" in end:
        done = read(events)[-2]
        assert (done.kind, done.code, done.flags) == (EventKind.DONE, DoneReason.LEVEL_FULL, 0)
        assert (done.price_ticks, done.size_lots, done.remaining) == (1, 5, 0)
        assert show(book) == ("y 1@1", "")


def test_the_events(book) -> None:
    play(book, LAST_100)
    events = run(book, "x1 alice sells 5 market 94 stop-loss 95", "x2 alice buys 6 at 120 stop-entry 110",
                 "x3 alice buys funds 70 market stop-entry 110")
    accepted = [event for event in read(events) if event.kind == EventKind.ACCEPTED]
    assert [(event.side, event.flags, event.price_ticks, event.size_lots, event.remaining) for event in accepted] == [
        (2, FLAG_STOP, 94, 5, 0), (1, FLAG_STOP, 120, 6, 0), (1, FLAG_STOP | FLAG_BY_FUNDS, 0, 0, 70)]
    run(book, "b1 bob buys 1 at 95", "s1 bob sells 1 at 110")
    triggered = only(run(book, "s2 carol sells 1 at 95"), EventKind.TRIGGERED)
    assert (triggered.side, triggered.flags, triggered.account) == (2, FLAG_STOP, 1)
    assert (triggered.price_ticks, triggered.size_lots, triggered.remaining, triggered.code) == (95, 5, 0, 0)
    events = [event for event in read(run(book, "b2 carol buys 1 at 110")) if event.order_id in (order_id("x2"), order_id("x3"))]
    assert [(event.kind, event.flags, event.price_ticks, event.size_lots, event.remaining) for event in events] == [
        (EventKind.TRIGGERED, FLAG_STOP, 110, 6, 0), (EventKind.OPENED, 0, 120, 6, 0),
        (EventKind.TRIGGERED, FLAG_STOP | FLAG_BY_FUNDS, 110, 0, 70), (EventKind.DONE, FLAG_BY_FUNDS, 0, 0, 70)]


def test_done_of_a_waiting_stop(book) -> None:
    for command, flags, price_ticks, size_lots, remaining in (
            ("x alice sells 5 at 90 stop-loss 95", FLAG_STOP, 90, 5, 0), ("x alice sells 5 market stop-loss 95", FLAG_STOP, 0, 5, 0),
            ("x alice buys funds 7 market 80 stop-loss 95", FLAG_STOP | FLAG_BY_FUNDS, 80, 0, 7)):
        run(book, command)
        done = only(run(book, "cancel x"), EventKind.DONE)
        assert (done.flags, done.price_ticks, done.size_lots, done.remaining) == (flags, price_ticks, size_lots, remaining)
