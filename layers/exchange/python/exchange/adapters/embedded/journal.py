"""Journal on a PostgreSQL table; the primary key `(market, seq)` is the fence."""

import psycopg

from exchange.adapters.embedded.connection import Connection
from exchange.ports import Fenced


class PostgresJournal:
    """See `ports.Journal`. An append is one INSERT, committed to disk when it returns."""

    def __init__(self, dsn: str) -> None:
        self._connection = Connection(dsn)

    def append(self, *, market: str, seq: int, entry: bytes) -> None:
        try:
            self._connection.execute("INSERT INTO embedded.journal (market, seq, entry) VALUES (%s, %s, %b)",
                                     (market, seq, entry))
        except psycopg.errors.UniqueViolation:
            raise Fenced(f"{market}: entry {seq} exists already") from None

    def get(self, *, market: str, seq: int) -> bytes | None:
        rows = self._connection.fetch("SELECT entry FROM embedded.journal WHERE market = %s AND seq = %s", (market, seq))
        return rows[0][0] if rows else None

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        rows = self._connection.fetch(
            "SELECT entry FROM embedded.journal WHERE market = %s AND seq > %s ORDER BY seq LIMIT %s",
            (market, seq, limit))
        return [row[0] for row in rows]

    def head(self, *, market: str) -> bytes | None:
        rows = self._connection.fetch(
            "SELECT entry FROM embedded.journal WHERE market = %s ORDER BY seq DESC LIMIT 1", (market,))
        return rows[0][0] if rows else None

    def close(self) -> None:
        self._connection.close()
