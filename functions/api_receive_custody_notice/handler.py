"""POST /custody/notices: the custody says that a deposit came in, or how a payout ended. Signed; each notice is taken once."""

from exchange.adapters.custody_secret import current_secret
from exchange.adapters.postgres import withdrawals
from exchange.adapters.postgres.accounts import deposit
from exchange.adapters.postgres.addresses import account_of
from exchange.api.custody_notices import DepositNotice, PayoutNotice, check_notice, parse_notice
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.request import Request
from exchange.custody import Receipt
from exchange.faults import BrokenInvariant


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    """`id`, our transfer's, and `status`: credited, repeated, or that of the withdrawal."""
    check_notice(request, current_secret())
    notice = parse_notice(request.json())
    return _credit(notice) if isinstance(notice, DepositNotice) else _finish(notice)


def _credit(notice: DepositNotice) -> dict:
    account = account_of(notice.asset.id, notice.address)
    if account is None:
        raise BadRequest("address is none of ours", "unknown_deposit_address")
    made = deposit(account, notice.asset.id, notice.amount, method="custody", external_id=f"custody:{notice.id}")
    if made.outcome == "conflict":
        raise BadRequest("id was used before, for another deposit", "duplicate_id")
    if made.transfer_id is None:
        raise BrokenInvariant(f"account {account} has a deposit address and no balance in {notice.asset.id}")
    return {"id": made.transfer_id, "status": made.outcome}


def _finish(notice: PayoutNotice) -> dict:
    status = withdrawals.finish(notice.transfer_id, Receipt(settled=notice.settled, reference=notice.reference))
    if status != ("completed" if notice.settled else "returned"):
        raise BadRequest(f"the withdrawal is {status or 'unknown'}", "unexpected_notice")
    return {"id": str(notice.transfer_id), "status": status}
