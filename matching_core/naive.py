"""The core's rules in obvious Python: what the C core is tested against, and what an audit replays the journal on.

Same interface as `matching_core.Book`, same events, same state hash, same snapshot bytes. Orders are objects in lists,
levels are found by sorting prices; nothing here is clever, so that a trader can check it. Keeps I5 and I6.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from matching_core import COMMAND_BYTES, EVENT_BYTES, MAX_FILLS, STALE_AFTER_MS, DamagedSnapshot, EventsFull
from matching_core.digest import checksum, order_hash, state_hash
from matching_core.records import (
    COMMAND,
    EVENT,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    LATER_KINDS,
    MAX_NOTIONAL,
    MAX_ORDERS,
    NIL,
    POST_ONLY,
    SNAPSHOT_HEADER,
    SNAPSHOT_MAGIC,
    SNAPSHOT_ORDER,
    SNAPSHOT_VERSION,
    Command,
    CommandKind,
    DoneReason,
    EventKind,
    OrderType,
    RejectCode,
    Side,
    Stp,
    TimeInForce,
)


@dataclass(slots=True, eq=False)
class Order:
    """An order: on its way through the book as a taker, then perhaps resting."""

    order_id: bytes
    account: int
    side: int
    price_ticks: int  # limit; of a market order the worst price it may trade at, 0 = none
    lots: int
    funds: int = 0  # still to be spent, by-funds orders only
    by_funds: bool = False
    order_type: int = OrderType.LIMIT
    time_in_force: int = TimeInForce.GTC
    stp: int = Stp.DECREASE_AND_CANCEL
    traded: bool = False
    opened: int = 0  # the sequence of its OPENED event

    def crosses(self, price_ticks: int) -> bool:
        if self.order_type == OrderType.MARKET and self.price_ticks == 0:
            return True
        return price_ticks <= self.price_ticks if self.side == Side.BUY else price_ticks >= self.price_ticks

    @property
    def may_rest(self) -> bool:
        return self.order_type == OrderType.LIMIT and self.time_in_force == TimeInForce.GTC

    @property
    def must_fill(self) -> bool:
        """All or nothing; a market order never is, whatever its time in force."""
        return self.order_type == OrderType.LIMIT and self.time_in_force == TimeInForce.FOK

    @property
    def is_satisfied(self) -> bool:
        """Nothing is left to trade."""
        return self.funds == 0 if self.by_funds else self.lots == 0

    def affordable(self, price_ticks: int) -> int:
        """Whole lots it still wants at this price."""
        return self.funds // price_ticks if self.by_funds else self.lots

    def spend(self, lots: int, price_ticks: int) -> None:
        if self.by_funds:
            self.funds -= lots * price_ticks
        else:
            self.lots -= lots


@dataclass(slots=True)
class BookSide:
    """One side: the queues by price, and the prices in rising order."""

    side: int
    queues: dict[int, list[Order]] = field(default_factory=dict)
    prices: list[int] = field(default_factory=list)

    def add(self, order: Order) -> None:
        if order.price_ticks not in self.queues:
            self.queues[order.price_ticks] = []
            insort(self.prices, order.price_ticks)
        self.queues[order.price_ticks].append(order)

    def remove(self, order: Order) -> None:
        queue = self.queues[order.price_ticks]
        queue.remove(order)
        if not queue:
            del self.queues[order.price_ticks]
            del self.prices[bisect_left(self.prices, order.price_ticks)]

    def best_first(self) -> list[int]:
        return self.prices[::-1] if self.side == Side.BUY else self.prices[:]

    def first(self) -> Order | None:
        """The order that trades next."""
        if not self.prices:
            return None
        return self.queues[self.prices[-1] if self.side == Side.BUY else self.prices[0]][0]

    def by_priority(self) -> Iterator[Order]:
        for price_ticks in self.best_first():
            yield from self.queues[price_ticks]

    def level(self, price_ticks: int) -> tuple[int, int]:
        """(lots, orders) at a price."""
        queue = self.queues.get(price_ticks, ())
        return sum(order.lots for order in queue), len(queue)


class NaiveBook:
    """One market's book; see `matching_core.book.Book` for the interface."""

    def __init__(self) -> None:
        self.sequence = 0
        self.last_trade_id = 0
        self.at_ms = 0
        self.halted = False
        self.sides = {Side.BUY: BookSide(Side.BUY), Side.SELL: BookSide(Side.SELL)}
        self.by_id: dict[bytes, Order] = {}
        self.events: list[bytes] = []
        self.levels_before: dict[tuple[int, int], tuple[int, int]] = {}
        self.command_index = 0

    @classmethod
    def create(cls, orders: int = 65536) -> "NaiveBook":
        return cls()

    @property
    def order_count(self) -> int:
        return len(self.by_id)

    def levels(self, side: int, limit: int) -> list[tuple[int, int, int]]:
        book_side = self.sides[side]
        return [(price_ticks, *book_side.level(price_ticks)) for price_ticks in book_side.best_first()[:limit]]

    def orders(self, side: int) -> list[tuple[bytes, int, int, int]]:
        return [(order.order_id, order.account, order.price_ticks, order.lots)
                for order in self.sides[side].by_priority()]

    def state_hash(self) -> int:
        order_sum = sum(order_hash(order.order_id, order.account, order.side, order.price_ticks, order.lots, order.opened)
                        for order in self.by_id.values())
        return state_hash(order_sum, self.order_count, self.sequence, self.last_trade_id, self.at_ms, self.halted)

    # --- a batch

    def apply(self, at_ms: int, commands: bytes, max_event_bytes: int) -> bytes:
        """Runs a batch; all or nothing. Raises EventsFull and ValueError as `Book.apply` does."""
        if len(commands) % COMMAND_BYTES:
            raise ValueError(f"{len(commands)} bytes are no whole records of {COMMAND_BYTES}")
        if at_ms < self.at_ms:
            raise ValueError(f"at_ms {at_ms} is before the book's {self.at_ms}")
        batch = [Command._make(fields) for fields in COMMAND.iter_unpack(commands)]
        # A copy to go back to is only made when the events might not fit: each maker touched gives at most three.
        makers = min(MAX_FILLS * len(batch), self.order_count + 2 * len(batch))
        before = self.snapshot() if (4 * len(batch) + 3 * makers) * EVENT_BYTES > max_event_bytes else None
        self.at_ms = at_ms
        self.events = []
        self.levels_before = {}
        for self.command_index, command in enumerate(batch):
            self._execute(command)
        self._report_levels()
        events = b"".join(self.events)
        if len(events) > max(0, max_event_bytes):
            assert before is not None
            self.__dict__ = NaiveBook.restore(before).__dict__
            raise EventsFull(f"the events of the batch need more than {max_event_bytes} bytes")
        return events

    def _execute(self, command: Command) -> None:
        kind = command.kind
        if kind == CommandKind.PLACE:
            self._place(command)
        elif kind == CommandKind.CANCEL:
            self._cancel(command)
        elif kind == CommandKind.TICK:
            pass  # only its time counts
        elif kind in (CommandKind.HALT, CommandKind.RESUME):
            self.halted = kind == CommandKind.HALT
            self._emit(EventKind.HALTED if kind == CommandKind.HALT else EventKind.RESUMED)
        else:
            self._reject(command, RejectCode.UNSUPPORTED if kind in LATER_KINDS else RejectCode.MALFORMED)

    def _cancel(self, command: Command) -> None:
        order = self.by_id.get(command.order_id)
        if command.order_id == NIL:
            self._reject(command, RejectCode.MALFORMED)
        elif order is None or command.account not in (0, order.account):
            self._reject(command, RejectCode.UNKNOWN_ORDER)
        else:
            self._finish_resting(order, DoneReason.CANCELED)

    def _place(self, command: Command) -> None:
        taker = Order(order_id=command.order_id, account=command.account, side=command.side,
                      price_ticks=command.price_ticks, lots=command.size_lots, funds=command.funds,
                      by_funds=command.funds > 0, order_type=command.order_type,
                      time_in_force=command.time_in_force, stp=command.stp or Stp.DECREASE_AND_CANCEL)
        code = self._why_refused(command, taker)
        if code:
            self._reject(command, code)
            return
        self._emit_order(EventKind.ACCEPTED, taker, remaining=taker.funds)
        reason = self._match(taker)
        if reason is None and taker.may_rest:
            self._emit_order(EventKind.OPENED, taker)
            taker.opened = self.sequence
            self._note_level(taker)
            self.sides[taker.side].add(taker)
            self.by_id[taker.order_id] = taker
            return
        if reason is None:
            reason = DoneReason.NO_LIQUIDITY if taker.order_type == OrderType.MARKET else DoneReason.IOC_REMAINDER
        self._emit_order(EventKind.DONE, taker, code=reason, remaining=taker.funds)

    # --- why a PLACE is refused: the first of these that applies

    def _why_refused(self, command: Command, taker: Order) -> int:
        if _is_malformed(command):
            return RejectCode.MALFORMED
        if _is_unsupported(command):
            return RejectCode.UNSUPPORTED
        if self.at_ms - command.issued_at_ms > STALE_AFTER_MS:
            return RejectCode.EXPIRED
        if taker.order_id in self.by_id:
            return RejectCode.DUPLICATE_ORDER_ID
        if self.halted:
            return RejectCode.MARKET_HALTED
        if self._is_too_large(taker):
            return RejectCode.OVERFLOW
        first = self.sides[Side.BUY + Side.SELL - taker.side].first()
        if command.flags & POST_ONLY and first is not None and taker.crosses(first.price_ticks):
            return RejectCode.POST_ONLY_WOULD_CROSS
        if taker.must_fill and not self._is_fillable(taker):
            return RejectCode.FOK_NOT_FILLABLE
        return 0

    def _is_too_large(self, taker: Order) -> bool:
        """Price x size must fit 62 bits; so must price x everything on the level where the order may come to rest."""
        lots = taker.lots
        if taker.may_rest:
            lots += self.sides[taker.side].level(taker.price_ticks)[0]
        return max(taker.price_ticks * lots, taker.price_ticks, taker.lots, taker.funds) > MAX_NOTIONAL

    def _is_fillable(self, taker: Order) -> bool:
        """Whether the book would trade the whole size now. Own orders do not count; in the way they stop the taker,
        unless its stp takes the oldest away."""
        wanted = taker.lots
        for touched, maker in enumerate(self.sides[Side.BUY + Side.SELL - taker.side].by_priority()):
            if not taker.crosses(maker.price_ticks) or touched == MAX_FILLS:
                return False
            if maker.account == taker.account:
                if taker.stp != Stp.CANCEL_OLDEST:
                    return False
            elif maker.lots >= wanted:
                return True
            else:
                wanted -= maker.lots
        return False

    # --- matching

    def _match(self, taker: Order) -> int | None:
        """Trades best price first, oldest first. Answers why the taker is done, None when nothing is left to meet."""
        makers = self.sides[Side.BUY + Side.SELL - taker.side]
        touched = 0
        while True:
            if taker.is_satisfied:
                return DoneReason.FILLED
            maker = makers.first()
            if maker is None or not taker.crosses(maker.price_ticks):
                return None
            if taker.affordable(maker.price_ticks) == 0:
                return DoneReason.FILLED if taker.traded else DoneReason.NO_LIQUIDITY
            if touched == MAX_FILLS:
                return DoneReason.FILL_LIMIT
            touched += 1
            if maker.account == taker.account:
                if self._prevent_self_trade(taker, maker):
                    return DoneReason.SELF_TRADE
            else:
                self._trade(taker, maker)

    def _trade(self, taker: Order, maker: Order) -> None:
        lots = min(maker.lots, taker.affordable(maker.price_ticks))
        self.sequence += 1
        self.last_trade_id += 1
        self._emit(EventKind.TRADE, side=maker.side, flags=FLAG_BY_FUNDS if taker.by_funds else 0,
                   trade_id=self.last_trade_id, order_id=taker.order_id, maker_order_id=maker.order_id,
                   account=taker.account, maker_account=maker.account, price_ticks=maker.price_ticks, size_lots=lots,
                   remaining=maker.lots - lots)
        taker.spend(lots, maker.price_ticks)
        taker.traded = True
        if maker.lots == lots:
            self._finish_resting(maker, DoneReason.FILLED)
        else:
            self._note_level(maker)
            maker.lots -= lots

    def _prevent_self_trade(self, taker: Order, maker: Order) -> bool:
        """Whether the taker is done by it."""
        if taker.stp == Stp.CANCEL_OLDEST:
            self._finish_resting(maker, DoneReason.SELF_TRADE)
            return False
        if taker.stp == Stp.CANCEL_NEWEST:
            return True
        if taker.stp == Stp.CANCEL_BOTH:
            self._finish_resting(maker, DoneReason.SELF_TRADE)
            return True
        # Decrease and cancel: the larger loses the smaller's lots, the smaller is done.
        taker_lots = taker.affordable(maker.price_ticks)
        if taker_lots == maker.lots:
            self._finish_resting(maker, DoneReason.SELF_TRADE)
            return True
        if taker_lots < maker.lots:
            lots_before = maker.lots
            self._note_level(maker)
            maker.lots -= taker_lots
            self._emit_order(EventKind.REDUCED, maker, flags=FLAG_RESTED, remaining=lots_before)
            return True
        lots_before = taker.lots
        taker.spend(maker.lots, maker.price_ticks)
        self._emit_order(EventKind.REDUCED, taker, remaining=taker.funds if taker.by_funds else lots_before)
        self._finish_resting(maker, DoneReason.SELF_TRADE)
        return False

    def _finish_resting(self, order: Order, reason: int) -> None:
        self._note_level(order)
        self.sides[order.side].remove(order)
        del self.by_id[order.order_id]
        self._emit_order(EventKind.DONE, order, code=reason, flags=FLAG_RESTED,
                         size_lots=0 if reason == DoneReason.FILLED else order.lots)

    # --- events

    def _emit(self, kind: int, *, side: int = 0, code: int = 0, flags: int = 0, trade_id: int = 0, order_id: bytes = NIL,
              maker_order_id: bytes = NIL, account: int = 0, maker_account: int = 0, price_ticks: int = 0,
              size_lots: int = 0, remaining: int = 0) -> None:
        self.events.append(EVENT.pack(kind, side, code, flags, self.command_index, self.sequence, trade_id, order_id,
                                      maker_order_id, account, maker_account, price_ticks, size_lots, remaining))

    def _emit_order(self, kind: int, order: Order, *, code: int = 0, flags: int = 0, size_lots: int | None = None,
                    remaining: int = 0) -> None:
        self.sequence += 1
        self._emit(kind, side=order.side, code=code, flags=flags | (FLAG_BY_FUNDS if order.by_funds else 0),
                   order_id=order.order_id, account=order.account, price_ticks=order.price_ticks,
                   size_lots=order.lots if size_lots is None else size_lots, remaining=remaining)

    def _reject(self, command: Command, code: int) -> None:
        if command.kind == CommandKind.PLACE:
            self.sequence += 1
        self._emit(EventKind.REJECTED, side=command.side, code=code, flags=command.kind, order_id=command.order_id,
                   account=command.account, price_ticks=command.price_ticks, size_lots=command.size_lots)

    def _note_level(self, order: Order) -> None:
        """Called before a change of the order's level: remembers what it was before the batch."""
        self.levels_before.setdefault((order.side, order.price_ticks),
                                      self.sides[order.side].level(order.price_ticks))

    def _report_levels(self) -> None:
        """A LEVEL for each level that differs from before the batch: bids then asks, best first."""
        self.command_index = 0
        for side, price_ticks in sorted(self.levels_before, key=lambda at: (at[0], -at[1] if at[0] == Side.BUY else at[1])):
            lots, orders = self.sides[side].level(price_ticks)
            if (lots, orders) != self.levels_before[side, price_ticks]:
                self._emit(EventKind.LEVEL, side=side, price_ticks=price_ticks, size_lots=lots, remaining=orders)

    # --- snapshot and restore; the format is drawn in src/snapshot.h

    def snapshot(self) -> bytes:
        sides = [list(self.sides[side].by_priority()) for side in (Side.BUY, Side.SELL)]
        body = b"".join(SNAPSHOT_ORDER.pack(order.order_id, order.account, order.price_ticks, order.lots, order.opened)
                        for side in sides for order in side)
        header = SNAPSHOT_HEADER.pack(
            SNAPSHOT_MAGIC, SNAPSHOT_VERSION, SNAPSHOT_ORDER.size, len(sides[0]), len(sides[1]), self.sequence,
            self.last_trade_id, self.at_ms, self.halted, self.state_hash(), 0, 0, 0)
        return header[:-8] + checksum(header[:-8] + body).to_bytes(8, "little") + body

    @classmethod
    def restore(cls, snapshot: bytes, *, orders: int = 65536) -> "NaiveBook":
        """The book of `snapshot`. Raises DamagedSnapshot for anything a sound book would not have written."""
        if len(snapshot) < SNAPSHOT_HEADER.size:
            raise DamagedSnapshot(f"{len(snapshot)} bytes are less than a header")
        (magic, version, order_bytes, bids, asks, sequence, last_trade_id, at_ms, halted, wanted_hash, zero, zero_too,
         wanted_checksum) = SNAPSHOT_HEADER.unpack_from(snapshot)
        if (magic, version, order_bytes) != (SNAPSHOT_MAGIC, SNAPSHOT_VERSION, SNAPSHOT_ORDER.size):
            raise DamagedSnapshot("unknown magic, version or record size")
        if bids + asks > MAX_ORDERS or len(snapshot) != SNAPSHOT_HEADER.size + (bids + asks) * SNAPSHOT_ORDER.size:
            raise DamagedSnapshot("its length is not what its header says")
        if checksum(snapshot[:SNAPSHOT_HEADER.size - 8] + snapshot[SNAPSHOT_HEADER.size:]) != wanted_checksum:
            raise DamagedSnapshot("the checksum does not match")
        if halted > 1 or at_ms < 0 or sequence >= 2**63 or last_trade_id > sequence or zero or zero_too:
            raise DamagedSnapshot("a figure in its header is out of range")
        book = cls()
        book.sequence, book.last_trade_id, book.at_ms, book.halted = sequence, last_trade_id, at_ms, bool(halted)
        for number, (order_id, account, price_ticks, lots, opened) in enumerate(
                SNAPSHOT_ORDER.iter_unpack(snapshot[SNAPSHOT_HEADER.size:])):
            order = Order(order_id=order_id, account=account, side=Side.BUY if number < bids else Side.SELL,
                          price_ticks=price_ticks, lots=lots, opened=opened)
            book._restore_order(order)
        bid, ask = book.sides[Side.BUY].first(), book.sides[Side.SELL].first()
        if bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks:
            raise DamagedSnapshot("its orders are no sound book: crossed")
        if book.state_hash() != wanted_hash:
            raise DamagedSnapshot("the state hash of its orders is not the one in its header")
        return book

    def _restore_order(self, order: Order) -> None:
        side = self.sides[order.side]
        in_range = (order.order_id != NIL and order.account > 0 and order.price_ticks > 0 and order.lots > 0
                    and 0 < order.opened <= self.sequence and order.order_id not in self.by_id)
        if not in_range or order.price_ticks * (order.lots + side.level(order.price_ticks)[0]) > MAX_NOTIONAL:
            raise DamagedSnapshot("its orders are no sound book: a number out of range or an id twice")
        if side.prices:
            last_price = side.prices[0] if order.side == Side.BUY else side.prices[-1]  # the worst so far
            worse = order.price_ticks < last_price if order.side == Side.BUY else order.price_ticks > last_price
            younger = order.price_ticks == last_price and side.queues[last_price][-1].opened < order.opened
            if not worse and not younger:
                raise DamagedSnapshot("its orders are no sound book: not in priority order")
        side.add(order)
        self.by_id[order.order_id] = order


def _is_malformed(place: Command) -> bool:
    """An enum out of range, a number that must be positive and is not, fields that contradict each other."""
    market = place.order_type in (OrderType.MARKET, OrderType.STOP_MARKET)  # there the time in force does not matter
    if (not Side.BUY <= place.side <= Side.SELL or not OrderType.LIMIT <= place.order_type <= OrderType.STOP_MARKET
            or not (0 if market else TimeInForce.GTC) <= place.time_in_force <= TimeInForce.FOK
            or place.stp > Stp.CANCEL_BOTH or place.flags > POST_ONLY or place.reserved != 0):
        return True
    if place.order_id == NIL or place.account == 0:
        return True
    if min(place.price_ticks, place.size_lots, place.funds, place.stop_price_ticks, place.display_lots,
           place.expire_at_ms, place.issued_at_ms) < 0:
        return True
    if (place.order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)) != (place.stop_price_ticks > 0):
        return True
    if market:
        return (place.size_lots > 0) == (place.funds > 0) or place.flags == POST_ONLY
    never_rests = place.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    return (place.price_ticks == 0 or place.size_lots == 0 or place.funds > 0
            or (place.flags == POST_ONLY and never_rests))


def _is_unsupported(place: Command) -> bool:
    """Stops, icebergs and orders with an end: for a later core."""
    if place.order_type == OrderType.LIMIT and place.time_in_force == TimeInForce.GTT:
        return True
    return (place.order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET) or place.display_lots > 0
            or place.expire_at_ms > 0)
