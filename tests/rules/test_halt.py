"""A halted market refuses orders and takes cancels, until it is resumed."""

from tests.rules.tables import play

TABLE = """
    b1 bob buys 5 at 100       | b1 opened 5
    b2 bob buys 5 at 99        | b2 opened 5
    halt                       | halted
    s1 alice sells 5 at 100    | rejected market-halted
    s2 alice sells 5 market    | rejected market-halted
    cancel b2 by bob           | b2 canceled 5
    halt                       | halted
    tick                       |
    resume                     | resumed
    s1 alice sells 5 at 100    | s1 traded 5 at 100 with b1, b1 filled, s1 filled
    resume                     | resumed
"""


def test_halt(book) -> None:
    play(book, TABLE)


def test_halt_is_part_of_the_state(book) -> None:
    before = book.state_hash()
    play(book, "tick |")
    assert not book.halted
    ticked = book.state_hash()
    play(book, "halt | halted")
    assert book.halted
    assert book.sequence == 0, "HALTED is not published with a number of its own"
    assert len({before, ticked, book.state_hash()}) == 3
    assert type(book).restore(book.snapshot()).halted
