"""The settlement plan: Hypothesis draws books of orders, the naive core matches them, the plan must conserve every unit;
then events are damaged one by one, and each damage must be found."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.commands import Command, CommandKind, Side
from exchange.events import RECORD, DoneReason, EventKind
from exchange.orders import OrderRefused
from exchange.settlement import SettlementBroken
from tests.unit.settlement_world import NOW, World

limits = st.fixed_dictionaries({
    "side": st.sampled_from(["buy", "sell"]), "price": st.integers(9_990, 10_010).map(lambda ticks: f"{ticks / 100:.2f}"),
    "size": st.integers(10_000, 3_000_000).map(lambda lots: f"{lots / 1e6:.6f}"),
    "time_in_force": st.sampled_from(["GTC", "GTC", "IOC", "FOK"]), "stp": st.sampled_from(["dc", "co", "cn", "cb"])})
makers = limits.map(lambda body: body | {"time_in_force": "GTC", "post_only": True})
by_size = st.fixed_dictionaries({
    "side": st.sampled_from(["buy", "sell"]), "type": st.just("market"),
    "size": st.integers(10_000, 3_000_000).map(lambda lots: f"{lots / 1e6:.6f}")})
by_funds = st.fixed_dictionaries({
    "side": st.sampled_from(["buy", "sell"]), "type": st.just("market"),
    "funds": st.integers(10**8, 5 * 10**10).map(lambda units: f"{units / 1e8:.8f}")})
steps = st.lists(st.one_of(st.tuples(st.integers(1000, 1003), st.one_of(limits, makers, by_size, by_funds)),
                           st.integers(0, 30)), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(steps=steps, batch=st.integers(1, 5), market=st.sampled_from(["BTC-USD", "SOL-USD"]))
def test_no_unit_is_made_or_lost(steps, batch, market):
    world = World(market)
    commands = []
    for step in steps:
        if isinstance(step, int):
            placed = [command for command in commands if command.kind == CommandKind.PLACE]
            if placed:
                target = placed[step % len(placed)]
                commands.append(Command(kind=CommandKind.CANCEL, issued_at_ms=NOW, order_id=target.order_id,
                                        account=target.account))
            continue
        account, body = step
        if market == "SOL-USD" and "size" in body:
            body = body | {"size": f"{float(body['size']):.4f}"}
        try:
            commands.append(world.place(account, body))
        except OrderRefused as refused:
            assert refused.code in ("funds_too_small", "size_too_small")
    before = world.totals()
    for start in range(0, len(commands), batch):
        plan = world.settle(*commands[start:start + batch])
        totals = {}
        for posting in plan.postings:
            assert posting.units != 0
            totals[posting.asset] = totals.get(posting.asset, 0) + posting.units
        assert not any(totals.values())
        assert len(plan.fills) == 2 * len({fill.trade_id for fill in plan.fills})
    assert world.totals() == before
    world.check_holds()


def test_fees_of_many_fills_are_rounded_once():
    """A thousand fills whose fees do not divide: what is paid is the rounded sum, not the sum of the rounded."""
    world = World("ETH-BTC")
    buy = world.place(1000, {"side": "buy", "price": "0.00100", "size": "1.000"})
    world.settle(buy)
    for _ in range(10):
        world.settle(world.place(1001, {"side": "sell", "price": "0.00100", "size": "0.100"}))
    order = world.orders[buy.order_id.bytes]
    value = world.market.value_units(order.executed_notional)
    assert (order.status, order.fees_paid) == ("done", -(-value * 4000 // 1_000_000))


def _trade_world():
    """A resting sell and a buy that takes half of it: ACCEPTED, TRADE, DONE and their world."""
    world = World()
    world.settle(world.place(1000, {"side": "sell", "price": "100", "size": "1"}))
    return world, world.match(world.place(1001, {"side": "buy", "price": "101", "size": "0.5"}))


@pytest.mark.parametrize(("kind", "damage", "invariant"), [
    (EventKind.TRADE, {"price_ticks": 10_101}, "I7"),  # above the buyer's limit
    (EventKind.TRADE, {"price_ticks": 9_999}, "I7"),  # below the seller's
    (EventKind.TRADE, {"size_lots": 500_001}, "I7"),
    (EventKind.TRADE, {"side": Side.BUY}, "I7"),
    (EventKind.TRADE, {"account": 1002}, "I7"),
    (EventKind.TRADE, {"maker_account": 1002}, "I7"),
    (EventKind.TRADE, {"order_id": UUID(int=77).bytes}, "I8"),
    (EventKind.TRADE, {"maker_order_id": UUID(int=77).bytes}, "I8"),
    (EventKind.DONE, {"size_lots": 1}, "I7"),
    (EventKind.DONE, {"kind": EventKind.OPENED, "size_lots": 1}, "I7"),
    (EventKind.DONE, {"kind": EventKind.REDUCED, "size_lots": 600_000}, "I7"),
])
def test_a_damaged_event_is_found(kind, damage, invariant):
    world, entry = _trade_world()
    world.plan(entry)
    damaged = [event._replace(**damage) if event.kind == kind else event for event in entry.unpack_events()]
    with pytest.raises(SettlementBroken, match=f"BTC-USD/2: .*{invariant}"):
        world.plan(entry, damaged)


@pytest.mark.parametrize("kind", [EventKind.TRADE, EventKind.DONE])
def test_an_event_that_comes_twice_is_found(kind):
    world, entry = _trade_world()
    doubled = [copy for event in entry.unpack_events() for copy in ([event] * 2 if event.kind == kind else [event])]
    with pytest.raises(SettlementBroken):
        world.plan(entry, doubled)


def test_a_hold_that_does_not_cover_its_order_is_found():
    world, entry = _trade_world()
    buyer = next(order for order in world.orders.values() if order.command.account == 1001)
    buyer.hold_units = 1
    with pytest.raises(SettlementBroken, match="I2"):
        world.plan(entry)


def test_a_rejection_ends_a_pending_placement_only():
    world = World()
    command = world.place(1000, {"side": "buy", "price": "100", "size": "1"})
    stale = world.match(replace(command, issued_at_ms=NOW - 240_001))
    plan = world.plan(stale)
    state = plan.orders[command.order_id.bytes]
    assert (state.done_reason, state.reject_reason, state.hold_units) == ("rejected", "expired", 0)
    assert plan.balances == {(1000, "USD"): [10_060_000_000, -10_060_000_000]}
    world.orders[command.order_id.bytes].status = "open"
    assert world.plan(stale).balances == {}
    # somebody's refused cancel names the order too, and changes nothing
    world.orders[command.order_id.bytes].status = "pending"
    cancel = Command(kind=CommandKind.CANCEL, issued_at_ms=NOW, order_id=command.order_id, account=1000)
    assert world.plan(world.match(cancel)).balances == {}


def test_every_done_reason_ends_as_filled_or_canceled():
    world, entry = _trade_world()
    for reason in DoneReason:
        events = [event._replace(code=reason) if event.kind == EventKind.DONE else event for event in entry.unpack_events()]
        taker = world.plan(entry, events).orders[events[-2].order_id] if events[-2].kind == EventKind.DONE else next(
            order for order in world.plan(entry, events).orders.values() if order.command.account == 1001)
        assert taker.done_reason == ("filled" if reason == DoneReason.FILLED else "canceled")
    assert RECORD.size == 96
