"""PUT /orders/{order_id}, also as /orders/client:{client_oid}: a new price or a new total size of an open order.

    parse -> market online? -> price within the band? -> [raise the hold, note the amend] durable -> send -> answer

The size is the whole order's, with what it has traded. The engine decides when it takes the amend up: a smaller size keeps the
order's place, everything else loses it, and a size that has traded already ends the order. What comes of it follows on the
feed.
"""

from exchange.adapters.postgres.amends import amend_name, request_amend
from exchange.adapters.postgres.connection import DatabaseUnavailable
from exchange.api.door import operation
from exchange.api.errors import BadRequest, Unavailable
from exchange.api.order_ids import own_order
from exchange.api.placing import open_status, refuse_far_price, send
from exchange.api.render import order_object
from exchange.api.request import Request
from exchange.markets import listing
from exchange.order_terms import SIDES, OrderRefused
from exchange.orders import amend_command, parse_amend


@operation(scope="trade", bucket="orders")
def lambda_handler(request: Request) -> dict:
    """The order as it stands, with `new_price` and `new_size` as asked for."""
    row = own_order(request)
    market = listing().markets[row["market"]]
    try:
        terms = parse_amend(request.json(), row, market)
        open_status(market)
        if terms.price_ticks not in (None, market.price_ticks(row["price"])) and row["status"] == "open":
            refuse_far_price(market, row["side"], terms.price_ticks)
        amend = amend_command(terms, market, order_id=row["id"], account=request.caller.account, now_ms=request.received_at_ms)
        request_amend(amend, market, SIDES[row["side"]])
    except OrderRefused as refused:
        raise BadRequest(refused.message, refused.code) from None
    except DatabaseUnavailable:
        raise Unavailable(f"the outcome is unknown: look at order {row['id']} before you amend it again",
                          "outcome_unknown") from None
    send(market.id, [amend.pack()], dedup_id=amend_name(amend))
    shown = order_object(row, request.caller.profile_id)
    if amend.price_ticks:
        shown["new_price"] = market.format_price(amend.price_ticks)
    if amend.size_lots:
        shown["new_size"] = market.format_size(amend.size_lots)
    return shown
