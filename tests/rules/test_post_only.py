"""A post-only order adds liquidity or is refused whole; it never trades, not even in part."""

import pytest

from tests.rules.tables import play

TABLES = {
    "rests when it does not cross": """
        s1 alice sells 1 at 100             | s1 opened 1
        b1 bob buys 2 at 99 post-only       | b1 opened 2
        s2 alice sells 1 at 100 post-only   | s2 opened 1
    """,
    "refused when it would touch": """
        s1 alice sells 1 at 100             | s1 opened 1
        b1 bob buys 2 at 100 post-only      | rejected post-only-would-cross
        b2 bob buys 2 at 101 post-only      | rejected post-only-would-cross
    """,
    "an own order counts": """
        s1 bob sells 1 at 100               | s1 opened 1
        b1 bob buys 2 at 100 post-only      | rejected post-only-would-cross
    """,
    "the sell side": """
        b1 alice buys 1 at 100              | b1 opened 1
        s1 bob sells 1 at 100 post-only     | rejected post-only-would-cross
        s2 bob sells 1 at 101 post-only     | s2 opened 1
    """,
    "contradicts orders that never rest": """
        b1 bob buys 2 at 100 ioc post-only  | rejected malformed
        b2 bob buys 2 at 100 fok post-only  | rejected malformed
        b3 bob buys 2 market post-only      | rejected malformed
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_post_only(book, name: str) -> None:
    play(book, TABLES[name])
