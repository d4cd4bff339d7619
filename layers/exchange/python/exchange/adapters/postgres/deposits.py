"""Deposits: credited once by their external id, against the outside world's account; one transaction."""

from dataclasses import dataclass

from exchange.adapters.postgres.connection import repeatable
from exchange.faults import BrokenInvariant
from exchange.markets import Asset


@dataclass(frozen=True, slots=True)
class Credited:
    """What came of it. A repeated external id answers with the first one's transfer."""

    over_limit: bool
    transfer_id: str | None
    created_at: str | None


def credit(*, account: int, asset: Asset, amount_units: int, method: str, external_id: str,
           limit_units: int | None) -> Credited:
    """Credits `amount_units`; `limit_units`: the most this account may get by this method in all. May be repeated."""
    outcome, transfer_id, created_at = repeatable(lambda connection: connection.execute(
        """SELECT outcome, transfer_id::text, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
             FROM credit_deposit(%s, %s, %s::text::numeric, %s, %s, %s::text::numeric)""",
        (account, asset.id, asset.format(amount_units), method, external_id,
         None if limit_units is None else asset.format(limit_units))).fetchone())
    if outcome == "unknown_account":
        raise BrokenInvariant(f"account {account} has no balance row in {asset.id}, every open account has one")
    return Credited(over_limit=outcome == "over_limit", transfer_id=transfer_id, created_at=created_at)
