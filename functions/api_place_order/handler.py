"""POST /orders: order and hold in one transaction, then the order into its market's queue.

    parse -> market online? -> [order row + hold] durable -> send -> answer `pending`

The answer is owed to what is durable. Once row and hold are committed the order stands, and a failed send changes nothing
about that: the sweep sends every order that stays pending again, and the engine's answer resolves it and its hold. So a
send that fails is logged and the trader gets the pending order; an error here would invite a second order.
"""

import logging
import os
from uuid import UUID, uuid4

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.adapters.postgres import orders
from exchange.adapters.postgres.connection import DatabaseUnavailable
from exchange.adapters.postgres.fee_rates import fee_rates
from exchange.api.door import operation
from exchange.api.errors import BadRequest, Unavailable
from exchange.api.render import order_object, placed_order
from exchange.api.request import Request
from exchange.commands import encode_message
from exchange.market_modes import refuse_in_auction
from exchange.markets import listing
from exchange.orders import NewOrder, OrderRefused, OrderTerms, Touch, build_order, parse_order

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]

logger = logging.getLogger("exchange.api_place_order")
market_status = MarketStatus()
listing()


@operation(scope="trade")
def lambda_handler(request: Request) -> dict:
    """The order as a JSON object with status `pending`."""
    caller = request.caller
    try:
        terms = parse_order(request.json(), listing())
        market = terms.market
        status = market_status.get(market.id)
        if status.halted:
            raise OrderRefused("cancel_only", f"Cancel only mode: {market.id} is halted")
        maker_ppm, taker_ppm = fee_rates(caller.account, market)
        order = build_order(terms, order_id=uuid4(), account=caller.account, now_ms=request.received_at_ms,
                            maker_fee_ppm=maker_ppm, taker_fee_ppm=taker_ppm,
                            touch=_touch(market.id) if terms.type == "market" else None)
        refuse_in_auction(status, order.command, market.id)
        standing = _place(order)
        if standing is None:
            raise OrderRefused("insufficient_funds", "Insufficient funds")
    except OrderRefused as refused:
        raise BadRequest(refused.message, refused.code) from None
    if standing != order.id:
        return _earlier_order(caller, standing, terms)
    _send(order)
    return placed_order(order, caller.profile_id)


def _place(order: NewOrder) -> UUID | None:
    try:
        return orders.place(order)
    except DatabaseUnavailable:
        # The commit may have happened before the connection broke; then the order stands and will be matched.
        raise Unavailable(f"the outcome is unknown: look for order {order.id} before you send another",
                          "outcome_unknown") from None


def _touch(market: str) -> Touch:
    from exchange.adapters.redis.market_views import MarketViews  # only market orders need the client

    return Touch(*MarketViews().best(market))


def _earlier_order(caller, order_id, terms: OrderTerms) -> dict:
    """The order that used this client_oid before, if it asked for the same."""
    row = orders.find(caller.account, order_id=order_id)
    asked = (terms.market.id, terms.side, terms.type, terms.time_in_force, terms.stp, terms.post_only, *terms.decimals())
    if asked != tuple(row[name] for name in ("market", "side", "type", "time_in_force", "stp", "post_only", "price", "size",
                                             "specified_funds")):
        raise BadRequest("client_oid was used before, for a different order", "duplicate_client_oid")
    return order_object(row, caller.profile_id)


def _send(order: NewOrder) -> None:
    try:
        command_queue().send(queue=f"{PREFIX}{order.terms.market.id}.fifo", group=order.terms.market.id,
                             dedup_id=str(order.id), body=encode_message([order.command.pack()]))
    except Exception as fault:  # noqa: BLE001 - whatever failed, the order stands and the sweep sends it again
        logger.error("order %s is durable but was not sent, the sweep will: %r", order.id, fault)
