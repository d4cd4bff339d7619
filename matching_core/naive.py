"""The core's rules in obvious Python: what the C core is tested against, and what an audit replays the journal on.

Same interface as `matching_core.Book`, same events, same state hash, same snapshot bytes. Orders are objects in lists,
levels are found by sorted prices; nothing here is clever, so that a trader can check it. Keeps I5 and I6.

This file is what commands do to a book. `naive_orders.py` has the order and its queues, `naive_state.py` the book and its
events, `naive_rules.py` why a command is refused, `naive_auction.py` the price of an auction, `naive_snapshot.py` the bytes of
a whole book.
"""

from heapq import nsmallest
from operator import attrgetter

from matching_core import COMMAND_BYTES, EVENT_BYTES, MAX_BACKGROUND, MAX_FILLS, MAX_UNCROSS, EventsFull, naive_snapshot
from matching_core.naive_auction import is_crossed
from matching_core.naive_orders import Order, crosses, order_of
from matching_core.naive_rules import level_is_full, why_amend_refused, why_move_refused, why_place_refused
from matching_core.naive_state import BookState
from matching_core.records import (
    COMMAND,
    ENTRY_STOPS,
    FLAG_AUCTION,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    LOSS_STOPS,
    NIL,
    Command,
    CommandKind,
    DoneReason,
    EventKind,
    Mode,
    RejectCode,
    Side,
    Stp,
)

MAX_EVENTS = 2_700  # that one command gives
AGE = attrgetter("opened")


class NaiveBook(BookState):
    """One market's book; see `matching_core.book.Book` for the interface."""

    @classmethod
    def create(cls, orders: int = 65536) -> "NaiveBook":
        return cls()

    @classmethod
    def restore(cls, snapshot: bytes, *, orders: int = 65536) -> "NaiveBook":
        """The book of `snapshot`. Raises DamagedSnapshot for anything a sound book would not have written."""
        book = cls()
        naive_snapshot.restore(book, snapshot)
        return book

    def snapshot(self) -> bytes:
        return naive_snapshot.write(self)

    # --- a batch

    def apply(self, at_ms: int, commands: bytes, max_event_bytes: int) -> bytes:
        """Runs a batch; all or nothing. Raises EventsFull and ValueError as `Book.apply` does."""
        if len(commands) % COMMAND_BYTES:
            raise ValueError(f"{len(commands)} bytes are no whole records of {COMMAND_BYTES}")
        if at_ms < self.at_ms:
            raise ValueError(f"at_ms {at_ms} is before the book's {self.at_ms}")
        batch = [Command._make(fields) for fields in COMMAND.iter_unpack(commands)]
        # A copy to go back to is only made when the events might not fit.
        most_events = self._most_events(batch)
        before = self.snapshot() if most_events * EVENT_BYTES > max_event_bytes else None
        self.at_ms = at_ms
        self.events = []
        self.levels_before = {}
        for self.command_index, command in enumerate(batch):
            steps = self._background(0)
            self._execute(command)
            self._background(steps)
        self.report_levels()
        assert len(self.events) <= most_events
        events = b"".join(self.events)
        if len(events) > max(0, max_event_bytes):
            assert before is not None
            self.__dict__ = NaiveBook.restore(before).__dict__
            raise EventsFull(f"the events of the batch need more than {max_event_bytes} bytes")
        return events

    def _most_events(self, batch: list[Command]) -> int:
        """No batch gives more. An order is accepted, triggered, opened and done once, and changes one level; each trade ends an
        order or a shown part of an iceberg, which gives one more OPENED. An AMEND gives an order three events again."""
        parts = sum([-(-order.left // order.display) for order in self.icebergs.values()])
        for command in batch:
            if command.kind == CommandKind.PLACE and command.display_lots > 0:
                parts += -(-max(0, command.size_lots) // command.display_lots)
            elif command.kind == CommandKind.AMEND:
                parts += max(0, command.size_lots)
        return min(6 * self.order_count + 10 * len(batch) + 2 * parts + 1, MAX_EVENTS * len(batch))

    def _execute(self, command: Command) -> None:
        kind = command.kind
        if kind == CommandKind.PLACE:
            self._place(command)
        elif kind == CommandKind.CANCEL:
            self._cancel(command)
        elif kind == CommandKind.AMEND:
            self._amend(command)
        elif kind == CommandKind.CANCEL_ALL:
            self._cancel_all(command)
        elif kind == CommandKind.TICK:
            pass  # only its time counts
        elif kind in (CommandKind.HALT, CommandKind.AUCTION):
            self.mode = Mode.HALTED if kind == CommandKind.HALT else Mode.AUCTION
            self.auction_price_ticks = 0
            self.emit(EventKind.HALTED if kind == CommandKind.HALT else EventKind.COLLECTING)
        elif kind in (CommandKind.RESUME, CommandKind.UNCROSS):
            self._resume()
        else:
            self.reject(command, RejectCode.MALFORMED)

    # --- what comes with any command: orders that reach their end, an auction that goes on, stops that are met

    def _background(self, steps: int) -> int:
        """Goes on from `steps` to about MAX_BACKGROUND; what is then left comes with the next command."""
        while steps < MAX_BACKGROUND:
            if self.timed and self.timed[0][0] <= self.at_ms:
                self.finish(self.by_id[self.timed[0][2]], DoneReason.EXPIRED)
                steps += 1
                continue
            if self.mode == Mode.UNCROSSING:
                self._uncross_step()
                steps += 1
                continue
            if self.mode == Mode.OPEN:
                stop = self._met_stop()
                if stop is not None:
                    steps += 1 + self._trigger(stop)
                    continue
                self.low_ticks = self.high_ticks = self.last_price_ticks
            break
        return steps

    @property
    def work_waits(self) -> bool:
        """Whether the next command finds work that waits."""
        due = self.timed and self.timed[0][0] <= self.at_ms
        return bool(due or self.mode == Mode.UNCROSSING or (self.mode == Mode.OPEN and self._met_stop() is not None))

    def _met_stop(self) -> Order | None:
        """The stop to trigger next: loss stops first, the highest stop price first; then entry stops, the lowest first."""
        if self.last_price_ticks == 0:
            return None
        loss, entry = self.queues[LOSS_STOPS], self.queues[ENTRY_STOPS]
        if loss.prices and loss.best() >= self.low_ticks:
            return loss.first()
        if entry.prices and entry.best() <= self.high_ticks:
            return entry.first()
        return None

    def _trigger(self, stop: Order) -> int:
        """It goes on like an order that was just accepted. Answers how many makers it touched."""
        self.take_off(stop)
        stop.waiting = False
        self.emit_order(EventKind.TRIGGERED, stop, flags=FLAG_STOP, price_ticks=stop.stop_price_ticks, remaining=stop.funds)
        if stop.may_rest and level_is_full(self, stop.side, stop.price_ticks, stop.lots):
            self.emit_order(EventKind.DONE, stop, code=DoneReason.LEVEL_FULL)
            return 0
        return self._take(stop)

    # --- commands

    def _place(self, command: Command) -> None:
        order = order_of(command)
        code = why_place_refused(self, command, order)
        if code:
            self.reject(command, code)
            return
        self.emit_order(EventKind.ACCEPTED, order, flags=FLAG_STOP if order.waiting else 0, remaining=order.funds)
        if order.waiting:
            order.opened = self.sequence
            self.put(order)
        else:
            self._take(order)

    def _cancel(self, command: Command) -> None:
        order = self.by_id.get(command.order_id)
        if command.order_id == NIL:
            self.reject(command, RejectCode.MALFORMED)
        elif order is None or command.account not in (0, order.account):
            self.reject(command, RejectCode.UNKNOWN_ORDER)
        else:
            self.finish(order, DoneReason.CANCELED)

    def _cancel_all(self, command: Command) -> None:
        """Takes off the oldest orders of the account, or of everybody."""
        found = [order for order in self.by_id.values() if command.account in (0, order.account)]
        for order in nsmallest(MAX_FILLS, found, key=AGE):
            self.finish(order, DoneReason.CANCELED)

    def _amend(self, command: Command) -> None:
        """A new price or a new total size. Less at the same price keeps the place; otherwise it goes on like a new order."""
        code = why_amend_refused(self, command)
        if code:
            self.reject(command, code)
            return
        order = self.by_id[command.order_id]
        new_price = command.price_ticks or order.price_ticks
        left_before = order.left
        new_left = command.size_lots - order.traded if command.size_lots else left_before
        if new_left <= 0:
            self.finish(order, DoneReason.CANCELED)
            return
        if new_price == order.price_ticks and new_left <= left_before:
            self.note_level(order)
            order.lose(left_before - new_left)
            self.emit_order(EventKind.AMENDED, order, flags=FLAG_RESTED, size_lots=new_left, remaining=left_before)
            return
        code = why_move_refused(self, command, order, new_price, new_left)
        if code:
            self.reject(command, code)
            return
        self.take_off(order)
        order.price_ticks, order.lots, order.hidden = new_price, new_left, 0
        self.emit_order(EventKind.AMENDED, order, remaining=left_before)
        self._take(order)

    def _resume(self) -> None:
        """Opens the book; a crossed one first trades at one price, in later commands too when it has much to trade."""
        if not is_crossed(self.queues[Side.BUY], self.queues[Side.SELL]):
            self._open()
            return
        self.mode = Mode.UNCROSSING
        for _ in range(MAX_UNCROSS):
            self._uncross_step()
            if self.mode == Mode.OPEN:
                return

    def _open(self) -> None:
        self.mode = Mode.OPEN
        self.emit(EventKind.RESUMED, price_ticks=self.auction_price_ticks)
        self.auction_price_ticks = 0

    # --- a taker

    def _take(self, taker: Order) -> int:
        """It trades what it can, then rests or is done. Answers how many makers it touched."""
        if self.mode == Mode.AUCTION:
            self.rest(taker)
            return 0
        reason, touched = self._match(taker)
        if reason is None and taker.may_rest:
            self.rest(taker)
            return touched
        if reason is None:
            reason = DoneReason.NO_LIQUIDITY if taker.is_market else DoneReason.IOC_REMAINDER
        self.emit_order(EventKind.DONE, taker, code=reason, remaining=taker.funds)
        return touched

    def _match(self, taker: Order) -> tuple[int | None, int]:
        """Trades best price first, oldest first. Answers why the taker is done, None when nothing is left to meet; and how many
        makers it touched."""
        makers = self.opposite(taker.side)
        limit_ticks = self._limit_of(taker)
        touched = 0
        while True:
            if taker.is_satisfied:
                return DoneReason.FILLED, touched
            maker = makers.first()
            if maker is None or not crosses(taker.side, limit_ticks, maker.price_ticks):
                return None, touched
            if taker.affordable(maker.price_ticks) == 0:
                return DoneReason.FILLED if taker.traded else DoneReason.NO_LIQUIDITY, touched
            if touched == MAX_FILLS:
                return DoneReason.FILL_LIMIT, touched
            touched += 1
            if maker.is_due(self.at_ms):
                self.finish(maker, DoneReason.EXPIRED)
            elif maker.account == taker.account:
                if self._prevent_self_trade(taker, maker):
                    return DoneReason.SELF_TRADE, touched
            else:
                self._trade(taker, maker)

    def _limit_of(self, taker: Order) -> int:
        """The worst price it may trade at, 0 = any. A collar counts from the best price that it finds."""
        touch = self.opposite(taker.side).best()
        if not taker.is_market or taker.collar_bp == 0 or touch is None:
            return taker.price_ticks
        width = touch * taker.collar_bp // 10_000
        if taker.side == Side.SELL:
            return max(taker.price_ticks, touch - width)
        return min(taker.price_ticks, touch + width) if taker.price_ticks else touch + width

    def _trade(self, taker: Order, maker: Order) -> None:
        price_ticks = maker.price_ticks
        lots = min(maker.lots, taker.affordable(price_ticks))
        self.note_level(maker)
        maker.lots -= lots
        self.emit_trade(taker, maker, lots, price_ticks, FLAG_BY_FUNDS if taker.by_funds else 0)
        taker.spend(lots, price_ticks)
        self._after_trade(maker)

    def _prevent_self_trade(self, taker: Order, maker: Order) -> bool:
        """Whether the taker is done by it."""
        if taker.stp == Stp.CANCEL_OLDEST:
            self.finish(maker, DoneReason.SELF_TRADE)
            return False
        if taker.stp == Stp.CANCEL_NEWEST:
            return True
        if taker.stp == Stp.CANCEL_BOTH:
            self.finish(maker, DoneReason.SELF_TRADE)
            return True
        # Decrease and cancel: the larger loses the smaller's lots, the smaller is done.
        taker_lots, maker_lots = taker.affordable(maker.price_ticks), maker.left
        if taker_lots == maker_lots:
            self.finish(maker, DoneReason.SELF_TRADE)
            return True
        if taker_lots < maker_lots:
            self.note_level(maker)
            maker.lose(taker_lots)
            self.emit_order(EventKind.REDUCED, maker, flags=FLAG_RESTED, size_lots=maker.left, remaining=maker_lots)
            return True
        lots_before = taker.lots
        taker.spend(maker_lots, maker.price_ticks)
        self.emit_order(EventKind.REDUCED, taker, remaining=taker.funds if taker.by_funds else lots_before)
        self.finish(maker, DoneReason.SELF_TRADE)
        return False

    def _after_trade(self, order: Order) -> None:
        """A resting order whose visible lots are gone is filled; or it shows the next ones, behind the others of its level."""
        if order.lots:
            return
        if order.hidden == 0:
            self.finish(order, DoneReason.FILLED)
            return
        self.take_off(order)
        order.show_next()
        self.emit_order(EventKind.OPENED, order, flags=FLAG_RESTED, remaining=order.hidden)
        order.opened = self.sequence
        self.put(order)

    # --- an auction's end

    def _uncross_step(self) -> None:
        """One order that is due, one meeting of an account with itself, or one trade at the auction's price; or the end."""
        bids, asks = self.queues[Side.BUY], self.queues[Side.SELL]
        if not is_crossed(bids, asks):
            self._open()
            return
        bid, ask = bids.first(), asks.first()
        for order in (bid, ask):
            if order.is_due(self.at_ms):
                self.finish(order, DoneReason.EXPIRED)
                return
        if not ask.price_ticks <= self.auction_price_ticks <= bid.price_ticks:
            self.auction_price_ticks, _ = self.indicative()
        older, younger = (bid, ask) if bid.opened < ask.opened else (ask, bid)
        if older.account == younger.account:
            self.finish(younger, DoneReason.SELF_TRADE)
            return
        lots = min(older.lots, younger.lots)
        for order in (older, younger):
            self.note_level(order)
            order.lots -= lots
        self.emit_trade(younger, older, lots, self.auction_price_ticks, FLAG_AUCTION)
        self._after_trade(older)
        self._after_trade(younger)
