"""What a book of the naive core is: its figures, the orders that stand on it, and the events of the batch under way.

`BookState` puts orders on the book and takes them off, reads them out, and writes events. It knows no rules: what a command
does to it is in `naive.py`. The events of a batch end with a LEVEL for each level that differs from before; so each change
of a level notes first what it was.
"""

from bisect import bisect_left, insort
from itertools import islice

from matching_core.digest import state_hash
from matching_core.naive_auction import equilibrium
from matching_core.naive_orders import Order, Queues
from matching_core.records import (
    ENTRY_STOPS,
    EVENT,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    LOSS_STOPS,
    NIL,
    Command,
    CommandKind,
    EventKind,
    Mode,
    Side,
)


class BookState:
    """The orders of one market and the figures beside them."""

    def __init__(self) -> None:
        self.sequence = 0
        self.last_trade_id = 0
        self.at_ms = 0
        self.mode = Mode.OPEN
        self.last_price_ticks = 0  # of the last trade, 0 = none yet
        self.low_ticks = 0  # the range of trade prices that stops were not yet checked against
        self.high_ticks = 0
        self.auction_price_ticks = 0  # at which an auction trades just now, 0 = not yet found
        self.queues = {Side.BUY: Queues(highest_first=True), Side.SELL: Queues(highest_first=False),
                       LOSS_STOPS: Queues(highest_first=True), ENTRY_STOPS: Queues(highest_first=False)}
        self.by_id: dict[bytes, Order] = {}
        self.timed: list[tuple[int, int, bytes]] = []  # (expire_at_ms, opened, id) of orders with an end, first first
        self.icebergs: dict[bytes, Order] = {}
        self.events: list[bytes] = []
        self.levels_before: dict[tuple[int, int], tuple[int, int]] = {}
        self.command_index = 0

    @property
    def halted(self) -> bool:
        return self.mode == Mode.HALTED

    @property
    def order_count(self) -> int:
        return len(self.by_id)

    def levels(self, side: int, limit: int) -> list[tuple[int, int, int]]:
        queues = self.queues[side]
        return [(price_ticks, *queues.level(price_ticks)) for price_ticks in islice(queues.best_first(), limit)]

    def orders(self, side: int) -> list[tuple[bytes, int, int, int]]:
        return [(order.order_id, order.account, order.level_ticks, order.lots) for order in self.queues[side].by_priority()]

    def indicative(self) -> tuple[int, int]:
        """(price, lots) that an auction would trade now; (0, 0) when the book is not crossed."""
        return equilibrium(self.queues[Side.BUY], self.queues[Side.SELL], self.last_price_ticks)

    def opposite(self, side: int) -> Queues:
        return self.queues[Side.BUY + Side.SELL - side]

    def state_hash(self) -> int:
        return state_hash(sum([order.state_hash() for order in self.by_id.values()]), self.order_count, self.sequence,
                          self.last_trade_id, self.at_ms, self.mode, self.last_price_ticks, self.low_ticks, self.high_ticks,
                          self.auction_price_ticks)

    # --- orders that stand on the book, resting or waiting

    def put(self, order: Order) -> None:
        """At the end of the queue at its price."""
        self.note_level(order)
        self.queues[order.queue].add(order)
        self.by_id[order.order_id] = order
        if order.expire_at_ms:
            insort(self.timed, (order.expire_at_ms, order.opened, order.order_id))
        if order.display:
            self.icebergs[order.order_id] = order

    def take_off(self, order: Order) -> None:
        self.note_level(order)
        self.queues[order.queue].remove(order)
        del self.by_id[order.order_id]
        if order.expire_at_ms:
            del self.timed[bisect_left(self.timed, (order.expire_at_ms, order.opened, order.order_id))]
        self.icebergs.pop(order.order_id, None)

    def rest(self, order: Order) -> None:
        order.show_next()
        self.emit_order(EventKind.OPENED, order, remaining=order.hidden)
        order.opened = self.sequence
        self.put(order)

    def finish(self, order: Order, reason: int) -> None:
        self.take_off(order)
        self.emit_order(EventKind.DONE, order, code=reason, flags=FLAG_STOP if order.waiting else FLAG_RESTED,
                        size_lots=order.left, remaining=order.funds)

    # --- events

    def emit(self, kind: int, *, side: int = 0, code: int = 0, flags: int = 0, trade_id: int = 0, order_id: bytes = NIL,
             maker_order_id: bytes = NIL, account: int = 0, maker_account: int = 0, price_ticks: int = 0,
             size_lots: int = 0, remaining: int = 0) -> None:
        self.events.append(EVENT.pack(kind, side, code, flags, self.command_index, self.sequence, trade_id, order_id,
                                      maker_order_id, account, maker_account, price_ticks, size_lots, remaining))

    def emit_order(self, kind: int, order: Order, *, code: int = 0, flags: int = 0, price_ticks: int | None = None,
                   size_lots: int | None = None, remaining: int = 0) -> None:
        self.sequence += 1
        self.emit(kind, side=order.side, code=code, flags=flags | (FLAG_BY_FUNDS if order.by_funds else 0),
                   order_id=order.order_id, account=order.account,
                   price_ticks=order.price_ticks if price_ticks is None else price_ticks,
                   size_lots=order.lots if size_lots is None else size_lots, remaining=remaining)

    def emit_trade(self, taker: Order, maker: Order, lots: int, price_ticks: int, flags: int) -> None:
        """The trade, told when the maker's lots are already gone, and what it changes besides lots."""
        self.sequence += 1
        self.last_trade_id += 1
        self.emit(EventKind.TRADE, side=maker.side, flags=flags, trade_id=self.last_trade_id, order_id=taker.order_id,
                  maker_order_id=maker.order_id, account=taker.account, maker_account=maker.account,
                  price_ticks=price_ticks, size_lots=lots, remaining=maker.lots)
        taker.traded += lots
        maker.traded += lots
        first = self.last_price_ticks == 0
        self.last_price_ticks = price_ticks
        self.low_ticks = price_ticks if first else min(self.low_ticks, price_ticks)
        self.high_ticks = max(self.high_ticks, price_ticks)

    def reject(self, command: Command, code: int) -> None:
        if command.kind == CommandKind.PLACE:
            self.sequence += 1
        self.emit(EventKind.REJECTED, side=command.side, code=code, flags=command.kind, order_id=command.order_id,
                  account=command.account, price_ticks=command.price_ticks, size_lots=command.size_lots)

    def note_level(self, order: Order) -> None:
        """Called before a change of the order's level: remembers what it was before the batch."""
        if order.waiting:
            return  # nobody sees the stops
        level = order.side, order.price_ticks
        if level not in self.levels_before:
            self.levels_before[level] = self.queues[order.side].level(order.price_ticks)

    def report_levels(self) -> None:
        """A LEVEL for each level that differs from before the batch: bids then asks, best first."""
        self.command_index = 0
        for side, price_ticks in sorted(self.levels_before, key=lambda at: (at[0], -at[1] if at[0] == Side.BUY else at[1])):
            lots, orders = self.queues[side].level(price_ticks)
            if (lots, orders) != self.levels_before[side, price_ticks]:
                self.emit(EventKind.LEVEL, side=side, price_ticks=price_ticks, size_lots=lots, remaining=orders)
