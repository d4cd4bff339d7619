"""Which rare states a run came to: the follower tells what happens, `Notes` gives it a name (tests/core/wanted.py)."""

from collections import Counter

from matching_core.records import CommandKind, DoneReason, EventKind, OrderType, RejectCode, Side, Stp, TimeInForce
from tests.core.commands import Fields, other_side
from tests.core.known import (
    AUCTION,
    HALTED,
    IN_AUCTION,
    MAX_BACKGROUND,
    MAX_FILLS,
    MAX_UNCROSS,
    MODES,
    OPEN,
    RESTED,
    SIDES,
    STOP,
    UNCROSSING,
    Known,
)


class Notes:
    """Counts states by name. The follower calls it before it changes what it knows."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self.gone: set[bytes] = set()
        self.had_loss = False

    def note(self, name: str, *, when: bool = True) -> None:
        if when:
            self.reached[name] += 1

    def note_accepted(self, place: Fields, order: Known) -> None:
        order.mode = self.mode
        self.note(f"accepted {SIDES[order.side]} {order.kind}")
        self.note("display of the whole size makes a plain order", when=place.display_lots >= place.size_lots > 0)
        self.note("iceberg accepted", when=order.display > 0)
        self.note("the id of an order that is gone is used again", when=order.order_id in self.gone)
        if self.mode == AUCTION:
            self.note("stop placed in AUCTION" if order.waits else "order rests in AUCTION")
        if order.expire_at_ms and order.time_in_force != TimeInForce.GTT:
            self.note(f"deadline of {OrderType(order.order_type).name}")
        if order.collar_bp and order.order_type == OrderType.LIMIT and self.last:
            edge = self.last * order.collar_bp // 10_000
            self.note("limit at the edge of its band", when=abs(order.price_ticks - self.last) == edge)
        if order.waits and self.mode == OPEN:
            self.note("stop is met when it is placed", when=self.met(order, self.low, self.high))
        if order.order_type == OrderType.LIMIT and order.time_in_force in (TimeInForce.GTC, TimeInForce.GTT):
            full = order.price_ticks * (order.left + 1 + self.on_level(order.side, order.price_ticks))
            self.note("level full to the last lot", when=full > 2**62 - 1)

    def note_rejected(self, command: Fields, code: int, why: str) -> None:
        kind = CommandKind(command.kind).name if 0 < command.kind <= CommandKind.UNCROSS else "unknown kind"
        self.note(f"{kind} rejected {RejectCode(code).name}")
        self.note(f"{kind} rejected {RejectCode(code).name}: {why}")
        self.note(f"malformed: {why}", when=code == RejectCode.MALFORMED)

    def note_opened(self, order: Known) -> None:
        self.note(f"{order.way} rests" + (" after trades" if order.prices else ""))
        self.note("iceberg rests with less than it displays", when=order.lots < order.display)
        self.note("triggered iceberg rests", when=order.hidden > 0 and order.way == "TRIGGERED")
        self.note("amended iceberg shows its display again", when=order.hidden > 0 and order.way == "AMEND")
        if self.mode == AUCTION:
            self.note("amended in AUCTION", when=order.way == "AMEND")
            first = self.first(other_side(order.side))
            self.note("order rests across the touch in AUCTION", when=first is not None and order.crosses(first.price_ticks))

    def note_refreshed(self, order: Known, behind_others: bool) -> None:
        order.aged_anew = True
        self.note("iceberg refreshed behind others", when=behind_others)
        self.note("iceberg shows its last lots", when=order.hidden == 0)
        self.note("iceberg shows less than its display", when=order.lots < order.display)
        if self.taker is not None:
            self.refreshed[order.order_id] += 1
            self.note("iceberg refreshed")
            self.note("iceberg refreshed twice in one command", when=self.refreshed[order.order_id] == 2)
        else:
            who = "maker" if order is self.uncrossed[0] else "taker"
            self.note(f"iceberg refreshed in uncross: {who}")
            self.note("both icebergs refreshed in uncross", when=who == "taker" and self.previous[0] == EventKind.OPENED)

    def note_trade(self, taker: Known, maker: Known, price_ticks: int) -> None:
        if price_ticks != taker.last_price:
            taker.prices += 1
            taker.last_price = price_ticks
        self.note(f"{taker.way} trades")
        self.note("taker walked five levels", when=taker.prices == 5)
        self.note("iceberg trades as a taker", when=taker.display > 0)
        self.note("GTT trades as a taker", when=taker.time_in_force == TimeInForce.GTT)
        self.note("met an iceberg by funds", when=taker.by_funds and maker.hidden > 0)

    def note_done_resting(self, order: Known, reason: int) -> None:
        self.gone.add(order.order_id)
        name, command, taker = DoneReason(reason).name, self.command.kind, self.taker
        self.note(f"{'waiting' if order.waits else 'resting'} done {name}")
        iceberg = order.display > 0
        if reason == DoneReason.EXPIRED:
            self._note_expired(order)
        elif reason == DoneReason.SELF_TRADE and taker is None:
            self.note(f"self trade in uncross: the younger is a {'bid' if order.side == Side.BUY else 'ask'}")
            self.note("self trade in uncross of an iceberg", when=iceberg)
        elif reason == DoneReason.SELF_TRADE:
            wants = taker.wants(order.price_ticks)
            larger = "larger" if self.previous[0] == EventKind.REDUCED or wants > order.left else (
                "as large" if wants == order.left else "smaller")
            self.note(f"self trade {Stp(taker.stp).name}: taker {larger}")
            self.note("self trade takes an iceberg off", when=order.hidden > 0)
            self.note(f"{taker.way} meets its own account")
        elif reason == DoneReason.CANCELED:
            self.note(f"{CommandKind(command).name} takes off in {MODES[self.mode]}")
            self.note("cancel of an order that is due", when=self.due(order))
            self.note("cancel takes an iceberg off with all its lots", when=order.hidden > 0)
            if command == CommandKind.AMEND:
                below = self.command.size_lots < order.traded
                self.note("amend to less than it traded" if below else "amend to what it traded")
        elif reason == DoneReason.FILLED:
            self.note("iceberg filled after its last refresh", when=iceberg)
            self.note("filled in uncross", when=taker is None)

    def _note_expired(self, order: Known) -> None:
        if self.taker is not None:
            self.note(f"due maker met by a {self.taker.way}")
            self.note("due iceberg met by a taker", when=order.hidden > 0)
            self.note("own due order met by a taker", when=order.account == self.taker.account)
        elif self.expired < self.background or self.uncross_steps:
            self.note(f"due {'bid' if order.side == Side.BUY else 'ask'} met in uncross")
        else:
            self.note(f"expired in the background in {MODES[self.mode]}")
            others = sum(other.expire_at_ms == order.expire_at_ms for other in self.orders.values())
            self.note("aged anew, expired among others of its end", when=order.aged_anew and others > 1)
            self.note("iceberg expired", when=order.hidden > 0)

    def note_done_taker(self, order: Known, reason: int) -> None:
        self.gone.add(order.order_id)
        self.note(f"{order.way} done {DoneReason(reason).name}")
        first = self.first(other_side(order.side))
        if order.by_funds and order.way == "PLACE":
            self.note("by funds, filled with a rest", when=reason == DoneReason.FILLED and order.funds > 0)
        within = first is not None and order.crosses(first.price_ticks) and order.wants(first.price_ticks) > 0
        if reason == DoneReason.NO_LIQUIDITY and order.collar_bp and within:
            self.note(f"collar stopped a {SIDES[order.side]} {order.sized}")
            self.note("collar stopped a triggered order", when=order.way == "TRIGGERED")
            self.note("collar tighter than the worst price", when=order.price_ticks > 0)
        if reason == DoneReason.NO_LIQUIDITY and order.collar_bp and order.price_ticks and first is not None:
            self.note("worst price tighter than the collar", when=not order.crosses(first.price_ticks) and order.prices > 0)
        if order.is_market and order.collar_bp == 10_000 and order.side == Side.SELL:
            self.note("collar of 100 % on a sell is none", when=order.prices > 0)
        if reason == DoneReason.LEVEL_FULL:
            visible = sum(other.lots for other in self.queues[order.side].get(order.price_ticks, {}).values())
            self.note("level full only because of hidden lots", when=order.price_ticks * (order.lots + visible) < 2**62)
        if order.way == "TRIGGERED" and order.time_in_force == TimeInForce.IOC and not order.is_market:
            level = order.price_ticks * (order.left + self.on_level(order.side, order.price_ticks))
            self.note("stop-limit IOC does not mind a full level", when=level > 2**62 - 1)
            self.note("stop-limit IOC traded", when=order.prices > 0)
        if order.way == "TRIGGERED":
            self.note("one trigger touched more than the background may", when=order.touches >= MAX_BACKGROUND)
        self.note("amended order crossed and filled", when=order.way == "AMEND" and reason == DoneReason.FILLED)

    def note_triggered(self, stop: Known) -> None:
        self.note(f"triggered {SIDES[stop.side]} {stop.kind}")
        beyond = self.last < stop.stop_price_ticks if stop.entry else self.last > stop.stop_price_ticks
        self.note(f"trigger range wider than the last price: {'entry' if stop.entry else 'loss'}", when=beyond)
        depth = 1
        for number, (_, _, before) in enumerate(self.triggers):
            low, high = self.triggers[number + 1][:2] if number + 1 < len(self.triggers) else (self.low, self.high)
            if not self.met(stop, *self.triggers[0][:2]) and self.met(stop, low, high):
                depth = before + 1
                break
        self.triggers.append((self.low, self.high, depth))
        self.note("stop cascade of three", when=depth == 3)
        self.note("stop cascade of ten", when=depth == 10)
        self.note("ten stops triggered by one command", when=len(self.triggers) == 10)
        self.note("entry stop triggered behind a loss stop", when=len(self.triggers) > 1 and stop.entry and self.had_loss)
        self.had_loss = not stop.entry
        others = sum(other.stop_price_ticks == stop.stop_price_ticks and other.entry == stop.entry and self.met(
            other, self.low, self.high) for other in self.waiting.values())
        self.note("two stops of one price are met", when=others > 1)
        self.note("triggered before the command's own work", when=not self.answered and self.command.kind in (
            CommandKind.PLACE, CommandKind.AMEND, CommandKind.CANCEL))
        self.note("triggered by a RESUME", when=self.last_mode_event == EventKind.RESUMED and not self.uncross_steps)
        self.note("triggered after an uncross", when=self.last_mode_event == EventKind.RESUMED and self.uncross_steps > 0)
        self.note("expiry, then a trigger in one background", when=self.expired > 0)
        self.note("stop placed in AUCTION triggered", when=stop.mode == AUCTION)

    def note_amended(self, order: Known, price_ticks: int, left: int, stays: bool) -> None:
        if stays:
            self.note("amend kept its place")
            self.note("amend to the same size", when=left == order.left)
            if order.hidden and left < order.left:
                only = order.left - left < order.hidden
                self.note("amend took hidden lots" if only else "amend took all hidden lots, and visible")
            self.note("amend with the same price given", when=self.command.price_ticks > 0)
        else:
            self.note("amend lost its place: new price" if price_ticks != order.price_ticks else "amend lost its place: larger")
            self.note("amend to a new price and smaller", when=left < order.left and price_ticks != order.price_ticks)
            self.note("amend of a post-only order", when=order.post_only)
            self.note("amend of a GTT order", when=order.expire_at_ms > 0)
            level = price_ticks * (left + self.on_level(order.side, price_ticks))
            self.note("amend fits because its own lots do not count", when=level > 2**62 - 1)
        self.note("amend by an operator", when=self.command.account == 0)
        self.note("amend of the size after trades", when=order.traded > 0 and self.command.size_lots > 0)

    def note_mode(self, kind: int, price_ticks: int) -> None:
        """Before the mode changes."""
        if kind != EventKind.RESUMED:
            self.note(f"{'HALT' if kind == EventKind.HALTED else 'AUCTION'} in {MODES[self.mode]}")
            self.note("crossed book halted", when=self.crossed() and kind == EventKind.HALTED)
            self.note("crossed book collects again", when=self.crossed() and kind == EventKind.COLLECTING)
            return
        self.note("resumed with an auction price", when=price_ticks > 0)
        if self.mode == UNCROSSING and self.command.kind not in (CommandKind.RESUME, CommandKind.UNCROSS):
            self.note("uncross finished in the background of another command")
        elif self.mode == UNCROSSING and self.own_steps == MAX_UNCROSS:
            self.note("uncross finished in the background of its command")

    def note_command(self, command: Fields, events: list[tuple], met: list[Known], due: list[Known]) -> None:
        """At the command's end. `met`, `due`: the stops that still should trigger, the orders that still should end."""
        kind = command.kind
        if kind in (CommandKind.RESUME, CommandKind.UNCROSS):
            what = "crossed" if self.own_steps or self.mode == UNCROSSING else "uncrossed"
            self.note(f"{CommandKind(kind).name} in {MODES[self.mode_before]}, {what}")
        if kind == CommandKind.CANCEL_ALL:
            whose = "everybody's" if command.account == 0 else "own"
            self.note(f"CANCEL_ALL of {whose}: {'some' if self.canceled else 'none'}")
            left = any(command.account in (0, order.account) for order in self.orders.values())
            self.note(f"CANCEL_ALL of {whose} leaves some", when=left and len(self.canceled) == MAX_FILLS)
            self.note("CANCEL_ALL takes orders and stops", when=len({order.waits for order in self.canceled}) == 2)
            self.note("CANCEL_ALL takes bids and asks", when=len({order.side for order in self.canceled}) == 2)
        if self.background >= MAX_BACKGROUND:
            self.note("background limit reached by expiry", when=self.expired >= MAX_BACKGROUND and bool(due))
            if self.triggers and met:
                self.note("background limit reached by stops")
                self.note("background limit reached by expiry and stops", when=self.expired > 0)
            self.note("background limit reached by uncross", when=self.uncross_steps > 0 and self.mode == UNCROSSING)
            self.note("uncrossed, but the last step is left over", when=self.mode == UNCROSSING and not self.crossed())
        if self.mode == HALTED:
            self.note("a stop that is met waits for the market to open", when=bool(met))
        self.note("background does all there is: expiry, uncross, stops", when=bool(
            self.expired and self.uncross_steps and self.triggers))

    def note_levels(self, events: list[tuple]) -> None:
        """At the batch's end: what came of the levels."""
        emptied, touched, levels = Counter(), Counter(), set()
        for kind, side, _, flags, _, _, _, _, _, _, _, price_ticks, size_lots, _ in events:
            if kind == EventKind.LEVEL:
                levels.add((side, price_ticks))
                self.note("level emptied", when=size_lots == 0)
            elif kind == EventKind.OPENED and not flags & RESTED:
                touched[side, price_ticks] += 1
            elif kind == EventKind.TRADE and not flags & IN_AUCTION:
                touched[side, price_ticks] += 0
            elif kind == EventKind.DONE and flags & RESTED:
                touched[side, price_ticks] -= 1
                emptied[side, price_ticks] += 1
        self.note("level changed in a batch and ended as before", when=bool(touched.keys() - levels))
        self.note("level went and came back in one batch", when=any(
            emptied[at] and touched[at] == 0 and at in levels for at in touched))
        self.note("book emptied", when=not self.orders and bool(touched))

    def note_taken_back(self, commands: list[Fields], events: list[tuple], cut: int) -> None:
        """The events of a batch, of which only `cut` had room."""
        self.note("events full")
        if cut >= len(events):
            return
        kinds = Counter()
        for kind, _, code, flags, *_ in events[:cut]:
            rested = flags & RESTED
            name = {EventKind.OPENED: "refresh" if rested else "rest",
                    EventKind.TRADE: "uncross" if flags & IN_AUCTION else "trade",
                    EventKind.ACCEPTED: "waiting stop" if flags & STOP else "",
                    EventKind.REDUCED: "reduction" if rested else "", EventKind.TRIGGERED: "trigger",
                    EventKind.AMENDED: "amend in place" if rested else "amend", EventKind.HALTED: "halt",
                    EventKind.RESUMED: "resume", EventKind.COLLECTING: "auction"}.get(kind, "")
            if kind == EventKind.DONE and flags & (RESTED | STOP):
                name = f"{'stop' if flags & STOP else 'order'} {DoneReason(code).name}"
            kinds[name] += 1
        for name in kinds:
            self.note(f"taken back: {name}", when=bool(name))
        kind, index, flags = events[cut][0], events[cut][4], events[cut][3]
        before = [event for event in events[:cut] if event[4] == index and kind != EventKind.LEVEL]
        self.note("events full during a cascade", when=sum(event[0] == EventKind.TRIGGERED for event in before) >= 3)
        self.note("events full during an uncross", when=bool(
            before and before[-1][0] in (EventKind.TRADE, EventKind.DONE, EventKind.OPENED) and flags & (IN_AUCTION | RESTED)
            and any(event[3] & IN_AUCTION and event[0] == EventKind.TRADE for event in before)))
        self.note("events full at an iceberg refresh", when=kind == EventKind.OPENED and flags & RESTED > 0)
        self.note("events full within an amend", when=any(event[0] == EventKind.AMENDED for event in before))
        self.note("events full within a CANCEL_ALL", when=commands[index].kind == CommandKind.CANCEL_ALL and len(before) > 1)
        self.note("events full by a LEVEL", when=kind == EventKind.LEVEL)
