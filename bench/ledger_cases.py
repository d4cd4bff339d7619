"""Every question that API, settlement, sweep and audits ask the ledger, each as one case.

`tests/unit/test_query_plans.py` looks at the plans of all statements of all cases, and fails when an adapter has a statement
that no case runs; `bench/ledger.py` times them. A new statement wants a new case, with the most rows it may have to look at.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import matching_core
from bench.ledger_data import FIRST_ACCOUNT, FIRST_TRADE
from exchange.adapters.postgres import (
    accounts,
    addresses,
    adjustments,
    amends,
    audit,
    audit_runs,
    batches,
    cancel_switches,
    candles,
    fee_rates,
    journal_checks,
    ledger_checks,
    operated_accounts,
    operator_actions,
    orders,
    proofs,
    transfers,
    withdrawals,
)
from exchange.adapters.postgres.connection import repeatable
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.api.pages import Page
from exchange.audits import AuditReport, Finding
from exchange.commands import Command, CommandKind, OrderType, Side, TimeInForce
from exchange.custody import Receipt
from exchange.events import CORE_VERSION, EventKind
from exchange.feed.candles import Candles
from exchange.journal import JournalEntry
from exchange.journal_audit import TradeSide
from exchange.markets import listing
from exchange.orders import NewOrder, build_order, parse_order

FIRST = Page(limit=100, newer_than=None, older_than=None)
ALL = (*orders.LIVE, *orders.ENDED)
NOW = 1_900_000_000_000


class Ledger:
    """A made ledger with a book of its own on top: orders are placed, matched by the core and settled as in life."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.market = listing().markets["BTC-USD"]
        self.accounts = repeatable(lambda connection: connection.execute(
            "SELECT count(*) FROM accounts WHERE kind = 'trader'").fetchone())[0]
        self.orders = repeatable(lambda connection: connection.execute("SELECT max(number) FROM orders").fetchone())[0]
        self.settling = PostgresLedger(listing())
        self.book = matching_core.Book.create(orders=1024)
        self.seq, self.hash = self.settling.cursor(self.market.id)
        self.now = NOW
        self._number_on()

    def _number_on(self) -> None:
        """A ledger that was used before has trades of an earlier book: this one's numbers go on from there."""
        last = repeatable(lambda connection: connection.execute(
            "SELECT coalesce(max(trade_id), 0) FROM fills WHERE market = %s AND trade_id < %s",
            (self.market.id, FIRST_TRADE)).fetchone())[0]
        price_ticks = self.market.price_ticks("100")
        pair = b"".join(Command(
            kind=CommandKind.PLACE, issued_at_ms=self.now, order_id=uuid4(), account=account, side=side, size_lots=1,
            order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price_ticks=price_ticks).pack()
            for account, side in ((1, Side.SELL), (2, Side.BUY)))
        for _ in range(last):
            self.book.apply(self.now, pair, 10**6)

    def account(self) -> int:
        """As those of the orders: the first ones come up most."""
        return FIRST_ACCOUNT + int(self.accounts * self.rng.random() ** 4)

    def heavy(self) -> int:
        """The account with most orders."""
        return FIRST_ACCOUNT

    def made_order(self) -> UUID:
        return UUID(int=self.rng.randint(1, self.orders))

    def order(self, side: str, price: str, size: str = "0.1", *, account: int | None = None) -> NewOrder:
        body = {"product_id": self.market.id, "side": side, "size": size, "price": price, "client_oid": str(uuid4())}
        return build_order(parse_order(body, listing()), order_id=uuid4(), account=account or self.account(), now_ms=self.now,
                           maker_fee_ppm=4000, taker_fee_ppm=6000, touch=None)

    def place(self, *args: Any, **fields: Any) -> NewOrder:
        order = self.order(*args, **fields)
        assert orders.place(order) == order.id
        return order

    def entry(self, *commands: Command) -> JournalEntry:
        records = b"".join(command.pack() for command in commands)
        self.now += 1
        return JournalEntry(
            market=self.market.id, seq=self.seq + 1, at_ms=self.now, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=CORE_VERSION, state_hash=0, feed_sequence=0,
            prev_hash=self.hash, commands=records, events=self.book.apply(self.now, records, 10**6))

    def settle(self, entry: JournalEntry) -> JournalEntry:
        self.settling.apply(entry)
        self.seq, self.hash = entry.seq, entry.hash
        return entry

    def trades(self, count: int) -> JournalEntry:
        """An entry with this many trades, not settled yet."""
        placed = [self.place(side, "100").command for _ in range(count) for side in ("sell", "buy")]
        return self.entry(*placed)

    def resting(self) -> NewOrder:
        order = self.place("buy", f"{self.rng.randint(10, 50)}")
        self.settle(self.entry(order.command))
        return order


@dataclass(frozen=True, slots=True)
class Case:
    """`prepare` is not timed. `most_rows`: what any node of any plan may read, at whatever size of the ledger."""

    name: str
    run: Callable[[Ledger, Any], object]
    prepare: Callable[[Ledger], Any] = Ledger.account
    most_rows: int = 300
    reads_through: frozenset[str] = frozenset()  # tables that it may, for the reason that stands beside it
    repeat: int | None = None


def _amend(ledger: Ledger, order: NewOrder) -> None:
    command = Command(kind=CommandKind.AMEND, issued_at_ms=ledger.now, order_id=order.id, account=order.account, price_ticks=0,
                      size_lots=order.command.size_lots + 1)
    amends.request_amend(command, ledger.market, order.command.side)


def _settled_sides(ledger: Ledger) -> tuple[list[TradeSide], dict[UUID, int]]:
    entry = ledger.settle(ledger.trades(5))
    events = [event for event in entry.unpack_events() if event.kind == EventKind.TRADE]
    sides = [TradeSide(event.trade_id, 1, UUID(bytes=event.order_id), event.account, "T", event.price_ticks, event.size_lots,
                       entry.seq) for event in events]
    return sides, {side.order_id: entry.seq for side in sides}


def _report() -> AuditReport:
    return AuditReport("bench", started_at_ms=NOW, findings=[Finding("I1", "nothing", "made up")])


def _after_newest(ledger: Ledger) -> dict:
    """The position of an audit that was here a moment ago, with ten trades since."""
    position = repeatable(lambda connection: connection.execute(
        "SELECT jsonb_build_object('entry', max(id), 'walked', jsonb_build_array(1000, '')) FROM ledger_entries").fetchone())[0]
    ledger.settle(ledger.trades(10))
    return position


def _candles(ledger: Ledger) -> None:
    store = candles.PostgresCandles(listing())
    seq, _ = store.cursor("SOL-USD")
    store.save("SOL-USD", after=seq, seq=seq + 1, hash_=bytes(32), candles=Candles())


def _request(ledger: Ledger) -> withdrawals.WithdrawalRequest:
    """A withdrawal of ten dollars, small enough to need no operator."""
    return withdrawals.WithdrawalRequest(
        id=uuid4(), account=ledger.account(), asset=listing().assets["USD"], method="payment-method", external_id=str(uuid4()),
        amount="10", fee="0", destination="bank", actor="bench")


def _addresses(ledger: Ledger, account: int) -> None:
    [made] = addresses.add_addresses(account, [("BTC", str(uuid4()), "", "")], wait_s=0)
    addresses.list_addresses(account)
    addresses.delete_address(account, UUID(made["id"]))
    addresses.keep_deposit_address(account, "BTC", f"made {account}")
    assert addresses.account_of("BTC", f"made {account}") == account


def _withdrawal(ledger: Ledger, wanted: withdrawals.WithdrawalRequest) -> None:
    withdrawals.request(wanted)
    withdrawals.approve(wanted.id, "operator", "")  # a small one is approved by itself
    withdrawals.to_send(100)
    withdrawals.under_way()
    payout = withdrawals.begin(wanted.id)
    assert payout is not None
    withdrawals.finish(wanted.id, Receipt(settled=True, reference="bench", note=""))


def _ended_withdrawals(ledger: Ledger, two: tuple) -> None:
    for wanted in two:
        withdrawals.request(wanted)
    withdrawals.cancel(two[0].account, two[0].id, "bench")
    withdrawals.refuse(two[1].id, "operator", "no")


def _adjustment(ledger: Ledger, account: int) -> None:
    adjustment_id = uuid4()
    adjustments.request(adjustment_id, account=account, asset="USD", amount="1", reason="bench", operator="one")
    adjustments.decide(adjustment_id, approve=True, operator="two")
    adjustments.find(adjustment_id)
    adjustments.list_adjustments(None, FIRST)
    adjustments.list_adjustments("requested", FIRST)


def _operated(ledger: Ledger, account: int) -> None:
    _, profile = accounts.open_account(f"made-{account}")
    operated_accounts.find(UUID(profile))
    operated_accounts.set_frozen(account, True, operator="one", reason="bench")
    operated_accounts.set_frozen(account, False, operator="one", reason="bench")
    operated_accounts.set_tier(account, "gold", operator="one", reason="bench")
    operated_accounts.set_tier(account, "basic", operator="one", reason="bench")
    operated_accounts.collected_fees()


def cases() -> list[Case]:
    """All of them; those that write come after those that read."""
    return [*READS, *WRITES, *WALLET, *AUDITS]


READS = (
    Case("account of a user", lambda ledger, a: accounts.open_account(f"made-{a}")),
    Case("balances", lambda ledger, a: accounts.list_balances(a)),
    Case("a balance by id", lambda ledger, i: accounts.find_balance(*i), lambda ledger: (ledger.account(), uuid4())),
    Case("ledger, first page", lambda ledger, a: accounts.list_postings(a, "USD", FIRST)),
    Case("ledger of the busiest account, from the middle", lambda ledger, p: accounts.list_postings(ledger.heavy(), "USD", p),
         lambda ledger: Page(limit=100, newer_than=None, older_than=ledger.orders)),
    Case("ledger, page before a cursor", lambda ledger, a: accounts.list_postings(a, "USD", replace(FIRST, newer_than=5))),
    Case("holds", lambda ledger, a: accounts.list_holds(a, "USD", FIRST), most_rows=5_000),
    Case("order by id", lambda ledger, i: orders.find(ledger.account(), order_id=i), Ledger.made_order),
    Case("order by client_oid", lambda ledger, a: orders.find(a, client_oid=uuid4())),
    Case("orders, all", lambda ledger, a: orders.list_orders(a, statuses=ALL, market=None, page=FIRST)),
    Case("orders, all, one market", lambda ledger, a: orders.list_orders(a, statuses=ALL, market="SOL-USD", page=FIRST)),
    Case("orders, live", lambda ledger, a: orders.list_orders(a, statuses=orders.LIVE, market=None, page=FIRST),
         most_rows=5_000),
    Case("orders, done, one market", lambda ledger, a: orders.list_orders(a, statuses=("done",), market="BTC-USD", page=FIRST)),
    Case("orders, rejected", lambda ledger, a: orders.list_orders(a, statuses=("rejected",), market=None, page=FIRST)),
    Case("orders, done or rejected", lambda ledger, a: orders.list_orders(a, statuses=orders.ENDED, market=None, page=FIRST)),
    Case("orders of the busiest account, from the middle", lambda ledger, p: orders.list_orders(
        ledger.heavy(), statuses=ALL, market=None, page=p),
         lambda ledger: Page(limit=100, newer_than=None, older_than=ledger.orders // 2)),
    Case("ids of live orders", lambda ledger, a: orders.list_live_ids(a, None), most_rows=5_000),
    Case("fills of an order", lambda ledger, i: orders.list_fills(ledger.account(), order_id=i, market=None, page=FIRST),
         Ledger.made_order),
    Case("fills, one market", lambda ledger, a: orders.list_fills(a, order_id=None, market="ETH-USD", page=FIRST)),
    Case("volume of 30 days", lambda ledger, a: fee_rates.volume_30_days(a), most_rows=500),
    Case("sizes of 30 days", lambda ledger, a: orders.sizes_30_days(a), most_rows=500),
    Case("commands of placed orders", lambda ledger, i: orders.placed_commands([i.bytes]), Ledger.made_order),
    Case("candles", lambda ledger, a: candles.read_candles(
        ledger.market, stored_s=60, granularity_s=300, from_s=0, to_s=10**9)),
    Case("old trades", lambda ledger, t: candles.read_trades(
        ledger.market, newer_than=0, older_than=t, limit=100, upwards=False),
         lambda ledger: 10**9 + ledger.rng.randint(200, max(201, ledger.orders // 16))),
    Case("published proof", lambda ledger, a: proofs.published()),
    Case("proof of an account", lambda ledger, a: proofs.own_leaf(a, UUID(int=a), "USD")),
    Case("last audits", lambda ledger, a: (audit_runs.last_runs(), audit_runs.ledger_made_at(), audit_runs.findings())),
)

WRITES = (
    Case("deposit", lambda ledger, a: accounts.deposit(
        a, "USD", "5", method="bench", external_id=str(uuid4()), limit="1000000000")),
    Case("place an order", lambda ledger, o: orders.place(o), lambda ledger: ledger.order("buy", "20")),
    Case("place ten orders and find ten", lambda ledger, w: batches.place_and_find(w[0], w[1], ids=w[2], client_oids=[]),
         lambda ledger: (FIRST_ACCOUNT + 5, [ledger.order("buy", "20", account=FIRST_ACCOUNT + 5) for _ in range(10)],
                    [ledger.made_order() for _ in range(10)])),
    Case("note a cancel", lambda ledger, o: orders.request_cancel(o.account, [o.id]), lambda ledger: ledger.place("buy", "20")),
    Case("ask for an amend", _amend, Ledger.resting),
    Case("settle an entry with one trade", lambda ledger, e: ledger.settle(e), lambda ledger: ledger.trades(1)),
    Case("settle an entry with ten trades", lambda ledger, e: ledger.settle(e), lambda ledger: ledger.trades(10)),
    Case("settle an entry with an order that rests", lambda ledger, e: ledger.settle(e),
         lambda ledger: ledger.entry(ledger.place("buy", "15").command)),
    Case("candles of an entry", lambda ledger, a: _candles(ledger)),
    Case("a dead man's switch", lambda ledger, a: (
        cancel_switches.set_switch(a, 60), cancel_switches.run_out(), cancel_switches.next_s(),
        cancel_switches.remove_run_out(a), cancel_switches.remove_switch(a))),
    Case("an operator's act", lambda ledger, a: (
        operator_actions.record(operator="bench", action="bench.act", subject=str(a), reason="made up"),
        operator_actions.list_actions(FIRST), operator_actions.list_actions(FIRST, subject=str(a)))),
)

WALLET = (
    Case("addresses", _addresses),
    Case("a withdrawal from request to settlement", _withdrawal, _request),
    Case("limits of withdrawals", lambda ledger, a: withdrawals.taken_24_hours(a)),
    Case("a withdrawal canceled, one refused", _ended_withdrawals, lambda ledger: (_request(ledger), _request(ledger))),
    Case("transfers", lambda ledger, a: transfers.list_transfers(a, kind=None, asset=None, page=FIRST)),
    Case("transfers of a kind and asset", lambda ledger, a: transfers.list_transfers(
        a, kind="deposit", asset="USD", page=FIRST)),
    Case("a transfer", lambda ledger, a: transfers.find(uuid4(), account=a)),
    Case("withdrawals to decide", lambda ledger, a: (
        transfers.list_withdrawals("requested", FIRST), transfers.list_withdrawals(None, FIRST))),
    # The planner knows nothing of a table that was empty when it was analysed, and expects many adjustments.
    Case("an adjustment", _adjustment, reads_through=frozenset({"accounts"})),
    Case("an account as operators see it", _operated, most_rows=1_000),
    # An operator's search by the beginning of a user's id, now and then.
    Case("search for an account", lambda ledger, a: (
        operated_accounts.search(f"made-{a}", FIRST), operated_accounts.search(None, FIRST)), most_rows=5_000,
         reads_through=frozenset({"accounts"})),
    Case("opened at", lambda ledger, a: accounts.opened_at(a)),
)

AUDITS = (
    Case("sweep", lambda ledger, a: audit.unanswered("ETH-USD", settled_up_to=0, age_s=30, limit=500), most_rows=600),
    Case("settle cursors", lambda ledger, a: audit.settled()),
    Case("journal against ledger, five trades", lambda ledger, s: journal_checks.compare(ledger.market, *s), _settled_sides),
    # What changed, all live orders, and the next 20,000 balances: bounded by these, not by the ledger. A ledger with fewer
    # balances than that is read through.
    Case("check of what changed", lambda ledger, p: ledger_checks.check_changes(p, ended_since_ms=NOW), _after_newest,
         most_rows=500_000, repeat=5, reads_through=frozenset({"balances"})),
    Case("record an audit", lambda ledger, a: (audit_runs.record(_report()), audit_runs.move("bench", {"n": 1}),
                                          audit_runs.position("bench"), audit_runs.state("bench"))),
)
