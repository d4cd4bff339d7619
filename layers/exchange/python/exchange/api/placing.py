"""What every way to place orders shares: from a body to an order with its hold, and from what stands to the answer.

Called by the order operations of the API. Nothing here writes: `adapters.postgres.orders` does.
"""

import logging
import os
import time
from uuid import UUID, uuid4

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.adapters.postgres import orders
from exchange.adapters.postgres.fee_rates import fee_rates
from exchange.api.render import order_object
from exchange.api.request import Caller
from exchange.commands import encode_message
from exchange.market_modes import ONLINE, Status, refuse_in_auction
from exchange.markets import Market, listing
from exchange.order_terms import OrderRefused, OrderTerms, parse_order
from exchange.orders import NewOrder, Touch, build_order, refuse_outside_band

logger = logging.getLogger("exchange.placing")
market_status = MarketStatus()

# The last trade's price is good enough for a second, and asked for no more often. While the views do not answer nobody waits.
LAST_TRADE_KEPT_S, PAUSE_S = 1, 30
_last_trades: dict[str, tuple[float, int | None]] = {}  # market -> (when to ask again, price in ticks)


def open_status(market: Market) -> Status:
    """The market's status. Raises OrderRefused where it takes cancels only. What would refuse is read anew: who has just been
    told that the market is open must not be refused by a row of a second ago."""
    status = market_status.get(market.id)
    if status.status != ONLINE:
        status = market_status.newest(market.id)
    if status.halted:
        raise OrderRefused("cancel_only", f"Cancel only mode: {market.id} is halted")
    return status


def refuse_far_price(market: Market, side: str, price_ticks: int) -> None:
    """Raises OrderRefused for a limit outside the market's band, as far as the last trade is known here."""
    refuse_outside_band(market, side, price_ticks, _last_trade(market.id))


class RepeatedOrder(Exception):
    """By now it would be refused, but it stands: it was placed before under the same client_oid. `answer`: as an object."""

    def __init__(self, answer: dict) -> None:
        super().__init__(answer["id"])
        self.answer = answer


def new_order(body: dict, caller: Caller, now_ms: int, *, sent_in: UUID | None = None) -> NewOrder:
    """The order that a body asks for, ready to be placed. Raises OrderRefused; RepeatedOrder; ViewsUnavailable where it needs
    the market's prices and they cannot be read."""
    terms = parse_order(body, listing())
    try:
        return _new_order(terms, caller, now_ms, sent_in)
    except OrderRefused:
        # Who repeats an order because its answer was lost must learn that it stands, whatever has become of the market.
        standing = orders.find(caller.account, client_oid=terms.client_oid) if terms.client_oid else None
        if standing is None:
            raise
        raise RepeatedOrder(_same_order(caller, standing, terms)) from None


def _new_order(terms: OrderTerms, caller: Caller, now_ms: int, sent_in: UUID | None) -> NewOrder:
    market = terms.market
    status = open_status(market)
    if terms.type == "limit" and terms.stop is None:  # what waits for its stop price is looked at by nobody before it is met
        refuse_far_price(market, terms.side, terms.price_ticks)
    maker_ppm, taker_ppm = fee_rates(caller.account, market)
    order = build_order(terms, order_id=uuid4(), account=caller.account, now_ms=now_ms, maker_fee_ppm=maker_ppm,
                        taker_fee_ppm=taker_ppm, touch=_touch(market.id) if terms.needs_touch else None, sent_in=sent_in)
    refuse_in_auction(status, order.command, market.id)
    return order


def what_stands(caller: Caller, order: NewOrder, standing: UUID | None) -> dict | None:
    """None for an order that was placed; the earlier one that used its client_oid, if it asked for the same. `standing`: what
    `orders.place` answered. Raises OrderRefused where neither stands."""
    if standing == order.id:
        return None
    if standing is None:
        raise OrderRefused("insufficient_funds", "Insufficient funds")
    if standing == orders.TOO_MANY_OPEN:
        market = order.terms.market
        raise OrderRefused("too_many_open_orders", f"an account has at most {market.max_open_orders} open orders in"
                                                   f" {market.id}; cancel one first")
    return _same_order(caller, orders.find(caller.account, order_id=standing), order.terms)


def _same_order(caller: Caller, row: dict, terms: OrderTerms) -> dict:
    """An end that was counted from the order's arrival is another each time, and is not compared."""
    asked = (terms.market.id, terms.side, terms.type, terms.time_in_force, terms.stp, terms.post_only, terms.stop,
             *terms.decimals(), *terms.more_decimals())
    if asked != tuple(row[name] for name in ("market", "side", "type", "time_in_force", "stp", "post_only", "stop", "price",
                                             "size", "specified_funds", "stop_price", "display_size")):
        raise OrderRefused("duplicate_client_oid", "client_oid was used before, for a different order")
    return order_object(row, caller.profile_id)


def send(market: str, records: list[bytes], *, dedup_id: str, resent: bool = False) -> bool:
    """Puts the records of commands that are durable into their market's queue; whether that worked. If not, the sweep sends
    them again: what was acknowledged stands, and an error here would invite a second order. `resent`: the sweep sends all of
    them again, so the queue need not have them on disk."""
    try:
        command_queue().send(queue=f"{os.environ['COMMAND_QUEUE_URL_PREFIX']}{market}.fifo", group=market, dedup_id=dedup_id,
                             body=encode_message(records), resent=resent)
    except Exception as fault:  # noqa: BLE001 - whatever failed, the sweep sends it again
        logger.error("%s is durable but was not sent, the sweep will: %r", dedup_id, fault)
        return False
    return True


def _touch(market: str) -> Touch:
    from exchange.adapters.redis.market_views import MarketViews  # only market orders need the client

    return Touch(*MarketViews().best(market))


def _last_trade(market: str) -> int | None:
    """In ticks, perhaps a second old; None where it is not known. The engine looks again, at the price that it is then."""
    ask_at_s, found = _last_trades.get(market, (0.0, None))
    now_s = time.monotonic()
    if now_s >= ask_at_s and "REDIS_URL" in os.environ:
        from exchange.adapters.redis.connection import ViewsUnavailable

        try:
            found, kept_s = _touch(market).last_ticks, LAST_TRADE_KEPT_S
        except ViewsUnavailable:
            found, kept_s = None, PAUSE_S
        _last_trades[market] = now_s + kept_s, found
    return found
