"""What a trader asks for: from the body of `POST /orders` to an order's terms.

Pure: nothing is looked up and no clock is read. Every refusal is an `OrderRefused` with a stable code and a message that
keeps the words real clients match on (docs/API.md). A field that is given and would have no effect is refused, so that nobody
believes it to be in force.

Stop orders come in several ways, all of which name a stop price and perhaps a limit:

    type           stop price              limit                                      becomes
    limit          stop_price              price, or stop_limit_price                 a stop with a limit
    market         stop_price              none                                       a stop without one
    stop           stop_price, or price    stop_limit_price; price beside stop_price  either

`stop` says whether it is met at or below the price (`loss`) or at or above it (`entry`); without it a sell is a loss, a buy
an entry.
"""

from dataclasses import dataclass
from uuid import UUID

from exchange.commands import Side, Stp, TimeInForce
from exchange.markets import MAX_SCALE, Listing, Market
from exchange.money import MoneyError, TooPrecise
from exchange.times import BadTime, parse_time_ms

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TYPES = ("limit", "market", "stop")
TIMES_IN_FORCE = {name: TimeInForce[name] for name in ("GTC", "GTT", "IOC", "FOK")}
STPS = {"dc": Stp.DECREASE_AND_CANCEL, "co": Stp.CANCEL_OLDEST, "cn": Stp.CANCEL_NEWEST, "cb": Stp.CANCEL_BOTH}
STOPS = ("loss", "entry")
CANCEL_AFTER_MS = {"min": 60_000, "hour": 3_600_000, "day": 86_400_000}
RESTING = ("GTC", "GTT")


class OrderRefused(ValueError):
    """The order cannot be placed. `message` is for people and keeps the clients' words, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What the trader asked for. `type` is limit or market, also of a stop order. A limit order has price and size, a market
    order either size or funds (in units). A GTT order ends at `expire_at_ms`, or `expire_after_ms` after its arrival."""

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
    stop: str | None = None
    stop_price_ticks: int | None = None
    display_lots: int | None = None
    expire_after_ms: int | None = None
    expire_at_ms: int | None = None
    deadline_ms: int | None = None

    @property
    def needs_touch(self) -> bool:
        """Whether its hold depends on the market's prices."""
        return self.type == "market"

    @property
    def may_rest(self) -> bool:
        """Whether it can be on the book for longer than its own command: resting, or waiting as a stop."""
        return self.stop is not None or (self.type == "limit" and self.time_in_force in ("GTC", "GTT"))

    def decimals(self) -> tuple[str | None, str | None, str | None]:
        """(price, size, funds as given) with exactly 8 digits after the point, as the ledger stores them."""
        return self._price(self.price_ticks), self._size(self.size_lots), (
            _eight(self.market.quote.format(self.funds_units)) if self.funds_units is not None else None)

    def more_decimals(self) -> tuple[str | None, str | None]:
        """(stop price, display size), likewise."""
        return self._price(self.stop_price_ticks), self._size(self.display_lots)

    def _price(self, ticks: int | None) -> str | None:
        return _eight(self.market.format_price(ticks)) if ticks is not None else None

    def _size(self, lots: int | None) -> str | None:
        return _eight(self.market.format_size(lots)) if lots is not None else None


def parse_order(body: dict, listing: Listing) -> OrderTerms:
    """The terms in a parsed JSON body (numbers: str, int or Decimal; null counts as absent). Raises OrderRefused."""
    given = {name: value for name, value in body.items() if value is not None}
    product_id = given.get("product_id")
    market = listing.markets.get(product_id) if isinstance(product_id, str) else None
    if market is None:
        raise OrderRefused("product_not_found", "Product not found")
    side = _choice(given, "side", SIDES, None)
    given, stop = _with_plain_type(given, side)
    kind = given["type"]
    time_in_force = _choice(given, "time_in_force", TIMES_IN_FORCE, "GTC")
    stp = _choice(given, "stp", STPS, "dc")
    post_only = _flag(given, "post_only")
    if kind == "market" and not (stop and time_in_force == "GTT"):
        # A market order never rests, whatever the client wrote; as a stop it may wait until its end.
        time_in_force = "IOC"
    if post_only and (time_in_force not in RESTING or kind == "market" or stop):
        raise OrderRefused("invalid_post_only", "post_only is for limit orders with time_in_force GTC or GTT")
    if stop and time_in_force == "FOK":
        raise OrderRefused("invalid_time_in_force", "Invalid time_in_force: FOK is not for stop orders")
    stop_price_ticks = price_of(given, "stop_price", market) if stop else None
    price_ticks = size_lots = funds_units = None
    if kind == "limit":
        _refuse_present(given, "funds", "is for market orders, a limit order has price and size")
        price_ticks, size_lots = price_of(given, "price", market), size_of(given, "size", market)
        require_worth(market, price_ticks, size_lots)
    else:
        _refuse_present(given, "price", "is for limit orders, a market order has size or funds")
        if ("size" in given) == ("funds" in given):
            raise OrderRefused("invalid_size", "a market order has either size or funds")
        if "size" in given:
            size_lots = size_of(given, "size", market)
        else:
            funds_units = _funds(given, market)
    expire_after_ms, expire_at_ms = _end(given, time_in_force)
    return OrderTerms(
        market=market, side=side, type=kind, time_in_force=time_in_force, stp=stp, post_only=post_only, price_ticks=price_ticks,
        size_lots=size_lots, funds_units=funds_units, client_oid=_client_oid(given), stop=stop,
        stop_price_ticks=stop_price_ticks, display_lots=_display(given, market, size_lots, kind, time_in_force),
        expire_after_ms=expire_after_ms, expire_at_ms=expire_at_ms, deadline_ms=time_of(given, "deadline"))


def price_of(given: dict, name: str, market: Market) -> int:
    """The price in ticks of a field that must be there. Raises OrderRefused."""
    ticks = _steps(given, name, market.price_ticks)
    if ticks <= 0:
        raise OrderRefused(f"{name}_too_small", f"{name} too small: the least is {market.quote_increment}")
    if ticks > market.price_ticks(market.max_price):
        raise OrderRefused(f"{name}_too_large", f"{name} is too large: the most is {market.max_price}")
    return ticks


def size_of(given: dict, name: str, market: Market) -> int:
    """The size in lots of a field that must be there. Raises OrderRefused."""
    lots = _steps(given, name, market.size_lots)
    if lots <= 0:
        raise OrderRefused(f"{name}_too_small", f"{name} is too small: the least is {market.base_increment}")
    if lots > market.size_lots(market.max_size):
        raise OrderRefused(f"{name}_too_large", f"{name} is too large: the most is {market.max_size}")
    return lots


def require_worth(market: Market, price_ticks: int, size_lots: int) -> None:
    """Raises OrderRefused for a limit order that is worth less than the market's least."""
    if market.value_units(price_ticks * size_lots) < market.quote.parse(market.min_funds):
        raise OrderRefused("funds_too_small", f"size is too small: price x size is less than {market.min_funds}"
                                              f" {market.quote.id}")


def _with_plain_type(given: dict, side: str) -> tuple[dict, str | None]:
    """The fields with `type` limit or market and the prices where that type has them; and the stop's direction, None for an
    order that is no stop."""
    kind = _choice(given, "type", TYPES, "limit")
    has_limit, has_price, has_stop = "stop_limit_price" in given, "price" in given, "stop_price" in given
    if kind != "stop" and "stop" not in given and not has_stop:
        _refuse_present(given, "stop_limit_price", "is for stop orders, which have a stop_price")
        return given | {"type": kind}, None
    direction = _choice(given, "stop", STOPS, "loss" if side == "sell" else "entry")
    plain = {name: value for name, value in given.items() if name != "stop_limit_price"}
    if kind == "stop":
        if not has_stop:
            plain = {name: value for name, value in plain.items() if name != "price"}
            plain |= {"stop_price": given["price"]} if has_price else {}
        kind = "limit" if has_limit or (has_stop and has_price) else "market"
    elif kind == "market":
        _refuse_present(given, "stop_limit_price", "is for limit orders")
    if has_limit:
        if "price" in plain and str(plain["price"]) != str(given["stop_limit_price"]):
            raise OrderRefused("invalid_stop_limit_price", "Invalid stop_limit_price: price is another; one of them is enough")
        plain["price"] = given["stop_limit_price"]
    return plain | {"type": kind}, direction


def _end(given: dict, time_in_force: str) -> tuple[int | None, int | None]:
    """(ms after its arrival, or ms since 1970) at which a GTT order ends."""
    if time_in_force != "GTT":
        _refuse_present(given, "cancel_after", "requires time_in_force GTT")
        _refuse_present(given, "expire_time", "requires time_in_force GTT")
        return None, None
    if ("cancel_after" in given) == ("expire_time" in given):
        raise OrderRefused("invalid_cancel_after", "time_in_force GTT needs either cancel_after or expire_time")
    if "cancel_after" in given:
        return CANCEL_AFTER_MS[_choice(given, "cancel_after", CANCEL_AFTER_MS, None)], None
    return None, time_of(given, "expire_time")


def _display(given: dict, market: Market, size_lots: int | None, kind: str, time_in_force: str) -> int | None:
    """What an iceberg shows at a time; None for an order that shows all."""
    if "display_size" in given:
        lots = size_of(given, "display_size", market)
        if "max_floor" in given and size_of(given, "max_floor", market) != lots:
            raise OrderRefused("invalid_max_floor", "Invalid max_floor: display_size is another; one of them is enough")
    elif "max_floor" in given:
        lots = size_of(given, "max_floor", market)
    else:
        return None
    if kind == "market" or time_in_force not in RESTING:
        raise OrderRefused("invalid_display_size", "Invalid display_size: an order that cannot rest shows nothing")
    if lots > size_lots:
        raise OrderRefused("invalid_display_size", "Invalid display_size: it is more than the size")
    return lots if lots < size_lots else None


def _choice(given: dict, name: str, choices, default: str | None) -> str:
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


def time_of(given: dict, name: str) -> int | None:
    """Milliseconds since 1970 of a field that may be absent. Raises OrderRefused."""
    if name not in given:
        return None
    try:
        return parse_time_ms(given[name])
    except BadTime as error:
        raise OrderRefused(f"invalid_{name}", f"Invalid {name}: {error}") from None


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
