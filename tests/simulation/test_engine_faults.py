"""The engine and its followers under every fault of the model: nothing lost, nothing twice."""

import json
from dataclasses import replace
from uuid import UUID

import pytest
from simulation.fakes import FakeSnapshots
from simulation.world import COMMANDS, CORE, FEED, MARKET, SETTLE, World

import matching_core
from exchange import events as event_records
from exchange.commands import STOP_ENTRY, BadMessage, Command, CommandKind, OrderType, Side, TimeInForce
from exchange.engine import Delivery
from exchange.events import FLAG_AUCTION, FLAG_RESTED, DoneReason, EventKind, unpack_events
from exchange.follower import JournalFollower
from exchange.journal import (
    GENESIS_HASH,
    MAX_EVENT_BYTES,
    MAX_EVENTS_OF_A_COMMAND,
    JournalBroken,
    JournalEntry,
    NewerCore,
    OlderCore,
    decode_entry,
)
from exchange.ports import Fenced
from exchange.replica import BadSnapshot, BookReplica
from tests.seeds import seeds

OF_A_BATCH = ["before append", "after append", f"before send to {SETTLE}", f"after send to {SETTLE}",
              f"before send to {FEED}", f"after send to {FEED}"]
POINTS = {False: ["journal after", *OF_A_BATCH], True: OF_A_BATCH}


@pytest.mark.parametrize("warm", [False, True])
def test_the_points_are_the_calls_of_the_engine(warm: bool) -> None:
    world = World(seed=1)
    engine = world.new_engine()
    for _ in range(2 if warm else 1):
        world.send(4)
        world.faults.names.clear()
        world.engine_step(engine)
    assert world.faults.names == POINTS[warm]


@pytest.mark.parametrize(("warm", "kill_at"), [(warm, at + 1) for warm, names in POINTS.items() for at in range(len(names))])
def test_killed_between_each_two_calls(kill_at: int, warm: bool) -> None:
    world = World(seed=kill_at)
    engine = world.new_engine()
    world.send(30)
    for _ in range(3 if warm else 0):
        world.engine_step(engine)
    world.faults.points, world.faults.kill_at = 0, kill_at
    assert world.until_killed(lambda: world.engine_step(engine if warm else world.new_engine()))
    world.drain()
    world.check()


@pytest.mark.parametrize(("at_once", "kill_at"), [(1, point) for point in range(1, 12)] + [(10, 1), (10, 2)])
@pytest.mark.parametrize("queue", [SETTLE, FEED])
def test_a_follower_killed_between_each_two_calls(at_once: int, kill_at: int, queue: str) -> None:
    """Entry by entry, and all six entries in one run."""
    world = World(seed=kill_at)
    engine = world.new_engine()
    world.send(60)
    while world.engine_step(engine):
        pass
    world.faults.points, world.faults.kill_at = 0, kill_at

    def follow() -> None:
        while world.follower_step(queue, at_once):
            pass

    assert world.until_killed(follow)
    world.drain()
    world.check()


def test_a_batch_delivered_twice_is_matched_once_and_nudged_again() -> None:
    world = World(seed=5)
    engine = world.new_engine()
    world.send(10)
    world.engine_step(engine, acknowledge=False)
    world.queue.queues[SETTLE].clear()  # as if the nudges had been lost with the worker
    world.queue.queues[FEED].clear()
    world.queue.seen = {key: value for key, value in world.queue.seen.items() if key[0] == COMMANDS}
    world.queue.time_out()
    while world.engine_step(engine):
        pass
    world.drain(tick=False)
    world.check()


@pytest.mark.parametrize("lost", [1, 3])
def test_what_a_crash_of_the_sink_s_server_undid_is_applied_again_when_the_head_is_nudged_again(lost: int) -> None:
    """The follower lives on and believes to be at the head; nothing new comes."""
    world = World(seed=21)
    for _ in range(3):
        world.send(4)
        world.drain(tick=False)
    sink, head = world.sinks[SETTLE], len(world.journal.entries[MARKET])
    assert len(sink.entries) == head > lost
    del sink.entries[-lost:]
    applied = world.followers[SETTLE].follow(MARKET, head)
    assert [entry.seq for entry in applied] == list(range(head - lost + 1, head + 1))
    assert world.followers[SETTLE].follow(MARKET, head) == []
    world.check()


def test_two_workers_on_one_market() -> None:
    """Both have a book at the same seq and the same batch: one appends, the other is fenced, starts over from the journal and
    matches nothing twice."""
    world = World(seed=6)
    first, second = world.new_engine(), world.new_engine()
    world.send(8)
    world.engine_step(first)
    world.engine_step(second)
    world.send(20)
    batch = world.queue.receive(queue=COMMANDS)
    deliveries = [Delivery(message.sequence, message.body) for message in batch]
    append = world.journal.append

    def overtaken(**arguments: object) -> None:
        """The other worker commits the same batch just before this one appends."""
        world.journal.append = append
        assert second.handle(deliveries).commands > 0
        append(**arguments)

    world.journal.append = overtaken
    outcome = first.handle(deliveries)
    assert (outcome.commands, outcome.redelivered) == (0, len(deliveries))
    world.queue.time_out()
    for engine in (first, second, first, second):
        world.engine_step(engine)
    world.drain()
    world.check()


def test_an_old_book_is_told_by_the_fence() -> None:
    """A worker whose book another has left behind by many entries, with orders that nobody has seen: fenced, it recovers and
    matches them on the newest book."""
    world = World(seed=6)
    old, other = world.new_engine(), world.new_engine()
    world.send(8)
    world.engine_step(old)
    world.send(40)
    while world.engine_step(other):
        pass
    world.send(3)
    world.faults.names.clear()
    assert world.engine_step(old)
    assert world.faults.names == ["before append", "journal after", "journal after", *OF_A_BATCH]
    world.drain()
    world.check()


def test_a_worker_that_is_fenced_twice_gives_the_batch_back() -> None:
    world = World(seed=6)
    engine = world.new_engine()
    world.send(4)
    append, tries = world.journal.append, []

    def fenced(**arguments: object) -> None:
        tries.append(arguments["seq"])
        raise Fenced("another worker was faster")

    world.journal.append = fenced
    batch = [Delivery(message.sequence, message.body) for message in world.queue.receive(queue=COMMANDS)]
    with pytest.raises(Fenced):
        engine.handle(batch)
    assert tries == [1, 1]
    world.journal.append = append
    world.queue.time_out()
    world.drain()
    world.check()


@pytest.mark.parametrize("seed", range(20))
def test_nudges_lost_and_repeated(seed: int) -> None:
    world = World(seed, drop_nudges=0.4, repeat_nudges=0.3)
    engine = world.new_engine()
    for _ in range(10):
        world.send(5)
        world.engine_step(engine)
        world.follower_step(SETTLE)
    world.drain()
    world.check()


@pytest.mark.parametrize("seed", seeds(60, quick=15))
def test_everything_at_once(seed: int) -> None:
    """Kills at random points, redeliveries, two workers, lost and repeated nudges, snapshots in between."""
    world = World(seed, drop_nudges=0.2, repeat_nudges=0.2)
    engines = [world.new_engine(), world.new_engine()]
    kills = 0

    def engine_step() -> None:
        world.engine_step(engines[number], acknowledge=world.rng.random() < 0.8)

    def follower_steps() -> None:
        for queue in (SETTLE, FEED):
            world.follower_step(queue)

    for _ in range(60):
        world.send(world.rng.randint(0, 6), commands_each=world.rng.choice([1, 1, 1, 7]))
        world.faults.points = 0
        world.faults.kill_at = world.rng.randint(1, 16)
        number = world.rng.randrange(2)
        if world.until_killed(engine_step):
            engines[number] = world.new_engine()
            kills += 1
        if world.until_killed(follower_steps):
            world.followers = {queue: JournalFollower(world.journal, sink) for queue, sink in world.sinks.items()}
            kills += 1
        if world.rng.random() < 0.3:
            world.queue.time_out()
        world.faults.kill_at = None
        if world.rng.random() < 0.1 and world.journal.entries:
            replica = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots)
            world.snapshots.put(market=MARKET, seq=replica.position.seq, blob=replica.to_snapshot())
    world.drain()
    world.check()
    assert kills > 5, "the seed must reach its faults"


@pytest.mark.parametrize("kill_at", [None, 4, 8, 11, 12])
def test_a_large_batch_is_cut_into_entries_and_survives_a_kill_between_them(kill_at: int | None) -> None:
    """2,100 commands in six messages: an entry ends inside a message, and the next try goes on there."""
    world = World(seed=9)
    world.send(6, commands_each=350)
    world.faults.points, world.faults.kill_at = 0, kill_at
    killed = world.until_killed(lambda: world.engine_step(world.new_engine()))
    assert killed == (kill_at is not None)
    world.drain()
    world.check()
    entries = [decode_entry(raw) for raw in world.journal.entries[MARKET]]
    assert all(len(entry.encoded) < 400_000 for entry in entries)
    assert any(entry.resume_offset for entry in entries), "the case was reached: an entry ends inside a message"


def test_a_new_queue_counts_anew() -> None:
    world = World(seed=10)
    engine = world.new_engine()
    world.send(20)
    while world.engine_step(engine):
        pass
    world.queue.recreate(COMMANDS)
    world.send(20)
    while world.engine_step(engine):
        pass
    world.drain()
    world.check()


def test_a_broken_journal_stops_the_engine() -> None:
    world = World(seed=11)
    world.send(20)
    engine = world.new_engine()
    while world.engine_step(engine):
        pass
    entries = world.journal.entries[MARKET]
    original = entries[1]
    for damaged in (original[:200] + bytes([original[200] ^ 1]) + original[201:], original[:-1], entries[0]):
        entries[1] = damaged
        world.send(1)
        length = len(entries)
        with pytest.raises(JournalBroken):
            world.engine_step(world.new_engine())
        assert len(entries) == length, "an engine that finds its journal broken processes nothing"
        world.queue.time_out()


def test_a_damaged_snapshot_is_refused() -> None:
    world = World(seed=12)
    world.send(20)
    engine = world.new_engine()
    while world.engine_step(engine):
        pass
    blob = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots).to_snapshot()
    for position in range(0, len(blob), 7):
        with pytest.raises(BadSnapshot):
            BookReplica.from_snapshot(MARKET, CORE, blob[:position] + bytes([blob[position] ^ 0x40]) + blob[position + 1:])
    with pytest.raises(BadSnapshot):
        BookReplica.from_snapshot("ETH-USD", CORE, blob)
    assert BookReplica.from_snapshot(MARKET, CORE, blob).to_snapshot() == blob


def test_a_damaged_newest_snapshot_costs_time_only() -> None:
    world = World(seed=14)
    world.send(30)
    engine = world.new_engine()
    while world.engine_step(engine):
        pass
    replica = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots)
    world.snapshots.put(market=MARKET, seq=replica.position.seq, blob=replica.to_snapshot()[:-1])
    recovered = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots)
    assert recovered.refused_snapshot
    assert recovered.to_snapshot() == replica.to_snapshot()
    world.send(10)
    world.drain()
    world.check()


def test_a_message_that_cannot_be_read_does_not_take_those_before_it_along() -> None:
    world = World(seed=15)
    world.send(3)
    engine = world.new_engine()
    batch = [Delivery(stored.sequence, stored.body) for stored in world.queue.queues[COMMANDS]]
    for body in ("not base64!", "", "AgAA"):
        with pytest.raises(BadMessage):
            engine.handle([*batch, Delivery(batch[-1].sequence + 1, body)])
    world.drain()
    world.check()


def test_a_nudge_without_its_entry_is_read_from_the_journal() -> None:
    world = World(seed=13)
    world.send(5)
    world.engine_step(world.new_engine())
    for stored in world.queue.queues[SETTLE]:
        body = json.loads(stored.body)
        del body["entry"]
        stored.body = json.dumps(body)
    world.drain()
    world.check()


def test_the_random_flow_has_every_kind_of_event() -> None:
    world = World(seed=16)
    engine = world.new_engine()
    for _ in range(300):
        world.send(10)
        world.engine_step(engine)
    world.drain()
    world.check()
    events = [event for raw in world.journal.entries[MARKET] for event in decode_entry(raw).unpack_events()]
    assert {event.kind for event in events} == set(EventKind)
    assert {event.code for event in events if event.kind == EventKind.DONE} >= set(DoneReason) - {
        DoneReason.FILL_LIMIT, DoneReason.LEVEL_FULL}
    auctioned = [event for event in events if event.kind == EventKind.TRADE and event.flags & FLAG_AUCTION]
    refreshed = [event for event in events if event.kind == EventKind.OPENED and event.flags & FLAG_RESTED]
    assert len(auctioned) > 10 and len(refreshed) > 10


@pytest.mark.parametrize(("version", "error"), [(CORE.version - 1, OlderCore), (CORE.version + 1, NewerCore)])
def test_entries_of_another_core_are_refused(version: int, error: type[Exception]) -> None:
    """By the engine and by every follower, whether the market's journal is wholly another core's or from some entry on."""
    assert CORE.version == event_records.CORE_VERSION
    for entries_before in (0, 2):
        world = World(seed=17)
        world.send(entries_before)
        while world.engine_step(world.new_engine()):
            pass
        stored = world.journal.entries.setdefault(MARKET, [])
        last = decode_entry(stored[-1]) if stored else None
        other = JournalEntry(
            market=MARKET, seq=len(stored) + 1, at_ms=world.now_ms, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=version, state_hash=0, feed_sequence=0,
            prev_hash=last.hash if last else GENESIS_HASH, commands=b"", events=b"")
        stored.append(other.encoded)
        world.send(1)
        wanted = f"entry {other.seq} is by core {version}, this is {CORE.version}"
        with pytest.raises(error, match=wanted):
            world.engine_step(world.new_engine())
        assert len(stored) == other.seq, "nothing was matched"
        for queue in (SETTLE, FEED):
            with pytest.raises(error, match=wanted):
                world.followers[queue].follow(MARKET, other.seq)


def test_a_snapshot_of_an_older_core_is_refused_and_of_a_newer_one_waited_for() -> None:
    world = World(seed=18)
    world.send(20)
    engine = world.new_engine()
    while world.engine_step(engine):
        pass
    replica = BookReplica.recover(MARKET, CORE, world.journal, world.snapshots)
    for version, error in ((CORE.version - 1, BadSnapshot), (CORE.version + 1, NewerCore)):
        replica.rules = replace(CORE, version=version)
        with pytest.raises(error, match=f"by core {version}"):
            BookReplica.from_snapshot(MARKET, CORE, replica.to_snapshot())


def _order(number: int, account: int, at_ms: int, **fields: int) -> bytes:
    return Command(**{
        "kind": CommandKind.PLACE, "order_id": UUID(int=number), "account": account, "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC, "issued_at_ms": at_ms} | fields).pack()


def test_the_command_with_most_events_fits_an_entry() -> None:
    """A buy that sweeps 400 levels, whose trades meet a stop that sweeps the next 400, after 49 orders expired."""
    assert MAX_EVENTS_OF_A_COMMAND * event_records.SIZE <= MAX_EVENT_BYTES
    book = matching_core.Book.create()
    at_ms = 1_000_000
    orders = [_order(number, 1000, at_ms, side=Side.SELL, price_ticks=number, size_lots=1) for number in range(1, 1001)]
    orders += [_order(number, 1001, at_ms, side=Side.BUY, price_ticks=5000, stop_price_ticks=2, size_lots=450,
                      order_type=OrderType.STOP_LIMIT, flags=STOP_ENTRY) for number in range(2001, 2010)]
    orders += [_order(number, 1002, at_ms, side=Side.SELL, price_ticks=6000 + number, size_lots=1,
                      time_in_force=TimeInForce.GTT, expire_at_ms=at_ms + 10) for number in range(3001, 3050)]
    for order in orders:
        book.apply(at_ms, order, MAX_EVENT_BYTES)
    sweep = _order(4000, 1003, at_ms, side=Side.BUY, price_ticks=5000, size_lots=500)
    events = unpack_events(book.apply(at_ms + 10, sweep, MAX_EVENT_BYTES))
    assert 2400 < len(events) <= MAX_EVENTS_OF_A_COMMAND


@pytest.mark.parametrize("kill_at", [None, *range(1, 13)])
def test_the_engine_goes_on_while_work_waits(kill_at: int | None) -> None:
    """1,000 orders end at once; one command takes 50 of them off. The engine does the rest before it answers, in entries of
    its own; killed in the middle, it goes on when the batch comes again."""
    world = World(seed=5)
    ends_at_ms = world.now_ms + 10
    orders = [Command(kind=CommandKind.PLACE, order_id=UUID(int=number), account=1000, side=Side.BUY,
                      order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTT, price_ticks=100, size_lots=1,
                      issued_at_ms=world.now_ms, expire_at_ms=ends_at_ms).pack() for number in range(1, 1001)]
    for start in range(0, 1000, 250):
        world.send_records(orders[start:start + 250])
    engine = world.new_engine()
    while world.engine_step(engine):
        pass
    world.now_ms = ends_at_ms
    world.send_records([Command(kind=CommandKind.TICK, issued_at_ms=world.now_ms).pack()])
    world.faults.points, world.faults.kill_at = 0, kill_at
    assert world.until_killed(lambda: world.engine_step(engine)) == (kill_at is not None)
    world.drain(tick=False)
    world.check()
    replica = BookReplica.recover(MARKET, CORE, world.journal, FakeSnapshots())
    assert (replica.book.order_count, replica.book.work_waits) == (0, False)
    assert world.own_entries([decode_entry(raw) for raw in world.journal.entries[MARKET]])
