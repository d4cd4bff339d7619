"""From the body of `POST /orders` to an order: its terms, its hold and the command for the core.

Pure: time, ids, rates and the touch come in, nothing is looked up. Every refusal is an `OrderRefused` with a stable code
and a message that keeps the words real clients match on (docs/API.md). Two steps, so that a repeated `client_oid` can be
compared by its terms: `parse_order` reads the body, `build_order` adds what depends on the moment.

A market order always carries a worst price, the touch plus or minus the market's band, rounded towards the touch; where
nobody is on the other side the last trade stands in for the touch. It bounds what a market buy by size can cost (I2) and
what a sell by funds can sell.
"""

from dataclasses import dataclass
from uuid import UUID

from exchange.commands import POST_ONLY, Command, CommandKind, OrderType, Side, Stp, TimeInForce
from exchange.fees import PPM, spendable
from exchange.holds import hold_asset, needed_units
from exchange.markets import MAX_NOTIONAL, MAX_SCALE, Listing, Market
from exchange.money import MoneyError, TooPrecise

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
TIMES_IN_FORCE = {name: TimeInForce[name] for name in ("GTC", "IOC", "FOK")}
STPS = {"dc": Stp.DECREASE_AND_CANCEL, "co": Stp.CANCEL_OLDEST, "cn": Stp.CANCEL_NEWEST, "cb": Stp.CANCEL_BOTH}

# Fields of order kinds that have their own issue: refused when given, so that nobody believes them to be in force.
_UNSUPPORTED = ("stop", "stop_price", "stop_limit_price", "cancel_after", "expire_time", "display_size", "max_floor")


class OrderRefused(ValueError):
    """The order cannot be placed. `message` is for people and keeps the clients' words, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid, best ask and last trade price in ticks; None where there is none."""

    bid_ticks: int | None = None
    ask_ticks: int | None = None
    last_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What the trader asked for. A limit order has price and size, a market order either size or funds (in units)."""

    market: Market
    side: str
    type: str
    time_in_force: str
    stp: str
    post_only: bool
    price_ticks: int | None
    size_lots: int | None
    funds_units: int | None
    client_oid: UUID | None

    def decimals(self) -> tuple[str | None, str | None, str | None]:
        """(price, size, funds as given) with exactly 8 digits after the point, as the ledger stores them."""
        market = self.market
        return (_eight(market.format_price(self.price_ticks)) if self.price_ticks is not None else None,
                _eight(market.format_size(self.size_lots)) if self.size_lots is not None else None,
                _eight(market.quote.format(self.funds_units)) if self.funds_units is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order ready to be placed. `hold_units` of `hold_asset`; `funds_units`: of an order by funds, without the fee."""

    id: UUID
    account: int
    terms: OrderTerms
    hold_asset: str
    hold: str
    hold_units: int
    funds_units: int | None
    created_at_ms: int
    command: Command


def parse_order(body: dict, listing: Listing) -> OrderTerms:
    """The terms in a parsed JSON body (numbers: str, int or Decimal; null counts as absent). Raises OrderRefused."""
    given = {name: value for name, value in body.items() if value is not None}
    product_id = given.get("product_id")
    market = listing.markets.get(product_id) if isinstance(product_id, str) else None
    if market is None:
        raise OrderRefused("product_not_found", "Product not found")
    side = _choice(given, "side", SIDES, None)
    kind = given.get("type", "limit")
    if kind == "stop":
        raise OrderRefused("not_supported", "type stop is not supported yet")
    kind = _choice(given, "type", TYPES, "limit")
    for name in _UNSUPPORTED:
        if name in given:
            raise OrderRefused("not_supported", f"{name} is not supported yet")
    if given.get("time_in_force") == "GTT":
        raise OrderRefused("not_supported", "time_in_force GTT is not supported yet")
    time_in_force = _choice(given, "time_in_force", TIMES_IN_FORCE, "GTC")
    stp = _choice(given, "stp", STPS, "dc")
    post_only = _flag(given, "post_only")
    if kind == "market":
        # A market order never rests, whatever the client wrote.
        time_in_force = "IOC"
    if post_only and time_in_force != "GTC":
        raise OrderRefused("invalid_post_only", "post_only is for limit orders with time_in_force GTC")
    price_ticks = size_lots = funds_units = None
    if kind == "limit":
        _refuse_present(given, "funds", "is for market orders, a limit order has price and size")
        price_ticks, size_lots = _price(given, market), _size(given, market)
        if market.value_units(price_ticks * size_lots) < market.quote.parse(market.min_funds):
            raise OrderRefused("funds_too_small", f"size is too small: price x size is less than {market.min_funds}"
                                                  f" {market.quote.id}")
    else:
        _refuse_present(given, "price", "is for limit orders, a market order has size or funds")
        if ("size" in given) == ("funds" in given):
            raise OrderRefused("invalid_size", "a market order has either size or funds")
        if "size" in given:
            size_lots = _size(given, market)
        else:
            funds_units = _funds(given, market)
    return OrderTerms(market=market, side=side, type=kind, time_in_force=time_in_force, stp=stp, post_only=post_only,
                      price_ticks=price_ticks, size_lots=size_lots, funds_units=funds_units,
                      client_oid=_client_oid(given))


def build_order(terms: OrderTerms, *, order_id: UUID, account: int, now_ms: int, maker_fee_ppm: int,
                taker_fee_ppm: int, touch: Touch | None = None) -> NewOrder:
    """The order with its hold and command. `touch` is needed for market orders only. Raises OrderRefused."""
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
        kind=CommandKind.PLACE, issued_at_ms=now_ms, order_id=order_id, account=account, side=side,
        order_type=TYPES[terms.type], time_in_force=TIMES_IN_FORCE[terms.time_in_force], stp=STPS[terms.stp],
        flags=POST_ONLY if terms.post_only else 0, price_ticks=price_ticks, size_lots=terms.size_lots or 0, funds=funds,
        maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm,
        **({"client_oid": terms.client_oid} if terms.client_oid else {}))
    if side == Side.BUY and terms.funds_units is not None:
        hold_units = terms.funds_units
    else:
        hold_units = needed_units(market, command, lots=command.size_lots, funds=funds)
    if hold_units <= 0:
        raise OrderRefused("size_too_small", f"size is too small: the funds buy less than {market.base_increment}")
    asset = hold_asset(market, side)
    return NewOrder(id=order_id, account=account, terms=terms, hold_asset=asset.id, hold=asset.format(hold_units),
                    hold_units=hold_units, funds_units=funds_units, created_at_ms=now_ms, command=command)


def _worst_price(terms: OrderTerms, touch: Touch) -> int:
    """The worst price in ticks a market order may trade at; 0, no bound, for a sell by size into a market without prices."""
    market = terms.market
    if terms.side == "buy":
        reference = touch.ask_ticks or touch.last_ticks
        worst = reference * (PPM + market.price_band_ppm) // PPM if reference else 0
    else:
        reference = touch.bid_ticks or touch.last_ticks
        worst = max(1, -(-reference * (PPM - market.price_band_ppm) // PPM)) if reference else 0
    bounded_by_price = terms.side == "buy" if terms.size_lots is not None else terms.side == "sell"
    if not reference and bounded_by_price:
        raise OrderRefused("no_reference_price", f"{market.id} has no reference price for a market order: no"
                                                 f" {'asks' if terms.side == 'buy' else 'bids'} and no trades")
    if reference and terms.size_lots is not None and (
            market.value_units(reference * terms.size_lots) < market.quote.parse(market.min_funds)):
        raise OrderRefused("funds_too_small", f"size is too small: its value is less than {market.min_funds}"
                                              f" {market.quote.id}")
    # The core computes price x size in 64 bits; the listing guarantees it up to the market's largest price.
    return min(worst, market.price_ticks(market.max_price))


def _choice(given: dict, name: str, choices: dict, default: str | None) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or value not in choices:
        found = "missing" if value is None else f"{value!r}"[:40]
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: {found}, wanted {' or '.join(choices)}")
    return value


def _flag(given: dict, name: str) -> bool:
    value = given.get(name, False)
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: wanted true or false")
    return value


def _price(given: dict, market: Market) -> int:
    ticks = _steps(given, "price", market.price_ticks)
    if ticks <= 0:
        raise OrderRefused("price_too_small", f"price too small: the least is {market.quote_increment}")
    if ticks > market.price_ticks(market.max_price):
        raise OrderRefused("price_too_large", f"price is too large: the most is {market.max_price}")
    return ticks


def _size(given: dict, market: Market) -> int:
    lots = _steps(given, "size", market.size_lots)
    if lots <= 0:
        raise OrderRefused("size_too_small", f"size is too small: the least is {market.base_increment}")
    if lots > market.size_lots(market.max_size):
        raise OrderRefused("size_too_large", f"size is too large: the most is {market.max_size}")
    return lots


def _funds(given: dict, market: Market) -> int:
    units = _steps(given, "funds", market.quote.parse)
    if units < market.quote.parse(market.min_funds):
        raise OrderRefused("funds_too_small", f"funds is too small: the least is {market.min_funds} {market.quote.id}")
    most = market.value_units(market.price_ticks(market.max_price) * market.size_lots(market.max_size))
    if units > most:
        raise OrderRefused("funds_too_large", f"funds is too large: the most is {market.quote.format(most)}")
    return units


def _steps(given: dict, name: str, convert) -> int:
    if name not in given:
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: missing")
    try:
        return convert(given[name])
    except TooPrecise as error:
        raise OrderRefused(f"{name}_too_precise", f"{name} too precise: {error}") from None
    except MoneyError as error:
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: {error}") from None


def _refuse_present(given: dict, name: str, why: str) -> None:
    if name in given:
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: {name} {why}")


def _client_oid(given: dict) -> UUID | None:
    value = given.get("client_oid")
    if value is None or value == "":
        return None
    try:
        oid = UUID(value) if isinstance(value, str) and len(value) in (32, 36) else UUID(int=0)
    except ValueError:
        oid = UUID(int=0)
    if oid.int == 0:
        raise OrderRefused("invalid_client_oid", "Invalid client_oid: wanted a UUID")
    return oid


def _eight(text: str) -> str:
    """Decimal text with its digits after the point filled up to 8."""
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.ljust(MAX_SCALE, '0')}"
