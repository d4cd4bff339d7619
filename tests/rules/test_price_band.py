"""A limit order with a collar is refused when its price is farther from the last trade than the collar: a buy above, a sell below.

The collar is in 1/100 %, rounded down to whole ticks. It keeps slips of the pen out; a price on the harmless side may be any.
"""

import pytest

from tests.rules.tables import LAST_100, play

TABLES = {
    "a buy": LAST_100 + """
        b1 bob buys 1 at 105 collar 500                  | b1 opened 1
        b2 bob buys 1 at 106 collar 500                  | rejected outside-band
        b3 bob buys 1 at 1 collar 500                    | b3 opened 1
        b4 bob buys 1 at 106                             | b4 opened 1
    """,
    "a sell": LAST_100 + """
        s1 bob sells 1 at 95 collar 500                  | s1 opened 1
        s2 bob sells 1 at 94 collar 500                  | rejected outside-band
        s3 bob sells 1 at 900 collar 500                 | s3 opened 1
        s4 bob sells 1 at 94                             | s4 opened 1
    """,
    "from the last trade, not from the touch": LAST_100 + """
        s1 alice sells 1 at 150                          | s1 opened 1
        b1 bob buys 1 at 150 collar 500                  | rejected outside-band
        b2 bob buys 1 at 150                             | b2 traded 1 at 150 with s1, s1 filled, b2 filled
        b3 bob buys 1 at 157 collar 500                  | b3 opened 1
        b4 bob buys 1 at 158 collar 500                  | rejected outside-band
    """,
    "rounded down": LAST_100 + """
        b1 bob buys 1 at 100 collar 99                   | b1 opened 1
        b2 bob buys 1 at 101 collar 99                   | rejected outside-band
        s1 alice sells 1 at 101 collar 199               | s1 opened 1
        b3 bob buys 1 at 101 collar 199                  | b3 traded 1 at 101 with s1, s1 filled, b3 filled
        b4 bob buys 1 at 106 collar 500                  | b4 opened 1
        cancel b4                                        | b4 canceled 1
        s2 alice sells 1 at 96 collar 500                | s2 traded 1 at 100 with b1, b1 filled, s2 filled
    """,
    "a tenth of a tick below is outside": """
        s1 alice sells 1 at 109                          | s1 opened 1
        b1 bob buys 1 at 109                             | b1 traded 1 at 109 with s1, s1 filled, b1 filled
        s2 alice sells 1 at 98 collar 1000               | rejected outside-band
        s3 alice sells 1 at 99 collar 1000               | s3 opened 1
    """,
    "100 %": LAST_100 + """
        s1 bob sells 1 at 1 collar 10000                 | s1 opened 1
        cancel s1                                        | s1 canceled 1
        b1 bob buys 1 at 200 collar 10000                | b1 opened 1
        b2 bob buys 1 at 201 collar 10000                | rejected outside-band
    """,
    "no trade yet, no band": """
        b1 bob buys 1 at 900 collar 1                    | b1 opened 1
        s1 alice sells 1 at 901 collar 1                 | s1 opened 1
    """,
    "whatever the time in force": LAST_100 + """
        b1 bob buys 1 at 106 ioc collar 500              | rejected outside-band
        b2 bob buys 1 at 106 fok collar 500              | rejected outside-band
        b3 bob buys 1 at 106 gtt until 9 collar 500      | rejected outside-band
        b4 bob buys 1 at 106 post-only collar 500        | rejected outside-band
        b5 bob buys 2 at 106 show 1 collar 500           | rejected outside-band
        b6 bob buys 1 at 105 ioc collar 500              | b6 ioc-remainder 1
    """,
    "in an auction too": LAST_100 + """
        auction                                          | collecting
        b1 bob buys 1 at 106 collar 500                  | rejected outside-band
        b2 bob buys 1 at 105 collar 500                  | b2 opened 1
    """,
    "it does not bind stops and market orders": LAST_100 + """
        x1 bob buys 1 at 200 stop-entry 110 collar 500   | x1 waits
        x2 bob sells 1 at 10 stop-loss 90 collar 500     | x2 waits
        b1 bob buys 1 market 200 collar 500              | b1 no-liquidity 1
    """,
    "a triggered stop-limit is not refused either, nor held to it": LAST_100 + """
        s1 alice sells 1 at 150                          | s1 opened 1
        x1 bob buys 1 at 200 stop-entry 100 collar 500   | x1 waits, x1 triggered at 100, x1 traded 1 at 150 with s1, s1 filled
                                                         | x1 filled
    """,
    "a limit order within it trades up to its limit, however far from the touch": LAST_100 + """
        s1 alice sells 1 at 50                           | s1 opened 1
        s2 alice sells 1 at 90                           | s2 opened 1
        b1 bob buys 2 at 105 collar 500                  | b1 traded 1 at 50 with s1, s1 filled, b1 traded 1 at 90 with s2
                                                         | s2 filled, b1 filled
    """,
    "an auction's trade is the last one, too": """
        auction                                          | collecting
        b1 bob buys 1 at 200                             | b1 opened 1
        s1 alice sells 1 at 200                          | s1 opened 1
        resume                                           | s1 paired 1 at 200 with b1, b1 filled, s1 filled, resumed at 200
        b2 bob buys 1 at 211 collar 500                  | rejected outside-band
        b3 bob buys 1 at 210 collar 500                  | b3 opened 1
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_price_band(book, name: str) -> None:
    play(book, TABLES[name])


def test_the_last_price(book) -> None:
    assert book.last_price_ticks == 0
    play(book, LAST_100)
    assert book.last_price_ticks == 100
    assert type(book).restore(book.snapshot()).last_price_ticks == 100
    play(book, """
        s1 alice sells 1 at 101      | s1 opened 1
        s2 alice sells 1 at 102      | s2 opened 1
        b1 bob buys 2 at 105         | b1 traded 1 at 101 with s1, s1 filled, b1 traded 1 at 102 with s2, s2 filled, b1 filled
    """)
    assert book.last_price_ticks == 102
