"""DELETE /withdrawals/{transfer_id}: takes back a withdrawal that still waits for its approval."""

from exchange.adapters.postgres import withdrawals
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request


@operation(scope="transfer")
def lambda_handler(request: Request) -> str:
    """The id; the amount is available again."""
    transfer_id, caller = request.path_uuid("transfer_id"), request.caller
    outcome = withdrawals.cancel(caller.account, transfer_id, caller.user_id)
    if outcome == "unknown":
        raise NotFound()
    if outcome == "too_late":
        raise BadRequest("the withdrawal is approved, canceled or at its end", "withdrawal_not_cancelable")
    return str(transfer_id)
