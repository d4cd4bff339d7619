"""A market order with a collar trades no farther from the price that it finds than the collar, in 1/100 % rounded down."""

import pytest

from matching_core.records import EventKind
from tests.rules.tables import LAST_100, play, read, run

TABLES = {
    "a buy": """
        s1 alice sells 1 at 100                          | s1 opened 1
        s2 alice sells 1 at 105                          | s2 opened 1
        s3 alice sells 1 at 106                          | s3 opened 1
        b1 bob buys 3 market collar 500                  | b1 traded 1 at 100 with s1, s1 filled, b1 traded 1 at 105 with s2
                                                         | s2 filled, b1 no-liquidity 1
    """,
    "a sell": """
        b1 alice buys 1 at 100                           | b1 opened 1
        b2 alice buys 1 at 95                            | b2 opened 1
        b3 alice buys 1 at 94                            | b3 opened 1
        s1 bob sells 3 market collar 500                 | s1 traded 1 at 100 with b1, b1 filled, s1 traded 1 at 95 with b2
                                                         | b2 filled, s1 no-liquidity 1
    """,
    "rounded down": """
        s1 alice sells 1 at 101                          | s1 opened 1
        s2 alice sells 1 at 103                          | s2 opened 1
        b1 bob buys 2 market collar 197                  | b1 traded 1 at 101 with s1, s1 filled, b1 no-liquidity 1
        s3 alice sells 1 at 101                          | s3 opened 1
        b2 bob buys 2 market collar 199                  | b2 traded 1 at 101 with s3, s3 filled, b2 traded 1 at 103 with s2
                                                         | s2 filled, b2 filled
    """,
    "a collar of no tick at all": """
        s1 alice sells 1 at 100                          | s1 opened 1
        s2 alice sells 1 at 101                          | s2 opened 1
        b1 bob buys 2 market collar 99                   | b1 traded 1 at 100 with s1, s1 filled, b1 no-liquidity 1
    """,
    "from the touch, not from the last trade": LAST_100 + """
        s1 alice sells 1 at 200                          | s1 opened 1
        b1 bob buys 1 market collar 1                    | b1 traded 1 at 200 with s1, s1 filled, b1 filled
    """,
    "from the touch that it finds, whatever it trades": """
        s1 alice sells 1 at 100                          | s1 opened 1
        s2 alice sells 1 at 104                          | s2 opened 1
        s3 alice sells 1 at 108                          | s3 opened 1
        b1 bob buys 3 market collar 500                  | b1 traded 1 at 100 with s1, s1 filled, b1 traded 1 at 104 with s2
                                                         | s2 filled, b1 no-liquidity 1
    """,
    "an own order is a touch too": """
        s1 bob sells 1 at 100                            | s1 opened 1
        s2 alice sells 1 at 106                          | s2 opened 1
        b1 bob buys 1 market co collar 500               | s1 self-trade 1, b1 no-liquidity 1
    """,
    "with a worst price, the nearer of the two": """
        s1 alice sells 1 at 100                          | s1 opened 1
        s2 alice sells 1 at 104                          | s2 opened 1
        s3 alice sells 1 at 108                          | s3 opened 1
        b1 bob buys 2 market 103 collar 500              | b1 traded 1 at 100 with s1, s1 filled, b1 no-liquidity 1
        b2 bob buys 2 market 200 collar 100              | b2 traded 1 at 104 with s2, s2 filled, b2 no-liquidity 1
        b3 alice buys 1 at 100                           | b3 opened 1
        b4 alice buys 1 at 96                            | b4 opened 1
        b5 alice buys 1 at 92                            | b5 opened 1
        s4 bob sells 2 market 97 collar 500              | s4 traded 1 at 100 with b3, b3 filled, s4 no-liquidity 1
        s5 bob sells 2 market 1 collar 100               | s5 traded 1 at 96 with b4, b4 filled, s5 no-liquidity 1
    """,
    "100 % of a sell is no limit": """
        b1 alice buys 1 at 100                           | b1 opened 1
        b2 alice buys 1 at 1                             | b2 opened 1
        s1 bob sells 2 market collar 10000               | s1 traded 1 at 100 with b1, b1 filled, s1 traded 1 at 1 with b2
                                                         | b2 filled, s1 filled
    """,
    "by funds": """
        s1 alice sells 1 at 100                          | s1 opened 1
        s2 alice sells 1 at 106                          | s2 opened 1
        b1 bob buys funds 500 market collar 500          | b1 traded 1 at 100 with s1, s1 filled, b1 no-liquidity funds 400
    """,
    "an empty book": """
        b1 bob buys 1 market collar 500                  | b1 no-liquidity 1
    """,
    "of a stop, from the touch at the moment when it is met": LAST_100 + """
        s1 alice sells 1 at 110                          | s1 opened 1
        x1 bob buys 3 market stop-entry 120 collar 500   | x1 waits
        s2 alice sells 1 at 120                          | s2 opened 1
        s3 alice sells 1 at 130                          | s3 opened 1
        s4 alice sells 1 at 136                          | s4 opened 1
        s5 alice sells 1 at 137                          | s5 opened 1
        b1 carol buys 2 at 120                           | b1 traded 1 at 110 with s1, s1 filled, b1 traded 1 at 120 with s2
                                                         | s2 filled, b1 filled, x1 triggered at 120
                                                         | x1 traded 1 at 130 with s3, s3 filled, x1 traded 1 at 136 with s4
                                                         | s4 filled, x1 no-liquidity 1
    """,
    "of a stop with a worst price": LAST_100 + """
        b1 alice buys 1 at 99                            | b1 opened 1
        b2 alice buys 1 at 97                            | b2 opened 1
        b3 alice buys 1 at 96                            | b3 opened 1
        x1 bob sells 3 market 90 stop-loss 100 collar 203 | x1 waits, x1 triggered at 100, x1 traded 1 at 99 with b1
                                                         | b1 filled, x1 traded 1 at 97 with b2, b2 filled, x1 no-liquidity 1
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_collar(book, name: str) -> None:
    play(book, TABLES[name])


@pytest.mark.parametrize(("worst", "price_ticks"), [("", 0), (" 103", 103), (" 200", 200)])
def test_the_events_show_the_price_as_it_was_given(book, worst: str, price_ticks: int) -> None:
    run(book, "s1 alice sells 1 at 100")
    accepted, _, _, done, _ = read(run(book, f"b1 bob buys 2 market{worst} collar 500"))
    assert (accepted.kind, accepted.price_ticks) == (EventKind.ACCEPTED, price_ticks)
    assert (done.kind, done.price_ticks) == (EventKind.DONE, price_ticks)
