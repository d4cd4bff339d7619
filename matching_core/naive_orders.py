"""One order of the naive core, and the queues in which orders stand: bids, asks, and two kinds of waiting stops.

An order is one object from its PLACE to its end: a taker on its way through the book, then perhaps resting, or first waiting
for its stop price. What it still wants is in `lots`, of a resting iceberg only what it shows; the rest is in `hidden`.

Each of the four queues has the orders by price, and its prices in rising order. "First" is what trades or triggers next: the
highest bid, the lowest ask, the highest loss stop, the lowest entry stop; at one price the oldest.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from matching_core.digest import order_hash, with_extra
from matching_core.records import (
    ENTRY_STOPS,
    LOSS_STOPS,
    ORDER_EXTRA,
    ORDER_POST_ONLY,
    POST_ONLY,
    STOP_ENTRY,
    Command,
    OrderType,
    Side,
    Stp,
    TimeInForce,
)

MARKET_TYPES = (OrderType.MARKET, OrderType.STOP_MARKET)
STOP_TYPES = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


@dataclass(slots=True, eq=False)
class Order:
    """An order: on its way through the book as a taker, resting, or waiting for its stop price."""

    order_id: bytes
    account: int
    side: int
    price_ticks: int  # limit; of a market order the worst price it may trade at, 0 = none
    lots: int
    hidden: int = 0
    display: int = 0  # what an iceberg shows at a time, 0 = all
    traded: int = 0
    opened: int = 0  # the sequence that gave it its age: of its last OPENED, of a waiting stop its ACCEPTED
    stp: int = Stp.DECREASE_AND_CANCEL
    post_only: bool = False
    expire_at_ms: int = 0  # 0 = never
    order_type: int = OrderType.LIMIT
    time_in_force: int = TimeInForce.GTC
    funds: int = 0  # still to be spent, by-funds orders only
    by_funds: bool = False
    collar_bp: int = 0
    waiting: bool = False  # for its stop price
    stop_price_ticks: int = 0
    is_entry: bool = False
    hashed: tuple[int, int, int, int] | None = None  # what `hash` was worked out from
    hash: int = 0

    @property
    def left(self) -> int:
        return self.lots + self.hidden

    @property
    def queue(self) -> int:
        """Where it stands: bids, asks, LOSS_STOPS or ENTRY_STOPS."""
        if self.waiting:
            return ENTRY_STOPS if self.is_entry else LOSS_STOPS
        return self.side

    @property
    def level_ticks(self) -> int:
        """The price of the level where it stands, or would."""
        return self.stop_price_ticks if self.waiting else self.price_ticks

    @property
    def is_market(self) -> bool:
        return self.order_type in MARKET_TYPES

    @property
    def may_rest(self) -> bool:
        return not self.is_market and self.time_in_force in (TimeInForce.GTC, TimeInForce.GTT)

    @property
    def must_fill(self) -> bool:
        """All or nothing; a market order never is, whatever its time in force."""
        return self.order_type == OrderType.LIMIT and self.time_in_force == TimeInForce.FOK

    @property
    def is_satisfied(self) -> bool:
        """Nothing is left to trade."""
        return self.funds == 0 if self.by_funds else self.lots == 0

    def is_due(self, at_ms: int) -> bool:
        """Its end has come."""
        return 0 < self.expire_at_ms <= at_ms

    def affordable(self, price_ticks: int) -> int:
        """Whole lots it still wants at this price."""
        return self.funds // price_ticks if self.by_funds else self.lots

    def spend(self, lots: int, price_ticks: int) -> None:
        if self.by_funds:
            self.funds -= lots * price_ticks
        else:
            self.lots -= lots

    def lose(self, lots: int) -> None:
        """Gives up lots without a trade: hidden ones first, then visible ones."""
        of_hidden = min(self.hidden, lots)
        self.hidden -= of_hidden
        self.lots -= lots - of_hidden

    def show_next(self) -> None:
        """As many visible lots as it may show, the others hidden; the visible ones were used up, or it comes to rest."""
        left = self.left
        self.lots = min(self.display, left) if self.display else left
        self.hidden = left - self.lots

    def flags(self) -> int:
        has_extra = self.display > 0 or self.expire_at_ms > 0 or self.waiting
        return (ORDER_POST_ONLY if self.post_only else 0) | (ORDER_EXTRA if has_extra else 0)

    def extra(self) -> tuple[int, int, int, int, int, int, int, int]:
        """hidden, display, expire_at_ms, limit, funds, collar_bp, order_type, time_in_force; the last five of a stop only."""
        if self.waiting:
            return (self.hidden, self.display, self.expire_at_ms, self.price_ticks, self.funds, self.collar_bp,
                    self.order_type, self.time_in_force)
        return self.hidden, self.display, self.expire_at_ms, 0, 0, 0, 0, 0

    def state_hash(self) -> int:
        """Its share of the book's. Kept until one of the four numbers changes that change while an order stands."""
        now = (self.opened, self.lots, self.hidden, self.traded)
        if self.hashed == now:
            return self.hash
        flags = self.flags()
        value = order_hash(self.order_id, self.account, self.side, self.stp, flags, self.level_ticks, self.lots, self.opened,
                           self.traded)
        if flags & ORDER_EXTRA:
            hidden, display, expire_at_ms, limit_ticks, funds, collar_bp, order_type, time_in_force = self.extra()
            kinds = (collar_bp | order_type << 16 | time_in_force << 24 | (self.waiting and self.is_entry) << 32
                     | self.waiting << 40)
            value = with_extra(value, hidden, display, expire_at_ms, limit_ticks, funds, kinds)
        self.hashed, self.hash = now, value
        return value


def order_of(place: Command) -> Order:
    """The order that a PLACE asks for."""
    display = place.display_lots if place.display_lots < place.size_lots else 0
    return Order(order_id=place.order_id, account=place.account, side=place.side, price_ticks=place.price_ticks,
                 lots=place.size_lots, display=display, stp=place.stp or Stp.DECREASE_AND_CANCEL,
                 post_only=bool(place.flags & POST_ONLY), expire_at_ms=place.expire_at_ms, order_type=place.order_type,
                 time_in_force=place.time_in_force, funds=place.funds, by_funds=place.funds > 0,
                 collar_bp=place.collar_bp, waiting=place.order_type in STOP_TYPES,
                 stop_price_ticks=place.stop_price_ticks, is_entry=bool(place.flags & STOP_ENTRY))


def crosses(side: int, limit_ticks: int, price_ticks: int) -> bool:
    """Whether a taker of this side and limit (0 = none) trades at a maker's price."""
    if limit_ticks == 0:
        return True
    return price_ticks <= limit_ticks if side == Side.BUY else price_ticks >= limit_ticks


@dataclass(slots=True)
class Queues:
    """One of the four: the orders by price, oldest first, and the prices in rising order."""

    highest_first: bool
    by_price: dict[int, list[Order]] = field(default_factory=dict)
    prices: list[int] = field(default_factory=list)

    def add(self, order: Order) -> None:
        price_ticks = order.level_ticks
        if price_ticks not in self.by_price:
            self.by_price[price_ticks] = []
            insort(self.prices, price_ticks)
        self.by_price[price_ticks].append(order)

    def remove(self, order: Order) -> None:
        price_ticks = order.level_ticks
        queue = self.by_price[price_ticks]
        queue.remove(order)
        if not queue:
            del self.by_price[price_ticks]
            del self.prices[bisect_left(self.prices, price_ticks)]

    def best_first(self) -> Iterator[int]:
        return reversed(self.prices) if self.highest_first else iter(self.prices)

    def best(self) -> int | None:
        """The price of the first order."""
        if not self.prices:
            return None
        return self.prices[-1] if self.highest_first else self.prices[0]

    def first(self) -> Order | None:
        """The order that trades or triggers next."""
        return self.by_price[self.best()][0] if self.prices else None

    def by_priority(self) -> Iterator[Order]:
        for price_ticks in self.best_first():
            yield from self.by_price[price_ticks]

    def level(self, price_ticks: int) -> tuple[int, int]:
        """(visible lots, orders) at a price."""
        queue = self.by_price.get(price_ticks, ())
        return sum([order.lots for order in queue]), len(queue)

    def whole(self, price_ticks: int) -> int:
        """All lots at a price, visible and hidden."""
        return sum([order.lots + order.hidden for order in self.by_price.get(price_ticks, ())])
