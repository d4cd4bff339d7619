"""GET /admin/actions: what operators did, when and why, newest first; `subject` for one market or account."""

from exchange.adapters.postgres.operator_actions import list_actions
from exchange.api.door import Response, operation
from exchange.api.pages import page_of
from exchange.api.request import Request


@operation(scope="operate")
def lambda_handler(request: Request) -> Response:
    page = page_of(request)
    rows = list_actions(page, subject=request.query("subject"))
    return page.answer(rows, [{name: value for name, value in row.items() if name != "number"} for row in rows])
