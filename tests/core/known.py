"""An order as one knows it who sees only commands and events; and the numbers of the rules, written down once more."""

from dataclasses import dataclass

from matching_core.records import OrderType, Side, TimeInForce
from tests.core.commands import POST_ONLY, STOP_ENTRY, Fields

OPEN, HALTED, AUCTION, UNCROSSING = range(4)
MODES = ("OPEN", "HALTED", "AUCTION", "UNCROSSING")
RESTED, BY_FUNDS, STOP, IN_AUCTION = 1, 2, 4, 8
MAX_FILLS, MAX_BACKGROUND, MAX_UNCROSS, MAX_EVENTS = 400, 50, 200, 2_700
SIDES = {1: "buy", 2: "sell"}


@dataclass(slots=True, eq=False)
class Known:
    """What is known of an order that rests, waits or is on its way."""

    order_id: bytes
    account: int
    side: int
    price_ticks: int
    lots: int
    hidden: int
    display: int
    traded: int
    opened: int
    stp: int
    post_only: bool
    expire_at_ms: int
    order_type: int
    time_in_force: int
    funds: int
    stop_price_ticks: int = 0
    entry: bool = False
    collar_bp: int = 0
    by_funds: bool = False
    way: str = ""  # how it came to match: PLACE, AMEND or TRIGGERED
    touches: int = 0  # on this way
    prices: int = 0  # that it traded at on this way
    last_price: int = 0
    mode: int = OPEN  # when it was placed
    aged_anew: bool = False  # refreshed or amended since it came to rest first

    @classmethod
    def of(cls, place: Fields) -> "Known":
        plain = place.display_lots >= place.size_lots
        return cls(order_id=place.order_id, account=place.account, side=place.side, price_ticks=place.price_ticks,
                   lots=place.size_lots, hidden=0, display=0 if plain else place.display_lots, traded=0, opened=0,
                   stp=place.stp or 1, post_only=bool(place.flags & POST_ONLY), expire_at_ms=place.expire_at_ms,
                   order_type=place.order_type, time_in_force=place.time_in_force, funds=place.funds,
                   stop_price_ticks=place.stop_price_ticks, entry=bool(place.flags & STOP_ENTRY), collar_bp=place.collar_bp,
                   by_funds=place.funds > 0, way="PLACE")

    @property
    def left(self) -> int:
        return self.lots + self.hidden

    @property
    def waits(self) -> bool:
        return self.stop_price_ticks > 0

    @property
    def is_market(self) -> bool:
        return self.order_type in (OrderType.MARKET, OrderType.STOP_MARKET)

    @property
    def sized(self) -> str:
        return "by funds" if self.by_funds else "by size"

    @property
    def kind(self) -> str:
        """Its type in words: LIMIT GTC, STOP_MARKET by funds, entry."""
        words = f"{OrderType(self.order_type).name} {self.sized if self.is_market else TimeInForce(self.time_in_force).name}"
        return f"{words}, {'entry' if self.entry else 'loss'}" if self.waits else words

    def wants(self, price_ticks: int) -> int:
        return self.funds // price_ticks if self.by_funds else self.left

    def crosses(self, price_ticks: int) -> bool:
        if self.is_market and self.price_ticks == 0:
            return True
        return price_ticks <= self.price_ticks if self.side == Side.BUY else price_ticks >= self.price_ticks
