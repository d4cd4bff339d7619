"""POST /withdrawals/crypto, POST /withdrawals/payment-method: the amount is held, and leaves when the custody has paid it.

Up to a limit of the asset it is approved at once; above, an operator is asked. `idem` makes the call repeatable.
"""

from exchange.adapters.postgres import transfers, withdrawals
from exchange.api.door import operation
from exchange.api.render import at_scale
from exchange.api.request import Request
from exchange.api.withdrawals import CRYPTO, PAYMENT_METHOD, parse_withdrawal, refuse_outcome
from exchange.faults import BrokenInvariant


@operation(scope="transfer")
def lambda_handler(request: Request) -> dict:
    """`id, currency, amount, fee, subtotal, status`: `amount` left the available balance, `subtotal` is what will arrive."""
    method = CRYPTO if request.path.rstrip("/").endswith(CRYPTO) else PAYMENT_METHOD
    wanted = parse_withdrawal(request.json(), method, request.caller)
    outcome, transfer_id = withdrawals.request(wanted)
    refuse_outcome(outcome, wanted.asset)
    if transfer_id is None:
        raise BrokenInvariant(f"account {wanted.account} has no balance row in {wanted.asset.id}: {outcome}")
    row = transfers.find(transfer_id, account=wanted.account)
    scale = wanted.asset.scale
    return {"id": transfer_id, "currency": wanted.asset.id, "status": row["status"], "payout_at": row["created_at"],
            **{name: at_scale(row[name], scale) for name in ("amount", "fee", "subtotal")}}
