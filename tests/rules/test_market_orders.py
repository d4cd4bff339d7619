"""Market orders never rest, stop at their worst price, and go by size or by funds (ticks x lots)."""

import pytest

from matching_core.records import FLAG_BY_FUNDS, EventKind
from tests.rules.tables import order_id, play, read, run

TABLES = {
    "by size, through the book": """
        s1 alice sells 2 at 100         | s1 opened 2
        s2 alice sells 2 at 900         | s2 opened 2
        b1 bob buys 3 market            | b1 traded 2 at 100 with s1, s1 filled, b1 traded 1 at 900 with s2, b1 filled
    """,
    "an empty book": """
        b1 bob buys 3 market            | b1 no-liquidity 3
        b2 bob buys funds 300 market    | b2 no-liquidity funds 300
        s1 bob sells 3 market           | s1 no-liquidity 3
    """,
    "the book runs out": """
        s1 alice sells 2 at 100         | s1 opened 2
        b1 bob buys 3 market            | b1 traded 2 at 100 with s1, s1 filled, b1 no-liquidity 1
    """,
    "the worst price of a buy": """
        s1 alice sells 1 at 100         | s1 opened 1
        s2 alice sells 1 at 105         | s2 opened 1
        s3 alice sells 1 at 106         | s3 opened 1
        b1 bob buys 3 market 105        | b1 traded 1 at 100 with s1, s1 filled
                                        | b1 traded 1 at 105 with s2, s2 filled, b1 no-liquidity 1
    """,
    "the worst price of a sell": """
        b1 alice buys 1 at 100          | b1 opened 1
        b2 alice buys 1 at 94           | b2 opened 1
        s1 bob sells 2 market 95        | s1 traded 1 at 100 with b1, b1 filled, s1 no-liquidity 1
        s2 bob sells 1 market           | s2 traded 1 at 94 with b2, b2 filled, s2 filled
    """,
    "time in force does not matter": """
        s1 alice sells 1 at 100         | s1 opened 1
        b1 bob buys 2 market fok        | b1 traded 1 at 100 with s1, s1 filled, b1 no-liquidity 1
        b2 bob buys 2 market gtt        | b2 no-liquidity 2
    """,
    "funds spent to the last tick": """
        s1 alice sells 5 at 100         | s1 opened 5
        b1 bob buys funds 300 market    | b1 traded 3 at 100 with s1, b1 filled
    """,
    "funds leave a rest too small for a lot": """
        s1 alice sells 5 at 100         | s1 opened 5
        b1 bob buys funds 399 market    | b1 traded 3 at 100 with s1, b1 filled funds 99
    """,
    "funds too small for one lot at all": """
        s1 alice sells 5 at 100         | s1 opened 5
        b1 bob buys funds 99 market     | b1 no-liquidity funds 99
    """,
    "funds over two levels, each step whole lots": """
        s1 alice sells 2 at 100         | s1 opened 2
        s2 alice sells 5 at 150         | s2 opened 5
        b1 bob buys funds 700 market    | b1 traded 2 at 100 with s1, s1 filled
                                        | b1 traded 3 at 150 with s2, b1 filled funds 50
    """,
    "funds meet the end of the book": """
        s1 alice sells 2 at 100         | s1 opened 2
        b1 bob buys funds 700 market    | b1 traded 2 at 100 with s1, s1 filled, b1 no-liquidity funds 500
    """,
    "funds meet their worst price": """
        s1 alice sells 2 at 100         | s1 opened 2
        s2 alice sells 2 at 111         | s2 opened 2
        b1 bob buys funds 700 market 110 | b1 traded 2 at 100 with s1, s1 filled, b1 no-liquidity funds 500
    """,
    "a sell by funds": """
        b1 alice buys 5 at 100          | b1 opened 5
        s1 bob sells funds 250 market   | s1 traded 2 at 100 with b1, s1 filled funds 50
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_market_orders(book, name: str) -> None:
    play(book, TABLES[name])


@pytest.mark.parametrize(("amount", "flags", "size_lots", "funds"), [("7", 0, 7, 0), ("funds 750", FLAG_BY_FUNDS, 0, 750)])
def test_the_events(book, amount: str, flags: int, size_lots: int, funds: int) -> None:
    run(book, "s1 alice sells 9 at 100")
    accepted, trade, done, _ = read(run(book, f"b1 bob buys {amount} market 300"))
    assert (accepted.kind, accepted.side, accepted.flags, accepted.account) == (EventKind.ACCEPTED, 1, flags, 2)
    assert (accepted.price_ticks, accepted.size_lots, accepted.remaining) == (300, size_lots, funds)
    assert (trade.kind, trade.side, trade.flags, trade.trade_id) == (EventKind.TRADE, 2, flags, 1)
    assert (trade.order_id, trade.maker_order_id, trade.account, trade.maker_account) == (order_id("b1"), order_id("s1"), 2, 1)
    assert (trade.price_ticks, trade.size_lots, trade.remaining) == (100, 7, 2)
    assert (done.kind, done.flags, done.price_ticks, done.size_lots, done.remaining) == (
        EventKind.DONE, flags, 300, 0, 50 if funds else 0)
