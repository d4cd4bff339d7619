"""One market's engine and followers on the fakes, and the checks that must hold when the dust has settled."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from simulation.fakes import FakeJournal, FakeQueue, FakeSnapshots, Faults, Killed

import matching_core
from exchange.adapters.core import core_of
from exchange.commands import (
    POST_ONLY,
    STOP_ENTRY,
    Command,
    CommandKind,
    OrderType,
    Side,
    Stp,
    TimeInForce,
    encode_message,
)
from exchange.engine import Delivery, MatchingEngine
from exchange.events import Event, EventKind, Mode
from exchange.feed.state import MarketState
from exchange.follower import JournalFollower, StaleCursor
from exchange.journal import GENESIS_HASH, JournalEntry, decode_entry
from exchange.nudges import decode_nudge
from exchange.ports import Fenced
from exchange.replica import BookReplica, Core

MARKET = "BTC-USD"
COMMANDS, SETTLE, FEED = "commands-BTC-USD.fifo", "settle.fifo", "feed.fifo"
CORE = core_of(matching_core, 16)


def is_published(event: Event) -> bool:
    """Whether the public feed gives the event a sequence number of its own."""
    if event.kind == EventKind.REJECTED:
        return event.flags == CommandKind.PLACE
    return event.kind <= EventKind.TRIGGERED or event.kind == EventKind.AMENDED


@dataclass
class RecordingSink:
    """A follower's store whose effect and cursor change together."""

    faults: Faults
    entries: list[JournalEntry] = field(default_factory=list)

    def cursor(self, market: str) -> tuple[int, bytes]:
        return (self.entries[-1].seq, self.entries[-1].hash) if self.entries else (0, GENESIS_HASH)

    def apply_run(self, entries: Sequence[JournalEntry]) -> None:
        self.faults.around("apply", lambda: self._apply(entries))

    def _apply(self, entries: Sequence[JournalEntry]) -> None:
        if self.cursor(MARKET)[0] != entries[0].seq - 1:
            raise StaleCursor(f"{entries[0].seq}")
        self.entries += entries


class World:
    """The commands that were sent are kept, so that the journal can be checked against them."""

    def __init__(self, seed: int, *, core: Core = CORE, drop_nudges: float = 0.0, repeat_nudges: float = 0.0) -> None:
        self.core = core
        self.rng = random.Random(seed)
        self.faults = Faults()
        self.queue = FakeQueue(self.faults, self.rng, frozenset({SETTLE, FEED}), drop_nudges, repeat_nudges)
        self.journal = FakeJournal(self.faults)
        self.snapshots = FakeSnapshots()
        self.sinks = {SETTLE: RecordingSink(self.faults), FEED: RecordingSink(self.faults)}
        self.followers = {queue: JournalFollower(self.journal, sink) for queue, sink in self.sinks.items()}
        self.now_ms = 1_000_000
        self.sent: list[bytes] = []
        self.live: list[UUID] = []

    def new_engine(self) -> MatchingEngine:
        """A fresh environment: no book yet."""
        return MatchingEngine(
            market=MARKET, core=self.core, journal=self.journal, snapshots=self.snapshots, queue=self.queue,
            command_queue_url=COMMANDS, nudge_queue_urls=[SETTLE, FEED], now_ms=lambda: self.now_ms)

    def random_command(self) -> bytes:
        """Mostly orders of every kind, and all else that the core takes; an auction begins now and then and ends soon."""
        rng = self.rng
        draw = rng.random()
        if not self.live or draw < 0.7:
            return self.random_order().pack()
        order_id = rng.choice(self.live[-50:])
        if draw < 0.85:
            return Command(kind=CommandKind.CANCEL, order_id=order_id, issued_at_ms=self.now_ms).pack()
        if draw < 0.95:
            return Command(kind=CommandKind.AMEND, order_id=order_id, price_ticks=rng.choice([0, rng.randint(95, 105)]),
                           size_lots=rng.randint(1, 60), issued_at_ms=self.now_ms).pack()
        if draw < 0.96:
            return Command(kind=CommandKind.CANCEL_ALL, account=rng.randint(1000, 1004), issued_at_ms=self.now_ms).pack()
        kinds = (CommandKind.AUCTION, CommandKind.HALT, CommandKind.TICK, *[CommandKind.UNCROSS, CommandKind.RESUME] * 3)
        return Command(kind=rng.choice(kinds), issued_at_ms=self.now_ms).pack()

    def random_order(self) -> Command:
        rng = self.rng
        order_id = UUID(int=rng.getrandbits(128))
        self.live.append(order_id)
        order_type = rng.choices(list(OrderType), weights=[12, 3, 2, 2])[0]
        is_limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        is_stop = order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)
        in_force = rng.choice([TimeInForce.GTC] * 3 + [TimeInForce.GTT, TimeInForce.IOC]) if is_limit else TimeInForce.IOC
        rests = in_force in (TimeInForce.GTC, TimeInForce.GTT)
        size = rng.randint(1, 50)
        flags = POST_ONLY if rests and order_type == OrderType.LIMIT and rng.random() < 0.1 else 0
        return Command(
            kind=CommandKind.PLACE, order_id=order_id, account=rng.randint(1000, 1004), side=rng.choice(list(Side)),
            order_type=order_type, time_in_force=in_force, stp=rng.choice(list(Stp)), size_lots=size,
            flags=flags | (STOP_ENTRY if is_stop and rng.random() < 0.5 else 0),
            price_ticks=rng.randint(95, 105) if is_limit else 0, stop_price_ticks=rng.randint(95, 105) if is_stop else 0,
            display_lots=rng.randint(1, size) if rests and rng.random() < 0.2 else 0,
            expire_at_ms=self.now_ms + rng.randint(1, 100) if in_force == TimeInForce.GTT else 0, issued_at_ms=self.now_ms)

    def send(self, messages: int, commands_each: int = 1) -> None:
        """Sends random commands, without faults: the API retries its sends until they are acknowledged."""
        kill_at, self.faults.kill_at = self.faults.kill_at, None
        for _ in range(messages):
            self.send_records([self.random_command() for _ in range(commands_each)])
            self.now_ms += self.rng.randint(0, 5)
        self.faults.kill_at = kill_at

    def send_records(self, records: list[bytes]) -> None:
        """One message with these commands."""
        self.sent += records
        self.queue.send(queue=COMMANDS, group=MARKET, dedup_id=str(len(self.sent)), body=encode_message(records))

    def engine_step(self, engine: MatchingEngine, *, acknowledge: bool = True) -> bool:
        """One delivery to one engine; whether there was something to deliver. Fenced fails the batch, as in the cloud."""
        batch = self.queue.receive(queue=COMMANDS, max_messages=self.rng.randint(1, 10))
        if not batch:
            return False
        try:
            engine.handle([Delivery(message.sequence, message.body) for message in batch])
        except Fenced:
            return True
        if acknowledge:
            self.queue.acknowledge(batch)
        return True

    def follower_step(self, queue: str, max_messages: int = 10) -> bool:
        batch = self.queue.receive(queue=queue, max_messages=max_messages)
        nudges = [decode_nudge(json.loads(message.body)) for message in batch]
        if nudges:
            self.followers[queue].follow(MARKET, max(nudge.seq for nudge in nudges),
                                         {nudge.seq: nudge.entry for nudge in nudges if nudge.entry is not None})
        self.queue.acknowledge(batch)
        return bool(batch)

    def drain(self, *, tick: bool = True) -> None:
        """Faults stop; everything is delivered until nothing is left. A tick stands for the schedule's."""
        self.faults.kill_at = None
        self.queue.drop_nudges = 0.0
        self.queue.time_out()
        engine = self.new_engine()
        while self.engine_step(engine):
            pass
        if tick:
            record = Command(kind=CommandKind.TICK, issued_at_ms=self.now_ms).pack()
            self.send_records([record])
            assert self.engine_step(engine)
        for queue in self.followers:
            self.followers[queue] = JournalFollower(self.journal, self.sinks[queue])
            while self.follower_step(queue):
                pass

    @staticmethod
    def own_entries(entries: list[JournalEntry]) -> set[int]:
        """The seqs of the entries that no message brought: the engine's own, for work that waited. The queue's position is
        theirs from the entry before."""
        own = set()
        for before, entry in pairwise(entries):
            if ((entry.queue_identity, entry.last_queue_sequence, entry.resume_offset)
                    == (before.queue_identity, before.last_queue_sequence, before.resume_offset)):
                assert {Command.unpack(record).kind for record in entry.command_records()} == {CommandKind.TICK}
                own.add(entry.seq)
        return own

    def check(self) -> None:
        """I4, I5, I6, I8 and that the followers have every entry once, in order."""
        entries = [decode_entry(raw) for raw in self.journal.entries[MARKET]]
        own = self.own_entries(entries)
        journaled = [record for entry in entries if entry.seq not in own for record in entry.command_records()]
        assert journaled == self.sent, "each command sent is journaled once, in the order of the queue (I8)"
        previous = GENESIS_HASH
        for number, entry in enumerate(entries, 1):
            assert (entry.seq, entry.prev_hash) == (number, previous), "gap-free and chained (I4)"
            previous = entry.hash
        published = [event.sequence for entry in entries for event in entry.unpack_events() if is_published(event)]
        assert published == list(range(1, len(published) + 1)), "the feed's sequence is gapless"
        replayed = BookReplica.recover(MARKET, self.core, self.journal, FakeSnapshots())
        recovered = BookReplica.recover(MARKET, self.core, self.journal, self.snapshots)
        assert replayed.book.snapshot() == recovered.book.snapshot(), "replay = book, byte for byte (I5)"
        assert replayed.position == recovered.position
        bids, asks = replayed.book.levels(1, 1), replayed.book.levels(2, 1)
        if replayed.book.mode == Mode.OPEN:
            assert not bids or not asks or bids[0][0] < asks[0][0], "never crossed at rest (I6)"
        self.check_feed(entries, replayed.book)
        for queue, sink in self.sinks.items():
            assert [entry.encoded for entry in sink.entries] == [entry.encoded for entry in entries], f"{queue} follows all"

    def check_feed(self, entries: list[JournalEntry], book: matching_core.Book) -> None:
        """I9: the feed's state, moved along the journal, is the book: levels, and orders in their priority."""
        state = MarketState(MARKET)
        for entry in entries:
            state.apply(entry)
        assert state.sequence == book.sequence
        for side in Side:
            assert state.side(side).best() == book.levels(side, 1000)
            resting = [order for order in state.orders.values() if order.opened and order.side == side]
            resting.sort(key=lambda order: (order.price_ticks * (1 if side == Side.SELL else -1), order.opened))
            assert [(order.order_id, order.account, order.price_ticks, order.lots) for order in resting] == book.orders(side)
        waiting = {order.order_id for order in state.orders.values() if not order.opened}
        assert waiting == {order_id for kind in (3, 4) for order_id, *_ in book.orders(kind)}

    def until_killed(self, step: object) -> bool:
        """Runs `step`; whether it died. A dead worker's memory is gone and its batch times out."""
        try:
            step()
        except Killed:
            self.queue.time_out()
            return True
        return False
