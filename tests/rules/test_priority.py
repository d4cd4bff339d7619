"""Best price first; at one price the oldest first; a trade is at the maker's price (I6, I7)."""

import pytest

from tests.rules.tables import play, show

TABLES = {
    "best price first": """
        s1 alice sells 5 at 102   | s1 opened 5
        s2 alice sells 5 at 100   | s2 opened 5
        s3 alice sells 5 at 101   | s3 opened 5
        b1 bob buys 12 at 102     | b1 traded 5 at 100 with s2, s2 filled, b1 traded 5 at 101 with s3, s3 filled
                                  | b1 traded 2 at 102 with s1, b1 filled
    """,
    "highest bid first": """
        b1 alice buys 5 at 98     | b1 opened 5
        b2 alice buys 5 at 99     | b2 opened 5
        s1 bob sells 6 at 98      | s1 traded 5 at 99 with b2, b2 filled, s1 traded 1 at 98 with b1, s1 filled
    """,
    "oldest first at one price": """
        s1 alice sells 2 at 100   | s1 opened 2
        s2 carol sells 2 at 100   | s2 opened 2
        s3 alice sells 2 at 100   | s3 opened 2
        b1 bob buys 3 at 100      | b1 traded 2 at 100 with s1, s1 filled, b1 traded 1 at 100 with s2, b1 filled
        b2 bob buys 3 at 100      | b2 traded 1 at 100 with s2, s2 filled, b2 traded 2 at 100 with s3, s3 filled
                                  | b2 filled
    """,
    "a partly filled order keeps its place": """
        s1 alice sells 5 at 100   | s1 opened 5
        s2 carol sells 5 at 100   | s2 opened 5
        b1 bob buys 1 at 100      | b1 traded 1 at 100 with s1, b1 filled
        b2 bob buys 1 at 100      | b2 traded 1 at 100 with s1, b2 filled
    """,
    "the same id again later is the youngest": """
        s1 alice sells 1 at 100   | s1 opened 1
        s2 carol sells 1 at 100   | s2 opened 1
        cancel s1                 | s1 canceled 1
        s1 alice sells 1 at 100   | s1 opened 1
        b1 bob buys 1 at 100      | b1 traded 1 at 100 with s2, s2 filled, b1 filled
    """,
    "the maker's price": """
        s1 alice sells 1 at 100   | s1 opened 1
        b1 bob buys 1 at 500      | b1 traded 1 at 100 with s1, s1 filled, b1 filled
        b2 bob buys 1 at 500      | b2 opened 1
        s2 alice sells 1 at 1     | s2 traded 1 at 500 with b2, b2 filled, s2 filled
    """,
    "what is left rests at its own limit": """
        s1 alice sells 2 at 100   | s1 opened 2
        b1 bob buys 5 at 101      | b1 traded 2 at 100 with s1, s1 filled, b1 opened 3
        s2 alice sells 1 at 101   | s2 traded 1 at 101 with b1, s2 filled
    """,
    "prices that touch trade, prices apart do not": """
        s1 alice sells 1 at 100   | s1 opened 1
        b1 bob buys 1 at 99       | b1 opened 1
        b2 bob buys 1 at 100      | b2 traded 1 at 100 with s1, s1 filled, b2 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_priority(book, name: str) -> None:
    play(book, TABLES[name])


def test_the_book_reads_out_in_priority_order(book) -> None:
    play(book, """
        b1 alice buys 1 at 98    | b1 opened 1
        b2 alice buys 2 at 99    | b2 opened 2
        b3 bob buys 3 at 98      | b3 opened 3
        s1 alice sells 4 at 200  | s1 opened 4
        s2 bob sells 5 at 101    | s2 opened 5
    """)
    assert show(book) == ("b2 2@99, b1 1@98, b3 3@98", "s2 5@101, s1 4@200")
    assert book.levels(1, 10) == [(99, 2, 1), (98, 4, 2)]
    assert book.levels(2, 1) == [(101, 5, 1)]
