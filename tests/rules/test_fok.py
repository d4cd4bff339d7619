"""Fill or kill: the whole size at once or a refusal. Hidden lots of icebergs count; one that is accepted always fills.

The book is counted level by level: first what each order shows, in the order of the queue, then what is hidden on that level.
Each part that an iceberg would show is a maker touched; so near MAX_FILLS an order that would just fit may be refused.
"""

import pytest

from matching_core import MAX_FILLS
from tests.rules.tables import play, run, told

TABLES = {
    "hidden lots count": """
        s1 alice sells 6 at 100 show 4      | s1 opened 4 of 6
        b1 bob buys 7 at 100 fok            | rejected fok-not-fillable
        b2 bob buys 6 at 100 fok            | b2 traded 4 at 100 with s1, s1 shows 2, b2 traded 2 at 100 with s1, s1 filled
                                            | b2 filled
    """,
    "over two levels": """
        s1 alice sells 6 at 100 show 4      | s1 opened 4 of 6
        s2 alice sells 2 at 101 show 1      | s2 opened 1 of 2
        b1 bob buys 9 at 101 fok            | rejected fok-not-fillable
        b2 bob buys 8 at 100 fok            | rejected fok-not-fillable
        b3 bob buys 8 at 101 fok            | b3 traded 4 at 100 with s1, s1 shows 2, b3 traded 2 at 100 with s1, s1 filled
                                            | b3 traded 1 at 101 with s2, s2 shows 1, b3 traded 1 at 101 with s2, s2 filled
                                            | b3 filled
    """,
    "a sell": """
        b1 alice buys 6 at 100 show 4       | b1 opened 4 of 6
        b2 alice buys 6 at 99 show 4        | b2 opened 4 of 6
        s1 bob sells 7 at 100 fok           | rejected fok-not-fillable
        s2 bob sells 7 at 99 fok            | s2 traded 4 at 100 with b1, b1 shows 2, s2 traded 2 at 100 with b1, b1 filled
                                            | s2 traded 1 at 99 with b2, s2 filled
    """,
    "what others show comes before what is hidden": """
        s1 alice sells 6 at 100 show 1      | s1 opened 1 of 6
        s2 bob sells 1 at 100               | s2 opened 1
        b1 bob buys 2 at 100 fok            | rejected fok-not-fillable
        b2 bob buys 1 at 100 fok            | b2 traded 1 at 100 with s1, s1 shows 1 of 5, b2 filled
    """,
    "an own order in the way, on a level that would have been enough": """
        s1 bob sells 1 at 100               | s1 opened 1
        s2 alice sells 6 at 100 show 1      | s2 opened 1 of 6
        b1 bob buys 1 at 100 fok cn         | rejected fok-not-fillable
        b2 bob buys 2 at 100 fok co         | s1 self-trade 1, b2 traded 1 at 100 with s2, s2 shows 1 of 5
                                            | b2 traded 1 at 100 with s2, s2 shows 1 of 4, b2 filled
    """,
    "own hidden lots do not count": """
        s1 bob sells 6 at 100 show 1        | s1 opened 1 of 6
        s2 alice sells 3 at 100 show 1      | s2 opened 1 of 3
        b1 bob buys 4 at 100 fok co         | rejected fok-not-fillable
        b2 bob buys 3 at 100 fok co         | s1 self-trade 6, b2 traded 1 at 100 with s2, s2 shows 1 of 2
                                            | b2 traded 1 at 100 with s2, s2 shows 1, b2 traded 1 at 100 with s2, s2 filled
                                            | b2 filled
    """,
    "it is refused before it trades at a better price": """
        s1 alice sells 6 at 99 show 1       | s1 opened 1 of 6
        s2 bob sells 1 at 100               | s2 opened 1
        b1 bob buys 7 at 100 fok            | rejected fok-not-fillable
        b2 bob buys 2 at 99 fok             | b2 traded 1 at 99 with s1, s1 shows 1 of 5, b2 traded 1 at 99 with s1
                                            | s1 shows 1 of 4, b2 filled
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_fok(book, name: str) -> None:
    play(book, TABLES[name])


@pytest.mark.parametrize(("makers", "wanted", "fills"), [
    ([f"{MAX_FILLS} at 100 show 1"], MAX_FILLS, True),
    ([f"{MAX_FILLS} at 100 show 1"], 2, True),
    ([f"{MAX_FILLS + 1} at 100 show 1"], MAX_FILLS, False),  # it would just fit; all parts of a level are counted
    ([f"{MAX_FILLS + 1} at 100 show 1"], 1, True),  # what is shown is enough
    ([f"{3 * MAX_FILLS} at 100 show 3"], 3 * MAX_FILLS, True),
    ([f"{3 * MAX_FILLS - 1} at 100 show 3"], 3 * MAX_FILLS - 1, True),
    ([f"{3 * MAX_FILLS + 1} at 100 show 3"], 4, False),  # the last part has one lot: rounded up
    ([f"{MAX_FILLS - 1} at 100 show 1", "1 at 101"], MAX_FILLS, True),
    ([f"{MAX_FILLS} at 100 show 1", "1 at 101"], MAX_FILLS + 1, False),
    ([f"{MAX_FILLS - 2} at 100 show 1", "5 at 101 show 4"], MAX_FILLS + 3, True),
    ([f"{MAX_FILLS - 1} at 100 show 1", "5 at 101 show 4"], MAX_FILLS + 4, False),
    ([f"{MAX_FILLS - 1} at 100 show 1", "5 at 101 show 4"], MAX_FILLS + 3, True),
])
def test_the_parts_of_icebergs_are_touches(book, makers: list[str], wanted: int, fills: bool) -> None:
    run(book, *(f"s{number} alice sells {maker}" for number, maker in enumerate(makers)))
    assert told(run(book, f"b1 bob buys {wanted} at 101 fok"))[-1] == ("b1 filled" if fills else "rejected fok-not-fillable")


def test_orders_before_the_hidden_lots_are_touches(book) -> None:
    run(book, "i1 alice sells 5 at 100 show 1", *(f"s{number} alice sells 1 at 100" for number in range(395)))
    assert told(run(book, "b1 bob buys 400 at 100 fok"))[-1] == "b1 filled"
    run(book, "i1 alice sells 5 at 100 show 1", *(f"s{number} alice sells 1 at 100" for number in range(396)))
    assert told(run(book, "b2 bob buys 400 at 100 fok"))[-1] == "rejected fok-not-fillable"
