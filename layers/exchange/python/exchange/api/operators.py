"""What the operators' operations have in common: every act has a reason, in words; what waits is listed by its status."""

from collections.abc import Collection

from exchange.api.errors import BadRequest
from exchange.api.request import Request

MAX_REASON = 500


def reason_in(body: dict) -> str:
    """The body's `reason`, without blanks at its ends. Raises BadRequest for none, or one that is too long."""
    reason = body.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise BadRequest("reason is missing: say in words why", "reason_required")
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise BadRequest(f"reason is not one line of at most {MAX_REASON} characters", "invalid_reason")
    return reason.strip()


def status_in(request: Request, statuses: Collection[str]) -> str | None:
    """The query's `status`, None for all. Raises BadRequest for one that is not among `statuses`."""
    status = request.query("status")
    if status is not None and status not in statuses:
        raise BadRequest(f"status is {status[:40]!r}, wanted {', '.join(statuses)}", "invalid_status")
    return status
