"""The matching engine of one market: apply the batch to the book in memory, append, nudge.

    deliver -> [book in memory, or recovered] -> [apply] -> APPEND -> [nudge settlement] -> [nudge feed] -> acknowledge
                                                               |
    a crash left of it: nothing happened, the batch comes again | right of it: the entry stands, the batch comes again,
                                                               | is recognised by its sequence numbers and nudged again

One command does a bounded share of the work that waits in the book (orders that are over, stops that are met, an unfinished
uncross). While some is left behind the last command, the engine goes on with TICKs of its own, so that nobody's stop waits for
the next order; they are journaled as if they had come with the last message.

The book is a cache, and nobody asks beforehand whether it is still the newest: another environment that has gone on shows as
the fence of the append. Then, as after whatever raises between applying and appending, the book is dropped, and the batch
starts over from the journal (docs/adr/0016).
Keeps I4 (one writer per seq: the append is the fence), I5 (what is appended is what replay gives) and, with the sweep, I8.

Called by `functions/engine_match_orders`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from exchange import commands
from exchange.commands import BadMessage, Command, CommandKind, decode_message, issued_later
from exchange.journal import MAX_COMMANDS, MAX_EVENT_BYTES, JournalEntry, decode_entry
from exchange.nudges import encode_nudge, nudge_id
from exchange.ports import CommandQueue, Fenced, Journal, Send, SnapshotStore
from exchange.replica import BookReplica, Core

OWN_TICKS = 20  # in one entry at most
# By as much the clocks of two environments may differ; one further behind the journal's time means that one of them was wrong.
CLOCKS_AGREE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One queue message as the engine needs it."""

    sequence: int
    body: str


@dataclass(frozen=True, slots=True)
class _Pending:
    """A command not yet journaled, and what to note if it is the last one of its entry."""

    record: bytes
    sequence: int
    resume_offset: int  # 0 if it is the last of its message, else how many of the message are done with it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch came to, for the metrics."""

    entries: int
    commands: int
    events: int
    redelivered: int
    caught_up: int
    refused_snapshot: str


class MatchingEngine:
    """One market's engine. `handle` is called by one thread; several environments are kept apart by the journal."""

    def __init__(
        self, *, market: str, core: Core, journal: Journal, snapshots: SnapshotStore, queue: CommandQueue,
        command_queue_url: str, nudge_queue_urls: list[str], now_ms: Callable[[], int],
    ) -> None:
        self._market = market
        self._core = core
        self._journal = journal
        self._snapshots = snapshots
        self._queue = queue
        self._command_queue_url = command_queue_url
        self._nudge_queue_urls = nudge_queue_urls
        self._now_ms = now_ms
        self._replica: BookReplica | None = None
        self._identity: int | None = None

    def handle(self, batch: list[Delivery]) -> Outcome:
        """Matches a batch, in order; on return every message of it is in the journal and its entries are nudged. A first
        fence is met by starting over from the journal.

        Raises, and changes nothing that the next try would not see: BadMessage, Fenced, JournalBroken, and whatever the
        services raise. After any of them the batch must be delivered again.
        """
        try:
            return self._from_journal_on_error(batch)
        except Fenced:
            return self._from_journal_on_error(batch)

    def _from_journal_on_error(self, batch: list[Delivery]) -> Outcome:
        try:
            return self._handle(batch)
        except BaseException:
            self._replica = None
            raise

    def _handle(self, batch: list[Delivery]) -> Outcome:
        replica, caught_up = self._current_book()
        pending, bad = self._not_yet_journaled(batch, replica)
        fresh = {command.sequence for command in pending}
        redelivered = sum(1 for delivery in batch if delivery.sequence not in fresh)
        if redelivered:
            self._nudge_head(replica)
        entries = matched = events = 0
        while pending or (bad is None and replica.book.work_waits):
            if not pending:
                pending = self._ticks(replica)
            entry = self._match_some(replica, pending)
            self._journal.append(market=self._market, seq=entry.seq, entry=entry.encoded)
            replica.position.advance(entry)
            self._nudge(entry)
            taken = len(entry.commands) // commands.SIZE
            pending = pending[taken:]
            entries, matched, events = entries + 1, matched + taken, events + len(entry.events)
        if bad is not None:
            raise bad
        return Outcome(entries, matched, events, redelivered, caught_up, replica.refused_snapshot if caught_up else "")

    def _current_book(self) -> tuple[BookReplica, int]:
        if self._replica is not None:
            return self._replica, 0
        self._replica = BookReplica.recover(self._market, self._core, self._journal, self._snapshots)
        self._replica.go_over(self._core)
        return self._replica, self._replica.position.seq

    def _not_yet_journaled(self, batch: list[Delivery],
                           replica: BookReplica) -> tuple[list[_Pending], BadMessage | None]:
        """The commands of the batch that no entry holds, told by the sequence numbers that the journal remembers; up to a
        message that cannot be read, which must not take those before it with it to the dead letters."""
        position = replica.position
        if self._identity is None or any(delivery.sequence <= position.last_queue_sequence for delivery in batch):
            # Numbers at or below the last one: a redelivery, or a new queue that counts anew. Only its identity tells.
            self._identity = self._queue.identity(self._command_queue_url)
        last, offset = position.last_queue_sequence, position.resume_offset
        if position.queue_identity != self._identity:
            last, offset = -1, 0
        pending: list[_Pending] = []
        for delivery in batch:
            if delivery.sequence < last or (delivery.sequence == last and offset == 0):
                continue
            skip = offset if delivery.sequence == last else 0
            try:
                records = decode_message(delivery.body)
            except BadMessage as bad:
                return pending, bad
            count = len(records) // commands.SIZE
            for index in range(skip, count):
                record = records[index * commands.SIZE:(index + 1) * commands.SIZE]
                done = index + 1
                pending.append(_Pending(record, delivery.sequence, 0 if done == count else done))
        return pending, None

    def _ticks(self, replica: BookReplica) -> list[_Pending]:
        """Commands of the engine's own that only do waiting work; the queue's position stays as it is."""
        at = replica.position
        tick = Command(kind=CommandKind.TICK, issued_at_ms=at.at_ms).pack()
        return [_Pending(tick, at.last_queue_sequence, at.resume_offset)] * OWN_TICKS

    def _match_some(self, replica: BookReplica, pending: list[_Pending]) -> JournalEntry:
        """Applies as many commands as fit one entry to the book; the entry to append. At least one always fits, since
        the core bounds the fills of a command."""
        position = replica.position
        now_ms = self._now_ms()
        at_ms = max(position.at_ms, now_ms)
        taken = min(len(pending), MAX_COMMANDS)
        while True:
            records = b"".join(command.record for command in pending[:taken])
            if at_ms - now_ms > CLOCKS_AGREE_MS:
                # What is sent now is not old because the journal's time was ahead once: its age is kept (docs/adr/0025).
                records = issued_later(records, at_ms - now_ms)
            try:
                events = replica.book.apply(at_ms, records, MAX_EVENT_BYTES)
                break
            except self._core.events_full:
                if taken == 1:
                    raise
                taken //= 2
        last = pending[taken - 1]
        return JournalEntry(
            market=self._market, seq=position.seq + 1, at_ms=at_ms, queue_identity=self._identity,
            first_queue_sequence=pending[0].sequence, last_queue_sequence=last.sequence,
            resume_offset=last.resume_offset, core_version=replica.rules.version, state_hash=replica.book.state_hash(),
            feed_sequence=replica.book.sequence, prev_hash=position.hash, commands=records, events=events)

    def _nudge_head(self, replica: BookReplica) -> None:
        """The batch came again: its nudges may never have been sent. The head's is enough, followers fill the gap."""
        raw = self._journal.get(market=self._market, seq=replica.position.seq)
        if raw is not None:
            self._nudge(decode_entry(raw))

    def _nudge(self, entry: JournalEntry) -> None:
        body = encode_nudge(entry)
        self._queue.send_hints([Send(url, self._market, nudge_id(entry.market, entry.seq), body)
                                for url in self._nudge_queue_urls])
