"""GET /orders: the caller's orders, newest first; by status (repeatable; live ones if none is given) and product."""

from exchange.adapters.postgres import orders
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest
from exchange.api.order_ids import market_in
from exchange.api.pages import page_of
from exchange.api.render import order_object
from exchange.api.request import Request

STATUSES = {"open": ("open",), "pending": ("pending",), "active": ("active",), "done": ("done",),
            "all": (*orders.LIVE, "done")}


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """A page of order objects."""
    wanted: dict[str, None] = {}
    for name in (name for value in request.query_all("status") for name in value.split(",")):
        if name not in STATUSES:
            raise BadRequest(f"status is {name[:40]!r}, wanted {', '.join(STATUSES)}", "invalid_status")
        wanted.update(dict.fromkeys(STATUSES[name]))
    market, page = market_in(request.query("product_id")), page_of(request)
    rows = orders.list_orders(request.caller.account, statuses=tuple(wanted) or orders.LIVE,
                              market=market.id if market else None, page=page)
    return page.answer(rows, [order_object(row, request.caller.profile_id) for row in rows])
