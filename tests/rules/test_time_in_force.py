"""GTC rests, GTT until its time, IOC cancels what it cannot trade at once, FOK trades whole or is refused."""

import pytest

from tests.rules.tables import play, show

TABLES = {
    "gtt trades and rests like gtc": """
        s1 alice sells 2 at 100                 | s1 opened 2
        b2 bob buys 5 at 100 gtt until 50       | b2 traded 2 at 100 with s1, s1 filled, b2 opened 3
        s2 alice sells 3 at 100                 | s2 traded 3 at 100 with b2, b2 filled, s2 filled
        after 50 tick                           |
    """,
    "ioc trades what is there, the rest is cancelled": """
        s1 alice sells 2 at 100     | s1 opened 2
        b1 bob buys 5 at 100 ioc    | b1 traded 2 at 100 with s1, s1 filled, b1 ioc-remainder 3
    """,
    "ioc that meets nothing": """
        s1 alice sells 2 at 101     | s1 opened 2
        b1 bob buys 5 at 100 ioc    | b1 ioc-remainder 5
    """,
    "ioc filled whole": """
        s1 alice sells 2 at 100     | s1 opened 2
        b1 bob buys 2 at 100 ioc    | b1 traded 2 at 100 with s1, s1 filled, b1 filled
    """,
    "fok filled whole over two levels": """
        s1 alice sells 2 at 100     | s1 opened 2
        s2 alice sells 3 at 101     | s2 opened 3
        b1 bob buys 5 at 101 fok    | b1 traded 2 at 100 with s1, s1 filled, b1 traded 3 at 101 with s2, s2 filled, b1 filled
    """,
    "fok one lot short is refused and nothing trades": """
        s1 alice sells 2 at 100     | s1 opened 2
        s2 alice sells 3 at 101     | s2 opened 3
        b1 bob buys 6 at 101 fok    | rejected fok-not-fillable
        b2 bob buys 5 at 100 fok    | rejected fok-not-fillable
        b3 bob buys 2 at 100        | b3 traded 2 at 100 with s1, s1 filled, b3 filled
    """,
    "own orders do not count for fok": """
        s1 bob sells 2 at 101       | s1 opened 2
        s2 alice sells 3 at 100     | s2 opened 3
        b1 bob buys 5 at 101 fok    | rejected fok-not-fillable
        b2 bob buys 3 at 101 fok    | b2 traded 3 at 100 with s2, s2 filled, b2 filled
    """,
    "an own order in front stops a fok": """
        s1 bob sells 2 at 100       | s1 opened 2
        s2 alice sells 3 at 101     | s2 opened 3
        b1 bob buys 3 at 101 fok dc | rejected fok-not-fillable
        b2 bob buys 3 at 101 fok cn | rejected fok-not-fillable
        b3 bob buys 3 at 101 fok cb | rejected fok-not-fillable
        b4 bob buys 3 at 101 fok co | s1 self-trade 2, b4 traded 3 at 101 with s2, s2 filled, b4 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_time_in_force(book, name: str) -> None:
    play(book, TABLES[name])
    assert "b1" not in show(book)[0]
