"""A market's book as the journal says it is: a cache that knows which entry it is valid for.

    snapshot(n)  --restore-->  book at n  --replay n+1, n+2, ... -->  book at the journal's head

Every replayed entry is checked: it chains to the one before (I4), and the core that wrote it gives the journaled events and
state hash again (I5). A difference is a broken invariant, never something to carry on from.

Where the rules changed between two entries, the book goes over to the newer core, by a snapshot: each entry is replayed by the
rules that it was matched by (docs/adr/0026).

Used by the engine, which appends behind it, by the snapshot function and by the audits.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exchange.journal import (
    GENESIS_HASH,
    MAX_EVENT_BYTES,
    JournalBroken,
    JournalEntry,
    OlderCore,
    check_core,
    check_follows,
    decode_entry,
)
from exchange.ports import Journal, SnapshotStore

PAGE = 100
SNAPSHOT_VERSION = 1
# version, market, seq, at_ms, queue_identity, last_queue_sequence, resume_offset, core_version, entry hash
SNAPSHOT_HEADER = struct.Struct("<B7x16sQqQ16s2I32s")


class Book(Protocol):
    """What the exchange asks of `matching_core.Book`."""

    sequence: int
    work_waits: bool

    def apply(self, at_ms: int, commands: bytes, max_event_bytes: int) -> bytes: ...

    def state_hash(self) -> int: ...

    def snapshot(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Core:
    """The matching core in use: how to make a book, how to bring one back, and the version of its rules."""

    create: Callable[[], Book]
    restore: Callable[[bytes], Book]
    version: int
    damaged: type[Exception]  # what `restore` raises for bytes that are no sound book
    events_full: type[Exception]  # what `apply` raises, with the book unchanged, when the events do not fit
    # The core of the rules before these, loaded when an entry needs it: `restore` takes over its books.
    older: "Callable[[], Core] | None" = None

    def of(self, version: int, what: object) -> "Core":
        """This core, or the older one of this version, that `what` is by. Raises NewerCore and OlderCore."""
        core, known = self, [self.version]
        while core.version > version and core.older is not None:
            core = core.older()
            known.insert(0, core.version)
        check_core(version, known, what)
        return core


class BadSnapshot(Exception):
    """A snapshot that is damaged or of another version. `recover` replays from the start instead, and says so."""


@dataclass(slots=True)
class Position:
    """Where in the journal, and in the queue, a book stands."""

    seq: int = 0
    hash: bytes = GENESIS_HASH
    at_ms: int = 0
    queue_identity: int = 0
    last_queue_sequence: int = 0
    resume_offset: int = 0

    def advance(self, entry: JournalEntry) -> None:
        """Moves to `entry`."""
        self.seq, self.hash, self.at_ms = entry.seq, entry.hash, entry.at_ms
        self.queue_identity = entry.queue_identity
        self.last_queue_sequence, self.resume_offset = entry.last_queue_sequence, entry.resume_offset


class BookReplica:
    """One market's book and its position. `core`: today's; `rules`: the core whose book it is. Not safe for two threads."""

    def __init__(self, market: str, core: Core, book: Book, position: Position, rules: Core | None = None) -> None:
        self.market = market
        self.core = core
        self.rules = rules or core
        self.book = book
        self.position = position
        self.refused_snapshot = ""  # why the newest snapshot was not used

    @classmethod
    def recover(cls, market: str, core: Core, journal: Journal, snapshots: SnapshotStore) -> "BookReplica":
        """The book at the journal's head: from the newest snapshot and the entries after it, or, where that snapshot is
        refused, from the first entry: the journal is the authority, a snapshot saves time."""
        found = snapshots.newest(market=market)
        replica = cls(market, core, core.create(), Position())
        if found is not None:
            try:
                replica = cls.from_snapshot(market, core, found[1])
            except BadSnapshot as refused:
                replica.refused_snapshot = str(refused)
        replica.catch_up(journal)
        return replica

    @classmethod
    def from_snapshot(cls, market: str, core: Core, blob: bytes) -> "BookReplica":
        """Raises BadSnapshot unless every byte of `blob` is as it was written, for this market."""
        body, checksum = blob[:-32], blob[-32:]
        if len(blob) < SNAPSHOT_HEADER.size + 32 or hashlib.sha256(body).digest() != checksum:
            raise BadSnapshot(f"{market}: a snapshot of {len(blob)} bytes does not match its checksum")
        (version, name, seq, at_ms, identity, last_sequence, resume_offset, core_version,
         entry_hash) = SNAPSHOT_HEADER.unpack_from(body)
        if version != SNAPSHOT_VERSION or name.rstrip(b"\0").decode() != market:
            raise BadSnapshot(f"{market}: a snapshot of version {version} for {name.rstrip(bytes(1))!r}")
        try:
            rules = core.of(core_version, f"{market}: the snapshot")
        except OlderCore as older:
            raise BadSnapshot(str(older)) from None
        position = Position(seq=seq, hash=entry_hash, at_ms=at_ms, queue_identity=identity,
                            last_queue_sequence=int.from_bytes(last_sequence, "little"), resume_offset=resume_offset)
        try:
            book = rules.restore(body[SNAPSHOT_HEADER.size:])
        except rules.damaged as damage:
            raise BadSnapshot(f"{market}: {damage}") from None
        return cls(market, core, book, position, rules)

    def to_snapshot(self) -> bytes:
        """The book and its position as one checksummed blob."""
        at = self.position
        body = SNAPSHOT_HEADER.pack(
            SNAPSHOT_VERSION, self.market.encode(), at.seq, at.at_ms, at.queue_identity,
            at.last_queue_sequence.to_bytes(16, "little"), at.resume_offset, self.rules.version, at.hash,
        ) + self.book.snapshot()
        return body + hashlib.sha256(body).digest()

    def catch_up(self, journal: Journal) -> int:
        """Applies every entry after this book's position; how many there were."""
        applied = 0
        while page := journal.after(market=self.market, seq=self.position.seq, limit=PAGE):
            for raw in page:
                self.replay(decode_entry(raw))
            applied += len(page)
        return applied

    def replay(self, entry: JournalEntry) -> None:
        """Applies the next entry. Raises JournalBroken where it is not that, or replaying it gives something else."""
        check_follows(entry, market=self.market, seq=self.position.seq, prev_hash=self.position.hash)
        self.go_over(self.core.of(entry.core_version, entry))
        events = self.book.apply(entry.at_ms, entry.commands, MAX_EVENT_BYTES)
        if events != entry.events or self.book.state_hash() != entry.state_hash:
            raise JournalBroken(f"{self.market}: replaying entry {entry.seq} does not give its events and state hash")
        self.position.advance(entry)

    def go_over(self, rules: Core) -> None:
        """From here on the book is that of `rules`, as it stands. Raises JournalBroken where these are older than its own, or
        do not take it."""
        if rules.version == self.rules.version:
            return
        if self.position.seq == 0:
            self.book = rules.create()
        elif rules.version < self.rules.version:
            raise JournalBroken(f"{self.market}: entry {self.position.seq + 1} is by core {rules.version}, the one before it by"
                                f" {self.rules.version}")
        else:
            try:
                self.book = rules.restore(self.book.snapshot())
            except rules.damaged as damage:
                raise JournalBroken(f"{self.market}: core {rules.version} does not take the book that core {self.rules.version}"
                                    f" left at entry {self.position.seq}: {damage}") from None
        self.rules = rules
