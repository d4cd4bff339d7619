"""Candles and old trades in PostgreSQL: what the views in Redis are too small for.

Candles are written by their recorder alone, minutes and hours, each save one transaction with its cursor. Trades are not
stored again: a trade is its maker's fill, which settlement has written.
"""

import psycopg

from exchange.adapters.postgres.connection import ISO_TIME, once, repeatable
from exchange.feed.candles import Candles
from exchange.feed.statistics import Bucket
from exchange.follower import StaleCursor
from exchange.journal import GENESIS_HASH
from exchange.markets import Listing, Market

_ADD = """INSERT INTO candles AS c (market, granularity_s, start_s, open, high, low, close, volume, trades)
    SELECT %s, n.* FROM unnest(%s::int[], %s::bigint[], %s::text[]::numeric[], %s::text[]::numeric[], %s::text[]::numeric[],
                               %s::text[]::numeric[], %s::text[]::numeric[], %s::bigint[]) AS n
    ON CONFLICT (market, granularity_s, start_s) DO UPDATE
       SET high = greatest(c.high, EXCLUDED.high), low = least(c.low, EXCLUDED.low), close = EXCLUDED.close,
           volume = c.volume + EXCLUDED.volume, trades = c.trades + EXCLUDED.trades"""

# The first open and the last close by order of time; a fixed number of rows come back however many are read.
_READ = """SELECT start_s - start_s %% %s AS start, (array_agg(open ORDER BY start_s))[1]::text, max(high)::text,
        min(low)::text, (array_agg(close ORDER BY start_s DESC))[1]::text, sum(volume)::text, sum(trades)::bigint
    FROM candles WHERE market = %s AND granularity_s = %s AND start_s >= %s AND start_s < %s GROUP BY 1 ORDER BY 1"""

_TRADES = f"""SELECT trade_id, side, price::text, size::text, {ISO_TIME.format('created_at')} FROM fills
    WHERE market = %s AND liquidity = 'M' AND trade_id > %s AND trade_id < %s ORDER BY trade_id {{}} LIMIT %s"""


class PostgresCandles:
    """See `candles.CandleStore`."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def cursor(self, market: str) -> tuple[int, bytes]:
        row = repeatable(lambda connection: connection.execute(
            "SELECT seq, hash FROM candle_cursors WHERE market = %s", (market,)).fetchone())
        return (row[0], bytes(row[1])) if row else (0, GENESIS_HASH)

    def save(self, market: str, *, after: int, seq: int, hash_: bytes, candles: Candles) -> None:
        once(lambda connection: self._save(connection, market, after, seq, hash_, candles))

    def _save(self, connection: psycopg.Connection, market: str, after: int, seq: int, hash_: bytes,
              candles: Candles) -> None:
        with connection.transaction():
            connection.execute("INSERT INTO candle_cursors (market, seq, hash) VALUES (%s, 0, %b) ON CONFLICT DO NOTHING",
                               (market, GENESIS_HASH))
            moved = connection.execute("UPDATE candle_cursors SET seq = %s, hash = %b WHERE market = %s AND seq = %s",
                                       (seq, hash_, market, after)).rowcount
            if moved != 1:
                raise StaleCursor(f"{market}: the candles are not at entry {after}")
            if candles:
                connection.execute(_ADD, (market, *self._columns(self._listing.markets[market], candles)))

    @staticmethod
    def _columns(market: Market, candles: Candles) -> list[list]:
        price, size = market.format_price, market.format_size
        rows = [(granularity_s, start_s, price(bucket.open), price(bucket.high), price(bucket.low), price(bucket.close),
                 size(bucket.lots), bucket.trades) for (granularity_s, start_s), bucket in sorted(candles.items())]
        return [list(column) for column in zip(*rows, strict=True)]

    def forget(self, market: str) -> None:
        """Takes the market's candles back to the start of the journal, for a rebuild."""
        def work(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute("DELETE FROM candles WHERE market = %s", (market,))
                connection.execute("DELETE FROM candle_cursors WHERE market = %s", (market,))
        repeatable(work)


def read_candles(market: Market, *, stored_s: int, granularity_s: int, from_s: int, to_s: int) -> list[tuple[int, Bucket]]:
    """(start, bucket) of candles put together from those stored in steps of `stored_s` that start within from_s..to_s
    (exclusive), in order of time."""
    rows = repeatable(lambda connection: connection.execute(
        _READ, (granularity_s, market.id, stored_s, from_s, to_s)).fetchall())
    ticks, lots = market.price_ticks, market.size_lots
    return [(start_s, Bucket(ticks(opened), ticks(high), ticks(low), ticks(close), lots(volume), trades))
            for start_s, opened, high, low, close, volume, trades in rows]


def read_trades(market: Market, *, newer_than: int, older_than: int, limit: int, upwards: bool) -> list[dict]:
    """Settled trades between two ids (exclusive), as the public rows, newest first: those next to `newer_than` if `upwards`,
    else those next to `older_than`."""
    rows = repeatable(lambda connection: connection.execute(
        _TRADES.format("ASC" if upwards else "DESC"), (market.id, newer_than, older_than, limit)).fetchall())
    found = [{"trade_id": trade_id, "side": side, "size": market.format_size(market.size_lots(size)),
              "price": market.format_price(market.price_ticks(price)), "time": time}
             for trade_id, side, price, size, time in rows]
    return found[::-1] if upwards else found
