"""GET /admin/withdrawals, POST /admin/withdrawals/{transfer_id}/approve|refuse: what waits, and the decision."""

from exchange.adapters.postgres import transfers, withdrawals
from exchange.adapters.postgres.operator_actions import record
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.operators import reason_in, status_in
from exchange.api.pages import page_of
from exchange.api.request import Request
from exchange.api.withdrawals import transfer_object

STATUSES = ("requested", "approved", "sent", "completed", "returned", "refused", "canceled")


@operation(scope="operate")
def lambda_handler(request: Request) -> Response:
    """A page of withdrawals of all accounts, newest first, by `status`; or the one that was decided. Body: `reason`, which an
    approval may leave out."""
    if request.method == "GET":
        status, page = status_in(request, STATUSES), page_of(request)
        rows = transfers.list_withdrawals(status, page)
        return page.answer(rows, [transfer_object(row) for row in rows])
    transfer_id, operator, body = request.path_uuid("transfer_id"), request.caller.user_id, request.json()
    approves = request.path.rstrip("/").endswith("/approve")
    reason = "approved" if approves and body.get("reason") is None else reason_in(body)
    if transfers.find(transfer_id) is None:
        raise NotFound()
    record(operator=operator, action="withdrawal.approve" if approves else "withdrawal.refuse", subject=str(transfer_id),
           reason=reason)
    outcome = (withdrawals.approve if approves else withdrawals.refuse)(transfer_id, operator, reason)
    if outcome == "unknown":
        raise NotFound()
    if outcome == "too_late":
        raise BadRequest("the withdrawal was decided, canceled or sent before", "withdrawal_already_decided")
    return Response(transfer_object(transfers.find(transfer_id)))
