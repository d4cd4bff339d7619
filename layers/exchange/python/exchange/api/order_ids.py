"""Order ids in paths and product ids in queries, as clients write them."""

from exchange.adapters.postgres import orders
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request, parse_uuid
from exchange.markets import Market, listing

CLIENT_PREFIX = "client:"


def own_order(request: Request) -> dict:
    """The caller's order that the path names, by id or as `client:` and its client_oid. Raises BadRequest, NotFound."""
    text = request.path_parameter("order_id").replace("%3A", ":").replace("%3a", ":")
    by_client = text.startswith(CLIENT_PREFIX)
    uuid = parse_uuid(text.removeprefix(CLIENT_PREFIX))
    if uuid is None:
        raise BadRequest("Invalid order id", "invalid_order_id")
    row = orders.find(request.caller.account, **({"client_oid": uuid} if by_client else {"order_id": uuid}))
    if row is None:
        raise NotFound("order not found", "order_not_found")
    return row


def market_in(product_id: object) -> Market | None:
    """The listed market of a product id, None for none; some clients write BTC/USD. BadRequest for an unlisted one."""
    if product_id is None or product_id == "":
        return None
    market = listing().markets.get(product_id.replace("/", "-")) if isinstance(product_id, str) else None
    if market is None:
        raise BadRequest("Product not found", "product_not_found")
    return market
