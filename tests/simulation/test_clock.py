"""A clock that is put right: the journal's time goes on from where it is, and orders are taken all the same."""

import pytest
from simulation.world import MARKET, World

from exchange.commands import STALE_AFTER_MS, Command, CommandKind, OrderType, Side, TimeInForce
from exchange.engine import CLOCKS_AGREE_MS
from exchange.events import Event, EventKind, RejectCode
from exchange.journal import decode_entry

HOUR_MS = 3_600_000


def order(world: World, *, issued_at_ms: int, expire_at_ms: int = 0) -> bytes:
    return Command(
        kind=CommandKind.PLACE, order_id=world.random_order().order_id, account=1000, side=Side.BUY, order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTT if expire_at_ms else TimeInForce.GTC, price_ticks=90, size_lots=1,
        expire_at_ms=expire_at_ms, issued_at_ms=issued_at_ms).pack()


def step(world: World, engine, *records: bytes) -> list[Event]:
    """The events of these commands, each in a message of its own."""
    before = len(world.journal.entries.get(MARKET, ()))
    for record in records:
        world.send_records([record])
    while world.engine_step(engine):
        pass
    return [event for raw in world.journal.entries[MARKET][before:] for event in decode_entry(raw).unpack_events()
            if event.kind in (EventKind.ACCEPTED, EventKind.REJECTED)]


def times(world: World) -> list[int]:
    return [decode_entry(raw).at_ms for raw in world.journal.entries[MARKET]]


@pytest.mark.parametrize("ahead_ms", [CLOCKS_AGREE_MS + 1, STALE_AFTER_MS + 1, HOUR_MS])
def test_orders_are_taken_after_the_clock_was_ahead(ahead_ms: int) -> None:
    world = World(seed=1)
    world.now_ms = right_ms = 1_800_000_000_000
    world.now_ms += ahead_ms
    engine = world.new_engine()
    assert [event.kind for event in step(world, engine, order(world, issued_at_ms=world.now_ms))] == [EventKind.ACCEPTED]
    world.now_ms = right_ms + 1000
    found = step(world, engine, order(world, issued_at_ms=world.now_ms - 10),
                 order(world, issued_at_ms=world.now_ms - STALE_AFTER_MS - 1),
                 order(world, issued_at_ms=world.now_ms - 10, expire_at_ms=world.now_ms + 5000))
    assert [event.kind for event in found] == [EventKind.ACCEPTED, EventKind.REJECTED, EventKind.REJECTED]
    assert {event.code for event in found[1:]} == {RejectCode.EXPIRED}, "too old by its age; over by the market's time"
    assert times(world) == sorted(times(world))
    # Another environment, which has nothing but the journal, and then the clock has come to where the journal is.
    again = world.new_engine()
    assert [event.kind for event in step(world, again, order(world, issued_at_ms=world.now_ms))] == [EventKind.ACCEPTED]
    world.now_ms = right_ms + ahead_ms + 1
    late = order(world, issued_at_ms=world.now_ms - STALE_AFTER_MS - 1)
    assert [event.kind for event in step(world, again, order(world, issued_at_ms=world.now_ms), late)] == [
        EventKind.ACCEPTED, EventKind.REJECTED]
    assert decode_entry(world.journal.entries[MARKET][-1]).commands.endswith(late), "as it was sent"


def test_clocks_that_differ_a_little_leave_the_bytes_as_they_were_sent() -> None:
    world = World(seed=2)
    engine, behind = world.new_engine(), world.new_engine()
    world.send(5)
    while world.engine_step(engine):
        pass
    world.now_ms -= CLOCKS_AGREE_MS
    world.send(5)
    while world.engine_step(behind):
        pass
    world.now_ms += CLOCKS_AGREE_MS
    world.drain()
    world.check()


@pytest.mark.parametrize("issued_at_ms", [-1, -(1 << 63), (1 << 63) - 1])
def test_a_command_of_no_time_is_refused_and_stops_nobody(issued_at_ms: int) -> None:
    world = World(seed=3)
    engine = world.new_engine()
    step(world, engine, order(world, issued_at_ms=world.now_ms))
    world.now_ms -= HOUR_MS // 6
    found = step(world, engine, order(world, issued_at_ms=issued_at_ms), order(world, issued_at_ms=world.now_ms))
    assert found[-1].kind == EventKind.ACCEPTED and len(found) == 2
