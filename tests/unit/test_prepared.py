"""Statements straight through libpq: the same answers and the same exceptions as psycopg's `execute`."""

from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from exchange.adapters.prepared import Prepared, Together, array

ECHO = Prepared("SELECT %s::text, %s::bigint, %s::bool, %s::uuid, %s::bytea, %s::text[]")
BYTES = Prepared("SELECT %s::bytea", binary=True)
DIVIDE = Prepared("SELECT 1 / %s::int")
ODD_TEXTS = ["", "NULL", "a,b", "{}", '"', "\\", '\\"', "ß ", "'", "x" * 100_000, '{"a":"\\n"}']


@pytest.fixture
def connection(postgres_dsn: str):
    with psycopg.connect(postgres_dsn, autocommit=True) as made:
        yield made


def test_values_go_there_and_back(connection) -> None:
    name = uuid4()
    for _ in range(3):
        [row] = ECHO.execute(connection, ("x'\\", -(2**60), True, name, b"\0\xff", array([1, 2])))
        assert row == (b"x'\\", b"-1152921504606846976", b"t", str(name).encode(), b"\\x00ff", b"{1,2}")
        assert ECHO.execute(connection, (None,) * 6) == [(None,) * 6]
        assert BYTES.execute(connection, (b"\0\xff",)) == [(b"\0\xff",)]


def test_arrays_hold_any_text(connection) -> None:
    assert connection.execute("SELECT %s::text[]", (array(ODD_TEXTS),)).fetchone()[0] == ODD_TEXTS
    assert connection.execute("SELECT %s::bigint[]", (array([]),)).fetchone()[0] == []


def test_the_exceptions_are_psycopgs(connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        DIVIDE.execute(connection, (0,))
    with pytest.raises(psycopg.errors.UndefinedTable):
        Prepared("SELECT * FROM no_such_table").execute(connection, ())
    assert DIVIDE.execute(connection, (1,)) == [(b"1",)], "the connection is as good as before"


def test_they_are_prepared_again_when_they_were_dropped(connection) -> None:
    """As psycopg does after a rollback, when it has prepared statements of its own."""
    connection.prepare_threshold = 1
    assert DIVIDE.execute(connection, (1,)) == [(b"1",)]
    for number in (1, 2, 3):
        connection.execute("SELECT %s", (number,))
    with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
        connection.execute("SELECT 1 / 0")
    connection.execute("SELECT 1")
    names = {name for name, in connection.execute("SELECT name FROM pg_prepared_statements").fetchall()}
    assert not any(name.startswith("lambda_exchange") for name in names), "the case was reached"
    assert DIVIDE.execute(connection, (1,)) == [(b"1",)]


def test_nothing_is_committed_behind_the_back_of_a_transaction(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        with pytest.raises(psycopg.ProgrammingError, match="autocommit"):
            DIVIDE.execute(connection, (1,))
        connection.execute("CREATE TEMPORARY TABLE kept (n int)")
        Prepared("INSERT INTO kept VALUES (%s)").execute(connection, (1,))
        connection.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM kept")
        connection.rollback()


def test_a_lost_connection_is_told_and_known(connection, postgres_dsn: str) -> None:
    DIVIDE.execute(connection, (1,))
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        DIVIDE.execute(connection, (1,))
    assert connection.closed
    with psycopg.connect(postgres_dsn, autocommit=True) as new:
        assert DIVIDE.execute(new, (1,)) == [(b"1",)]


# --- several in one round trip

ONE = Prepared("SELECT %s::bigint")
NOTE = Prepared("INSERT INTO noted (number) VALUES (%s)")
BEGIN, COMMIT = Prepared("BEGIN"), Prepared("COMMIT")


@pytest.fixture
def noted(connection):
    """The numbers of a table that lasts as long as the connection."""
    connection.execute("CREATE TEMP TABLE noted (number int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
    return lambda: [number for number, in connection.execute("SELECT number FROM noted ORDER BY 1").fetchall()]


def test_each_of_several_has_its_answer(connection, noted) -> None:
    together = Together(connection)
    places = [together.execute(ONE, (7,)), together.execute(NOTE, (1,)), together.execute(BYTES, (b"\0\xff",)),
              together.execute(Prepared("SELECT generate_series(1, %s::int)"), (3,)), together.execute(ONE, (8,))]
    assert places == [0, 1, 2, 3, 4]
    assert together.answers() == [[(b"7",)], [], [(b"\0\xff",)], [(b"1",), (b"2",), (b"3",)], [(b"8",)]]
    assert noted() == [1] and together.answers() == []


def test_the_first_that_fails_undoes_all_and_the_connection_is_good(connection, noted) -> None:
    together = Together(connection)
    for statement, value in ((NOTE, 1), (DIVIDE, 0), (NOTE, 2)):
        together.execute(statement, (value,))
    with pytest.raises(psycopg.errors.DivisionByZero):
        together.answers()
    assert noted() == [] and ONE.execute(connection, (5,)) == [(b"5",)]
    together.execute(ONE, (6,))
    assert together.answers() == [[(b"6",)]]


def test_a_transaction_over_two_round_trips_and_a_commit_that_is_refused(connection, noted) -> None:
    together = Together(connection)
    together.execute(BEGIN)
    together.execute(NOTE, (1,))
    together.answers()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    together.execute(NOTE, (1,))
    together.execute(COMMIT)
    with pytest.raises(psycopg.errors.UniqueViolation):
        together.answers()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE and noted() == []
    with connection.transaction():
        together.execute(NOTE, (2,))
        together.answers()
    assert noted() == [2]


def test_what_cannot_be_prepared_leaves_nothing_behind(connection, noted) -> None:
    together = Together(connection)
    together.execute(NOTE, (1,))
    together.execute(Prepared("SELECT * FROM no_such_table"))
    with pytest.raises(psycopg.errors.UndefinedTable):
        together.answers()
    assert noted() == [] and together.answers() == []


@pytest.mark.parametrize("again", [(), (DIVIDE,), (ONE,), (BEGIN, COMMIT)])
def test_several_are_prepared_again_when_they_were_dropped(connection, noted, again) -> None:
    """Whichever of them others have prepared again meanwhile."""
    together = Together(connection)
    for statement, *values in ((ONE, 1), (NOTE, 1), (DIVIDE, 1), (BEGIN,), (COMMIT,)):
        together.execute(statement, values)
    together.answers()
    connection.execute("DEALLOCATE ALL")
    for statement in again:
        statement.execute(connection, (2,) if statement in (DIVIDE, ONE) else ())
    together.execute(NOTE, (2,))
    together.execute(BEGIN)
    together.execute(ONE, (2,))
    together.execute(COMMIT)
    assert together.answers()[2] == [(b"2",)] and noted() == [1, 2]
    assert DIVIDE.execute(connection, (1,)) == [(b"1",)]


def test_dropped_in_a_transaction_they_fail_and_are_there_for_the_next_try(connection, noted) -> None:
    together = Together(connection)
    for _ in range(2):
        together.execute(BEGIN)
        together.execute(NOTE, (1,))
        together.answers()
        connection.execute("DEALLOCATE ALL")
        together.execute(NOTE, (2,))
        together.execute(COMMIT)
        with pytest.raises(psycopg.OperationalError):
            together.answers()
        connection.pgconn.exec_(b"ROLLBACK")
        assert noted() == []


def test_a_server_that_goes_away_in_the_middle(connection, postgres_dsn) -> None:
    together = Together(connection)
    together.execute(ONE, (1,))
    together.execute(Prepared("SELECT pg_terminate_backend(pg_backend_pid())"))
    together.execute(ONE, (2,))
    with pytest.raises(psycopg.OperationalError):
        together.answers()
    assert connection.closed
    together.execute(ONE, (2,))
    with pytest.raises(psycopg.OperationalError):
        together.answers()


def test_large_values_go_through(connection) -> None:
    """More than fits the socket's buffers, with a large answer at the end."""
    together = Together(connection)
    length, echo = Prepared("SELECT length(%s::text)"), Prepared("SELECT %s::text")
    for _ in range(20):
        together.execute(length, ("x" * 1_000_000,))
    together.execute(echo, ("y" * 5_000_000,))
    answers = together.answers()
    assert answers[:20] == [[(b"1000000",)]] * 20 and answers[20] == [(b"y" * 5_000_000,)]


def test_arrays_of_everything(connection) -> None:
    name = uuid4()
    for kind, values in (("text", [*ODD_TEXTS, None, "null"]), ("bigint", [1, None, -(2**62)]), ("bool", [True, False, None]),
                         ("uuid", [name, None])):
        assert connection.execute(f"SELECT %s::{kind}[]", (array(values),)).fetchone()[0] == values


TYPED = "SELECT %s::text AS name, n AS number, n > 1 AS more, NULL::text AS none FROM generate_series(1, %s::bigint) n"


@pytest.mark.parametrize("count", [0, 1, 300])
def test_rows_read_are_those_of_psycopg(connection, count: int) -> None:
    wanted = connection.cursor(row_factory=dict_row).execute(TYPED, ("ß", count)).fetchall()
    statement, together = Prepared(TYPED), Together(connection)
    for _ in range(2):
        assert statement.read(connection, ("ß", count)) == wanted
        together.execute(ECHO, (None,) * 6)
        together.execute(statement, ("ß", count))
        assert together.read_last() == wanted
    together.execute(DIVIDE, (0,))
    together.execute(statement, ("ß", count))
    with pytest.raises(psycopg.errors.DivisionByZero):
        together.read_last()
    with pytest.raises(psycopg.errors.DivisionByZero):
        DIVIDE.read(connection, (0,))
