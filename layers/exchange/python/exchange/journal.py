"""The journal entry: what one batch asked for and what came of it, chained by hash to the one before.

The append of an entry is the only commit point of a match (I4: gap-free, chain intact, one writer per seq). Its bytes,
little-endian, are what the hash covers; the same commands and events that the core read and wrote:

    offset   0 u8  version        1 7B zero
             8 16B market, ASCII, zero-padded
            24 u64 seq           32 i64 at_ms         40 u64 queue_identity
            48 u128 first_queue_sequence              64 u128 last_queue_sequence
            80 u32 resume_offset 84 u32 core_version  88 u32 commands   92 u32 events
            96 u64 state_hash   104 u64 feed_sequence
           112 32B prev_hash
           144 commands x 112 bytes, then events x 96 bytes
           end 32B hash = SHA-256 over all bytes before it

`resume_offset`: 0 when the message `last_queue_sequence` was taken whole; otherwise how many of its commands are in the
journal up to and with this entry. `state_hash` and `feed_sequence`: the book's after this entry.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from exchange import commands as command_records
from exchange import events as event_records
from exchange.events import Event, unpack_events
from exchange.faults import BrokenInvariant

VERSION = 1
HEADER = struct.Struct("<B7x16sQqQ16s16s4I2Q32s")
assert HEADER.size == 144
HASH_SIZE = 32
GENESIS_HASH = bytes(HASH_SIZE)

# A DynamoDB item holds 400 KB; what stays free is for the attribute names and the keys.
MAX_ENTRY_BYTES = 390_000
MAX_COMMANDS = 1000
# What one call of the core may write. One command's events always fit: the core bounds what a command touches, and by that
# its events, LEVELs included.
MAX_EVENTS_OF_A_COMMAND = 2_700
MAX_EVENT_BYTES = MAX_ENTRY_BYTES - HEADER.size - HASH_SIZE - MAX_COMMANDS * command_records.SIZE


class JournalBroken(BrokenInvariant):
    """I4 or I5: the journal's bytes, chain or replay are not what they must be."""


class OlderCore(JournalBroken):
    """The entry is by a core of older rules that is not kept here. Replayed on another it would give another book, and read by
    this version's words other reasons; so nothing goes on from it. docs/OPERATIONS.md says what to do."""


class NewerCore(Exception):
    """The entry is by a newer core than this environment's: a retryable fault until it is replaced."""


@dataclass(frozen=True)
class JournalEntry:
    """One entry; `commands` and `events` are runs of packed records. Immutable; `encode` fixes its hash."""

    market: str
    seq: int
    at_ms: int
    queue_identity: int
    first_queue_sequence: int
    last_queue_sequence: int
    resume_offset: int
    core_version: int
    state_hash: int
    feed_sequence: int
    prev_hash: bytes
    commands: bytes
    events: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The entry's bytes with its hash at the end."""
        body = HEADER.pack(
            VERSION, self.market.encode("ascii"), self.seq, self.at_ms, self.queue_identity,
            self.first_queue_sequence.to_bytes(16, "little"), self.last_queue_sequence.to_bytes(16, "little"),
            self.resume_offset, self.core_version, len(self.commands) // command_records.SIZE,
            len(self.events) // event_records.SIZE, self.state_hash, self.feed_sequence, self.prev_hash,
        ) + self.commands + self.events
        return body + hashlib.sha256(body).digest()

    @property
    def hash(self) -> bytes:
        return self.encoded[-HASH_SIZE:]

    def __str__(self) -> str:
        """As messages call it."""
        return f"{self.market}: entry {self.seq}"

    def unpack_events(self) -> list[Event]:
        return unpack_events(self.events)

    def command_records(self) -> list[bytes]:
        """The packed command records, in order."""
        size = command_records.SIZE
        return [self.commands[start:start + size] for start in range(0, len(self.commands), size)]


def decode_entry(raw: bytes) -> JournalEntry:
    """The entry in `raw`. Raises JournalBroken for a wrong version, length or hash."""
    if len(raw) < HEADER.size + HASH_SIZE or raw[0] != VERSION:
        raise JournalBroken(f"{len(raw)} bytes of version {raw[:1].hex() or 'none'} are no journal entry")
    (_, market, seq, at_ms, queue_identity, first_sequence, last_sequence, resume_offset, core_version, command_count,
     event_count, state_hash, feed_sequence, prev_hash) = HEADER.unpack_from(raw)
    commands_end = HEADER.size + command_count * command_records.SIZE
    events_end = commands_end + event_count * event_records.SIZE
    if len(raw) != events_end + HASH_SIZE:
        raise JournalBroken(f"entry {seq}: {len(raw)} bytes, its counts say {events_end + HASH_SIZE}")
    if hashlib.sha256(raw[:events_end]).digest() != raw[events_end:]:
        raise JournalBroken(f"entry {seq}: its hash does not match its bytes")
    entry = JournalEntry(
        market=market.rstrip(b"\0").decode("ascii"), seq=seq, at_ms=at_ms, queue_identity=queue_identity,
        first_queue_sequence=int.from_bytes(first_sequence, "little"),
        last_queue_sequence=int.from_bytes(last_sequence, "little"), resume_offset=resume_offset,
        core_version=core_version, state_hash=state_hash, feed_sequence=feed_sequence, prev_hash=prev_hash,
        commands=raw[HEADER.size:commands_end], events=raw[commands_end:events_end])
    entry.__dict__["encoded"] = bytes(raw)  # fills the cached property: the bytes are known and checked
    return entry


def check_follows(entry: JournalEntry, *, market: str, seq: int, prev_hash: bytes) -> None:
    """Raises JournalBroken unless `entry` is the one after (`seq`, `prev_hash`) in the market's chain (I4)."""
    if entry.market != market or entry.seq != seq + 1:
        raise JournalBroken(f"found entry {entry.market}/{entry.seq}, wanted {market}/{seq + 1}")
    if entry.prev_hash != prev_hash:
        raise JournalBroken(f"{market}: entry {entry.seq} does not chain to entry {seq}")


def check_core(version: int, known: Sequence[int], what: object) -> None:
    """Raises NewerCore or OlderCore unless `what`, an entry or a snapshot, is by a core that is known here, the newest last."""
    if version in known:
        return
    said = f"{what} is by core {version}, this is {known[-1]}"
    if version > known[-1]:
        raise NewerCore(said)
    raise OlderCore(f"{said}: its rules changed. Go on with a version that knows them, or begin anew: docs/OPERATIONS.md")
