"""Settlement of stops, auctions, icebergs, expiries and amends: events made by hand, which come with an unrelated command, and
then a random flow of everything the core takes."""

import random
from dataclasses import replace

import pytest

from exchange.commands import POST_ONLY, STOP_ENTRY, CommandKind, OrderType, Side, Stp, TimeInForce
from exchange.events import (
    FLAG_AUCTION,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    DoneReason,
    EventKind,
    RejectCode,
)
from exchange.holds import largest_fee_ppm
from exchange.settlement import SettlementBroken
from tests.seeds import seeds
from tests.unit.settlement_world import NOW, World, event, trade

ONE = 1_000_000  # lots of 1 BTC
ACCEPTED, REJECTED, OPENED, DONE, REDUCED, TRIGGERED, AMENDED = (
    EventKind.ACCEPTED, EventKind.REJECTED, EventKind.OPENED, EventKind.DONE, EventKind.REDUCED, EventKind.TRIGGERED,
    EventKind.AMENDED)


@pytest.fixture
def world():
    made = World()
    yield made
    made.check_holds()


def usd(world, account):
    """(available, held) in dollars."""
    return tuple(units / 10**8 for units in world.balances[account, "USD"])


def btc(world, account):
    return tuple(units / 10**8 for units in world.balances[account, "BTC"])


# --- auctions

def test_an_auction_trades_two_resting_orders_at_a_price_better_for_both(world):
    sell = world.opened(1000, "sell", 9_900, ONE)  # the older one: the maker
    buy = world.opened(1001, "buy", 10_100, 2 * ONE)
    assert usd(world, 1001) == (0, 203.212)  # 202 and 0.6 %
    world.settle(events=[trade(buy, sell, 10_000, ONE, flags=FLAG_AUCTION, trade_id=1),
                         event(DONE, sell, code=DoneReason.FILLED, flags=FLAG_RESTED, size_lots=0)])
    # 100.00 and 0.6 % are paid; 101.00 and 0.6 % stay held for what is left, what was held beyond both comes back
    assert usd(world, 1001) == (1.006, 101.606)
    assert btc(world, 1001) == (1, 0)
    assert usd(world, 1000) == (99.6, 0)
    assert (world.state(buy).status, world.state(buy).lots, world.state(sell).status) == ("open", ONE, "done")


def test_the_younger_order_of_an_auction_is_the_taker_whatever_its_side(world):
    buy = world.opened(1001, "buy", 10_100, ONE)
    sell = world.opened(1000, "sell", 9_900, ONE)
    plan = world.settle(events=[trade(sell, buy, 10_050, ONE, flags=FLAG_AUCTION, trade_id=1),
                                event(DONE, buy, code=DoneReason.FILLED, flags=FLAG_RESTED, size_lots=0),
                                event(DONE, sell, code=DoneReason.FILLED, flags=FLAG_RESTED, size_lots=0)])
    assert [(fill.side, fill.liquidity, fill.fee_units) for fill in plan.fills] == [
        (Side.BUY, "M", 40_200_000), (Side.SELL, "T", 60_300_000)]
    assert usd(world, 1001) == (0.704, 0)  # 101.606 were held


@pytest.mark.parametrize(("price", "flags"), [(10_101, FLAG_AUCTION), (9_899, FLAG_AUCTION), (10_000, 0), (9_900, 0)])
def test_an_auction_trade_outside_a_limit_or_without_its_flag_is_found(world, price, flags):
    sell, buy = world.opened(1000, "sell", 9_900, ONE), world.opened(1001, "buy", 10_100, ONE)
    with pytest.raises(SettlementBroken, match="I7"):
        world.settle(events=[trade(buy, sell, price, ONE, flags=flags)])


def test_a_taker_trades_at_the_makers_price_only(world):
    sell, buy = world.opened(1000, "sell", 9_900, ONE), world.order(1001, "buy", 10_100, ONE)
    with pytest.raises(SettlementBroken, match="the maker's price is 9900"):
        world.settle(events=[event(ACCEPTED, buy), trade(buy, sell, 9_950, ONE)])
    with pytest.raises(SettlementBroken, match="matching, not open"):
        world.settle(events=[event(ACCEPTED, buy), trade(buy, sell, 9_950, ONE, flags=FLAG_AUCTION)])


def test_a_post_only_iceberg_holds_for_the_taker_fee(world):
    """It may be the younger order of an auction; a plain post-only order may not."""
    plain, iceberg = (world.order(1000, "buy", 10_000, ONE, flags=POST_ONLY, display_lots=display) for display in (0, 1))
    assert (largest_fee_ppm(plain), largest_fee_ppm(iceberg)) == (4000, 6000)


# --- stops

def test_a_stop_waits_with_its_hold_and_trades_when_it_is_met(world):
    sell = world.opened(1000, "sell", 10_000, ONE)
    stop = world.order(1001, "buy", 10_100, 2 * ONE, order_type=OrderType.STOP_LIMIT, stop_price_ticks=10_000,
                       flags=STOP_ENTRY)
    held = usd(world, 1001)
    assert world.settle(events=[event(ACCEPTED, stop, flags=FLAG_STOP)]).balances == {}
    assert (world.state(stop).status, usd(world, 1001)) == ("active", held)
    world.settle(events=[event(TRIGGERED, stop, flags=FLAG_STOP, price_ticks=10_000), trade(stop, sell, 10_000, ONE),
                         event(DONE, sell, code=DoneReason.FILLED, flags=FLAG_RESTED, size_lots=0),
                         event(OPENED, stop, size_lots=ONE)])
    assert (world.state(stop).status, world.state(stop).lots) == ("open", ONE)
    assert usd(world, 1001) == (1.006, 101.606)


def test_a_stop_by_funds_that_is_met_spends_them(world):
    sell = world.opened(1000, "sell", 10_000, 2 * ONE)
    funds = 15_000 * ONE
    stop = world.order(1001, "buy", 11_000, funds=funds, order_type=OrderType.STOP_MARKET, stop_price_ticks=9_000,
                       time_in_force=0)
    by_funds = FLAG_BY_FUNDS | FLAG_STOP
    world.settle(events=[event(ACCEPTED, stop, flags=by_funds, remaining=funds)])
    assert (world.state(stop).status, usd(world, 1001)) == ("active", (0, 150.9))
    world.settle(events=[event(TRIGGERED, stop, flags=by_funds, price_ticks=9_000, remaining=funds),
                         trade(stop, sell, 10_000, 1_500_000, flags=FLAG_BY_FUNDS, remaining=500_000),
                         event(DONE, stop, code=DoneReason.FILLED, flags=FLAG_BY_FUNDS)])
    assert (world.state(stop).status, usd(world, 1001), btc(world, 1001)) == ("done", (0, 0), (1.5, 0))


@pytest.mark.parametrize("reason", [DoneReason.CANCELED, DoneReason.EXPIRED])
def test_a_stop_that_ends_while_it_waits_gives_its_hold_back(world, reason):
    stop = world.order(1001, "sell", 0, ONE, order_type=OrderType.STOP_MARKET, stop_price_ticks=9_000)
    world.settle(events=[event(ACCEPTED, stop, flags=FLAG_STOP)])
    world.settle(events=[event(DONE, stop, code=reason, flags=FLAG_STOP)])
    assert (world.state(stop).done_reason, btc(world, 1001)) == ("canceled", (1, 0))


def test_a_stop_whose_level_is_full_ends_at_once(world):
    stop = world.order(1001, "sell", 9_000, ONE, order_type=OrderType.STOP_LIMIT, stop_price_ticks=9_000)
    world.settle(events=[event(ACCEPTED, stop, flags=FLAG_STOP), event(TRIGGERED, stop, flags=FLAG_STOP),
                         event(DONE, stop, code=DoneReason.LEVEL_FULL)])
    assert (world.state(stop).done_reason, btc(world, 1001)) == ("canceled", (1, 0))


def test_a_stop_market_order_holds_for_the_taker_fee(world):
    stop = world.order(1001, "buy", 10_000, ONE, order_type=OrderType.STOP_MARKET, stop_price_ticks=9_000,
                       maker_fee_ppm=9000)
    assert largest_fee_ppm(stop) == 6000


# --- expiries, mass cancels, icebergs

@pytest.mark.parametrize("reason", [DoneReason.EXPIRED, DoneReason.CANCELED, DoneReason.SELF_TRADE])
def test_an_order_that_ends_on_the_book_gives_its_hold_back(world, reason):
    """As by its time, by a CANCEL_ALL, in an auction: the entry's command is a TICK."""
    buy = world.opened(1001, "buy", 10_000, ONE, time_in_force=TimeInForce.GTT, expire_at_ms=NOW + 1)
    world.settle(events=[event(DONE, buy, code=reason, flags=FLAG_RESTED)])
    assert (world.state(buy).done_reason, usd(world, 1001)) == ("canceled", (100.6, 0))


def test_an_icebergs_next_lots_move_nothing(world):
    iceberg = world.opened(1000, "sell", 10_000, 10 * ONE, display_lots=3 * ONE)
    buy = world.order(1001, "buy", 10_000, 3 * ONE)
    world.settle(events=[event(ACCEPTED, buy), trade(buy, iceberg, 10_000, 3 * ONE, remaining=0),
                         event(OPENED, iceberg, flags=FLAG_RESTED, size_lots=3 * ONE, remaining=4 * ONE),
                         event(DONE, buy, code=DoneReason.FILLED, size_lots=0)])
    assert (world.state(iceberg).lots, btc(world, 1000)) == (7 * ONE, (0, 7))
    world.settle(events=[event(REDUCED, iceberg, flags=FLAG_RESTED, size_lots=2 * ONE, remaining=7 * ONE)])
    assert (world.state(iceberg).reduced, btc(world, 1000)) == (5 * ONE, (5, 2))
    with pytest.raises(SettlementBroken, match="I7: opened with 3000000 lots"):
        world.settle(events=[event(OPENED, iceberg, flags=FLAG_RESTED, size_lots=2 * ONE, remaining=ONE)])


# --- amends

def amended(order, price_ticks, left, before, flags=0):
    return event(AMENDED, order, price_ticks=price_ticks, size_lots=left, remaining=before, flags=flags)


def test_an_amend_that_keeps_its_place_releases_what_it_gives_up(world):
    buy = world.opened(1001, "buy", 10_000, 3 * ONE)
    world.settle(events=[amended(buy, 10_000, ONE, 3 * ONE, FLAG_RESTED)])
    order = world.state(buy)
    assert (order.status, order.lots, order.command.size_lots, order.amended) == ("open", ONE, ONE, True)
    assert usd(world, 1001) == (201.2, 100.6)


def test_an_amend_that_loses_its_place_may_grow_by_what_was_held_for_it(world):
    sell = world.opened(1000, "sell", 10_100, ONE)
    buy = world.opened(1001, "buy", 10_000, ONE)
    world.reserve(buy, price_ticks=10_200, size_lots=2 * ONE)
    world.settle(events=[amended(buy, 10_200, 2 * ONE, ONE), trade(buy, sell, 10_100, ONE),
                         event(DONE, sell, code=DoneReason.FILLED, flags=FLAG_RESTED, size_lots=0),
                         event(OPENED, buy, size_lots=ONE, price_ticks=10_200)])
    order = world.state(buy)
    assert (order.status, order.lots, order.filled_lots) == ("open", ONE, ONE)
    assert (order.command.price_ticks, order.command.size_lots) == (10_200, 2 * ONE)
    assert usd(world, 1001) == (1.006, 102.612)


def test_the_size_after_an_amend_is_what_was_filled_and_what_is_left(world):
    buy, sell = world.opened(1001, "buy", 10_000, 10 * ONE), world.order(1000, "sell", 10_000, 2 * ONE)
    world.settle(events=[event(REDUCED, buy, flags=FLAG_RESTED, size_lots=6 * ONE, remaining=10 * ONE),
                         event(ACCEPTED, sell), trade(sell, buy, 10_000, 2 * ONE, remaining=4 * ONE),
                         event(DONE, sell, code=DoneReason.FILLED, size_lots=0)])
    world.settle(events=[amended(buy, 9_000, 3 * ONE, 4 * ONE), event(OPENED, buy, size_lots=3 * ONE, price_ticks=9_000)])
    order = world.state(buy)
    assert (order.command.size_lots, order.filled_lots, order.reduced, order.lots) == (5 * ONE, 2 * ONE, 0, 3 * ONE)
    assert replace(order).lots == 3 * ONE, "the ledger's row gives the same order"


def test_an_amend_beyond_its_hold_is_found(world):
    buy = world.opened(1001, "buy", 10_000, ONE)
    with pytest.raises(SettlementBroken, match="I3: needs"):
        world.settle(events=[amended(buy, 10_001, ONE, ONE)])
    with pytest.raises(SettlementBroken, match="I7: it kept its place"):
        world.settle(events=[amended(buy, 10_000, 2 * ONE, ONE, FLAG_RESTED)])
    with pytest.raises(SettlementBroken, match="I7: amended from"):
        world.settle(events=[amended(buy, 10_000, ONE, 2 * ONE, FLAG_RESTED)])


@pytest.mark.parametrize(("price", "size", "held"), [
    (10_000, 5, 402.4), (11_000, 5, 442.64), (9_000, 5, 362.16), (9_000, 3, 181.08), (10_000, 2, 100.6)])
def test_what_happens_before_an_amend_is_taken_up_leaves_it_enough(world, price, size, held):
    """A fill and a reduction meet an AMEND on its way, also one to a lower price or a size that was more than enough."""
    buy, sell = world.opened(1001, "buy", 10_000, 3 * ONE), world.order(1000, "sell", 10_000, ONE)
    world.reserve(buy, price_ticks=price, size_lots=size * ONE)
    before = usd(world, 1001)[1]
    world.settle(events=[event(ACCEPTED, sell), trade(sell, buy, 10_000, ONE, remaining=2 * ONE),
                         event(DONE, sell, code=DoneReason.FILLED, size_lots=0),
                         event(REDUCED, buy, flags=FLAG_RESTED, size_lots=1, remaining=2 * ONE)])
    assert usd(world, 1001) == (0, pytest.approx(before - 100.4)), "nothing is released"
    left = (size - 1) * ONE
    world.settle(events=[amended(buy, price, left, 1), event(OPENED, buy, size_lots=left, price_ticks=price)])
    assert usd(world, 1001)[1] == held and not world.state(buy).amending


@pytest.mark.parametrize(("account", "released"), [(1001, True), (1002, False), (0, False)])
def test_a_refused_amend_of_the_owner_releases_what_was_held_for_it(world, account, released):
    buy = world.opened(1001, "buy", 10_000, ONE)
    world.reserve(buy, size_lots=2 * ONE)
    refused = event(REJECTED, buy, code=RejectCode.MARKET_HALTED, flags=CommandKind.AMEND, account=account)
    plan = world.settle(events=[refused])
    assert bool(plan.balances) == released
    assert (world.state(buy).status, world.state(buy).lots) == ("open", ONE)
    assert usd(world, 1001) == ((100.6, 100.6) if released else (0, 201.2))
    world.settle(events=[event(DONE, buy, code=DoneReason.CANCELED, flags=FLAG_RESTED)])
    assert usd(world, 1001) == (201.2, 0)


@pytest.mark.parametrize("kind", [kind for kind in CommandKind if kind != CommandKind.PLACE])
@pytest.mark.parametrize("status", ["pending", "active", "open", "done"])
def test_only_a_refused_place_ends_an_order_and_only_a_pending_one(world, kind, status):
    buy = world.order(1001, "buy", 10_000, ONE)
    order = world.state(buy)
    order.status = status
    plan = world.plan(world.entry(events=event(REJECTED, buy, code=RejectCode.UNKNOWN_ORDER, flags=kind)))
    assert (plan.balances, plan.orders[buy.order_id.bytes].status) == ({}, status)
    plan = world.plan(world.entry(events=event(REJECTED, buy, code=RejectCode.EXPIRED, flags=CommandKind.PLACE)))
    assert plan.orders[buy.order_id.bytes].done_reason == ("rejected" if status == "pending" else None)
    order.status = "pending"


# --- events that do not fit

@pytest.mark.parametrize(("before", "events"), [
    ("pending", [(TRIGGERED, FLAG_STOP)]), ("pending", [(OPENED, 0)]), ("pending", [(DONE, 0)]),
    ("pending", [(DONE, FLAG_STOP)]), ("pending", [(ACCEPTED, 0)]), ("pending", [(ACCEPTED, 0), (ACCEPTED, 0)]),
    ("pending", [(ACCEPTED, FLAG_STOP), (OPENED, 0)]),
    ("active", [(TRIGGERED, FLAG_STOP)]), ("active", [(DONE, FLAG_RESTED)]), ("active", [(AMENDED, FLAG_RESTED)]),
    ("active", [(ACCEPTED, FLAG_STOP)]),
    ("open", [(ACCEPTED, 0)]), ("open", [(OPENED, 0)]), ("open", [(DONE, 0)]), ("open", [(DONE, FLAG_STOP)]),
    ("open", [(TRIGGERED, FLAG_STOP)]), ("open", [(AMENDED, 0)]), ("open", [(AMENDED, 0), (DONE, FLAG_RESTED)]),
    ("open", [(REDUCED, 0)]), ("done", [(DONE, FLAG_RESTED)]), ("done", [(TRIGGERED, FLAG_STOP)]),
])
def test_an_event_that_does_not_fit_the_orders_status_is_found(before, events):
    world = World()
    order = world.order(1001, "buy", 10_000, ONE, order_type=OrderType.STOP_LIMIT, stop_price_ticks=1)
    world.state(order).status = before
    remaining = {AMENDED: ONE, REDUCED: ONE}
    with pytest.raises(SettlementBroken, match="I7"):
        world.settle(events=[event(kind, order, flags=flags, remaining=remaining.get(kind, 0)) for kind, flags in events])


# --- everything at once

def random_order(world, rng):
    """Of any kind, around 100.00."""
    side = rng.choice(("buy", "sell"))
    kind = rng.choices(list(OrderType), weights=[10, 2, 3, 3])[0]
    limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    stop = kind in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
    in_force = rng.choice([TimeInForce.GTC] * 3 + [TimeInForce.GTT, TimeInForce.IOC]) if limit else TimeInForce.IOC
    rests = in_force in (TimeInForce.GTC, TimeInForce.GTT)
    size = rng.randint(10_000, 3 * ONE)
    funds = 0 if limit or rng.random() < 0.5 else rng.randint(10_000, 3 * ONE) * 9_900
    price = rng.randint(9_990, 10_010) if limit else 10_500 if side == "buy" else 9_500
    return world.order(
        rng.randint(1000, 1003), side, price, 0 if funds else size, funds=funds, order_type=kind, time_in_force=in_force,
        stp=rng.choice(list(Stp)), stop_price_ticks=rng.randint(9_990, 10_010) if stop else 0,
        flags=rng.choice((0, POST_ONLY)) if rests and not stop else rng.choice((0, STOP_ENTRY)) if stop else 0,
        display_lots=rng.randint(1, size) if rests and rng.random() < 0.3 else 0,
        expire_at_ms=world.now + rng.randint(1, 50) if in_force == TimeInForce.GTT else 0)


def random_batch(world, rng):
    batch, amends = [], set()
    for _ in range(rng.randint(1, 8)):
        draw = rng.random()
        known = rng.choice(list(world.orders.values())[-40:]).command if world.orders else None
        if known is None or draw < 0.7:
            batch.append(random_order(world, rng))
        elif draw < 0.8:
            batch.append(world.command(CommandKind.CANCEL, known))
        elif draw < 0.92:
            if world.state(known).status == "open" and known.order_id not in amends:
                amends.add(known.order_id)
                batch.append(world.amend(known, price_ticks=rng.choice((0, 0, rng.randint(9_990, 10_010))),
                                         size_lots=rng.randint(1, 2 * known.size_lots)))
        else:
            kinds = (*[CommandKind.AUCTION] * 3, CommandKind.HALT, CommandKind.CANCEL_ALL, *[CommandKind.UNCROSS] * 5)
            batch.append(world.command(rng.choice(kinds), account=rng.randint(1000, 1003)))
    return batch


@pytest.mark.parametrize("seed", seeds(6, quick=2))
def test_no_unit_is_made_or_lost_by_anything_the_core_does(seed):
    rng, world = random.Random(seed), World()
    seen = set()
    for _ in range(250):
        world.now += rng.randint(0, 10)
        batch = random_batch(world, rng)
        before = world.totals()
        plan = world.settle(*batch)
        assert world.totals() == before
        assert len(plan.fills) == 2 * len({fill.trade_id for fill in plan.fills})
        world.check_holds()
        seen |= {(item.kind, item.flags) for item in plan.entry.unpack_events()}
    assert {kind for kind, _ in seen} == set(EventKind)
    assert (EventKind.TRADE, FLAG_AUCTION) in seen and (OPENED, FLAG_RESTED) in seen and (AMENDED, FLAG_RESTED) in seen
    world.now += 1000
    world.settle(world.command(CommandKind.UNCROSS), *(world.command(CommandKind.CANCEL_ALL) for _ in range(20)))
    assert {order.status for order in world.orders.values()} == {"done"}
    assert sum(held for _, held in world.balances.values()) == 0
