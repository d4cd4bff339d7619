"""GET /fills: the caller's fills of an order or a product, newest first."""

from exchange.adapters.postgres import orders
from exchange.api.door import Response, operation
from exchange.api.errors import BadRequest
from exchange.api.order_ids import market_in
from exchange.api.pages import page_of
from exchange.api.render import fill_object
from exchange.api.request import Request, parse_uuid


@operation(scope="view")
def lambda_handler(request: Request) -> Response:
    """A page of fill objects; at least one of `order_id` and `product_id` must be given."""
    market, asked = market_in(request.query("product_id")), request.query("order_id")
    if market is None and asked is None:
        raise BadRequest("order_id or product_id is required", "bad_query")
    order_id = parse_uuid(asked) if asked is not None else None
    if asked is not None and order_id is None:
        raise BadRequest("Invalid order id", "invalid_order_id")
    caller, page = request.caller, page_of(request)
    rows = orders.list_fills(caller.account, order_id=order_id, market=market.id if market else None, page=page,
                             since_ms=request.query_time_ms("start_date"), until_ms=request.query_time_ms("end_date"))
    return page.answer(rows, [fill_object(row, caller.user_id, caller.profile_id) for row in rows])
