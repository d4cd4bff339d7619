"""The ledger under any sequence of what can happen to it, on real PostgreSQL with the real engine, core and settlement.

Steps: deposits (some twice), orders of every kind (some with a client_oid that was used before), cancels, amends, withdrawals
to every end, deliveries to the engine and nudges to settlement (some twice, some late, some lost), a worker that dies between
any two calls, the sweep. After every step I1 to I3 hold, by the audit's own checks. At the end, once faults stop, everything
drains and no hold outlives its order (I10); the whole ledger adds up, and each trade of the journal is in it once for each side
(I7).
"""

import json
import random
from collections import Counter
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from simulation.fakes import FakeJournal, FakeQueue, FakeSnapshots, Faults, Killed
from simulation.world import COMMANDS, CORE, FEED, MARKET, SETTLE

from exchange.adapters.postgres import accounts, amends, audit, orders, withdrawals
from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.postgres.ledger_checks import check_changes, check_whole
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.commands import SIZE, Command, CommandKind, encode_message
from exchange.custody import Receipt
from exchange.engine import Delivery, MatchingEngine
from exchange.events import EventKind
from exchange.follower import JournalFollower
from exchange.journal import decode_entry
from exchange.markets import listing
from exchange.nudges import decode_nudge
from exchange.order_terms import OrderRefused, parse_order
from exchange.orders import Touch, build_order
from exchange.ports import Fenced

USERS = ("ann", "bob", "carl")
PRICES = ("98", "99", "100", "101", "102")
SIZES = ("0.05", "0.5", "1", "2.5")
TOUCH = Touch(bid_ticks=9_900, ask_ticks=10_100, last_ticks=10_000)
NOW = 1_700_000_000_000

kinds = st.one_of(
    st.fixed_dictionaries({
        "type": st.just("limit"), "price": st.sampled_from(PRICES), "size": st.sampled_from(SIZES)}, optional={
        "time_in_force": st.sampled_from(["GTC", "IOC", "FOK"]), "post_only": st.just(True), "display_size": st.just("0.05")}),
    st.fixed_dictionaries({"type": st.just("limit"), "price": st.sampled_from(PRICES), "size": st.sampled_from(SIZES),
                           "stop": st.sampled_from(["loss", "entry"]), "stop_price": st.sampled_from(PRICES)}),
    st.fixed_dictionaries({"type": st.just("market"), "size": st.sampled_from(SIZES)}),
    st.fixed_dictionaries({"type": st.just("market"), "funds": st.sampled_from(["7", "123.45"])}))


class LedgerMachine(RuleBasedStateMachine):
    """`new_dsn` (set by who runs it) makes an empty ledger per example and points DATABASE_DSN at it. `reached` counts what
    happened over all examples, so that a run in which nothing much did is noticed."""

    new_dsn = None
    reached: Counter = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.dsn = type(self).new_dsn()
        ledger_connection.close()
        self.faults = Faults()
        self.queue = FakeQueue(self.faults, random.Random(1))
        self.journal, self.snapshots = FakeJournal(self.faults), FakeSnapshots()
        self.market = listing().markets[MARKET]
        self.now = NOW
        self.placed: list[tuple[int, UUID, UUID | None]] = []
        self.requested: list[tuple[int, UUID]] = []
        self.nudges: list[str] = []
        self.position: dict = {}
        self.restart_engine()
        self.restart_settlement()

    @initialize()
    def fund(self) -> None:
        self.accounts = [accounts.open_account(user)[0] for user in USERS]
        for account in self.accounts:
            for asset, amount in (("USD", "400"), ("BTC", "4")):
                accounts.deposit(account, asset, amount, method="test", external_id=str(uuid4()))

    # --- what users do

    @rule(who=st.sampled_from(range(3)), asset=st.sampled_from(["USD", "BTC"]), times=st.integers(1, 2))
    def deposit(self, who: int, asset: str, times: int) -> None:
        name = str(uuid4())
        outcomes = [accounts.deposit(self.accounts[who], asset, "3.21", method="test", external_id=name).outcome
                    for _ in range(times)]
        assert outcomes == ["credited", "repeated"][:times]

    @rule(who=st.sampled_from(range(3)), side=st.sampled_from(["buy", "sell"]), kind=kinds, fate=st.sampled_from(
        ["sent", "sent", "sent", "sent twice", "not sent"]), stp=st.sampled_from(["dc", "co", "cn", "cb"]))
    def place(self, who: int, side: str, kind: dict, fate: str, stp: str) -> None:
        oid = uuid4()
        body = {"product_id": MARKET, "side": side, "stp": stp, "client_oid": str(oid)} | kind
        try:
            order = build_order(parse_order(body, listing()), order_id=uuid4(), account=self.accounts[who], now_ms=self.now,
                                maker_fee_ppm=4000, taker_fee_ppm=6000, touch=TOUCH)
        except OrderRefused:
            return
        answered = orders.place(order)
        assert answered in (order.id, None)
        if answered is None:
            return
        self.placed.append((order.account, order.id, oid))
        for _ in range({"sent": 1, "sent twice": 2, "not sent": 0}[fate]):
            self.send(str(order.id), order.command)

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def place_with_a_used_client_oid(self, data: st.DataObject) -> None:
        account, order_id, oid = data.draw(st.sampled_from(self.placed))
        body = {"product_id": MARKET, "side": "buy", "price": "1", "size": "1", "client_oid": str(oid)}
        again = build_order(parse_order(body, listing()), order_id=uuid4(), account=account, now_ms=self.now,
                            maker_fee_ppm=4000, taker_fee_ppm=6000, touch=TOUCH)
        assert orders.place(again) in (order_id, None)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), noted=st.booleans())
    def cancel(self, data: st.DataObject, noted: bool) -> None:
        account, order_id, _ = data.draw(st.sampled_from(self.placed))
        orders.request_cancel(account, [order_id])
        if not noted:
            self.send_cancel(account, order_id)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), price=st.sampled_from(PRICES), size=st.sampled_from(SIZES), sent=st.booleans())
    def amend(self, data: st.DataObject, price: str, size: str, sent: bool) -> None:
        account, order_id, _ = data.draw(st.sampled_from(self.placed))
        row = orders.find(account, order_id=order_id)
        if row["type"] != "limit" or row["status"] != "open":
            return
        side = 1 if row["side"] == "buy" else 2
        command = Command(kind=CommandKind.AMEND, issued_at_ms=self.now, order_id=order_id, account=account,
                          price_ticks=self.market.price_ticks(price), size_lots=self.market.size_lots(size))
        try:
            amends.request_amend(command, self.market, side)
        except OrderRefused:
            return
        if sent:
            self.send(amends.amend_name(command), command)

    @rule(who=st.sampled_from(range(3)), amount=st.sampled_from(["1", "50", "100000"]))
    def request_withdrawal(self, who: int, amount: str) -> None:
        wanted = withdrawals.WithdrawalRequest(
            id=uuid4(), account=self.accounts[who], asset=self.market.quote, method="payment-method", external_id=str(uuid4()),
            amount=amount, fee="0", destination="bank", actor="user")
        outcome, transfer_id = withdrawals.request(wanted)
        if transfer_id is not None and outcome in ("requested", "approved"):
            self.requested.append((wanted.account, wanted.id))
        again, _ = withdrawals.request(wanted)
        assert (again == outcome) or outcome in ("requested", "approved")

    @precondition(lambda self: self.requested)
    @rule(data=st.data(), how=st.sampled_from(["cancel", "refuse", "settle", "return", "settle twice"]))
    def end_withdrawal(self, data: st.DataObject, how: str) -> None:
        account, transfer_id = data.draw(st.sampled_from(self.requested))
        if how == "cancel":
            withdrawals.cancel(account, transfer_id, "user")
        elif how == "refuse":
            withdrawals.refuse(transfer_id, "operator", "no")
        else:
            withdrawals.approve(transfer_id, "operator", "")
            if withdrawals.begin(transfer_id) is not None:
                for _ in range(2 if how == "settle twice" else 1):
                    withdrawals.finish(transfer_id, Receipt(settled=how != "return", reference=str(transfer_id)))
                self.reached[f"withdrawal: {how}"] += 1

    # --- what the machinery does, and what goes wrong with it

    @rule(most=st.integers(1, 10), dies_at=st.one_of(st.none(), st.integers(1, 8)), acknowledged=st.booleans())
    def match(self, most: int, dies_at: int | None, acknowledged: bool) -> None:
        self.now += 1
        self.until_dead(lambda: self.engine_step(most, acknowledged), dies_at)

    @rule(dies_at=st.one_of(st.none(), st.integers(1, 4)), lost=st.booleans(), repeated=st.booleans())
    def settle(self, dies_at: int | None, lost: bool, repeated: bool) -> None:
        batch = self.queue.receive(queue=SETTLE)
        self.queue.acknowledge(batch)
        self.nudges += [message.body for message in batch]
        if lost:
            return
        for body in [message.body for message in batch] + (self.nudges[-3:] if repeated else []):
            self.until_dead(lambda body=body: self.follow(body), dies_at)

    @rule()
    def sweep(self) -> None:
        """All that is pending, as if it were old. What the ledger has not settled yet is not swept."""
        head = self.journal.head(market=MARKET)
        found = audit.unanswered(MARKET, settled_up_to=decode_entry(head).seq if head else 0, age_s=-10**6, limit=500)
        if found is None:
            return
        for message_id, record in found.orders:
            self.send_record(str(message_id), record)
        for record in found.amends:
            self.send_record(amends.amend_name(Command.unpack(record)), record)
        for order_id, account, _ in found.cancels:
            self.send_cancel(account, order_id)

    # --- what must hold

    @invariant()
    def the_books_are_right(self) -> None:
        checked = check_changes(self.position, ended_since_ms=0)
        assert [str(found) for found in checked.findings] == []
        self.position = checked.position

    def teardown(self) -> None:
        try:
            if hasattr(self, "accounts"):
                self.drain()
        finally:
            ledger_connection.close()

    def drain(self) -> None:
        self.faults.kill_at = None
        self.queue.time_out()
        self.restart_engine()
        self.restart_settlement()
        for _ in range(2):
            while self.engine_step(10, True):
                pass
            self.send(f"tick:{uuid4()}", Command(kind=CommandKind.TICK, issued_at_ms=self.now))
            while self.engine_step(10, True):
                pass
            while batch := self.queue.receive(queue=SETTLE):
                for message in batch:
                    self.follow(message.body)
                self.queue.acknowledge(batch)
            self.sweep()
        assert [str(found) for found in check_whole().findings] == []
        with psycopg.connect(self.dsn) as database:
            assert database.execute("SELECT count(*) FROM orders WHERE status = 'pending' OR amend_requested_at IS NOT NULL"
                                    ).fetchone() == (0,), "I10: everything was answered"
            live = {row[0] for row in database.execute("SELECT id FROM orders WHERE status <> 'done'").fetchall()}
            ledger = {tuple(row) for row in database.execute("SELECT trade_id, order_id FROM fills").fetchall()}
        entries = [decode_entry(raw) for raw in self.journal.entries.get(MARKET, [])]
        events = [event for entry in entries for event in entry.unpack_events()]
        self.reached.update(EventKind(event.kind).name for event in events)
        trades = [event for event in events if event.kind == EventKind.TRADE]
        assert ledger == {(event.trade_id, UUID(bytes=order_id)) for event in trades
                          for order_id in (event.order_id, event.maker_order_id)}, "I7"
        ended = {UUID(bytes=event.order_id) for event in events if event.kind == EventKind.DONE}
        assert not live & ended, "I10: no hold outlives its order"

    # --- the workers

    def send(self, dedup_id: str, command: Command) -> None:
        self.send_record(dedup_id, replace(command).pack())

    def send_cancel(self, account: int, order_id: UUID) -> None:
        self.send(f"cancel:{uuid4()}", Command(kind=CommandKind.CANCEL, issued_at_ms=self.now, order_id=order_id,
                                               account=account))

    def send_record(self, dedup_id: str, record: bytes) -> None:
        assert len(record) == SIZE
        self.queue.send(queue=COMMANDS, group=MARKET, dedup_id=dedup_id, body=encode_message([record]))

    def restart_engine(self) -> None:
        self.engine = MatchingEngine(
            market=MARKET, core=CORE, journal=self.journal, snapshots=self.snapshots, queue=self.queue,
            command_queue_url=COMMANDS, nudge_queue_urls=[SETTLE, FEED], now_ms=lambda: self.now)

    def restart_settlement(self) -> None:
        self.follower = JournalFollower(self.journal, PostgresLedger(listing()))

    def engine_step(self, most: int, acknowledged: bool) -> bool:
        batch = self.queue.receive(queue=COMMANDS, max_messages=most)
        if not batch:
            return False
        try:
            self.engine.handle([Delivery(message.sequence, message.body) for message in batch])
        except Fenced:
            acknowledged = False
        if acknowledged:
            self.queue.acknowledge(batch)
        else:
            self.queue.time_out()
        return True

    def follow(self, body: str) -> None:
        nudge = decode_nudge(json.loads(body))
        self.follower.follow(MARKET, nudge.seq, {nudge.seq: nudge.entry} if nudge.entry is not None else None)

    def until_dead(self, step: object, dies_at: int | None) -> None:
        """A dead worker's memory is gone, and what it had in its hands comes again."""
        self.faults.points, self.faults.kill_at = 0, dies_at
        try:
            step()
        except Killed:
            self.reached["killed"] += 1
            self.queue.time_out()
            ledger_connection.close()
            self.restart_engine()
            self.restart_settlement()
        finally:
            self.faults.kill_at = None
