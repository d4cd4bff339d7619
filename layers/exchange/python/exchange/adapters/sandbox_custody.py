"""The sandbox's custody: pays at once, to nowhere. Its book is the table `sandbox_payouts`, one row per transfer id.

The row is written in a transaction of its own, as another company's system would: what the tests break is the time between
it and the ledger's. A destination that begins with `return-` cannot be paid to, so that a returned withdrawal can be tried.
"""

import hashlib
import os
from functools import lru_cache
from uuid import UUID, uuid5

from exchange.adapters.postgres.connection import repeatable
from exchange.custody import Custody, Payout, Receipt
from exchange.faults import RetryableFault

RETURNED_PREFIX = "return-"
_PAYMENT_METHODS = UUID("3b9f2a52-7a4e-4a86-9d7d-0d1f6a1c8e55")


class NoCustody(RetryableFault):
    """This stage has no custody adapter: withdrawals stay approved until there is one."""


class SandboxCustody:
    """See the module's head."""

    def pay(self, payout: Payout) -> Receipt:
        settled = not payout.destination.startswith(RETURNED_PREFIX)
        reference = hashlib.sha256(payout.transfer_id.bytes).hexdigest()
        row = repeatable(lambda connection: connection.execute(
            "WITH made AS (INSERT INTO sandbox_payouts (transfer_id, asset, amount, destination, settled, reference)"
            " VALUES (%s, %s, %s::text::numeric, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING settled, reference)"
            " SELECT * FROM made UNION ALL SELECT settled, reference FROM sandbox_payouts WHERE transfer_id = %s LIMIT 1",
            (payout.transfer_id, payout.asset, payout.amount, payout.destination, settled, reference,
             payout.transfer_id)).fetchone())
        if row is None:
            raise RetryableFault(f"payout {payout.transfer_id} is being made at this moment")
        return Receipt(settled=row[0], reference=row[1], note="" if row[0] else "the sandbox does not pay there")

    def deposit_address(self, account: int, asset: str) -> str:
        return f"sandbox-{asset.lower()}-{hashlib.sha256(f'{account}:{asset}'.encode()).hexdigest()[:32]}"


@lru_cache(maxsize=1)
def custody() -> Custody:
    """The adapter of this stage. Raises NoCustody outside a sandbox, where one must be written first."""
    if os.environ.get("SANDBOX") != "1":
        raise NoCustody("no custody adapter is configured for this stage")
    return SandboxCustody()


def payment_method_id(profile_id: str, currency: str) -> UUID:
    """The id of the one bank account that a sandbox's user has in a currency."""
    return uuid5(_PAYMENT_METHODS, f"{profile_id}:{currency}")
