"""Journal on a PostgreSQL table; the primary key `(market, seq)` is the fence."""

import psycopg

from exchange.adapters.embedded.connection import Connection
from exchange.adapters.prepared import Prepared, array
from exchange.ports import Fenced

_HEADS = Prepared("""SELECT market, (SELECT seq FROM embedded.journal AS j WHERE j.market = m.market ORDER BY seq DESC LIMIT 1)
    FROM unnest(%s::text[]) AS m (market)""")
_APPEND = Prepared("INSERT INTO embedded.journal (market, seq, entry) VALUES (%s, %s, %s)")
_GET = Prepared("SELECT entry FROM embedded.journal WHERE market = %s AND seq = %s", binary=True)
_AFTER = Prepared("SELECT entry FROM embedded.journal WHERE market = %s AND seq > %s ORDER BY seq LIMIT %s", binary=True)
_HEAD = Prepared("SELECT entry FROM embedded.journal WHERE market = %s ORDER BY seq DESC LIMIT 1", binary=True)


class PostgresJournal:
    """See `ports.Journal`. An append is one INSERT, committed to disk when it returns."""

    def __init__(self, dsn: str) -> None:
        self._connection = Connection(dsn)

    def append(self, *, market: str, seq: int, entry: bytes) -> None:
        try:
            self._connection.run(_APPEND, market, seq, entry)
        except psycopg.errors.UniqueViolation:
            raise Fenced(f"{market}: entry {seq} exists already") from None

    def get(self, *, market: str, seq: int) -> bytes | None:
        return _first(self._connection.run(_GET, market, seq))

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        return [row[0] for row in self._connection.run(_AFTER, market, seq, limit)]

    def head(self, *, market: str) -> bytes | None:
        return _first(self._connection.run(_HEAD, market))

    def heads(self, markets: list[str]) -> dict[str, int]:
        """The greatest seq of each market, 0 where there is none; one statement."""
        return {market.decode(): int(seq or 0) for market, seq in self._connection.run(_HEADS, array(markets))}

    def close(self) -> None:
        self._connection.close()


def _first(rows: list[tuple]) -> bytes | None:
    return rows[0][0] if rows else None
