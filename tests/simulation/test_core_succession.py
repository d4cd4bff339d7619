"""The rules change while a market lives: what was matched by the old ones stays true, what comes is matched by the new ones."""

import random
from dataclasses import replace
from uuid import UUID

import pytest
from core_of_tomorrow import FILLS
from simulation.fakes import FakeSnapshots
from simulation.world import COMMANDS, CORE, FEED, MARKET, SETTLE, World

from exchange.commands import Command, CommandKind, OrderType, Side, TimeInForce
from exchange.engine import Delivery, MatchingEngine
from exchange.events import DoneReason, EventKind
from exchange.journal import JournalBroken, JournalEntry, NewerCore, OlderCore, decode_entry
from exchange.journal_audit import JournalAudit
from exchange.replica import BadSnapshot, BookReplica, Core, Position

pytestmark = pytest.mark.slow

MAKERS = FILLS + 2


@pytest.fixture(autouse=True)
def followers_know_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.follower.CORES", (CORE.version, CORE.version + 1))


def sweep(world: World, first_id: int) -> None:
    """MAKERS orders of one lot, and one that takes all that there is."""
    for number in range(MAKERS + 1):
        takes = number == MAKERS
        order = Command(
            kind=CommandKind.PLACE, order_id=UUID(int=first_id + number), account=1010 + takes, issued_at_ms=world.now_ms,
            side=Side.BUY if takes else Side.SELL, order_type=OrderType.LIMIT, price_ticks=1_000,
            time_in_force=TimeInForce.IOC if takes else TimeInForce.GTC, size_lots=10_000 if takes else 1)
        world.send_records([order.pack()])


def entries_of(world: World) -> list[JournalEntry]:
    return [decode_entry(raw) for raw in world.journal.entries[MARKET]]


def versions(world: World) -> list[int]:
    return [entry.core_version for entry in entries_of(world)]


def sweeps(world: World) -> list[tuple[int, int, int]]:
    """(version, trades, how it ended) of each sweep."""
    found = []
    for entry in entries_of(world):
        events = entry.unpack_events()
        for done in events:
            if done.kind == EventKind.DONE and done.account == 1010 + 1:
                trades = [event for event in events if event.kind == EventKind.TRADE and event.order_id == done.order_id]
                found.append((entry.core_version, len(trades), done.code))
    return found


def lived_on(seed: int, tomorrow: Core) -> World:
    """A market with a past of both cores, and what is left of both on its book; a snapshot where `seed` is even."""
    world = World(seed=seed)
    sweep(world, 1 << 100)
    world.send(60)
    world.drain()
    if seed % 2 == 0:
        replica = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots)
        world.snapshots.put(market=MARKET, seq=replica.position.seq, blob=replica.to_snapshot())
    world.core = tomorrow
    sweep(world, 2 << 100)
    world.send(60)
    world.drain()
    return world


@pytest.mark.parametrize("seed", range(4))
def test_each_entry_is_replayed_by_the_rules_it_was_matched_by(core_of_tomorrow: Core, seed: int) -> None:
    world = lived_on(seed, core_of_tomorrow)
    world.check()  # replays all of it, from the start and from the snapshot
    assert versions(world) == sorted(versions(world)) and set(versions(world)) == {CORE.version, CORE.version + 1}
    (before, trades, ended), after = sweeps(world)
    assert (before, ended) == (CORE.version, DoneReason.IOC_REMAINDER) and trades >= MAKERS
    assert after == (CORE.version + 1, FILLS, DoneReason.FILL_LIMIT)
    with pytest.raises(OlderCore, match=f"entry 1 is by core {CORE.version}, this is {CORE.version + 1}: its rules changed"):
        BookReplica.recover(MARKET, replace(core_of_tomorrow, older=None), world.journal, FakeSnapshots())
    with pytest.raises(NewerCore, match=f"is by core {CORE.version + 1}, this is {CORE.version}"):
        BookReplica.recover(MARKET, CORE, world.journal, FakeSnapshots())


def deliver(world: World, engine: MatchingEngine) -> None:
    batch = world.queue.receive(queue=COMMANDS)
    engine.handle([Delivery(message.sequence, message.body) for message in batch])
    world.queue.acknowledge(batch)


def test_while_a_deploy_is_under_way_both_match_until_the_newer_one_has(core_of_tomorrow: Core) -> None:
    """An old environment may append behind the new one's back once; after the first entry of the new rules it steps aside."""
    world = World(seed=5)
    world.send(5)
    old = world.new_engine()
    deliver(world, old)
    world.core = core_of_tomorrow
    new = world.new_engine()
    new.handle([])  # has the book, and has gone over with it
    world.send(5)
    deliver(world, old)
    sweep(world, 1 << 100)
    deliver(world, new)  # fenced, so it starts over from the journal
    world.send(5)
    with pytest.raises(NewerCore):
        deliver(world, old)
    world.queue.time_out()
    world.drain()
    world.check()
    assert versions(world)[:3] == [CORE.version, CORE.version, CORE.version + 1]
    assert set(versions(world)[2:]) == {CORE.version + 1}
    assert sweeps(world) == [(CORE.version + 1, FILLS, DoneReason.FILL_LIMIT)]


def test_a_snapshot_is_brought_back_by_the_rules_that_made_it(core_of_tomorrow: Core) -> None:
    world = World(seed=6)
    world.send(60)
    world.drain()
    before = BookReplica.recover(MARKET, CORE, world.journal, FakeSnapshots())
    brought = BookReplica.from_snapshot(MARKET, core_of_tomorrow, before.to_snapshot())
    assert brought.rules.version == CORE.version and brought.to_snapshot() == before.to_snapshot()
    brought.go_over(core_of_tomorrow)
    assert brought.rules.version == CORE.version + 1
    assert (brought.book.snapshot(), brought.book.state_hash()) == (before.book.snapshot(), before.book.state_hash())
    with pytest.raises(NewerCore, match=f"the snapshot is by core {CORE.version + 1}, this is {CORE.version}"):
        BookReplica.from_snapshot(MARKET, CORE, brought.to_snapshot())
    with pytest.raises(BadSnapshot, match=f"the snapshot is by core {CORE.version}, this is {CORE.version + 1}"):
        BookReplica.from_snapshot(MARKET, replace(core_of_tomorrow, older=None), before.to_snapshot())


def test_the_rules_never_go_back(core_of_tomorrow: Core) -> None:
    world = lived_on(7, core_of_tomorrow)
    last = entries_of(world)[-1]
    older = replace(last, seq=last.seq + 1, prev_hash=last.hash, core_version=CORE.version, commands=b"", events=b"")
    world.journal.entries[MARKET].append(older.encoded)
    with pytest.raises(JournalBroken, match=f"{older.seq} is by core {CORE.version}, the one before it by {CORE.version + 1}"):
        BookReplica.recover(MARKET, core_of_tomorrow, world.journal, FakeSnapshots())


def test_a_book_that_the_new_core_does_not_take_is_a_broken_journal(core_of_tomorrow: Core) -> None:
    world = lived_on(8, core_of_tomorrow)

    def refuse(snapshot: bytes) -> None:
        raise core_of_tomorrow.damaged("it is not mine")

    with pytest.raises(JournalBroken, match=f"core {CORE.version + 1} does not take the book that core {CORE.version} left at"):
        BookReplica.recover(MARKET, replace(core_of_tomorrow, restore=refuse), world.journal, FakeSnapshots())


def test_the_audit_goes_through_both(core_of_tomorrow: Core) -> None:
    """And the naive core, which knows one version, takes part in that one's entries."""
    world = lived_on(9, core_of_tomorrow)
    naive = BookReplica(MARKET, CORE, CORE.create(), Position())
    audit = JournalAudit(BookReplica(MARKET, core_of_tomorrow, core_of_tomorrow.create(), Position()), {}, naive)
    assert [finding for raw in world.journal.entries[MARKET] for finding in audit.take(raw)] == []
    assert (audit.entries, audit.naive_entries) == (len(versions(world)), versions(world).count(CORE.version))
    assert audit.replica.rules is core_of_tomorrow


def test_engines_and_followers_that_die_on_the_way_over(core_of_tomorrow: Core) -> None:
    """Killed between any two calls around the change of rules, over and over: the same journal, and followed whole."""
    rng = random.Random(10)
    killed = 0
    for seed in range(20, 32):
        world = World(seed=seed, drop_nudges=0.2)
        world.send(10)
        while world.engine_step(world.new_engine()):
            pass
        world.core = core_of_tomorrow
        sweep(world, 1 << 100)
        world.send(10)
        for _ in range(6):
            world.faults.points, world.faults.kill_at = 0, rng.randint(1, 6)
            killed += world.until_killed(lambda world=world: world.engine_step(world.new_engine()))
            killed += world.until_killed(lambda world=world: world.follower_step(rng.choice([SETTLE, FEED])))
        world.drain()
        world.check()
        assert versions(world) == sorted(versions(world)) and versions(world)[-1] == CORE.version + 1
    assert killed > 40, killed
