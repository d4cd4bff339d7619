"""Accounts, orders and the naive core in memory, for the tests of settlement plans; and events made by hand."""

from dataclasses import replace
from uuid import UUID

from exchange.commands import NIL, Command, CommandKind, OrderType, Side, Stp, TimeInForce
from exchange.events import CORE_VERSION, RECORD, EventKind
from exchange.holds import hold_asset, needed_units
from exchange.journal import JournalEntry
from exchange.markets import listing
from exchange.orders import Touch, build_order, parse_order
from exchange.settlement import OrderState, Plan, accounts_in, amend_hold_units, orders_in, plan_settlement
from matching_core.naive import NaiveBook

FEES = 2
NOW = 1_700_000_000_000
TOUCH = Touch(bid_ticks=9_995, ask_ticks=10_005, last_ticks=10_000)


def event(kind: int, order: Command | None = None, **fields) -> bytes:
    """A record; side, price, lots, id and account are the order's where they are not given."""
    order = order or Command(kind=CommandKind.TICK, issued_at_ms=0)
    given = {"side": order.side, "code": 0, "flags": 0, "command_index": 0, "sequence": 0, "trade_id": 0,
             "order_id": order.order_id.bytes, "maker_order_id": NIL.bytes, "account": order.account, "maker_account": 0,
             "price_ticks": order.price_ticks, "size_lots": order.size_lots, "remaining": 0}
    assert fields.keys() <= given.keys(), fields
    return RECORD.pack(kind, *(given | fields).values())


def trade(taker: Command, maker: Command, price_ticks: int, lots: int, **fields) -> bytes:
    return event(EventKind.TRADE, taker, maker_order_id=maker.order_id.bytes, maker_account=maker.account, side=maker.side,
                 price_ticks=price_ticks, size_lots=lots, **fields)


class World:
    """Accounts and orders in memory, moved by plans; `[available, held]` in units per (account, asset)."""

    def __init__(self, market="BTC-USD"):
        self.market = listing().markets[market]
        self.book = NaiveBook.create()
        self.orders: dict[bytes, OrderState] = {}
        self.balances: dict[tuple[int, str], list[int]] = {}
        self.seq = 0
        self.now = NOW

    # --- orders

    def place(self, account, body):
        """As the API does it."""
        terms = parse_order({"product_id": self.market.id} | body, listing())
        order = build_order(terms, order_id=UUID(int=len(self.orders) + 1), account=account, now_ms=self.now, touch=TOUCH,
                            maker_fee_ppm=self.market.maker_fee_ppm, taker_fee_ppm=self.market.taker_fee_ppm)
        self.orders[order.id.bytes] = OrderState(command=order.command, status="pending", hold_units=order.hold_units)
        self._deposit(account, order.hold_asset, order.hold_units)
        return order.command

    def order(self, account, side, price_ticks, size_lots=0, **fields):
        """An order of any kind that the core takes, with the hold that it needs."""
        fields = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "stp": Stp.DECREASE_AND_CANCEL,
                  "issued_at_ms": self.now, "maker_fee_ppm": 4000, "taker_fee_ppm": 6000} | fields
        command = Command(kind=CommandKind.PLACE, order_id=UUID(int=len(self.orders) + 1), account=account,
                          side=Side[side.upper()], price_ticks=price_ticks, size_lots=size_lots, **fields)
        hold = needed_units(self.market, command, lots=size_lots, funds=command.funds)
        self.orders[command.order_id.bytes] = OrderState(command=command, status="pending", hold_units=hold)
        self._deposit(account, hold_asset(self.market, command.side).id, hold)
        return command

    def opened(self, *args, **fields):
        """An order that rests already, by events made by hand."""
        command = self.order(*args, **fields)
        lots = min(command.size_lots, command.display_lots or command.size_lots)
        self.settle(events=[event(EventKind.ACCEPTED, command), event(
            EventKind.OPENED, command, size_lots=lots, remaining=command.size_lots - lots)])
        return command

    def reserve(self, command, *, price_ticks=0, size_lots=0):
        """What is held before an AMEND is sent; see exchange/settlement.py."""
        order = self.state(command)
        assert (order.status, order.hold_units, order.amending) == ("open", self.needed(order), False)
        more = amend_hold_units(self.market, order, price_ticks=price_ticks, size_lots=size_lots) - order.hold_units
        order.hold_units, order.amending = order.hold_units + more, True
        self._deposit(order.command.account, hold_asset(self.market, order.command.side).id, more)

    def amend(self, command, *, price_ticks=0, size_lots=0):
        """An AMEND as the API will send it."""
        self.reserve(command, price_ticks=price_ticks, size_lots=size_lots)
        return Command(kind=CommandKind.AMEND, issued_at_ms=self.now, order_id=command.order_id, account=command.account,
                       price_ticks=price_ticks, size_lots=size_lots)

    def command(self, kind, order=None, **fields):
        named = {"order_id": order.order_id, "account": order.account} if order else {}
        return Command(kind=kind, issued_at_ms=self.now, **(named | fields))

    def state(self, command) -> OrderState:
        return self.orders[command.order_id.bytes]

    def _deposit(self, account, asset, units):
        """As if exactly this had been deposited for the hold."""
        self.balances.setdefault((account, asset), [0, 0])[1] += units

    # --- entries

    def entry(self, records=b"", events=b""):
        self.seq += 1
        return JournalEntry(
            market=self.market.id, seq=self.seq, at_ms=self.now, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=CORE_VERSION, state_hash=0, feed_sequence=0,
            prev_hash=bytes(32), commands=records, events=events)

    def match(self, *commands):
        records = b"".join(command.pack() for command in commands)
        return self.entry(records, self.book.apply(self.now, records, 10**7))

    def plan(self, entry, events=None) -> Plan:
        """The plan, from orders as the database would give them: copied, and only those in the events."""
        events = entry.unpack_events() if events is None else events
        orders = {order_id: replace(self.orders[order_id]) for order_id in orders_in(events) if order_id in self.orders}
        return plan_settlement(entry, events, self.market, orders, FEES)

    def settle(self, *commands, events=None) -> Plan:
        """What the core makes of the commands, or the given events, which come with an unrelated TICK."""
        if events is None:
            entry = self.match(*commands)
        else:
            entry = self.entry(self.command(CommandKind.TICK).pack(), b"".join(events))
        plan = self.plan(entry)
        assert {account for account, _ in plan.balances} <= accounts_in(entry.unpack_events()) | {FEES}
        for key, (available, held) in plan.balances.items():
            balance = self.balances.setdefault(key, [0, 0])
            balance[0] += available
            balance[1] += held
            assert min(balance) >= 0, (key, balance)
        self.orders |= plan.orders
        return plan

    # --- checks

    def total(self, asset):
        return sum(sum(balance) for (_, name), balance in self.balances.items() if name == asset)

    def totals(self):
        return {asset.id: self.total(asset.id) for asset in (self.market.base, self.market.quote)}

    def needed(self, order):
        return needed_units(self.market, order.command, lots=order.lots, funds=order.funds,
                            fee_numerator=order.fee_numerator, fees_paid=order.fees_paid)

    def check_holds(self):
        """I3, from the orders: what is held is what live orders need."""
        needed: dict[tuple[int, str], int] = {}
        for order in self.orders.values():
            key = order.command.account, hold_asset(self.market, order.command.side).id
            needed[key] = needed.get(key, 0) + order.hold_units
            assert order.status != "done" or order.hold_units == 0
            if order.status in ("open", "active") and not order.amending:
                assert order.hold_units == self.needed(order)
        for key, balance in self.balances.items():
            assert balance[1] == needed.get(key, 0)
