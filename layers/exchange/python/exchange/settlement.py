"""Settlement: from a journal entry and its orders to the exact money movements, in whole units.

Pure. `plan_settlement` takes the entry's events one by one and keeps, per order, what it has filled, paid and still needs;
the result is what one PostgreSQL transaction then writes. Keeps, by assertion while planning:

    I1  per asset, what the postings add to some accounts they take from others
    I2  no event takes more from an order's hold than is there
    I3  after each event an order's hold is what it still needs, nothing once it is done
    I7  each trade once for each side, at the maker's or the auction's price, within both orders' limits and sizes

A violation raises SettlementBroken: the market halts. A fee is rounded once per order (fees.py): a fill pays the
difference between the rounded running totals.

    pending --ACCEPTED--> matching --OPENED--> open --DONE--> done        an order may be DONE in any status but pending,
       |                    ^   ^                |                        which a REJECTED of its PLACE ends
       |                    |   +---AMENDED------+   it lost its place
       +-ACCEPTED (a stop)--> active --TRIGGERED--> matching

`matching` lasts for a part of one command and is never in the ledger. What an order is, is told by the ledger and its events
alone: an expiry, a triggered stop or an auction's trade comes with a command that has nothing to do with the order.

An AMEND may need more than the order holds, also one that asks for less: until the engine takes it up, the order may trade at
its old price, or be reduced. Who sends one must first, in one transaction (balance before order, as everywhere; on condition
that the order is `open` and has no `amend_requested_at`), set `amend_requested_at` and raise the hold to `amend_hold_units`.
Until the answer the hold falls by nothing but what is spent. AMENDED, a REJECTED AMEND of the owner, and DONE are the answer:
they clear `amend_requested_at` and release what is not needed.
"""

from dataclasses import dataclass, field, replace
from uuid import UUID

from exchange.commands import Command, CommandKind, Side
from exchange.events import (
    FLAG_AUCTION,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    DoneReason,
    Event,
    EventKind,
    RejectCode,
)
from exchange.faults import BrokenInvariant
from exchange.fees import fee_units
from exchange.holds import needed_units
from exchange.journal import JournalEntry
from exchange.markets import Market

# Those that may move money, and all that are of an order.
MONEY_EVENTS = frozenset((EventKind.REJECTED, EventKind.TRADE, EventKind.DONE, EventKind.REDUCED, EventKind.AMENDED))
ORDER_EVENTS = MONEY_EVENTS | {EventKind.ACCEPTED, EventKind.OPENED, EventKind.TRIGGERED}

PENDING, ACTIVE, OPEN, DONE = "pending", "active", "open", "done"
MATCHING = "matching"


class SettlementBroken(BrokenInvariant):
    """The entry cannot be settled as it stands: `str(error)` names the invariant, the entry and the order."""


@dataclass(slots=True)
class OrderState:
    """An order as the ledger has it before the entry, and as the plan leaves it. All numbers are whole.

    `command`: as it was placed, with price and size as last amended. `lots`, `funds`: left to trade. `reduced`: taken off by
    self-trade prevention since then, in lots or (by funds) ticks x lots. `amending`: an AMEND is on its way.
    """

    command: Command
    status: str
    hold_units: int
    filled_lots: int = 0
    executed_notional: int = 0
    fees_paid: int = 0
    fee_numerator: int = 0
    reduced: int = 0
    done_reason: str | None = None
    reject_reason: str | None = None
    done_at_ms: int | None = None
    amending: bool = False
    lots: int = field(init=False)
    funds: int = field(init=False)
    changed: bool = field(init=False, default=False)
    amended: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        by_funds = self.command.size_lots == 0
        self.lots = 0 if by_funds else self.command.size_lots - self.filled_lots - self.reduced
        self.funds = self.command.funds - self.executed_notional - self.reduced if by_funds else 0


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade. `value_units`, `fee_units` in the quote asset."""

    trade_id: int
    order_id: UUID
    account: int
    side: int
    liquidity: str
    price_ticks: int
    size_lots: int
    value_units: int
    fee_units: int


@dataclass(frozen=True, slots=True)
class Posting:
    """`units` of `asset` onto (or, negative, from) an account. Trade and order are absent on the house's own."""

    account: int
    asset: str
    units: int
    type: str
    order_id: UUID | None = None
    trade_id: int | None = None


@dataclass(slots=True)
class Plan:
    """All that one entry changes. `balances`: (account, asset) -> [available delta, held delta] in units."""

    market: Market
    entry: JournalEntry
    fills: list[Fill] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    balances: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    orders: dict[bytes, OrderState] = field(default_factory=dict)

    def move(self, account: int, asset: str, available: int, held: int) -> None:
        """Adds to the deltas of one balance."""
        delta = self.balances.setdefault((account, asset), [0, 0])
        delta[0] += available
        delta[1] += held


def amend_hold_units(market: Market, order: OrderState, *, price_ticks: int, size_lots: int) -> int:
    """What must be held before an AMEND of `order` to these terms (0 = keep) is sent: for the most lots that can be left
    before and after it, at the dearer price."""
    old = order.command.price_ticks
    dearer = max(old, price_ticks) if order.command.side == Side.BUY else old
    lots = max(order.lots, size_lots - order.filled_lots)
    return max(order.hold_units, needed_units(market, replace(order.command, price_ticks=dearer), lots=lots, funds=0,
                                              fee_numerator=order.fee_numerator, fees_paid=order.fees_paid))


def orders_in(events: list[Event]) -> set[bytes]:
    """The ids of all orders that the ledger must know to settle these events."""
    ids = set()
    for event in events:
        if event.kind in ORDER_EVENTS:
            ids.add(event.order_id)
            if event.kind == EventKind.TRADE:
                ids.add(event.maker_order_id)
    return ids


def accounts_in(events: list[Event]) -> set[int]:
    """The accounts whose balances these events may move. An order that only comes to rest moves none."""
    accounts = set()
    for event in events:
        if event.kind in MONEY_EVENTS:
            accounts.add(event.account)
            if event.kind == EventKind.TRADE:
                accounts.add(event.maker_account)
    return accounts


def plan_settlement(entry: JournalEntry, events: list[Event], market: Market, orders: dict[bytes, OrderState],
                    fee_account: int) -> Plan:
    """The plan for `entry`; `orders` (by id) are taken over and changed. Raises SettlementBroken."""
    plan = Plan(market=market, entry=entry, orders=orders)
    fees = 0
    for event in events:
        if event.kind == EventKind.TRADE:
            fees += _trade(plan, event)
        elif event.kind == EventKind.REJECTED:
            _rejected(plan, event)
        elif event.kind in ORDER_EVENTS:
            _order_event(plan, event)
    if fees:
        plan.postings.append(Posting(fee_account, market.quote.id, fees, "fee"))
        plan.move(fee_account, market.quote.id, fees, 0)
    _check_whole(plan)
    return plan


def _rejected(plan: Plan, event: Event) -> None:
    """A rejection ends a placement that nobody has answered yet, and gives back what an AMEND was to take. One of a cancel,
    or of a record that repeats an order or never was one, changes nothing here."""
    order = plan.orders.get(event.order_id)
    if order is None:
        return
    if event.flags == CommandKind.PLACE and order.status == PENDING:
        order.reject_reason = RejectCode(event.code).name.lower()
        _finish(plan, event, order, "rejected")
    elif event.flags == CommandKind.AMEND and order.amending and order.command.account == event.account:
        order.amending = False
        _adjust_hold(plan, event, order)


def _order_event(plan: Plan, event: Event) -> None:
    order = _known(plan, event, event.order_id, event.account, _status_before(event))
    kind = event.kind
    if kind == EventKind.ACCEPTED:
        order.status, order.changed = ACTIVE if event.flags & FLAG_STOP else MATCHING, True
    elif kind == EventKind.TRIGGERED:
        _require((order.lots, order.funds) == (event.size_lots, event.remaining), plan, event,
                 f"I7: triggered with {event.size_lots} lots and {event.remaining} funds, not {order.lots} and {order.funds}")
        order.status, order.changed = MATCHING, True
    elif kind == EventKind.OPENED:
        lots = event.size_lots + event.remaining
        _require(order.lots == lots, plan, event, f"I7: opened with {lots} lots, the ledger has {order.lots} left")
        order.status, order.changed = OPEN, True
    elif kind == EventKind.REDUCED:
        _reduced(plan, event, order)
    elif kind == EventKind.AMENDED:
        _amended(plan, event, order)
    else:
        # By funds, the lots left are the core's estimate and no obligation; otherwise both sides must have counted alike.
        _require(order.command.size_lots == 0 or order.lots == event.size_lots, plan, event,
                 f"I7: done with {event.size_lots} lots left, the ledger has {order.lots}")
        _finish(plan, event, order, "filled" if event.code == DoneReason.FILLED else "canceled")


def _status_before(event: Event) -> str:
    """The status of the order that an event speaks of."""
    if event.kind == EventKind.ACCEPTED:
        return PENDING
    if event.flags & FLAG_STOP:
        return ACTIVE
    return OPEN if event.flags & FLAG_RESTED or event.kind == EventKind.AMENDED else MATCHING


def _reduced(plan: Plan, event: Event, order: OrderState) -> None:
    if event.flags & FLAG_BY_FUNDS:
        taken, order.funds = order.funds - event.remaining, event.remaining
    else:
        taken, order.lots = order.lots - event.size_lots, event.size_lots
    _require(taken >= 0, plan, event, f"I7: reduced by {taken}")
    order.reduced += taken
    _adjust_hold(plan, event, order)


def _amended(plan: Plan, event: Event, order: OrderState) -> None:
    """The size is from now on what was filled and what is left: what self-trade prevention took before is settled by it."""
    command = order.command
    _require(order.lots == event.remaining, plan, event,
             f"I7: amended from {event.remaining} lots, the ledger has {order.lots} left")
    if event.flags & FLAG_RESTED:
        _require(event.price_ticks == command.price_ticks and event.size_lots <= order.lots, plan, event,
                 "I7: it kept its place with another price or more lots")
    else:
        order.status = MATCHING
    order.lots, order.reduced, order.amending = event.size_lots, 0, False
    order.command = replace(command, price_ticks=event.price_ticks, size_lots=order.filled_lots + order.lots)
    order.amended = True
    _adjust_hold(plan, event, order)


def _trade(plan: Plan, event: Event) -> int:
    """Both sides of one trade; answers the fees in quote units."""
    auction = bool(event.flags & FLAG_AUCTION)
    maker = _known(plan, event, event.maker_order_id, event.maker_account, OPEN)
    taker = _known(plan, event, event.order_id, event.account, OPEN if auction else MATCHING)
    _require(maker.command.side == event.side and taker.command.side != event.side, plan, event,
             "I7: the sides do not match")
    _require(auction or event.price_ticks == maker.command.price_ticks, plan, event,
             f"I7: {event.price_ticks} ticks, the maker's price is {maker.command.price_ticks}")
    return (_fill(plan, event, maker, event.maker_order_id, "M", maker.command.maker_fee_ppm)
            + _fill(plan, event, taker, event.order_id, "T", taker.command.taker_fee_ppm))


def _fill(plan: Plan, event: Event, order: OrderState, order_id: bytes, liquidity: str, rate_ppm: int) -> int:
    market, command = plan.market, order.command
    base, quote = market.base.id, market.quote.id
    notional = event.price_ticks * event.size_lots
    value, size = market.value_units(notional), market.base_units(event.size_lots)
    limit = command.price_ticks
    buys = command.side == Side.BUY
    within = limit == 0 or (event.price_ticks <= limit if buys else event.price_ticks >= limit)
    _require(within, plan, event, f"I7: {event.price_ticks} ticks against a limit of {limit}")
    if command.size_lots:
        order.lots -= event.size_lots
        _require(order.lots >= 0, plan, event, "I7: filled more than its size")
    else:
        order.funds -= notional
        _require(order.funds >= 0, plan, event, "I7: spent more than its funds")
    order.filled_lots += event.size_lots
    order.executed_notional += notional
    order.fee_numerator += value * rate_ppm
    fee = fee_units(order.fee_numerator) - order.fees_paid
    order.fees_paid += fee
    spent = value + fee if buys else size
    _require(spent <= order.hold_units, plan, event, f"I2: takes {spent} units of a hold of {order.hold_units}")
    order.hold_units -= spent
    account, uuid, trade = command.account, UUID(bytes=order_id), event.trade_id
    if buys:
        plan.move(account, quote, 0, -spent)
        plan.move(account, base, size, 0)
    else:
        plan.move(account, base, 0, -spent)
        plan.move(account, quote, value - fee, 0)
    sign = 1 if buys else -1
    plan.postings.append(Posting(account, base, sign * size, "match", uuid, trade))
    plan.postings.append(Posting(account, quote, -sign * value, "match", uuid, trade))
    if fee:
        plan.postings.append(Posting(account, quote, -fee, "fee", uuid, trade))
    plan.fills.append(Fill(trade, uuid, account, command.side, liquidity, event.price_ticks, event.size_lots, value, fee))
    _adjust_hold(plan, event, order)
    return fee


def _adjust_hold(plan: Plan, event: Event, order: OrderState) -> None:
    """Releases what the order does not need any more (I3)."""
    order.changed = True
    needed = 0 if order.status == DONE else needed_units(
        plan.market, order.command, lots=order.lots, funds=order.funds, fee_numerator=order.fee_numerator,
        fees_paid=order.fees_paid)
    released = order.hold_units - needed
    _require(released >= 0, plan, event, f"I3: needs {needed} units, holds {order.hold_units}")
    if released and not order.amending:
        order.hold_units = needed
        asset = plan.market.quote if order.command.side == Side.BUY else plan.market.base
        plan.move(order.command.account, asset.id, released, -released)


def _finish(plan: Plan, event: Event, order: OrderState, reason: str) -> None:
    order.status, order.done_reason, order.done_at_ms, order.amending = DONE, reason, plan.entry.at_ms, False
    _adjust_hold(plan, event, order)


def _known(plan: Plan, event: Event, order_id: bytes, account: int, status: str) -> OrderState:
    order = plan.orders.get(order_id)
    if order is None:
        raise SettlementBroken(f"{_where(plan, event)}: I8: order {UUID(bytes=order_id)} is not in the ledger")
    _require(order.command.account == account, plan, event, f"I7: order of account {order.command.account}, not {account}")
    _require(order.status == status, plan, event, f"I7: the order is {order.status}, not {status}")
    return order


def _check_whole(plan: Plan) -> None:
    """The plan against itself: postings sum to zero (I1) and are the balances' change (I2), no order is half way (I7)."""
    totals: dict[str, int] = {}
    moved: dict[tuple[int, str], int] = {}
    for posting in plan.postings:
        totals[posting.asset] = totals.get(posting.asset, 0) + posting.units
        key = posting.account, posting.asset
        moved[key] = moved.get(key, 0) + posting.units
    wrong = {asset: total for asset, total in totals.items() if total}
    if wrong:
        raise SettlementBroken(f"{plan.market.id}/{plan.entry.seq}: I1: postings sum to {wrong}")
    for key, (available, held) in plan.balances.items():
        if available + held != moved.get(key, 0):
            raise SettlementBroken(f"{plan.market.id}/{plan.entry.seq}: I2: balance {key} moves by {available + held},"
                                   f" its postings by {moved.get(key, 0)}")
    if not moved.keys() <= plan.balances.keys():
        raise SettlementBroken(f"{plan.market.id}/{plan.entry.seq}: I2: postings without a balance")
    for order_id, order in plan.orders.items():
        if order.status == MATCHING:
            raise SettlementBroken(f"{plan.market.id}/{plan.entry.seq}: I7: order {UUID(bytes=order_id)} came to no end")


def _require(condition: bool, plan: Plan, event: Event, what: str) -> None:
    if not condition:
        raise SettlementBroken(f"{_where(plan, event)}: {what}")


def _where(plan: Plan, event: Event) -> str:
    kind = EventKind(event.kind).name
    return f"{plan.market.id}/{plan.entry.seq}: {kind} {event.sequence} of order {UUID(bytes=event.order_id)}"
