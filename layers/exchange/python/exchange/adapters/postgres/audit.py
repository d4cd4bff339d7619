"""What the audits ask the ledger: orders nobody answered, and the invariants I1 to I3 from the rows themselves.

Every question is one statement, and so one snapshot: a transaction is seen whole or not at all, and a check that finds
something has found a broken invariant and never a settlement half way.
"""

from dataclasses import dataclass
from uuid import UUID

from psycopg import sql

from exchange.adapters.postgres.connection import repeatable

# How many of the newest entries are summed up every minute.
NEWEST_ENTRIES = 20_000
ROWS_SHOWN = 5

_UNBALANCED_ENTRIES = """SELECT e.market, 'I1: entry ' || p.entry_id || ': ' || p.asset || ' sums to ' || sum(p.amount)
    FROM postings p JOIN ledger_entries e ON e.id = p.entry_id
    WHERE p.entry_id > (SELECT coalesce(max(id), 0) FROM ledger_entries) - {newest}
    GROUP BY e.market, p.entry_id, p.asset HAVING sum(p.amount) <> 0"""

_NEGATIVE = """SELECT NULL, 'I2: balance ' || account_no || '/' || asset || ' is ' || available || ' + ' || held
    FROM balances WHERE available < 0 OR held < 0"""

_HOLDS = """SELECT NULL, 'I3: account ' || coalesce(b.account_no, o.account_no) || ' holds ' || coalesce(b.held, 0) || ' '
           || coalesce(b.asset, o.asset) || ', its live orders need ' || coalesce(o.needed, 0)
    FROM (SELECT account_no, asset, held FROM balances WHERE held <> 0) b
    FULL JOIN (SELECT account_no, hold_asset AS asset, sum(hold) AS needed FROM orders WHERE status <> 'done'
               GROUP BY account_no, hold_asset HAVING sum(hold) <> 0) o
      ON o.account_no = b.account_no AND o.asset = b.asset
    WHERE b.held IS DISTINCT FROM o.needed"""

_POSTED = """SELECT NULL, 'I1: balance ' || b.account_no || '/' || b.asset || ' is ' || (b.available + b.held)
           || ', its postings sum to ' || coalesce(p.posted, 0)
    FROM balances b LEFT JOIN (SELECT account_no, asset, sum(amount) AS posted FROM postings GROUP BY account_no, asset) p
      ON p.account_no = b.account_no AND p.asset = b.asset
    WHERE b.available + b.held <> coalesce(p.posted, 0)"""

_ASSETS = """SELECT NULL, 'I1: all postings of ' || asset || ' sum to ' || sum(amount) FROM postings
    GROUP BY asset HAVING sum(amount) <> 0"""

_UNANSWERED = """SELECT o.id, o.command FROM settle_cursors c
      JOIN orders o ON o.market = c.market AND o.status = 'pending' AND o.created_at < now() - make_interval(secs => %s)
     WHERE c.market = %s AND c.seq >= %s ORDER BY o.created_at, o.number LIMIT %s"""

_CANCELS = """SELECT o.id, o.account_no, (extract(epoch FROM o.cancel_requested_at) * 1000)::bigint FROM settle_cursors c
      JOIN orders o ON o.market = c.market AND o.status <> 'done'
       AND o.cancel_requested_at < now() - make_interval(secs => %s)
     WHERE c.market = %s AND c.seq >= %s ORDER BY o.cancel_requested_at LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """`orders`: (id, command record); `cancels`: (order id, account, asked for at ms). Oldest first."""

    orders: list[tuple[UUID, bytes]]
    cancels: list[tuple[UUID, int, int]]


def unanswered(market: str, *, settled_up_to: int, age_s: int, limit: int) -> Unanswered | None:
    """What has waited for more than `age_s`; None while the ledger has not settled up to `settled_up_to`.

    `settled_up_to` must be the journal's head read before this call. A market that was never settled has no cursor row
    and is opened here, at 0.
    """
    quote = market.partition("-")[2]
    values = (age_s, market, settled_up_to, limit)
    seq, = repeatable(lambda connection: connection.execute(
        "SELECT seq FROM open_market(%s, %s)", (market, quote)).fetchone())
    if seq < settled_up_to:
        return None
    orders = repeatable(lambda connection: connection.execute(_UNANSWERED, values).fetchall())
    cancels = repeatable(lambda connection: connection.execute(_CANCELS, values).fetchall())
    return Unanswered([(order_id, bytes(record)) for order_id, record in orders], cancels)


def violations(*, whole: bool) -> list[tuple[str | None, str]]:
    """(market or None, what is wrong with which rows) of every invariant that does not hold; at most a few rows each."""
    checks = [_UNBALANCED_ENTRIES, _NEGATIVE, _HOLDS] + ([_POSTED, _ASSETS] if whole else [])
    found: list[tuple[str | None, str]] = []
    for check in checks:
        statement = sql.SQL(check + " LIMIT {shown}").format(newest=sql.Literal(NEWEST_ENTRIES), shown=sql.Literal(ROWS_SHOWN))
        found += repeatable(lambda connection, statement=statement: connection.execute(statement).fetchall())
    return found


def settled() -> list[tuple[str, int, bytes]]:
    """(market, seq, hash) of each settle cursor."""
    return repeatable(lambda connection: [(market, seq, bytes(hash_)) for market, seq, hash_ in connection.execute(
        "SELECT market, seq, hash FROM settle_cursors ORDER BY market").fetchall()])
