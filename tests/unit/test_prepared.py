"""Statements straight through libpq: the same answers and the same exceptions as psycopg's `execute`."""

from uuid import uuid4

import psycopg
import pytest

from exchange.adapters.prepared import Prepared, array

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
