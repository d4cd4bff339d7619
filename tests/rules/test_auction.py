"""An auction collects orders without matching them; its end trades them at one price and opens the book.

The price is where the most lots trade: both sides are paired, best first, and of the prices that the last pair allows it is the
one nearest to the last trade, or the middle of them when there was none. The older of two orders is the maker.
"""

import pytest

from matching_core.records import FLAG_AUCTION, FLAG_RESTED, DoneReason, EventKind, Mode, Side
from tests.rules.tables import LARGEST, LAST_100, NOW_MS, ROOM, order_id, pack, play, read, run, show

COLLECTING = {
    "orders that may rest do, crossed or not": """
        auction                             | collecting
        b1 bob buys 5 at 105                | b1 opened 5
        s1 alice sells 5 at 95              | s1 opened 5
        s2 bob sells 5 at 100 gtt until 50  | s2 opened 5
        b2 alice buys 9 at 110 show 2       | b2 opened 2 of 9
    """,
    "orders that never rest are refused": """
        auction                             | collecting
        b1 bob buys 5 market                | rejected market-halted
        b2 bob buys 5 at 105 ioc            | rejected market-halted
        b3 bob buys 5 at 105 fok            | rejected market-halted
        x1 bob buys 5 market stop-entry 9   | x1 waits
        x2 bob buys 5 at 9 ioc stop-entry 9 | x2 waits
    """,
    "post-only orders that would cross are refused": """
        s1 alice sells 5 at 95              | s1 opened 5
        auction                             | collecting
        b1 bob buys 5 at 95 post-only       | rejected post-only-would-cross
        b2 bob buys 5 at 94 post-only       | b2 opened 5
        s2 alice sells 1 at 94 post-only    | rejected post-only-would-cross
    """,
    "it always answers": """
        auction                             | collecting
        auction                             | collecting
        halt                                | halted
        auction                             | collecting
        uncross                             | resumed
        uncross                             | resumed
        resume                              | resumed
    """,
    "cancels go on": """
        auction                             | collecting
        b1 bob buys 5 at 105                | b1 opened 5
        s1 alice sells 5 at 95              | s1 opened 5
        cancel b1 by bob                    | b1 canceled 5
        resume                              | resumed
        s2 alice sells 1 at 94              | s2 opened 1
    """,
    "a halt stops it; the book may be crossed; open again it trades": """
        auction                             | collecting
        b1 bob buys 5 at 100                | b1 opened 5
        s1 alice sells 5 at 100             | s1 opened 5
        halt                                | halted
        b2 bob buys 5 at 100                | rejected market-halted
        resume                              | s1 paired 5 at 100 with b1, b1 filled, s1 filled, resumed at 100
    """,
}

# Orders, what comes of `resume`: the price.
PRICES = {
    "no trade before: the middle": """
        auction                             | collecting
        b1 bob buys 5 at 110                | b1 opened 5
        s1 alice sells 5 at 100             | s1 opened 5
        uncross                             | s1 paired 5 at 105 with b1, b1 filled, s1 filled, resumed at 105
    """,
    "the middle is rounded down": """
        auction                             | collecting
        b1 bob buys 5 at 103                | b1 opened 5
        s1 alice sells 5 at 100             | s1 opened 5
        resume                              | s1 paired 5 at 101 with b1, b1 filled, s1 filled, resumed at 101
    """,
    "the last trade's price, inside the range": LAST_100 + """
        auction                             | collecting
        b1 bob buys 5 at 101                | b1 opened 5
        s1 alice sells 5 at 80              | s1 opened 5
        resume                              | s1 paired 5 at 100 with b1, b1 filled, s1 filled, resumed at 100
    """,
    "the last trade's price is below the range": LAST_100 + """
        auction                             | collecting
        b1 bob buys 5 at 120                | b1 opened 5
        s1 alice sells 5 at 110             | s1 opened 5
        resume                              | s1 paired 5 at 110 with b1, b1 filled, s1 filled, resumed at 110
    """,
    "the last trade's price is above the range": LAST_100 + """
        auction                             | collecting
        b1 bob buys 5 at 90                 | b1 opened 5
        s1 alice sells 5 at 80              | s1 opened 5
        resume                              | s1 paired 5 at 90 with b1, b1 filled, s1 filled, resumed at 90
    """,
    "the last pair counts, not the best prices": """
        auction                             | collecting
        b1 bob buys 2 at 110                | b1 opened 2
        b2 bob buys 3 at 104                | b2 opened 3
        s1 alice sells 1 at 90              | s1 opened 1
        s2 alice sells 3 at 102             | s2 opened 3
        s3 alice sells 9 at 105             | s3 opened 9
        resume                              | s1 paired 1 at 103 with b1, s1 filled, s2 paired 1 at 103 with b1, b1 filled
                                            | s2 paired 2 at 103 with b2, s2 filled, resumed at 103
    """,
    "two sides used up together end the pairing there": """
        auction                             | collecting
        b1 bob buys 2 at 110                | b1 opened 2
        b2 bob buys 2 at 100                | b2 opened 2
        s1 alice sells 2 at 90              | s1 opened 2
        s2 alice sells 2 at 101             | s2 opened 2
        resume                              | s1 paired 2 at 100 with b1, b1 filled, s1 filled, resumed at 100
    """,
    "hidden lots count for the price": """
        auction                             | collecting
        b1 bob buys 5 at 110 show 1         | b1 opened 1 of 5
        b2 bob buys 5 at 100                | b2 opened 5
        s1 alice sells 5 at 90              | s1 opened 5
        s2 alice sells 5 at 98              | s2 opened 5
        cancel s1 ; cancel b2               | s1 canceled 5, b2 canceled 5
        b3 bob buys 1 at 99                 | b3 opened 1
        resume                              | s2 paired 1 at 104 with b1, b1 shows 1 of 4, b1 paired 1 at 104 with s2
                                            | b1 shows 1 of 3, b1 paired 1 at 104 with s2, b1 shows 1 of 2
                                            | b1 paired 1 at 104 with s2, b1 shows 1, b1 paired 1 at 104 with s2, s2 filled
                                            | b1 filled, resumed at 104
    """,
    "touching prices trade": """
        auction                             | collecting
        b1 bob buys 5 at 100                | b1 opened 5
        s1 alice sells 3 at 100             | s1 opened 3
        resume                              | s1 paired 3 at 100 with b1, s1 filled, resumed at 100
        s2 alice sells 2 at 100             | s2 traded 2 at 100 with b1, b1 filled, s2 filled
    """,
    "a book that is not crossed just opens": """
        auction                             | collecting
        b1 bob buys 5 at 99                 | b1 opened 5
        s1 alice sells 3 at 100             | s1 opened 3
        resume                              | resumed
        b2 bob buys 3 at 100                | b2 traded 3 at 100 with s1, s1 filled, b2 filled
    """,
}

TRADES = {
    "price, then age, on both sides": """
        auction                             | collecting
        s1 alice sells 2 at 100             | s1 opened 2
        s2 carol sells 2 at 99              | s2 opened 2
        s3 carol sells 2 at 100             | s3 opened 2
        b1 bob buys 3 at 100                | b1 opened 3
        b2 dave buys 2 at 101               | b2 opened 2
        resume                              | b2 paired 2 at 100 with s2, s2 filled, b2 filled, b1 paired 2 at 100 with s1
                                            | s1 filled, b1 paired 1 at 100 with s3, b1 filled, resumed at 100
    """,
    "one price for all, however good their limits": """
        auction                             | collecting
        b1 bob buys 1 at 200                | b1 opened 1
        b2 bob buys 1 at 104                | b2 opened 1
        s1 alice sells 1 at 1               | s1 opened 1
        s2 alice sells 1 at 100             | s2 opened 1
        resume                              | s1 paired 1 at 102 with b1, b1 filled, s1 filled, s2 paired 1 at 102 with b2
                                            | b2 filled, s2 filled, resumed at 102
    """,
    "an order that rested before the auction takes part": """
        s1 alice sells 5 at 100             | s1 opened 5
        auction                             | collecting
        b1 bob buys 2 at 100                | b1 opened 2
        resume                              | b1 paired 2 at 100 with s1, b1 filled, resumed at 100
    """,
    "the older is the maker, the ask": """
        auction                             | collecting
        s1 alice sells 5 at 100             | s1 opened 5
        b1 bob buys 5 at 100                | b1 opened 5
        resume                              | b1 paired 5 at 100 with s1, s1 filled, b1 filled, resumed at 100
    """,
    "an amend that lost its place is as young as its place": """
        auction                             | collecting
        b1 bob buys 5 at 99                 | b1 opened 5
        s1 alice sells 5 at 100             | s1 opened 5
        amend b1 by bob at 100              | b1 moved 5 to 5 at 100, b1 opened 5
        resume                              | b1 paired 5 at 100 with s1, s1 filled, b1 filled, resumed at 100
    """,
    "an account does not trade with itself: the younger goes, whatever its flag": """
        auction                             | collecting
        b1 bob buys 5 at 102 co             | b1 opened 5
        s1 bob sells 3 at 100 co            | s1 opened 3
        s2 alice sells 3 at 101             | s2 opened 3
        resume                              | s1 self-trade 3, s2 paired 3 at 101 with b1, s2 filled, resumed at 101
    """,
    "the younger may be the bid; the price stands as long as it fits": """
        auction                             | collecting
        s1 bob sells 3 at 100               | s1 opened 3
        b1 bob buys 5 at 110 show 2         | b1 opened 2 of 5
        b2 alice buys 1 at 106              | b2 opened 1
        resume                              | b1 self-trade 5, b2 paired 1 at 105 with s1, b2 filled, resumed at 105
    """,
    "a price that an ask has for its own still fits": """
        auction                             | collecting
        b1 bob buys 2 at 110                | b1 opened 2
        b2 alice buys 1 at 110              | b2 opened 1
        s1 bob sells 3 at 100               | s1 opened 3
        s2 carol sells 1 at 105             | s2 opened 1
        resume                              | s1 self-trade 3, s2 paired 1 at 105 with b1, s2 filled, resumed at 105
    """,
    "and one that a bid has": """
        auction                             | collecting
        s1 bob sells 2 at 100               | s1 opened 2
        s2 alice sells 1 at 100             | s2 opened 1
        b1 bob buys 3 at 110                | b1 opened 3
        b2 carol buys 1 at 105              | b2 opened 1
        resume                              | b1 self-trade 3, b2 paired 1 at 105 with s1, b2 filled, resumed at 105
    """,
    "a price that no longer fits is found anew": """
        auction                             | collecting
        s1 bob sells 3 at 100               | s1 opened 3
        b1 bob buys 3 at 110                | b1 opened 3
        b2 alice buys 1 at 102              | b2 opened 1
        resume                              | b1 self-trade 3, b2 paired 1 at 101 with s1, b2 filled, resumed at 101
    """,
    "all gone by self-trade prevention: no trade, and still a price": """
        auction                             | collecting
        s1 bob sells 3 at 100               | s1 opened 3
        b1 bob buys 3 at 110                | b1 opened 3
        resume                              | b1 self-trade 3, resumed at 105
    """,
    "icebergs trade part by part, the maker first, then the taker": """
        auction                             | collecting
        b1 bob buys 4 at 100 show 2         | b1 opened 2 of 4
        b2 carol buys 1 at 100              | b2 opened 1
        s1 alice sells 5 at 100 show 2      | s1 opened 2 of 5
        resume                              | s1 paired 2 at 100 with b1, b1 shows 2, s1 shows 2 of 3, s1 paired 1 at 100 with b2
                                            | b2 filled, s1 paired 1 at 100 with b1, s1 shows 1, s1 paired 1 at 100 with b1
                                            | b1 filled, s1 filled, resumed at 100
    """,
    "an iceberg's new part is younger": """
        auction                             | collecting
        s1 alice sells 2 at 100 show 1      | s1 opened 1 of 2
        b1 bob buys 2 at 100                | b1 opened 2
        resume                              | b1 paired 1 at 100 with s1, s1 shows 1, s1 paired 1 at 100 with b1, b1 filled
                                            | s1 filled, resumed at 100
    """,
    "an order that is due expires and does not trade": """
        auction                             | collecting
        b1 bob buys 5 at 105 gtt until 50   | b1 opened 5
        s1 alice sells 5 at 95              | s1 opened 5
        b2 carol buys 5 at 100              | b2 opened 5
        after 50 resume                     | b1 expired 5, b2 paired 5 at 97 with s1, s1 filled, b2 filled, resumed at 97
    """,
}


@pytest.mark.parametrize("name", COLLECTING)
def test_collecting(book, name: str) -> None:
    play(book, COLLECTING[name])


@pytest.mark.parametrize("name", PRICES)
def test_price(book, name: str) -> None:
    play(book, PRICES[name])
    assert book.mode == Mode.OPEN


@pytest.mark.parametrize("name", TRADES)
def test_trades(book, name: str) -> None:
    play(book, TRADES[name])
    assert book.mode == Mode.OPEN


def test_the_mode(book) -> None:
    hashes = set()
    for command, mode in (("tick", Mode.OPEN), ("auction", Mode.AUCTION), ("halt", Mode.HALTED), ("auction", Mode.AUCTION),
                          ("resume", Mode.OPEN)):
        run(book, command)
        hashes.add(book.state_hash())
        assert book.mode == mode
        assert book.halted == (mode == Mode.HALTED)
        assert type(book).restore(book.snapshot()).mode == mode
        assert book.sequence == 0, "the mode is not published with a number of its own"
    assert len(hashes) == 3


def test_a_collecting_book_may_be_crossed_at_rest(book) -> None:
    run(book, "auction", "b1 bob buys 5 at 105", "s1 alice sells 4 at 95")
    assert show(book) == ("b1 5@105", "s1 4@95")
    assert show(type(book).restore(book.snapshot())) == ("b1 5@105", "s1 4@95")


# --- indicative()

@pytest.mark.parametrize(("commands", "wanted"), [
    ([], (0, 0)),
    (["b1 bob buys 5 at 100"], (0, 0)),
    (["b1 bob buys 5 at 100", "s1 alice sells 5 at 101"], (0, 0)),
    (["b1 bob buys 5 at 110", "s1 alice sells 3 at 100"], (105, 3)),
    (["b1 bob buys 5 at 110", "s1 alice sells 3 at 100", "s2 alice sells 3 at 108"], (109, 5)),
    (["b1 bob buys 5 at 110 show 1", "s1 alice sells 9 at 100 show 2"], (105, 5)),
    (["b1 bob buys 5 at 110", "s1 bob sells 3 at 100"], (105, 3)),
])
def test_indicative(book, commands: list[str], wanted: tuple[int, int]) -> None:
    run(book, "auction", *commands)
    before = book.snapshot()
    assert book.indicative() == wanted
    assert book.snapshot() == before


def test_indicative_is_nearest_to_the_last_trade(book) -> None:
    play(book, LAST_100)
    run(book, "auction", "b1 bob buys 5 at 110", "s1 alice sells 3 at 90")
    assert book.indicative() == (100, 3)


def test_indicative_in_a_halted_market(book) -> None:
    run(book, "auction", "b1 bob buys 5 at 110", "s1 alice sells 3 at 90", "halt")
    assert book.indicative() == (100, 3)


def test_indicative_volume_stays_in_62_bits(book) -> None:
    run(book, "auction")
    for name, side, price_ticks in (("b2", 1, 2), ("b3", 1, 3), ("b4", 1, 4), ("s1", 2, 1), ("s2", 2, 2)):
        largest = dict(side=side, order_type=1, time_in_force=1, order_id=order_id(name), account=side, price_ticks=price_ticks)
        book.apply(NOW_MS, pack(**largest, size_lots=LARGEST // price_ticks), ROOM)
    assert book.indicative() == (2, LARGEST)


# --- the events

def test_a_trade_of_an_auction(book) -> None:
    run(book, "auction", "b1 bob buys 5 at 110 show 3", "s1 alice sells 2 at 100")
    trade, done, resumed, *_ = read(run(book, "resume"))
    assert (trade.kind, trade.flags, trade.trade_id) == (EventKind.TRADE, FLAG_AUCTION, 1)
    assert (trade.side, trade.order_id, trade.account) == (Side.BUY, order_id("s1"), 1), "the younger is the taker"
    assert (trade.maker_order_id, trade.maker_account) == (order_id("b1"), 2)
    assert (trade.price_ticks, trade.size_lots, trade.remaining) == (105, 2, 1)
    assert (done.kind, done.code, done.flags, done.order_id) == (EventKind.DONE, DoneReason.FILLED, FLAG_RESTED, order_id("s1"))
    assert (done.price_ticks, done.size_lots) == (100, 0)
    assert (resumed.kind, resumed.price_ticks, resumed.size_lots, resumed.remaining) == (EventKind.RESUMED, 105, 0, 0)


def test_self_trade_of_an_auction(book) -> None:
    run(book, "auction", "b1 bob buys 5 at 110", "s1 bob sells 4 at 100 show 3")
    done = read(run(book, "resume"))[0]
    assert (done.kind, done.code, done.flags) == (EventKind.DONE, DoneReason.SELF_TRADE, FLAG_RESTED)
    assert (done.order_id, done.price_ticks, done.size_lots) == (order_id("s1"), 100, 4)


def test_levels_while_collecting_and_after(book) -> None:
    events = run(book, "auction", "b1 bob buys 5 at 110 show 3", "s1 alice sells 2 at 100")
    assert [event[1:2] + event[11:] for event in read(events) if event.kind == EventKind.LEVEL] == [(1, 110, 3, 1), (2, 100, 2, 1)]
    events = run(book, "resume")
    assert [event[1:2] + event[11:] for event in read(events) if event.kind == EventKind.LEVEL] == [(1, 110, 1, 1), (2, 100, 0, 0)]
