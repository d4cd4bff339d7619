"""GET /orders: the caller's orders by status (repeatable; live ones if none is given), product and time, in any order."""

from exchange.adapters.postgres import orders
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest
from exchange.api.order_ids import market_in
from exchange.api.pages import page_of
from exchange.api.render import order_object
from exchange.api.request import Request

STATUSES = {"open": ("open",), "pending": ("pending",), "active": ("active",), "done": ("done",),
            "rejected": ("rejected",), "all": (*orders.LIVE, *orders.ENDED)}


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """A page of order objects."""
    wanted: dict[str, None] = {}
    asked = request.query_all("status") + request.query_all("status[]")
    for name in (name for value in asked for name in value.split(",")):
        if name not in STATUSES:
            raise BadRequest(f"status is {name[:40]!r}, wanted {', '.join(STATUSES)}", "invalid_status")
        wanted.update(dict.fromkeys(STATUSES[name]))
    market, page = market_in(request.query("product_id")), page_of(request)
    rows = orders.list_orders(request.caller.account, statuses=tuple(wanted) or orders.LIVE,
                              market=market.id if market else None, page=page,
                              since_ms=request.query_time_ms("start_date"), until_ms=request.query_time_ms("end_date"),
                              sorted_by=request.query_choice("sortedBy", orders.SORT_KEYS, "created_at"),
                              descending=request.query_choice("sorting", ("asc", "desc"), "desc") == "desc")
    return page.answer(rows, [order_object(row, request.caller.profile_id) for row in rows])
