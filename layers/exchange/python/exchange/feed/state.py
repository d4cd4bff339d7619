"""A market's views, moved forward by journal entries: level 2 book, live orders, last trades, statistics.

    state at entry n  --apply(entry n+1)-->  state at n+1, and the public events of the entry with their orders
                      --take_changes()--->   what differs from when it was last asked: what Redis must be told

In the publisher's memory it is a cache, as the book is in the engine's: it carries the cursor that it is valid for.
Keeps I9: its levels are the core's levels at each entry, because the core reports each level that changed.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from exchange import commands
from exchange.commands import CommandKind, Side
from exchange.events import FLAG_AUCTION, FLAG_BY_FUNDS, FLAG_RESTED, FLAG_STOP, Event, EventKind, Mode
from exchange.faults import BrokenInvariant
from exchange.feed.levels import Levels
from exchange.feed.orders import LiveOrder, Trade
from exchange.feed.statistics import Bucket, Statistics
from exchange.journal import GENESIS_HASH, JournalEntry

TRADES_KEPT = 1000
TOLD_KEPT = 5000
_MODES = {EventKind.HALTED: Mode.HALTED, EventKind.COLLECTING: Mode.AUCTION, EventKind.RESUMED: Mode.OPEN}


class Published(NamedTuple):
    """A public event with what its messages need besides, as of the event: messages may be made when later ones have been
    applied. Its order, for a trade the taker's and the maker's, is the live one: read of it only what never changes.
    A rejected order was never live; `order` is what its command said. A rejected amend is its owner's only, and has no number
    in the sequence: see `is_rejected_amend`.

    `old`, `new`: what the public may know of the order's lots (of a by-funds one: its funds) before and after the event;
    on the book these are its visible lots. `price_ticks`: its limit before the event.
    """

    event: Event
    at_ms: int
    order: LiveOrder
    maker: LiveOrder | None = None
    old: int = 0
    new: int = 0
    price_ticks: int = 0


class Told(NamedTuple):
    """What the public learned of an event that its journal record does not say: of an iceberg, an amend, a stop."""

    sequence: int
    old: int
    new: int
    price_ticks: int


class Step(NamedTuple):
    """What one entry brought: its public events and its rejected amends in order, and the (side, price) of the levels it
    changed."""

    events: list[Published]
    levels: list[tuple[int, int]]


@dataclass(slots=True)
class ViewChanges:
    """What a save must write. A level of 0 lots, and an order that is None, is to be removed. Trades and told oldest first."""

    levels: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (side, price) -> (lots, orders)
    orders: dict[bytes, LiveOrder | None] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    minutes: dict[int, Bucket] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)
    expired_minutes: list[int] = field(default_factory=list)
    expired_hours: list[int] = field(default_factory=list)


class MarketState:
    """See the module's head. `sequence` is the feed's at the cursor; not safe for two threads.

    `mode`: what the core last said. An auction that is uncrossed by several commands is one until it has resumed."""

    def __init__(self, market: str) -> None:
        self.market = market
        self.seq = 0
        self.hash = GENESIS_HASH
        self.sequence = 0
        self.at_ms = 0
        self.mode = Mode.OPEN
        self.bids = Levels(Side.BUY)
        self.asks = Levels(Side.SELL)
        self.orders: dict[bytes, LiveOrder] = {}
        self.last_trade: Trade | None = None
        self.statistics = Statistics()
        self._dirty_levels: set[tuple[int, int]] = set()
        self._dirty_orders: set[bytes] = set()
        self._new_trades: list[Trade] = []
        self._new_told: list[Told] = []

    def side(self, side: int) -> Levels:
        return self.bids if side == Side.BUY else self.asks

    def apply(self, entry: JournalEntry) -> Step:
        """Moves to `entry`, which must be the next one. Raises BrokenInvariant (I9) for events that do not fit."""
        if entry.seq != self.seq + 1:
            raise BrokenInvariant(f"I9: {self.market} is at entry {self.seq}, was given {entry.seq}")
        published: list[Published] = []
        levels: list[tuple[int, int]] = []
        sequence = self.sequence
        for event in entry.unpack_events():
            if event.kind == EventKind.LEVEL:
                self.side(event.side).set(event.price_ticks, event.size_lots, event.remaining)
                levels.append((event.side, event.price_ticks))
                continue
            item = self._apply_event(event, entry)
            if item is not None and is_rejected_amend(item):
                published.append(item)
            elif item is not None:
                sequence += 1
                if event.sequence != sequence:
                    raise BrokenInvariant(f"I9: {self.market} entry {entry.seq}: event {event.sequence} after "
                                          f"{sequence - 1}")
                published.append(item)
        if sequence != entry.feed_sequence:
            raise BrokenInvariant(f"I9: {self.market} entry {entry.seq} ends at {sequence}, not {entry.feed_sequence}")
        self.seq, self.hash, self.at_ms, self.sequence = entry.seq, entry.hash, entry.at_ms, sequence
        self._dirty_levels.update(levels)
        return Step(published, levels)

    def take_changes(self) -> ViewChanges:
        """What has changed since the last call."""
        statistics = self.statistics
        changes = ViewChanges(
            levels={(side, price): self.side(side).get(price) for side, price in self._dirty_levels},
            orders={order_id: self.orders.get(order_id) for order_id in self._dirty_orders},
            trades=self._new_trades[-TRADES_KEPT:], told=self._new_told[-TOLD_KEPT:],
            minutes={minute: statistics.minutes[minute] for minute in statistics.touched_minutes
                     if minute in statistics.minutes},
            hours={hour: statistics.hours[hour] for hour in statistics.touched_hours if hour in statistics.hours},
            expired_minutes=statistics.expired_minutes, expired_hours=statistics.expired_hours)
        self._dirty_levels, self._dirty_orders, self._new_trades = set(), set(), []
        self._new_told = []
        statistics.touched_minutes, statistics.touched_hours = set(), set()
        statistics.expired_minutes, statistics.expired_hours = [], []
        return changes

    # --- events

    def _apply_event(self, event: Event, entry: JournalEntry) -> Published | None:
        kind = event.kind
        if kind == EventKind.TRADE:
            return self._trade(event, entry.at_ms)
        if kind == EventKind.ACCEPTED:
            return self._accepted(event, entry)
        if kind == EventKind.REJECTED:
            return self._rejected(event, entry)
        if kind in _MODES:
            self.mode = _MODES[kind]
            return None
        order = self.orders.get(event.order_id)
        if order is None:
            raise BrokenInvariant(f"I9: {self.market} event {event.sequence} is of an order that is not live")
        self._dirty_orders.add(event.order_id)
        item = _LIVE[kind](self, event, order, entry.at_ms)
        if order.display or kind in (EventKind.AMENDED, EventKind.TRIGGERED):
            self._new_told.append(Told(event.sequence, item.old, item.new, item.price_ticks))
        return item

    def _accepted(self, event: Event, entry: JournalEntry) -> Published:
        order = _commanded(event, entry)
        self.orders[event.order_id] = order
        if event.flags & FLAG_STOP:
            self._dirty_orders.add(event.order_id)
        return Published(event, entry.at_ms, order, new=order.shown(event.size_lots), price_ticks=order.price_ticks)

    def _rejected(self, event: Event, entry: JournalEntry) -> Published | None:
        """Only a refused PLACE is public; what else is refused does not move the sequence. Of an amend the order is the live
        one if it is of who asked, else what the command said."""
        if event.flags not in (CommandKind.PLACE, CommandKind.AMEND):
            return None
        order = _commanded(event, entry)
        if event.flags == CommandKind.AMEND:
            live = self.orders.get(event.order_id)
            return Published(event, entry.at_ms, live if live is not None and live.account == order.account else order)
        return Published(event, entry.at_ms, order, new=order.shown(event.size_lots), price_ticks=order.price_ticks)

    def _trade(self, event: Event, at_ms: int) -> Published:
        taker, maker = self.orders.get(event.order_id), self.orders.get(event.maker_order_id)
        if taker is None or maker is None:
            raise BrokenInvariant(f"I9: {self.market} trade {event.trade_id} is of an order that is not live")
        maker.lots = event.remaining
        self._dirty_orders.add(event.maker_order_id)
        if event.flags & FLAG_BY_FUNDS:
            taker.funds -= event.size_lots * event.price_ticks
        else:
            taker.lots -= event.size_lots
        if event.flags & FLAG_AUCTION:  # the taker rests as well
            self._dirty_orders.add(event.order_id)
        trade = Trade(event.trade_id, event.sequence, at_ms, event.price_ticks, event.size_lots, event.side,
                      event.maker_order_id, event.order_id)
        self.last_trade = trade
        self._new_trades.append(trade)
        self.statistics.add(at_ms, event.price_ticks, event.size_lots)
        return Published(event, at_ms, taker, maker)

    # of an order that is live, and noted as changed

    def _opened(self, event: Event, order: LiveOrder, at_ms: int) -> Published:
        order.lots, order.hidden, order.opened = event.size_lots, event.remaining, event.sequence
        return Published(event, at_ms, order)

    def _done(self, event: Event, order: LiveOrder, at_ms: int) -> Published:
        del self.orders[event.order_id]
        left = min(order.lots, event.size_lots) if event.flags & FLAG_RESTED else order.shown(event.size_lots)
        return Published(event, at_ms, order, new=left)

    def _triggered(self, event: Event, order: LiveOrder, at_ms: int) -> Published:
        return Published(event, at_ms, order, new=order.shown(event.size_lots), price_ticks=order.price_ticks)

    def _reduced(self, event: Event, order: LiveOrder, at_ms: int) -> Published:
        if event.flags & FLAG_BY_FUNDS:
            old, order.funds = order.funds, event.remaining
            return Published(event, at_ms, order, old=old, new=order.funds)
        if event.flags & FLAG_RESTED:
            old = order.lots
            order.shrink(event.size_lots)
            return Published(event, at_ms, order, old=old, new=order.lots)
        order.lots = event.size_lots
        return Published(event, at_ms, order, old=order.shown(event.remaining), new=order.shown(order.lots))

    def _amended(self, event: Event, order: LiveOrder, at_ms: int) -> Published:
        """It stays where it is, smaller; or it leaves the book, and comes back by an OPENED or is done."""
        old, price_ticks = order.lots, order.price_ticks
        if event.flags & FLAG_RESTED:
            order.shrink(event.size_lots)
            return Published(event, at_ms, order, old=old, new=order.lots, price_ticks=price_ticks)
        order.lots, order.hidden, order.opened = event.size_lots, 0, 0
        order.price_ticks = event.price_ticks
        return Published(event, at_ms, order, old=old, price_ticks=price_ticks)


_LIVE = {
    EventKind.OPENED: MarketState._opened, EventKind.DONE: MarketState._done, EventKind.TRIGGERED: MarketState._triggered,
    EventKind.REDUCED: MarketState._reduced, EventKind.AMENDED: MarketState._amended}


def is_rejected_amend(item: Published) -> bool:
    return item.event.kind == EventKind.REJECTED and item.event.flags == CommandKind.AMEND


def _commanded(event: Event, entry: JournalEntry) -> LiveOrder:
    """The order of an ACCEPTED or REJECTED, as its command says: the events that are sure to come with their own command."""
    start = event.command_index * commands.SIZE
    return LiveOrder.placed(entry.commands[start:start + commands.SIZE], entry.at_ms)
