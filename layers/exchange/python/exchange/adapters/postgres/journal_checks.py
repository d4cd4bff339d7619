"""I7 and I10, journal against ledger: each trade's two sides against the fills and postings of PostgreSQL.

`compare` is one snapshot of the database and must be asked about settled entries only. It changes nothing.
"""

from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import repeatable
from exchange.audits import Finding
from exchange.commands import Side
from exchange.journal_audit import TradeSide
from exchange.markets import Market

# For the trades of the asked entries: the fill, what was posted for it, and nothing besides.
_FILLS = """WITH filled AS (
        SELECT trade_id, side, order_id, account_no, liquidity, price, size, value, fee, journal_seq
          FROM fills WHERE market = %(market)s AND trade_id BETWEEN %(first)s AND %(last)s),
    posted AS (
        SELECT p.trade_id, p.order_id,
               coalesce(sum(p.amount) FILTER (WHERE p.type = 'match' AND p.asset = %(base)s), 0) AS base,
               coalesce(sum(p.amount) FILTER (WHERE p.type = 'match' AND p.asset = %(quote)s), 0) AS quote,
               coalesce(sum(p.amount) FILTER (WHERE p.type = 'fee'), 0) AS fee
          FROM ledger_entries e JOIN postings p ON p.entry_id = e.id
         WHERE e.market = %(market)s AND e.journal_seq = ANY(%(seqs)s) AND p.trade_id IS NOT NULL
         GROUP BY p.trade_id, p.order_id)
    SELECT trade_id, f.side, order_id::text, f.account_no, f.liquidity, f.price::text, f.size::text, f.journal_seq,
           f.size = abs(p.base) AND f.value = abs(p.quote) AND f.fee = -p.fee AND f.value = f.price * f.size
           AND (f.side = 'buy') = (p.base > 0) AND (f.side = 'buy') = (p.quote < 0) AS posted,
           p.base::text AS posted_base, p.quote::text AS posted_quote, p.fee::text AS posted_fee, f.value::text, f.fee::text
      FROM filled f FULL JOIN posted p USING (trade_id, order_id)"""

_NOT_ENDED = """SELECT id::text AS order_id, status, hold::text FROM orders
    WHERE id = ANY(%s) AND (status <> 'done' OR hold <> 0) ORDER BY id LIMIT 20"""


def compare(market: Market, sides: list[TradeSide], ended: dict[UUID, int]) -> list[Finding]:
    """What the ledger has otherwise than the journal. `sides`: of all trades of a run of settled entries; `ended`: orders
    that are done, and in which entry."""
    return repeatable(lambda connection: _compare(connection, market, sides, ended))


def _compare(connection: psycopg.Connection, market: Market, sides: list[TradeSide], ended: dict[UUID, int]) -> list[Finding]:
    found = []
    if sides:
        trades = [side.trade_id for side in sides]
        rows = connection.cursor(row_factory=dict_row).execute(_FILLS, {
            "market": market.id, "first": min(trades), "last": max(trades), "seqs": sorted({side.seq for side in sides}),
            "base": market.base.id, "quote": market.quote.id}).fetchall()
        found += _differences(market, sides, rows)
    if ended:
        for row in connection.cursor(row_factory=dict_row).execute(_NOT_ENDED, (list(ended),)).fetchall():
            found.append(Finding("I10", f"order {row['order_id']}", f"ended in entry {ended[UUID(row['order_id'])]}, the ledger"
                                 f" has it {row['status']} with a hold of {row['hold']}", market.id, (row,)))
    return found


def _differences(market: Market, sides: list[TradeSide], rows: list[dict]) -> list[Finding]:
    wanted = {(side.trade_id, str(side.order_id)): side for side in sides}
    found = []
    for row in rows:
        side = wanted.pop((row["trade_id"], row["order_id"]), None)
        if side is None:
            what = f"the ledger has a fill of order {row['order_id']} that the journal has not"
        elif row["side"] is None:
            what = f"the fill of order {row['order_id']} is missing in the ledger, its postings are there"
        elif (has := _told(row)) != (want := _expected(market, side)):
            what = f"the ledger has {has}, the journal {want}"
        elif not row["posted"]:
            what = (f"order {row['order_id']}: a fill of {row['size']}, value {row['value']}, fee {row['fee']}, but postings of"
                    f" {row['posted_base']}, {row['posted_quote']}, {row['posted_fee']}")
        else:
            continue
        found.append(Finding("I7", f"trade {row['trade_id']}", what, market.id, (row,)))
    for (trade_id, order_id), side in wanted.items():
        found.append(Finding("I7", f"trade {trade_id}", f"the fill of order {order_id} is missing in the ledger", market.id,
                             ({"seq": side.seq, "expected": _expected(market, side)},)))
    return found


def _told(row: dict) -> str:
    size, price = (_plain(row[name]) for name in ("size", "price"))
    return (f"{row['side']} {size} at {price} as {row['liquidity']} for account {row['account_no']}"
            f" in entry {row['journal_seq']}")


def _expected(market: Market, side: TradeSide) -> str:
    size, price = _plain(market.format_size(side.size_lots)), _plain(market.format_price(side.price_ticks))
    return (f"{'buy' if side.side == Side.BUY else 'sell'} {size} at {price} as {side.liquidity} for account {side.account}"
            f" in entry {side.seq}")


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
