"""Statements that run straight through libpq: for the few that every order needs.

psycopg's `execute` adapts, prepares and waits in Python, which is right for everything else. Measured on one machine, a read
by primary key: 100 µs of CPU and 400 µs until the answer with `execute`, 15 µs and 100 µs here, because libpq waits in one
system call. The same connection serves both.

Parameters are str, int, bool, UUID, bytes or None, for types that the server infers; results are bytes as the server writes
them: its text, or with `binary` its binary form.
"""

import re
import select
from collections.abc import Sequence
from itertools import count
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus

Parameter = str | int | bool | UUID | bytes | None
_UNKNOWN_NAME = b"26000"
_numbers = count(1)
# What a connection has prepared; None where some of it was dropped: psycopg drops all after a rollback.
_names: WeakKeyDictionary[psycopg.Connection, set[bytes] | None] = WeakKeyDictionary()


class Prepared:
    """A statement with `%s` (or psycopg's `%b`) for its parameters, prepared by each connection that first runs it."""

    def __init__(self, text: str, *, binary: bool = False) -> None:
        places = count(1)
        self._text = re.sub(r"%[sb]", lambda _: f"${next(places)}", text).encode()
        self._name = b"lambda_exchange_%d" % next(_numbers)
        self._format = Format.BINARY if binary else Format.TEXT

    def execute(self, connection: psycopg.Connection, parameters: Sequence[Parameter]) -> list[tuple[bytes | None, ...]]:
        """All rows. Raises psycopg's exceptions, as `execute` does. Not for a connection in pipeline mode; one without
        autocommit must be in a transaction already, because nothing here begins one."""
        return _rows(self._run(connection, parameters))

    def read(self, connection: psycopg.Connection, parameters: Sequence[Parameter]) -> list[dict]:
        """As `execute`, each row as psycopg's `dict_row`: by column, of Python's types."""
        return _dictionaries(connection, self._run(connection, parameters))

    def _run(self, connection: psycopg.Connection, parameters: Sequence[Parameter]) -> psycopg.pq.abc.PGresult:
        pgconn = connection.pgconn
        if not connection.autocommit and pgconn.transaction_status == TransactionStatus.IDLE:
            raise psycopg.ProgrammingError("a prepared statement needs autocommit or an open transaction")
        formats = [Format.BINARY if isinstance(value, bytes) else Format.TEXT for value in parameters]
        values = [*map(_encode, parameters)]
        self._prepare(connection)
        result = pgconn.exec_prepared(self._name, values, formats, self._format)
        if _is_unknown(result):
            _names[connection] = None
            self._prepare(connection)
            result = pgconn.exec_prepared(self._name, values, formats, self._format)
        _check(pgconn, result)
        return result

    def _prepare(self, connection: psycopg.Connection) -> None:
        names = _names.setdefault(connection, set())
        if names is None:
            names = _names[connection] = _names_at_the_server(connection.pgconn)
        if self._name not in names:
            _check(connection.pgconn, connection.pgconn.prepare(self._name, self._text))
            names.add(self._name)


class Together:
    """Statements that go to the server in one round trip. `execute` notes one, `answers` sends them all and waits.

    Without a BEGIN among them, or a transaction that is open already, they are one transaction by themselves. What they answer
    must fit the socket's buffers while the statements behind are still being sent: few rows, or rows of the last one."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._noted: list[tuple[Prepared, list[bytes | None], list[Format]]] = []

    def execute(self, statement: Prepared, parameters: Sequence[Parameter] = ()) -> int:
        """Its place among the answers."""
        formats = [Format.BINARY if isinstance(value, bytes) else Format.TEXT for value in parameters]
        self._noted.append((statement, [*map(_encode, parameters)], formats))
        return len(self._noted) - 1

    def answers(self) -> list[list[tuple[bytes | None, ...]]]:
        """The rows of each. Raises the first statement's exception that fails; those behind it are not run, and an open
        transaction has failed with it."""
        return [_rows(result) for result in self._results()]

    def read_last(self) -> list[dict]:
        """As `answers`, but of the last statement alone, as `Prepared.read` has them."""
        return _dictionaries(self._connection, self._results()[-1])

    def _results(self) -> list[psycopg.pq.abc.PGresult]:
        pgconn, noted, self._noted = self._connection.pgconn, self._noted, []
        results = self._run(noted)
        if any(map(_is_unknown, results)):
            _names[self._connection] = None
            if pgconn.transaction_status != TransactionStatus.IDLE:
                raise psycopg.OperationalError("prepared statements were dropped in a transaction")
            results = self._run(noted)
        for result in results:
            _check(pgconn, result)
        return results

    def _run(self, noted: list[tuple[Prepared, list[bytes | None], list[Format]]]) -> list[psycopg.pq.abc.PGresult]:
        pgconn = self._connection.pgconn
        for statement, _, _ in noted:
            statement._prepare(self._connection)
        pgconn.enter_pipeline_mode()
        try:
            for statement, values, formats in noted:
                pgconn.send_query_prepared(statement._name, values, formats, statement._format)
            pgconn.pipeline_sync()
            results = [_next_of_pipeline(pgconn) for _ in noted]
            pgconn.get_result()  # that of the synchronisation
        finally:
            if pgconn.status == ConnStatus.OK:
                pgconn.exit_pipeline_mode()
        return results


def _is_unknown(result: psycopg.pq.abc.PGresult) -> bool:
    return result.error_field(DiagnosticField.SQLSTATE) == _UNKNOWN_NAME


def _names_at_the_server(pgconn: psycopg.pq.abc.PGconn) -> set[bytes]:
    result = pgconn.exec_(b"SELECT name FROM pg_prepared_statements")
    _check(pgconn, result)
    return {name for name, in _rows(result)}


def _next_of_pipeline(pgconn: psycopg.pq.abc.PGconn) -> psycopg.pq.abc.PGresult:
    _await(pgconn)
    result = pgconn.get_result()
    if result is None or pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError(pgconn.get_error_message())
    pgconn.get_result()  # None: the end of this statement's
    return result


def _await(pgconn: psycopg.pq.abc.PGconn) -> None:
    """Until a result is there. `get_result` waits as well, but holds the interpreter while it does."""
    while pgconn.is_busy():
        more_to_send = pgconn.flush()
        poller = select.poll()
        poller.register(pgconn.socket, select.POLLIN | (select.POLLOUT if more_to_send else 0))
        poller.poll()
        pgconn.consume_input()


def _check(pgconn: psycopg.pq.abc.PGconn, result: psycopg.pq.abc.PGresult) -> None:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return
    if pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError(pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)


def _rows(result: psycopg.pq.abc.PGresult) -> list[tuple[bytes | None, ...]]:
    columns = range(result.nfields)
    return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]


def _dictionaries(connection: psycopg.Connection, result: psycopg.pq.abc.PGresult) -> list[dict]:
    loader = Transformer(connection)
    loader.set_pgresult(result)
    names = [result.fname(column).decode() for column in range(result.nfields)]
    return loader.load_rows(0, result.ntuples, lambda row: dict(zip(names, row, strict=True)))


def array(values: Sequence[str | int | bool | UUID | None]) -> str:
    """A PostgreSQL array of these, as its text."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: str | int | bool | UUID | None) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def _encode(value: Parameter) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return str(value).encode()
