"""Withdrawals: every step is one call of a function of the database (0011_wallet.sql), one transaction, and may be repeated.

The database takes the locks, checks what the step depends on and writes the step with its time; here are only the calls.
"""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from exchange.adapters.postgres.connection import once, repeatable
from exchange.custody import Payout, Receipt
from exchange.markets import Asset

_REQUEST = """SELECT outcome, transfer_id::text FROM request_withdrawal(%s, %s, %s, %s, %s, %s::text::numeric,
    %s::text::numeric, %s, %s, %s, %s::text::numeric, %s)"""

_TAKEN = """SELECT a.tier, t.asset, sum(t.amount)::text FROM accounts a
      LEFT JOIN transfers t ON t.account_no = a.account_no AND t.kind = 'withdrawal'
       AND t.status NOT IN ('refused', 'canceled', 'returned') AND t.created_at > now() - interval '24 hours'
     WHERE a.account_no = %s GROUP BY a.tier, t.asset"""

_UNDER_WAY = """SELECT t.status, count(*), extract(epoch FROM now() - min(s.since))::float8 AS oldest_age_s
      FROM transfers t JOIN accounts a USING (account_no),
           LATERAL (SELECT max(created_at) AS since FROM transfer_steps WHERE transfer_id = t.id) s
     WHERE t.kind = 'withdrawal' AND (t.status = 'sent' OR (t.status = 'approved' AND NOT a.frozen))
     GROUP BY t.status ORDER BY t.status"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequest:
    """What is asked for. `amount` leaves the account, `fee` is the part of it that the house keeps; decimal text."""

    id: UUID
    account: int
    asset: Asset
    method: str  # "crypto" or "payment-method"
    external_id: str
    amount: str
    fee: str
    destination: str
    destination_tag: str = ""
    actor: str = ""


def request(wanted: WithdrawalRequest) -> tuple[str, str | None]:
    """(outcome, transfer id): the outcomes of `request_withdrawal`. Holds the amount, in one transaction."""
    terms = wanted.asset.withdrawal
    values = (wanted.id, wanted.account, wanted.asset.id, wanted.method, wanted.external_id, wanted.amount, wanted.fee,
              wanted.destination, wanted.destination_tag, Jsonb(terms.daily), terms.approve_up_to, wanted.actor)
    return repeatable(lambda connection: connection.execute(_REQUEST, values).fetchone())


def taken_24_hours(account: int) -> tuple[str, dict[str, str]]:
    """The account's tier, and asset -> what is taken of its daily limit, as decimal text, as `request_withdrawal` counts."""
    rows = repeatable(lambda connection: connection.execute(_TAKEN, (account,)).fetchall())
    return rows[0][0], {asset: amount for _, asset, amount in rows if asset is not None}


def cancel(account: int, transfer_id: UUID, actor: str) -> str:
    """canceled, unknown (also somebody else's) or too_late (approved, or at its end)."""
    return _decide(transfer_id, "canceled", account, actor, "")


def approve(transfer_id: UUID, operator: str, note: str) -> str:
    """approved, unknown or too_late."""
    return _decide(transfer_id, "approved", None, operator, note)


def refuse(transfer_id: UUID, operator: str, note: str) -> str:
    """refused, unknown or too_late (sent, or at its end). Also one that is approved and was not sent yet."""
    return _decide(transfer_id, "refused", None, operator, note)


def to_send(limit: int) -> list[UUID]:
    """The ids of withdrawals that wait for the custody, oldest first; those of frozen accounts only once they were sent."""
    return [row[0] for row in repeatable(lambda connection: connection.execute(
        "SELECT t.id FROM transfers t JOIN accounts a USING (account_no) WHERE t.kind = 'withdrawal'"
        " AND (t.status = 'sent' OR (t.status = 'approved' AND NOT a.frozen)) ORDER BY t.number LIMIT %s",
        (limit,)).fetchall())]


def under_way() -> list[dict]:
    """Of what `to_send` asks for: `status` (approved, sent), `count`, `oldest_age_s` (since the oldest came to this status)."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(_UNDER_WAY).fetchall())


def begin(transfer_id: UUID) -> Payout | None:
    """Marks the withdrawal as sent; what the custody is to pay, or None when it is not to be sent (any more)."""
    row = repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(
        "SELECT id, asset, (amount - fee)::text AS amount, destination, destination_tag FROM send_withdrawal(%s)",
        (transfer_id,)).fetchone())
    return Payout(transfer_id=row["id"], asset=row["asset"], amount=row["amount"], destination=row["destination"],
                  destination_tag=row["destination_tag"]) if row else None


def finish(transfer_id: UUID, receipt: Receipt) -> str:
    """completed or returned, with the entry; a second receipt changes nothing."""
    return repeatable(lambda connection: connection.execute(
        "SELECT finish_withdrawal(%s, %s, %s, %s)",
        (transfer_id, receipt.settled, receipt.reference, receipt.note)).fetchone())[0]


def _decide(transfer_id: UUID, decision: str, account: int | None, actor: str, note: str) -> str:
    # Not repeated: a lost connection leaves open whether it was decided, and a second try would then say `too_late`.
    return once(lambda connection: connection.execute(
        "SELECT decide_withdrawal(%s, %s, %s, %s, %s)", (transfer_id, decision, account, actor, note)).fetchone())[0]
