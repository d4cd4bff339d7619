"""From an order's terms to the order: its hold, its end and the command for the core.

Pure: time, ids, rates and the touch come in, nothing is looked up. Two steps, so that a repeated `client_oid` can be compared
by its terms: `order_terms.parse_order` reads the body, `build_order` adds what depends on the moment.

A market order always carries a worst price, the touch plus or minus the market's band, rounded towards the touch; where
nobody is on the other side the last trade stands in for the touch, and of a stop the stop price, where that is farther away. It
bounds what a market buy by size can cost (I2) and what a sell by funds can sell. A stop that sells by size has none, since it
needs none; the core's collar still keeps it near the price that it finds.

The engine refuses a command that is older than STALE_AFTER_MS. An order with a deadline is issued, as far as the engine can
tell, so long before it.
"""

from dataclasses import dataclass
from uuid import UUID

from exchange.commands import POST_ONLY, STALE_AFTER_MS, STOP_ENTRY, Command, CommandKind, OrderType, Side
from exchange.fees import PPM, spendable
from exchange.holds import hold_asset, needed_units
from exchange.markets import MAX_NOTIONAL, Market
from exchange.order_terms import (
    SIDES,
    STPS,
    TIMES_IN_FORCE,
    OrderRefused,
    OrderTerms,
    parse_order,
    price_of,
    require_worth,
    size_of,
    time_of,
)

__all__ = ["AmendTerms", "NewOrder", "OrderRefused", "OrderTerms", "Touch", "amend_command", "band_bp", "build_order",
           "parse_amend", "parse_order", "refuse_outside_band"]

# (is a stop, type) -> what the core calls it
_ORDER_TYPES = {(False, "limit"): OrderType.LIMIT, (False, "market"): OrderType.MARKET,
                (True, "limit"): OrderType.STOP_LIMIT, (True, "market"): OrderType.STOP_MARKET}


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid, best ask and last trade price in ticks; None where there is none."""

    bid_ticks: int | None = None
    ask_ticks: int | None = None
    last_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order ready to be placed. `hold_units` of `hold_asset`; `funds_units`: of an order by funds, without the fee.
    `sent_in`: the message it shares with others; None for one that is sent alone, under its own id."""

    id: UUID
    account: int
    terms: OrderTerms
    hold_asset: str
    hold: str
    hold_units: int
    funds_units: int | None
    created_at_ms: int
    command: Command
    sent_in: UUID | None = None


def build_order(terms: OrderTerms, *, order_id: UUID, account: int, now_ms: int, maker_fee_ppm: int,
                taker_fee_ppm: int, touch: Touch | None = None, sent_in: UUID | None = None) -> NewOrder:
    """The order with its hold and command. `touch` is needed where the terms say so. Raises OrderRefused."""
    market, side = terms.market, SIDES[terms.side]
    price_ticks, funds, funds_units = terms.price_ticks or 0, 0, None
    if terms.type == "market":
        price_ticks = _worst_price(terms, touch or Touch())
    if terms.funds_units is not None:
        spend = spendable(terms.funds_units, taker_fee_ppm) if side == Side.BUY else terms.funds_units
        funds = spend // market.unit_per_tick_lot
        if funds > MAX_NOTIONAL:
            raise OrderRefused("funds_too_large", f"funds is too large for {market.id}")
        funds_units = market.value_units(funds)
    command = Command(
        kind=CommandKind.PLACE, issued_at_ms=_issued_at(terms.deadline_ms, now_ms), order_id=order_id, account=account,
        side=side, order_type=_ORDER_TYPES[terms.stop is not None, terms.type],
        time_in_force=TIMES_IN_FORCE[terms.time_in_force], stp=STPS[terms.stp],
        flags=(POST_ONLY if terms.post_only else 0) | (STOP_ENTRY if terms.stop == "entry" else 0),
        collar_bp=band_bp(market, terms.type), price_ticks=price_ticks, size_lots=terms.size_lots or 0, funds=funds,
        stop_price_ticks=terms.stop_price_ticks or 0, display_lots=terms.display_lots or 0,
        expire_at_ms=_expire_at(terms, now_ms), maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm,
        **({"client_oid": terms.client_oid} if terms.client_oid else {}))
    if side == Side.BUY and terms.funds_units is not None:
        hold_units = terms.funds_units
    else:
        hold_units = needed_units(market, command, lots=command.size_lots, funds=funds)
    if hold_units <= 0:
        raise OrderRefused("size_too_small", f"size is too small: the funds buy less than {market.base_increment}")
    asset = hold_asset(market, side)
    return NewOrder(id=order_id, account=account, terms=terms, hold_asset=asset.id, hold=asset.format(hold_units),
                    hold_units=hold_units, funds_units=funds_units, created_at_ms=now_ms, command=command, sent_in=sent_in)


def band_bp(market: Market, kind: str) -> int:
    """The collar that a command brings, in hundredths of a percent: how far a market order may go from the price it finds, or
    how far beyond the last trade a limit may be."""
    return (market.price_band_ppm if kind == "market" else market.limit_band_ppm) // 100


def refuse_outside_band(market: Market, side: str, price_ticks: int, last_ticks: int | None) -> None:
    """Raises OrderRefused for a limit that the engine would refuse as well, if `last_ticks` is the last trade's price there."""
    if last_ticks is None:
        return
    width = last_ticks * band_bp(market, "limit") // 10_000
    if side == "buy":
        farthest, word, outside = last_ticks + width, "most", price_ticks > last_ticks + width
    else:
        farthest, word, outside = last_ticks - width, "least", price_ticks < last_ticks - width
    if outside:
        raise OrderRefused("outside_band", f"price is too far from the last trade: the {word} is"
                                           f" {market.format_price(farthest)}")


def _issued_at(deadline_ms: int | None, now_ms: int) -> int:
    if deadline_ms is None:
        return now_ms
    if deadline_ms <= now_ms:
        raise OrderRefused("deadline_passed", "deadline has passed")
    return min(now_ms, deadline_ms - STALE_AFTER_MS)


def _expire_at(terms: OrderTerms, now_ms: int) -> int:
    if terms.expire_after_ms is not None:
        return now_ms + terms.expire_after_ms
    if terms.expire_at_ms is None:
        return 0
    if terms.expire_at_ms <= now_ms:
        raise OrderRefused("invalid_expire_time", "Invalid expire_time: it has passed")
    return terms.expire_at_ms


def _reference(terms: OrderTerms, touch: Touch) -> int:
    """The price in ticks from which a market order's worst price is reckoned; 0 for none. A stop that waits for the market to
    come to it starts from its stop price; one that the market has passed already starts from the market."""
    buys = terms.side == "buy"
    found = (touch.ask_ticks if buys else touch.bid_ticks) or touch.last_ticks or 0
    if terms.stop_price_ticks is None:
        return found
    if buys:
        return max(terms.stop_price_ticks, found) if terms.stop == "entry" else terms.stop_price_ticks
    return min(terms.stop_price_ticks, found or terms.stop_price_ticks) if terms.stop == "loss" else terms.stop_price_ticks


def _worst_price(terms: OrderTerms, touch: Touch) -> int:
    """The worst price in ticks a market order may trade at; 0, no bound, for a sell by size without reference or of a stop."""
    market = terms.market
    reference = _reference(terms, touch)
    bounded_by_price = terms.side == "buy" if terms.size_lots is not None else terms.side == "sell"
    if not reference and bounded_by_price:
        raise OrderRefused("no_reference_price", f"{market.id} has no reference price for a market order: no"
                                                 f" {'asks' if terms.side == 'buy' else 'bids'} and no trades")
    if reference and terms.size_lots is not None and (
            market.value_units(reference * terms.size_lots) < market.quote.parse(market.min_funds)):
        raise OrderRefused("funds_too_small", f"size is too small: its value is less than {market.min_funds}"
                                              f" {market.quote.id}")
    if not reference or (terms.stop is not None and not bounded_by_price):
        return 0
    if terms.side == "buy":
        worst = reference * (PPM + market.price_band_ppm) // PPM
    else:
        worst = max(1, -(-reference * (PPM - market.price_band_ppm) // PPM))
    # The core computes price x size in 64 bits; the listing guarantees it up to the market's largest price.
    return min(worst, market.price_ticks(market.max_price))


@dataclass(frozen=True, slots=True)
class AmendTerms:
    """What an amend asks for; None keeps what is. `size_lots`: of the whole order, with what it has traded."""

    price_ticks: int | None
    size_lots: int | None
    deadline_ms: int | None


def parse_amend(body: dict, row: dict, market: Market) -> AmendTerms:
    """The terms of `PUT /orders/{id}` for the order `row` (as the ledger has it). Raises OrderRefused."""
    given = {name: value for name, value in body.items() if value is not None}
    if "price" not in given and "size" not in given:
        raise OrderRefused("invalid_amend", "an amend has a price or a size, or both")
    if row["status"] == "done":
        raise OrderRefused("order_already_done", "Order already done")
    if row["type"] != "limit":
        raise OrderRefused("invalid_amend", "only a limit order can be amended")
    price_ticks = price_of(given, "price", market) if "price" in given else None
    size_lots = size_of(given, "size", market) if "size" in given else None
    require_worth(market, price_ticks or market.price_ticks(row["price"]), size_lots or market.size_lots(row["size"]))
    return AmendTerms(price_ticks, size_lots, time_of(given, "deadline"))


def amend_command(terms: AmendTerms, market: Market, *, order_id: str, account: int, now_ms: int) -> Command:
    """The AMEND of an order. Raises OrderRefused for a deadline that has passed."""
    return Command(kind=CommandKind.AMEND, issued_at_ms=_issued_at(terms.deadline_ms, now_ms), order_id=UUID(order_id),
                   account=account, collar_bp=band_bp(market, "limit"), price_ticks=terms.price_ticks or 0,
                   size_lots=terms.size_lots or 0)
