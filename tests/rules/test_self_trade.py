"""An account never trades with itself. The taker's flag decides: dc (default), co, cn, cb."""

import pytest

from tests.rules.tables import play, show

TABLES = {
    "dc, the taker is larger: it loses the maker's lots and goes on": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys 5 at 100 dc           | b1 reduced 5 to 3, s1 self-trade 2
                                          | b1 traded 2 at 100 with s2, s2 filled, b1 opened 1
    """,
    "dc, the maker is larger: it stays with less, at its place": """
        s1 bob sells 5 at 100             | s1 opened 5
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys 2 at 100 dc           | s1 reduced 5 to 3, b1 self-trade 2
        b2 carol buys 4 at 100            | b2 traded 3 at 100 with s1, s1 filled, b2 traded 1 at 100 with s2, b2 filled
    """,
    "dc, equal: both are done": """
        s1 bob sells 2 at 100             | s1 opened 2
        b1 bob buys 2 at 100 dc           | s1 self-trade 2, b1 self-trade 2
    """,
    "dc is the default": """
        s1 bob sells 2 at 100             | s1 opened 2
        b1 bob buys 2 at 100              | s1 self-trade 2, b1 self-trade 2
    """,
    "dc after trades with others": """
        s1 alice sells 1 at 99            | s1 opened 1
        s2 bob sells 5 at 100             | s2 opened 5
        b1 bob buys 3 at 100 ioc          | b1 traded 1 at 99 with s1, s1 filled, s2 reduced 5 to 3, b1 self-trade 2
    """,
    "co: the resting order goes, the taker goes on": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys 3 at 100 co           | s1 self-trade 2, b1 traded 2 at 100 with s2, s2 filled, b1 opened 1
    """,
    "cn: the taker goes, the resting order stays": """
        s1 alice sells 1 at 99            | s1 opened 1
        s2 bob sells 2 at 100             | s2 opened 2
        b1 bob buys 3 at 100 cn           | b1 traded 1 at 99 with s1, s1 filled, b1 self-trade 2
        b2 carol buys 1 at 100            | b2 traded 1 at 100 with s2, b2 filled
    """,
    "cb: both go": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys 3 at 100 cb           | s1 self-trade 2, b1 self-trade 3
        b2 carol buys 1 at 100            | b2 traded 1 at 100 with s2, b2 filled
    """,
    "the taker's flag, not the maker's": """
        s1 bob sells 2 at 100 cb          | s1 opened 2
        b1 bob buys 3 at 100 co           | s1 self-trade 2, b1 opened 3
    """,
    "own orders behind the limit do not matter": """
        s1 bob sells 2 at 101             | s1 opened 2
        b1 bob buys 3 at 100              | b1 opened 3
    """,
    "by funds, dc, the taker is larger: its funds shrink": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 9 at 110           | s2 opened 9
        b1 bob buys funds 500 market dc   | b1 reduced funds 300, s1 self-trade 2
                                          | b1 traded 2 at 110 with s2, b1 filled funds 80
    """,
    "by funds, dc, the maker is larger": """
        s1 bob sells 9 at 100             | s1 opened 9
        b1 bob buys funds 250 market dc   | s1 reduced 9 to 7, b1 self-trade funds 250
    """,
    "by funds, dc, equal": """
        s1 bob sells 2 at 100             | s1 opened 2
        b1 bob buys funds 250 market dc   | s1 self-trade 2, b1 self-trade funds 250
    """,
    "by funds, dc alone is no trade": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys funds 350 market      | b1 reduced funds 150, s1 self-trade 2
                                          | b1 traded 1 at 100 with s2, b1 filled funds 50
        s3 bob sells 1 at 90              | s3 opened 1
        b2 bob buys funds 120 market      | s3 self-trade 1, b2 self-trade funds 120
    """,
    "by funds, co": """
        s1 bob sells 2 at 100             | s1 opened 2
        s2 alice sells 2 at 100           | s2 opened 2
        b1 bob buys funds 100 market co   | s1 self-trade 2, b1 traded 1 at 100 with s2, b1 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_self_trade_prevention(book, name: str) -> None:
    play(book, TABLES[name])


def test_a_reduced_maker_shows_its_new_size_in_the_book(book) -> None:
    play(book, """
        s1 bob sells 5 at 100      | s1 opened 5
        b1 bob buys 2 at 100 dc    | s1 reduced 5 to 3, b1 self-trade 2
    """)
    assert show(book) == ("", "s1 3@100")
    assert book.last_trade_id == 0
