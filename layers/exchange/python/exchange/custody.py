"""The custody adapter's interface: who keeps the coins and the bank account, pays withdrawals out and names deposit addresses.

The ledger and the custody are two systems, and a crash can fall between them. So the ledger says `sent` before it asks, asks
again until it has an answer, and the adapter pays once per transfer id, however often it is asked:

    ledger: approved -> sent        from now on only the custody's answer ends the transfer
    custody: pay(transfer id)       once per id; asked again, the same answer
    ledger: sent -> completed | returned

`adapters/sandbox_custody.py` is the sandbox's. Called by `ledger_send_withdrawals` and `api_create_deposit_address`.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Payout:
    """What is to be paid: `amount` of `asset`, decimal text without the fee, to an address or a payment method."""

    transfer_id: UUID
    asset: str
    amount: str
    destination: str
    destination_tag: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The custody's last word on a payout. `reference`: its own name for it, such as a transaction's hash."""

    settled: bool
    reference: str
    note: str = ""


class Custody(Protocol):
    """What an adapter must do. A service's error is a RetryableFault: nothing is known then, and the call is made again."""

    def pay(self, payout: Payout) -> Receipt | None:
        """Pays once per transfer id. None: under way, ask again later."""
        ...

    def deposit_address(self, account: int, asset: str) -> str:
        """The address at which deposits of the account's asset come in; the same one each time."""
        ...
