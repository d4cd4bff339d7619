"""A cancel takes the owner's resting order off the book; account 0 (an operator) may cancel anybody's."""

import pytest

from tests.rules.tables import play, show

TABLES = {
    "by its owner": """
        b1 bob buys 5 at 100         | b1 opened 5
        cancel b1 by bob             | b1 canceled 5
        cancel b1 by bob             | rejected unknown-order
    """,
    "by somebody else": """
        b1 bob buys 5 at 100         | b1 opened 5
        cancel b1 by alice           | rejected unknown-order
        cancel b1                    | b1 canceled 5
    """,
    "what is left after a trade": """
        b1 bob buys 5 at 100         | b1 opened 5
        s1 alice sells 2 at 100      | s1 traded 2 at 100 with b1, s1 filled
        cancel b1 by bob             | b1 canceled 3
    """,
    "an order that was filled first": """
        b1 bob buys 5 at 100         | b1 opened 5
        s1 alice sells 5 at 100      | s1 traded 5 at 100 with b1, b1 filled, s1 filled
        cancel b1 by bob             | rejected unknown-order
    """,
    "an order that never came": """
        cancel b9 by bob             | rejected unknown-order
    """,
    "a cancel that waited long still counts": """
        b1 bob buys 5 at 100         | b1 opened 5
        cancel b1 by bob stale       | b1 canceled 5
    """,
    "the middle of a queue": """
        b1 bob buys 1 at 100         | b1 opened 1
        b2 bob buys 1 at 100         | b2 opened 1
        b3 bob buys 1 at 100         | b3 opened 1
        cancel b2 by bob             | b2 canceled 1
        s1 alice sells 2 at 100      | s1 traded 1 at 100 with b1, b1 filled, s1 traded 1 at 100 with b3, b3 filled, s1 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_cancel(book, name: str) -> None:
    play(book, TABLES[name])
    assert show(book) == ("", "")
