"""GET|POST /admin/adjustments, POST /admin/adjustments/{adjustment_id}/approve|refuse: corrections by two operators.

One asks, with the reason; another decides. An approved one is an entry against the outside world, and never takes more than
is available.
"""

from uuid import uuid4

from exchange.adapters.postgres import adjustments
from exchange.adapters.postgres.operator_actions import record
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.operated import account_of, adjustment_object
from exchange.api.operators import reason_in, status_in
from exchange.api.pages import page_of
from exchange.api.request import Request, parse_uuid
from exchange.api.withdrawals import listed_asset
from exchange.money import MoneyError

STATUSES = ("requested", "approved", "refused")


@operation(scope="operate")
def lambda_handler(request: Request) -> Response:
    """A page of adjustments, newest first, by `status`; or the one that was asked for or decided."""
    if request.method == "GET":
        status, page = status_in(request, STATUSES), page_of(request)
        rows = adjustments.list_adjustments(status, page)
        return page.answer(rows, [adjustment_object(row) for row in rows])
    if "adjustment_id" in request.path_parameters:
        return _decide(request)
    return _ask(request)


def _ask(request: Request) -> Response:
    """Body: `account_id`, `currency`, `amount` (signed), `reason`, optionally `id`, a UUID that makes it repeatable."""
    body, operator = request.json(), request.caller.user_id
    reason, asset = reason_in(body), listed_asset(body.get("currency"))
    account = account_of(parse_uuid(body.get("account_id")))
    try:
        units = asset.parse(body.get("amount"))
    except MoneyError as error:
        raise BadRequest(f"Invalid amount: {error}", "invalid_amount") from None
    if units == 0 or abs(units) >= 10 ** (15 + asset.scale):
        raise BadRequest("Invalid amount: it is zero or out of range", "invalid_amount")
    adjustment_id = uuid4() if body.get("id") is None else parse_uuid(body["id"])
    if adjustment_id is None:
        raise BadRequest("id is no UUID", "invalid_id")
    record(operator=operator, action="adjustment.request", subject=str(adjustment_id), reason=reason,
           details={"account": account["id"], "currency": asset.id, "amount": asset.format(units)})
    outcome = adjustments.request(adjustment_id, account=account["number"], asset=asset.id, amount=asset.format(units),
                                  reason=reason, operator=operator)
    if outcome == "conflict":
        raise BadRequest("id was used before, for another adjustment", "duplicate_id")
    if outcome == "unknown_account":
        raise NotFound()
    return Response(adjustment_object(adjustments.find(adjustment_id)))


def _decide(request: Request) -> Response:
    adjustment_id, operator, body = request.path_uuid("adjustment_id"), request.caller.user_id, request.json()
    approve = request.path.rstrip("/").endswith("/approve")
    reason = "approved" if approve and body.get("reason") is None else reason_in(body)
    if adjustments.find(adjustment_id) is None:
        raise NotFound()
    record(operator=operator, action="adjustment.approve" if approve else "adjustment.refuse", subject=str(adjustment_id),
           reason=reason)
    outcome = adjustments.decide(adjustment_id, approve=approve, operator=operator)
    if outcome == "same_operator":
        raise BadRequest("another operator must decide", "second_operator_required")
    if outcome == "already_decided":
        raise BadRequest("the adjustment was decided before", "adjustment_already_decided")
    if outcome == "insufficient_funds":
        raise BadRequest("Insufficient funds", "insufficient_funds")
    return Response(adjustment_object(adjustments.find(adjustment_id)))
