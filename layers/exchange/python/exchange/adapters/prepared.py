"""Statements that run straight through libpq: for the few that every order needs.

psycopg's `execute` adapts, prepares and waits in Python, which is right for everything else. Measured on one machine, a read
by primary key: 100 µs of CPU and 400 µs until the answer with `execute`, 15 µs and 100 µs here, because libpq waits in one
system call. The same connection serves both.

Parameters are str, int, bool, UUID, bytes or None, for types that the server infers; results are bytes as the server writes
them: its text, or with `binary` its binary form.
"""

import re
from collections.abc import Sequence
from itertools import count
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus

Parameter = str | int | bool | UUID | bytes | None
_UNKNOWN_NAME = b"26000"
_numbers = count(1)
_names: WeakKeyDictionary[psycopg.Connection, set[bytes]] = WeakKeyDictionary()


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
        pgconn = connection.pgconn
        if not connection.autocommit and pgconn.transaction_status == TransactionStatus.IDLE:
            raise psycopg.ProgrammingError("a prepared statement needs autocommit or an open transaction")
        formats = [Format.BINARY if isinstance(value, bytes) else Format.TEXT for value in parameters]
        values = [*map(_encode, parameters)]
        self._prepare(connection)
        result = pgconn.exec_prepared(self._name, values, formats, self._format)
        if result.error_field(DiagnosticField.SQLSTATE) == _UNKNOWN_NAME:
            # psycopg drops all prepared statements of a connection after a rollback.
            _names.pop(connection)
            self._prepare(connection)
            result = pgconn.exec_prepared(self._name, values, formats, self._format)
        self._check(pgconn, result)
        columns = range(result.nfields)
        return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]

    def _prepare(self, connection: psycopg.Connection) -> None:
        names = _names.setdefault(connection, set())
        if self._name not in names:
            self._check(connection.pgconn, connection.pgconn.prepare(self._name, self._text))
            names.add(self._name)

    @staticmethod
    def _check(pgconn: psycopg.pq.abc.PGconn, result: psycopg.pq.abc.PGresult) -> None:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return
        if pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError(pgconn.get_error_message())
        raise psycopg.errors.error_from_result(result)


def array(values: Sequence[str | int]) -> str:
    """A PostgreSQL array of these, as its text."""
    return "{" + ",".join([str(value) if isinstance(value, int) else _quoted(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encode(value: Parameter) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"t" if value else b"f"
    return str(value).encode()
