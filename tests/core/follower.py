"""A book that knows only the commands and the events, and so checks that the events tell the whole story.

It knows none of the cores' code. From each event it works out what became of every order and asserts what the rules say an
event must look like: priority, lots left, numbers of the sequence, who may trade with whom, FOK all or nothing. After a
batch `check` compares it with the core's snapshot. On its way it counts the rare states it sees (tests/core/reach.py).
"""

from collections import Counter

from matching_core.records import NIL, CommandKind, DoneReason, EventKind, OrderType, RejectCode, Side, Stp, TimeInForce
from tests.core.commands import MAX, Fields, malformed, other_side
from tests.core.followed import FollowedBook
from tests.core.known import (
    AUCTION,
    BY_FUNDS,
    HALTED,
    IN_AUCTION,
    MAX_BACKGROUND,
    MAX_EVENTS,
    MAX_FILLS,
    MAX_UNCROSS,
    OPEN,
    RESTED,
    STOP,
    UNCROSSING,
    Known,
)
from tests.core.refusals import why_refused

COUNTED = {EventKind.ACCEPTED, EventKind.OPENED, EventKind.TRADE, EventKind.DONE, EventKind.REDUCED, EventKind.TRIGGERED,
           EventKind.AMENDED}


class Follower(FollowedBook):
    """Follows one book, batch by batch."""

    # --- a batch

    def batch(self, at_ms: int, commands: list[Fields], events: list[tuple]) -> None:
        """Follows the batch's events (the tuples of EVENT) and asserts what can be known of them."""
        self.at_ms = at_ms
        per_command: list[list[tuple]] = [[] for _ in commands]
        levels, before = [], self.visible_levels()
        for event in events:
            if event[0] == EventKind.LEVEL:
                levels.append(event)
            else:
                assert not levels, "an event behind a LEVEL"
                per_command[event[4]].append(event)
        if len(commands) == 1:
            assert len(events) <= MAX_EVENTS
            self.note("1,200 events of one command", when=len(events) >= 1_200)
        for command, own in zip(commands, per_command, strict=True):
            self._command(command, own)
        assert levels == self._changed_levels(before), "the LEVEL events are not what changed"
        self.note_levels(events)
        self.note("empty batch with an order that is due", when=not commands and any(map(self.due, self.orders.values())))

    def _changed_levels(self, before: dict) -> list[tuple]:
        """The LEVEL events that a batch must end with."""
        after = self.visible_levels()
        changed = [at for at in before.keys() | after.keys() if before.get(at) != after.get(at)]
        changed.sort(key=lambda at: (at[0], -at[1] if at[0] == Side.BUY else at[1]))
        return [(EventKind.LEVEL, at[0], 0, 0, 0, self.sequence, 0, NIL, NIL, 0, 0, at[1], *after.get(at, (0, 0)))
                for at in changed]

    def _command(self, command: Fields, events: list[tuple]) -> None:
        self.command, self.mode_before = command, self.mode
        self.background = self.expired = 0  # steps of the background so far, of which expiries
        self.uncross_steps = self.own_steps = 0  # all steps of the uncross, and those that are not the background's
        self.answered = False
        self.last_mode_event = 0
        self.previous: tuple | None = None
        self.refreshed: Counter[bytes] = Counter()
        self.canceled: list[Known] = []
        self.uncrossed: list[Known] = []  # maker and taker of the last trade of an uncross
        self.triggers: list[tuple[int, int, int]] = []  # (low, high) when it was triggered, and its depth in a cascade
        for event in events:
            kind = event[0]
            counts = kind in COUNTED or (kind == EventKind.REJECTED and command.kind == CommandKind.PLACE)
            assert event[5] == self.sequence + counts, (EventKind(kind), event[5], self.sequence)
            self.sequence = event[5]
            if kind != EventKind.TRADE:
                assert (event[6], event[8], event[10]) == (0, NIL, 0), "an event names a trade or a maker"
            assert event[2] == 0 or kind in (EventKind.REJECTED, EventKind.DONE), "an event has a code"
            getattr(self, f"_on_{HANDLERS[kind]}")(*event)
            self.previous = event
        assert self.taker is None, "an order is on its way and never ended"
        self._end_of_command(command, events)

    def _executes(self) -> None:
        """The command's own work begins: the background before it is done."""
        self.answered = True
        if self.mode == OPEN and self.background < MAX_BACKGROUND:
            self.low = self.high = self.last

    def _end_of_command(self, command: Fields, events: list[tuple]) -> None:
        kind = command.kind
        if kind in (CommandKind.RESUME, CommandKind.UNCROSS) and self.last_mode_event != EventKind.RESUMED:
            self.mode = UNCROSSING
            assert self.own_steps == MAX_UNCROSS and self.background == MAX_BACKGROUND
        assert self.answered or kind not in (CommandKind.PLACE, CommandKind.AMEND, CommandKind.CANCEL)
        met = [stop for stop in self.waiting.values() if self.met(stop, self.low, self.high)]
        due = [order for order in self.orders.values() if self.due(order)]
        if self.background < MAX_BACKGROUND:  # steps were left over, so nothing that the background does may be left over
            assert not due and self.mode != UNCROSSING and not (met and self.mode == OPEN)
            if self.mode == OPEN:
                self.low = self.high = self.last
        if kind == CommandKind.CANCEL_ALL:
            self._canceled_all(command)
        self.note_command(command, events, met, due)

    def _canceled_all(self, command: Fields) -> None:
        """The oldest of the account were taken off, in their order, and none was left that should have gone."""
        ages = [order.opened for order in self.canceled]
        assert ages == sorted(ages) and len(ages) <= MAX_FILLS
        assert all(command.account in (0, order.account) for order in self.canceled)
        left = [order for order in self.orders.values() if command.account in (0, order.account)]
        assert all(len(ages) == MAX_FILLS and order.opened > ages[-1] for order in left)

    # --- events

    def _on_accepted(self, _k, side, _c, flags, _i, sequence, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        place = self.command
        assert place.kind == CommandKind.PLACE and order_id == place.order_id and not malformed(place)
        assert order_id not in self.orders and self.mode in (OPEN, AUCTION)
        order = Known.of(place)
        assert (side, account, price, size, remaining) == (
            order.side, order.account, place.price_ticks, place.size_lots, place.funds)
        assert flags == (BY_FUNDS if order.by_funds else 0) | (STOP if order.waits else 0)
        self._executes()
        code, why = why_refused(self, place)
        assert code == 0, f"accepted, though {why}"
        self.note_accepted(place, order)
        if order.waits:
            order.opened = sequence
            self.orders[order_id] = self.waiting[order_id] = order
        else:
            self.taker = order

    def _on_rejected(self, _k, side, code, flags, _i, _s, _t, order_id, _m, account, _a, price, size, _r) -> None:
        command = self.command
        assert (flags, side, order_id, account, price, size) == (
            command.kind, command.side, command.order_id, command.account, command.price_ticks, command.size_lots)
        self._executes()
        wanted, why = why_refused(self, command)
        assert code == wanted, f"{RejectCode(code).name}, but {why}"
        self.note_rejected(command, code, why)

    def _on_opened(self, _k, side, _c, flags, _i, sequence, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        if flags & RESTED:
            order = self.orders[order_id]
            assert order.lots == 0 and order.hidden == size + remaining and size == min(order.display, order.hidden)
            order.lots, order.hidden, order.opened = size, remaining, sequence
            queue = self.queues[side][order.price_ticks]
            del queue[order_id]
            queue[order_id] = order
            self.note_refreshed(order, len(queue) > 1)
        else:
            order, self.taker = self.taker, None
            assert order is not None and order.order_id == order_id and not order.is_market
            assert order.time_in_force in (TimeInForce.GTC, TimeInForce.GTT, 0)
            left = order.left
            order.lots = min(order.display, left) if order.display else left
            order.hidden, order.opened = left - order.lots, sequence
            assert order.price_ticks * (left + self.on_level(side, price)) <= MAX
            self.note_opened(order)
            self._rest(order)
        assert flags in (0, RESTED)
        assert (side, account, price, size, remaining) == (
            order.side, order.account, order.price_ticks, order.lots, order.hidden)

    def _on_trade(self, _k, side, _c, flags, _i, _s, trade_id, order_id, maker_id, account, maker_account, price, lots,
                  remaining) -> None:
        self.last_trade_id += 1
        assert trade_id == self.last_trade_id and lots > 0
        maker = self.orders[maker_id]
        assert maker is self.first(maker.side), "not the order that is first"
        assert maker.account != account == (self.taker or self.orders[order_id]).account and not self.due(maker)
        assert (side, maker_account) == (maker.side, maker.account)
        if flags & IN_AUCTION:
            assert flags == IN_AUCTION
            self._uncross_trade(maker, self.orders[order_id], price, lots)
        else:
            assert self.mode == OPEN
            self._touch(maker)
            taker = self.taker
            assert taker.order_id == order_id and price == maker.price_ticks and taker.crosses(price)
            assert flags == (BY_FUNDS if taker.by_funds else 0)
            assert lots == min(taker.wants(price), maker.lots)
            self.note_trade(taker, maker, price)
            if taker.by_funds:
                taker.funds -= lots * price
            else:
                taker.lots -= lots
            taker.traded += lots
        maker.lots -= lots
        maker.traded += lots
        assert remaining == maker.lots
        self.low = price if self.last == 0 else min(self.low, price)
        self.high = price if self.last == 0 else max(self.high, price)
        self.last = price

    def _uncross_trade(self, maker: Known, taker: Known, price: int, lots: int) -> None:
        assert self.taker is None and self.crossed() and taker is self.first(taker.side)
        assert maker.side != taker.side and maker.opened < taker.opened and not self.due(taker)
        assert lots == min(maker.lots, taker.lots)
        self._set_auction_price()
        assert price == self.auction_price
        self.note(f"uncross: the maker is a {'bid' if maker.side == Side.BUY else 'ask'}")
        self.note("uncross at one price", when=maker.price_ticks == taker.price_ticks)
        self.uncrossed = [maker, taker]
        self._uncross_step()
        taker.lots -= lots
        taker.traded += lots

    def _set_auction_price(self) -> None:
        """As an uncross step does that finds two orders alive at the touch."""
        bid, ask = self.first(Side.BUY), self.first(Side.SELL)
        if not ask.price_ticks <= self.auction_price <= bid.price_ticks:
            self.note("auction price changed during an uncross", when=self.auction_price > 0)
            self.auction_price, how = self.equilibrium()
            self.note(f"auction price is {how}")

    def _on_done(self, _k, side, reason, flags, _i, _s, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        if flags & (RESTED | STOP):
            order = self.orders[order_id]
            assert order is not self.taker and bool(flags & STOP) == order.waits == (order_id in self.waiting)
            assert flags == ((STOP | BY_FUNDS if order.by_funds else STOP) if order.waits else RESTED)
            assert size == (0 if reason == DoneReason.FILLED else order.left)
            assert remaining == (order.funds if order.waits else 0)
            assert (order.left == 0 and not order.waits) == (reason == DoneReason.FILLED)
            self._leaves(order, reason)
            self.note_done_resting(order, reason)
            self._remove(order)
        else:
            order = self.taker
            assert order is not None and order.order_id == order_id
            assert flags == (BY_FUNDS if order.by_funds else 0) and remaining == order.funds
            assert size == order.left and order.way
            fok = order.order_type == OrderType.LIMIT and order.time_in_force == TimeInForce.FOK
            assert not fok or reason == DoneReason.FILLED, "a FOK did not fill"
            if reason == DoneReason.SELF_TRADE and order.stp == Stp.CANCEL_NEWEST:
                self._touch(self.first(other_side(side)))  # the meeting that leaves no other trace
            assert (reason == DoneReason.FILL_LIMIT) <= (order.touches == MAX_FILLS)
            self.note_done_taker(order, reason)
            self.taker = None
        assert (side, account, price) == (order.side, order.account, order.price_ticks)

    def _leaves(self, order: Known, reason: int) -> None:
        """A resting or waiting order is done: may it be?"""
        command, taker = self.command, self.taker
        if reason == DoneReason.EXPIRED:
            assert self.due(order)
            if taker is not None:
                assert order is self.first(other_side(taker.side))
                self._touch(order)
            elif self.background < MAX_BACKGROUND:
                self.background += 1
                self.expired += 1
                assert all((order.expire_at_ms, order.opened) <= (other.expire_at_ms, other.opened)
                           for other in self.orders.values() if other.expire_at_ms), "another order ended before"
            else:
                self._uncross_step()
                assert order is self.first(order.side)
        elif reason == DoneReason.SELF_TRADE:
            if taker is not None:
                maker = self.first(other_side(taker.side))
                assert maker is order and taker.account == order.account and not self.due(order)
                self._touch(order) if self.previous[0] != EventKind.REDUCED else None
            else:
                self._set_auction_price()
                self._uncross_step()
                other = self.first(other_side(order.side))
                assert order is self.first(order.side) and order.account == other.account and order.opened > other.opened
                assert not self.due(order) and not self.due(other)
        elif reason == DoneReason.CANCELED:
            self._executes()
            self.canceled.append(order)
            if command.kind == CommandKind.AMEND:
                assert why_refused(self, command)[0] == 0 and 0 < command.size_lots <= order.traded
            else:
                assert command.kind in (CommandKind.CANCEL, CommandKind.CANCEL_ALL)
        else:
            assert reason == DoneReason.FILLED

    def _on_reduced(self, _k, side, _c, flags, _i, _s, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        taker, maker = self.taker, self.first(other_side(self.taker.side))
        assert flags == (RESTED if order_id == maker.order_id else BY_FUNDS if taker.by_funds else 0)
        assert taker.stp == Stp.DECREASE_AND_CANCEL and taker.account == maker.account
        self._touch(maker)
        wants, left = taker.wants(maker.price_ticks), maker.left
        if flags & RESTED:
            assert maker.order_id == order_id and wants < left and remaining == left
            hidden = min(maker.hidden, wants)
            if maker.hidden:
                self.note("dc takes hidden lots first" if hidden == wants else "dc takes hidden lots, then visible ones")
            maker.hidden -= hidden
            maker.lots -= wants - hidden
            assert size == maker.left
            self.note(f"dc: maker larger, taker by {'funds' if taker.by_funds else 'size'}")
            order = maker
        else:
            assert taker.order_id == order_id and wants > left
            if taker.by_funds:
                taker.funds -= left * maker.price_ticks
                assert remaining == taker.funds
            else:
                assert remaining == taker.lots
                taker.lots -= left
            assert size == taker.lots
            self.note(f"dc: taker larger, taker by {'funds' if taker.by_funds else 'size'}")
            order = taker
        assert (side, account, price) == (order.side, order.account, order.price_ticks)

    def _on_triggered(self, _k, side, _c, flags, _i, _s, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        stop = self.waiting[order_id]
        assert self.mode == OPEN and self.taker is None and self.met(stop, self.low, self.high)
        assert self.background < MAX_BACKGROUND and not self.due(stop)
        assert (side, account, price, size, remaining) == (
            stop.side, stop.account, stop.stop_price_ticks, stop.lots, stop.funds)
        assert flags == STOP | (BY_FUNDS if stop.by_funds else 0)
        rank = self._trigger_rank(stop)
        assert all(rank <= self._trigger_rank(other) for other in self.waiting.values()
                   if self.met(other, self.low, self.high)), "another stop comes first"
        self.note_triggered(stop)
        self._remove(stop)
        self.background += 1
        self.taker = stop
        stop.way = "TRIGGERED"

    def _trigger_rank(self, stop: Known) -> tuple[bool, int, int]:
        return stop.entry, stop.stop_price_ticks if stop.entry else -stop.stop_price_ticks, stop.opened

    def _on_amended(self, _k, side, _c, flags, _i, _s, _t, order_id, _m, account, _a, price, size, remaining) -> None:
        command, order = self.command, self.orders[order_id]
        assert command.kind == CommandKind.AMEND and order_id == command.order_id and not malformed(command)
        assert not order.waits and not self.due(order) and command.account in (0, order.account)
        new_price = command.price_ticks or order.price_ticks
        left = command.size_lots - order.traded if command.size_lots else order.left
        stays = new_price == order.price_ticks and left <= order.left
        assert left > 0 and self.mode in (OPEN, AUCTION)
        self._executes()
        code, why = why_refused(self, command)
        assert code == 0, f"amended, though {why}"
        assert (side, account, price, size, remaining) == (order.side, order.account, new_price, left, order.left)
        assert flags == (RESTED if stays else 0)
        self.note_amended(order, new_price, left, stays)
        if stays:
            lost = order.left - left
            hidden = min(order.hidden, lost)
            order.hidden -= hidden
            order.lots -= lost - hidden
        else:
            self._remove(order)
            order.price_ticks, order.lots, order.hidden, order.way, order.touches = new_price, left, 0, "AMEND", 0
            order.aged_anew = True
            first = self.first(other_side(side))
            assert not order.post_only or first is None or not order.crosses(first.price_ticks)
            self.taker = order

    def _on_mode(self, kind, *rest) -> None:
        side, code, flags, price = rest[0], rest[1], rest[2], rest[10]
        assert (side, code, flags, rest[6], rest[8], *rest[11:]) == (0, 0, 0, NIL, 0, 0, 0)
        self.last_mode_event = kind
        if kind == EventKind.RESUMED:
            if self.mode == UNCROSSING:
                self._uncross_step()
            assert not self.crossed() and price == self.auction_price, (price, self.auction_price)
        else:
            assert price == 0
            self._executes()
        self.note_mode(kind, price)
        self.mode = {EventKind.RESUMED: OPEN, EventKind.HALTED: HALTED, EventKind.COLLECTING: AUCTION}[kind]
        self.auction_price = 0

    def _touch(self, maker: Known) -> None:
        """A meeting of the taker with a maker."""
        assert self.taker.touches < MAX_FILLS, "too many touches"
        self.taker.touches += 1
        if self.taker.way == "TRIGGERED":
            self.background += 1

    def _uncross_step(self) -> None:
        """One step of an uncross: of the command's own, or of the background before or after it."""
        opening = self.command.kind in (CommandKind.RESUME, CommandKind.UNCROSS)
        before = self.mode_before == UNCROSSING and self.background < MAX_BACKGROUND and self.own_steps == 0
        if opening and not before and self.own_steps < MAX_UNCROSS:
            self.own_steps += 1
        else:
            assert self.background < MAX_BACKGROUND, "more than the background may do"
            self.background += 1
        self.uncross_steps += 1
        self.mode = UNCROSSING


HANDLERS = {EventKind.ACCEPTED: "accepted", EventKind.REJECTED: "rejected", EventKind.OPENED: "opened",
            EventKind.TRADE: "trade", EventKind.DONE: "done", EventKind.REDUCED: "reduced", EventKind.TRIGGERED: "triggered",
            EventKind.HALTED: "mode", EventKind.RESUMED: "mode", EventKind.AMENDED: "amended", EventKind.COLLECTING: "mode"}
