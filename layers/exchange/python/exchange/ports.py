"""The three ports behind which the services of an order's hot path stand.

| port          | in the cloud     | on one machine     | in the simulation |
| CommandQueue  | SQS FIFO         | PostgreSQL table   | fake with faults  |
| Journal       | DynamoDB table   | PostgreSQL table   | fake with faults  |
| SnapshotStore | S3               | folder             | fake with faults  |

`tests/contract/test_ports.py` is the contract and runs on every implementation. All errors of a service reach the caller
as the adapter's own exceptions (a retryable fault); `Fenced` alone is part of the domain.
"""

from dataclasses import dataclass
from typing import Protocol


class Fenced(Exception):
    """Another writer appended this seq first. The caller's book is stale: drop it and start from the journal."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `receipt` acknowledges this delivery only; `sequence` grows within its group."""

    queue: str
    group: str
    sequence: int
    dedup_id: str
    body: str
    receive_count: int
    receipt: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How full a queue is. `waiting` and `in_flight` may be estimates; `oldest_age_s` is None where the queue itself does not
    tell, 0 for an empty queue."""

    waiting: int
    in_flight: int
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True)
class Send:
    """A message to send; `dedup_id` makes sending it twice harmless."""

    queue: str
    group: str
    dedup_id: str
    body: str


class CommandQueue(Protocol):
    """FIFO queues: at-least-once, in order within a group, deduplicated for 5 minutes. Also carries the nudges."""

    def send(self, *, queue: str, group: str, dedup_id: str, body: str, resent: bool = False) -> int:
        """The message's sequence number once it is durable; a repeat within 5 minutes answers the first one's. `resent`: it
        need not be durable on return, since whoever notices its loss sends it again."""

    def send_all(self, messages: list[Send]) -> None:
        """Sends each, a group's in their order; all are durable on return. After an error any of them may have been sent."""

    def send_hints(self, messages: list[Send]) -> None:
        """For what the receiver finds out by itself, only later: each may be lost, on its way or at any time after. Where hints
        are not kept in the queue, they are in no `depth` and never become dead letters."""

    def receive(self, *, queue: str, max_messages: int = 10, wait_s: float = 0) -> list[Message]:
        """Up to `max_messages`, each group's in order; none of a group that has a message in flight."""

    def acknowledge(self, messages: list[Message]) -> None:
        """Deletes messages received by this receipt; a receipt that has run out is ignored."""

    def release(self, messages: list[Message]) -> None:
        """Gives received messages back, to be delivered again at once, in order."""

    def depth(self, queue: str) -> QueueDepth:
        """How many messages wait and are in flight."""

    def identity(self, queue: str) -> int:
        """64 bits naming this incarnation of the queue; another after it was deleted and made again."""


class Journal(Protocol):
    """Per market, entries at seq 1, 2, 3 ... without gaps. Values are the bytes of `journal.JournalEntry.encoded`."""

    def append(self, *, market: str, seq: int, entry: bytes) -> None:
        """Writes the entry, durable on return, if `seq` does not exist; otherwise raises Fenced and changes nothing."""

    def get(self, *, market: str, seq: int) -> bytes | None:
        """The entry at `seq`, strongly consistent, or None."""

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        """Up to `limit` entries with a greater seq, ascending, strongly consistent."""

    def head(self, *, market: str) -> bytes | None:
        """The entry with the greatest seq, strongly consistent, or None."""


class SnapshotStore(Protocol):
    """Blobs by (market, seq); a blob is whole or absent, never partial."""

    def put(self, *, market: str, seq: int, blob: bytes) -> None:
        """Stores the blob; writing one seq twice leaves one of the two whole."""

    def newest(self, *, market: str) -> tuple[int, bytes] | None:
        """The one with the greatest seq, as (seq, blob), or None."""

    def get(self, *, market: str, seq: int) -> bytes | None: ...
