"""One PostgreSQL connection per adapter and thread, autocommit, made again when it was lost."""

import threading

import psycopg

from exchange.adapters.prepared import Parameter, Prepared

# A server that takes a connection and says nothing is away, too. The ledger's connection waits as long.
CONNECT_TIMEOUT_S = 3


class Connection:
    """Runs single statements, each its own transaction. A lost connection raises once and is made anew next time."""

    def __init__(self, dsn: str, *, flush: bool = True) -> None:
        """`flush`: a commit waits until it is on disk. Without, a crash of the server may undo the last commits (and
        never a part of one), which is for what may happen again."""
        self._dsn = dsn
        self._flush = flush
        self._local = threading.local()
        self._opened: list[psycopg.Connection] = []

    def run(self, statement: Prepared, *parameters: Parameter) -> list[tuple[bytes | None, ...]]:
        """All rows of a statement that runs often; psycopg errors pass through."""
        return statement.execute(self.get(), parameters)

    def fetch(self, statement: str, parameters: tuple) -> list[tuple]:
        """All rows of a statement; psycopg errors pass through."""
        return self.get().execute(statement, parameters).fetchall()

    def execute(self, statement: str, parameters: tuple) -> None:
        self.get().execute(statement, parameters)

    def get(self) -> psycopg.Connection:
        """This thread's open connection."""
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed or connection.broken:
            connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
            connection.prepare_threshold = 1
            # These statements have one good plan each. The planner, left alone, plans some of them anew for each call, because
            # it thinks an array of unknown length long: three times as dear as running them.
            connection.execute("SET plan_cache_mode = force_generic_plan")
            if not self._flush:
                connection.execute("SET synchronous_commit = off")
            self._local.connection = connection
            self._opened = [other for other in self._opened if not other.closed] + [connection]
        return connection

    def close(self) -> None:
        """Closes the connections of all threads."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
