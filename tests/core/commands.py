"""Command records by field name, for the generated streams; and one wrong value for each rule of a well-formed command."""

from dataclasses import dataclass, replace

from matching_core.records import COMMAND, NIL, CommandKind, OrderType, Side, TimeInForce

START_MS = 1_700_000_000_000
MAX = 2**62 - 1  # the largest number that a price, a size or their product may be
POST_ONLY = 1
STOP_ENTRY = 2


@dataclass(slots=True)
class Fields:
    """The fields of a command record, by name, with nothing in them."""

    kind: int = CommandKind.PLACE
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    stp: int = 0
    flags: int = 0
    collar_bp: int = 0
    order_id: bytes = NIL
    account: int = 0
    price_ticks: int = 0
    size_lots: int = 0
    funds: int = 0
    stop_price_ticks: int = 0
    display_lots: int = 0
    expire_at_ms: int = 0
    issued_at_ms: int = START_MS
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    client_oid: bytes = NIL

    def pack(self) -> bytes:
        """The record; a number beyond its 64 bits becomes the largest."""
        for name in ("price_ticks", "size_lots", "funds", "stop_price_ticks", "display_lots", "expire_at_ms"):
            setattr(self, name, max(-2**63, min(getattr(self, name), 2**63 - 1)))
        return COMMAND.pack(*(getattr(self, name) for name in Fields.__slots__))

    @classmethod
    def unpack(cls, record: bytes) -> "Fields":
        return cls(*COMMAND.unpack(record))


def malformed(command: Fields) -> list[str]:
    """Every rule of a well-formed command that this one breaks, in words."""
    if command.kind == CommandKind.PLACE:
        return _malformed_place(command)
    if command.kind == CommandKind.AMEND:
        broken = {
            "amend: nil id": command.order_id == NIL,
            "amend: negative price": command.price_ticks < 0,
            "amend: negative size": command.size_lots < 0,
            "amend: negative issued_at": command.issued_at_ms < 0,
            "amend: nothing to change": command.price_ticks == 0 and command.size_lots == 0,
            "amend: collar": command.collar_bp > 10_000,
        }
        return [name for name, holds in broken.items() if holds]
    if command.kind == CommandKind.CANCEL:
        return ["cancel: nil id"] if command.order_id == NIL else []
    return [] if CommandKind.PLACE <= command.kind <= CommandKind.UNCROSS else ["unknown kind"]


def _malformed_place(place: Fields) -> list[str]:
    kind, time = place.order_type, place.time_in_force
    market = kind in (OrderType.MARKET, OrderType.STOP_MARKET)
    limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    stop = kind in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
    post_only, never_rests = place.flags & POST_ONLY, time in (TimeInForce.IOC, TimeInForce.FOK)
    broken = {
        "side": not 1 <= place.side <= 2,
        "order type": not 1 <= kind <= 4,
        "time in force": not (0 if market else 1) <= time <= 4,
        "stp": place.stp > 4,
        "flags": place.flags > 3,
        "collar": place.collar_bp > 10_000,
        "nil id": place.order_id == NIL,
        "no account": place.account == 0,
        "negative price": place.price_ticks < 0,
        "negative size": place.size_lots < 0,
        "negative funds": place.funds < 0,
        "negative stop price": place.stop_price_ticks < 0,
        "negative display": place.display_lots < 0,
        "negative expire_at": place.expire_at_ms < 0,
        "negative issued_at": place.issued_at_ms < 0,
        "market with neither size nor funds": market and place.size_lots == 0 and place.funds == 0,
        "market with size and funds": market and place.size_lots != 0 and place.funds != 0,
        "market post-only": market and post_only,
        "market with display": market and place.display_lots != 0,
        "limit without price": limit and place.price_ticks == 0,
        "limit without size": limit and place.size_lots == 0,
        "limit with funds": limit and place.funds != 0,
        "post-only with IOC or FOK": limit and post_only and never_rests,
        "display with IOC or FOK": limit and place.display_lots != 0 and never_rests,
        "GTT without an end": limit and time == TimeInForce.GTT and place.expire_at_ms == 0,
        "GTC with an end": limit and time == TimeInForce.GTC and place.expire_at_ms != 0,
        "stop price without a stop": not stop and 1 <= kind <= 4 and place.stop_price_ticks != 0,
        "entry without a stop": not stop and 1 <= kind <= 4 and bool(place.flags & 2),
        "stop without a stop price": stop and place.stop_price_ticks == 0,
        "stop post-only": stop and post_only,
        "stop-limit FOK": kind == OrderType.STOP_LIMIT and time == TimeInForce.FOK,
    }
    return [name for name, holds in broken.items() if holds]


# One change each that breaks a rule and, on the right kind of order, no other.
WRONG_PLACES = tuple(dict(change) for change in (
    {"side": 0}, {"side": 3}, {"order_type": 0, "flags": 0}, {"order_type": 5, "flags": 0}, {"time_in_force": 5},
    {"time_in_force": 0}, {"stp": 5}, {"flags": 4}, {"collar_bp": 10_001}, {"collar_bp": 65_535}, {"order_id": NIL},
    {"account": 0}, {"price_ticks": -1}, {"size_lots": -1}, {"funds": -1}, {"stop_price_ticks": -1}, {"display_lots": -1},
    {"time_in_force": TimeInForce.GTT, "expire_at_ms": -1}, {"issued_at_ms": -1}, {"size_lots": 0, "funds": 0},
    {"size_lots": 1, "funds": 1}, {"flags": POST_ONLY}, {"flags": POST_ONLY | STOP_ENTRY}, {"display_lots": 1},
    {"price_ticks": 0}, {"size_lots": 0}, {"funds": 1}, {"time_in_force": TimeInForce.IOC, "flags": POST_ONLY},
    {"time_in_force": TimeInForce.FOK, "flags": POST_ONLY}, {"time_in_force": TimeInForce.FOK, "display_lots": 1},
    {"time_in_force": TimeInForce.IOC, "display_lots": 1}, {"time_in_force": TimeInForce.GTT, "expire_at_ms": 0},
    {"time_in_force": TimeInForce.GTC, "expire_at_ms": 2**62}, {"stop_price_ticks": 990}, {"stop_price_ticks": 0},
    {"flags": STOP_ENTRY}, {"time_in_force": TimeInForce.FOK},
))
WRONG_AMENDS = tuple(dict(change) for change in (
    {"order_id": NIL}, {"price_ticks": -1, "size_lots": 1}, {"size_lots": -1, "price_ticks": 1}, {"issued_at_ms": -1},
    {"price_ticks": 0, "size_lots": 0}, {"collar_bp": 10_001}, {"price_ticks": -2**63}, {"size_lots": -2**63},
))


def wrong(command: Fields, random) -> Fields:
    """The command with one rule broken (sometimes none: the change does not matter for its type)."""
    changes = WRONG_AMENDS if command.kind == CommandKind.AMEND else WRONG_PLACES
    return replace(command, **random.choice(changes))


def any_value(name: str, random) -> int:
    """Any number that the field can carry, mostly at an edge."""
    bits = {"kind": 8, "side": 8, "order_type": 8, "time_in_force": 8, "stp": 8, "flags": 8, "collar_bp": 16,
            "account": 64, "maker_fee_ppm": 32, "taker_fee_ppm": 32}.get(name)
    if bits is not None:
        return random.choice((0, 1, 2, 3, 2**bits - 1, random.randrange(2**bits)))
    return random.choice((0, 1, -1, 2**63 - 1, -2**63, MAX - 1, MAX, MAX + 1, random.randrange(2**62), random.randrange(9)))


def other_side(side: int) -> int:
    return Side.BUY + Side.SELL - side
