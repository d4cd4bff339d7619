"""What the audits ask the ledger about settlement: how far it is, and the orders that nobody answered (I8).

Every question is one statement, and so one snapshot: a transaction is seen whole or not at all.
"""

from dataclasses import dataclass
from uuid import UUID

from exchange.adapters.postgres.connection import repeatable

_UNANSWERED = """SELECT coalesce(o.sent_in, o.id), o.command FROM settle_cursors c
      JOIN orders o ON o.market = c.market AND o.status = 'pending' AND o.created_at < now() - make_interval(secs => %s)
     WHERE c.market = %s AND c.seq >= %s ORDER BY o.created_at, 1, o.number LIMIT %s"""

_CANCELS = """SELECT o.id, o.account_no, (extract(epoch FROM o.cancel_requested_at) * 1000)::bigint FROM settle_cursors c
      JOIN orders o ON o.market = c.market AND o.status <> 'done'
       AND o.cancel_requested_at < now() - make_interval(secs => %s)
     WHERE c.market = %s AND c.seq >= %s ORDER BY o.cancel_requested_at LIMIT %s"""


_AMENDS = """SELECT o.amend_command FROM settle_cursors c
      JOIN orders o ON o.market = c.market AND o.status <> 'done'
       AND o.amend_requested_at < now() - make_interval(secs => %s)
     WHERE c.market = %s AND c.seq >= %s AND o.amend_command IS NOT NULL ORDER BY o.amend_requested_at LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """`orders`: (message id, command record), those of one message together; `cancels`: (order id, account, asked for at ms);
    `amends`: command records. Oldest first."""

    orders: list[tuple[UUID, bytes]]
    cancels: list[tuple[UUID, int, int]]
    amends: list[bytes]


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
    amends = repeatable(lambda connection: connection.execute(_AMENDS, values).fetchall())
    if len(orders) == limit:
        # The last message may have been cut off in the middle, and under its name the queue would then not take the rest.
        orders = [row for row in orders if row[0] != orders[-1][0]] or orders
    return Unanswered([(message_id, bytes(record)) for message_id, record in orders], cancels,
                      [bytes(record) for record, in amends])


def settled() -> list[tuple[str, int, bytes]]:
    """(market, seq, hash) of each settle cursor."""
    return repeatable(lambda connection: [(market, seq, bytes(hash_)) for market, seq, hash_ in connection.execute(
        "SELECT market, seq, hash FROM settle_cursors ORDER BY market").fetchall()])
