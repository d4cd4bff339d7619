"""Order ids in paths and product ids in queries, as clients write them."""

from uuid import UUID

from exchange.adapters.postgres import orders
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request, parse_uuid
from exchange.markets import Market, listing

CLIENT_PREFIX = "client:"


def own_order(request: Request) -> dict:
    """The caller's order that the path names, by id or as `client:` and its client_oid. Raises BadRequest, NotFound."""
    named = parse_order_id(request.path_parameter("order_id").replace("%3A", ":").replace("%3a", ":"))
    if named is None:
        raise BadRequest("Invalid order id", "invalid_order_id")
    order_id, client_oid = named
    row = orders.find(request.caller.account, order_id=order_id, client_oid=client_oid)
    if row is None:
        raise NotFound("order not found", "order_not_found")
    return row


def parse_order_id(text: str) -> tuple[UUID | None, UUID | None] | None:
    """(order id, None), or (None, client_oid) where the text is `client:` and one; None for neither."""
    uuid = parse_uuid(text.removeprefix(CLIENT_PREFIX))
    if uuid is None:
        return None
    return (None, uuid) if text.startswith(CLIENT_PREFIX) else (uuid, None)


def market_in(product_id: object) -> Market | None:
    """The listed market of a product id, None for none; some clients write BTC/USD. BadRequest for an unlisted one."""
    if product_id is None or product_id == "":
        return None
    market = listing().markets.get(product_id.replace("/", "-")) if isinstance(product_id, str) else None
    if market is None:
        raise BadRequest("Product not found", "product_not_found")
    return market
