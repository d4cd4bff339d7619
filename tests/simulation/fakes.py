"""The three ports in memory, with the faults that the real ones can have.

Fault model. Between each two calls of a worker, and inside each call before or after its effect, the worker may die
(`Killed`). A queue may deliver a batch again, deliver to two workers after a visibility timeout, drop or repeat a nudge.
The journal and the snapshot store lose nothing that they answered; a call that raised may or may not have had its effect.
Not modelled: a store that forgets what it acknowledged (that is what fsync, DynamoDB and S3 are paid for), and messages
altered on the way.

One thread runs everything; a run is decided by its seed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from exchange.ports import Fenced, Message, Send


class Killed(BaseException):
    """The worker's process died here. Not an Exception: no handler may catch it."""


class Faults:
    """Where to die. `points` counts the calls passed; at `kill_at` (counted from 1) Killed is raised."""

    def __init__(self) -> None:
        self.points = 0
        self.kill_at: int | None = None
        self.names: list[str] = []

    def point(self, name: str) -> None:
        self.points += 1
        self.names.append(name)
        if self.points == self.kill_at:
            raise Killed(f"at point {self.points}, {name}")

    def around(self, name: str, effect: Callable[[], object]) -> object:
        """Runs a call's effect with a point before and one after it."""
        self.point(f"before {name}")
        answer = effect()
        self.point(f"after {name}")
        return answer


@dataclass
class _Stored:
    sequence: int
    group: str
    dedup_id: str
    body: str
    receives: int = 0
    in_flight: str | None = None


@dataclass
class FakeQueue:
    """See `ports.CommandQueue`. `drop_nudges`, `repeat_nudges`: probabilities, applied to queues named in `lossy`."""

    faults: Faults
    rng: random.Random
    lossy: frozenset[str] = frozenset()
    drop_nudges: float = 0.0
    repeat_nudges: float = 0.0
    queues: dict[str, list[_Stored]] = field(default_factory=dict)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    identities: dict[str, int] = field(default_factory=dict)
    counter: int = 100
    receipts: int = 0

    def send(self, *, queue: str, group: str, dedup_id: str, body: str) -> int:
        return self.faults.around(f"send to {queue}", lambda: self._send(queue, group, dedup_id, body))

    def send_all(self, messages: list[Send]) -> None:
        """One after the other, so that the worker may die between two."""
        for message in messages:
            self.send(queue=message.queue, group=message.group, dedup_id=message.dedup_id, body=message.body)

    def send_hints(self, messages: list[Send]) -> None:
        """Of queues in `lossy` some are lost."""
        self.send_all(messages)

    def _send(self, queue: str, group: str, dedup_id: str, body: str) -> int:
        if (queue, dedup_id) in self.seen:
            return self.seen[queue, dedup_id]
        self.counter += self.rng.randint(1, 3)
        self.seen[queue, dedup_id] = self.counter
        stored = self.queues.setdefault(queue, [])
        if queue in self.lossy and self.rng.random() < self.drop_nudges:
            return self.counter
        stored.append(_Stored(self.counter, group, dedup_id, body))
        if queue in self.lossy and self.rng.random() < self.repeat_nudges:
            stored.append(_Stored(self.counter, group, dedup_id, body))
        return self.counter

    def receive(self, *, queue: str, max_messages: int = 10, wait_s: float = 0) -> list[Message]:
        self.receipts += 1
        receipt = str(self.receipts)
        busy = {stored.group for stored in self.queues.get(queue, []) if stored.in_flight}
        batch = [stored for stored in self.queues.get(queue, []) if stored.group not in busy][:max_messages]
        for stored in batch:
            stored.in_flight = receipt
            stored.receives += 1
        return [Message(queue, stored.group, stored.sequence, stored.dedup_id, stored.body, stored.receives, receipt)
                for stored in batch]

    def acknowledge(self, messages: list[Message]) -> None:
        done = {(message.sequence, message.receipt) for message in messages}
        for message in messages[:1]:
            self.queues[message.queue] = [stored for stored in self.queues[message.queue]
                                          if (stored.sequence, stored.in_flight) not in done]

    def release(self, messages: list[Message]) -> None:
        self.time_out()

    def time_out(self) -> None:
        """Every visibility timeout runs out: what is in flight will be delivered again."""
        for stored in (stored for queue in self.queues.values() for stored in queue):
            stored.in_flight = None

    def identity(self, queue: str) -> int:
        return self.identities.setdefault(queue, 7)

    def recreate(self, queue: str) -> None:
        """Deleted and made again, empty; its numbers start lower than before."""
        self.queues[queue] = []
        self.identities[queue] = self.identities.get(queue, 7) + 1
        self.counter = 0
        self.seen = {key: value for key, value in self.seen.items() if key[0] != queue}


@dataclass
class FakeJournal:
    """See `ports.Journal`."""

    faults: Faults
    entries: dict[str, list[bytes]] = field(default_factory=dict)

    def append(self, *, market: str, seq: int, entry: bytes) -> None:
        self.faults.around("append", lambda: self._append(market, seq, entry))

    def _append(self, market: str, seq: int, entry: bytes) -> None:
        entries = self.entries.setdefault(market, [])
        if seq <= len(entries):
            raise Fenced(f"{market}: entry {seq} exists already")
        assert seq == len(entries) + 1, f"a gap: {seq} after {len(entries)}"
        entries.append(entry)

    def get(self, *, market: str, seq: int) -> bytes | None:
        self.faults.point("journal get")
        entries = self.entries.get(market, [])
        return entries[seq - 1] if 0 < seq <= len(entries) else None

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        self.faults.point("journal after")
        return self.entries.get(market, [])[seq:seq + limit]

    def head(self, *, market: str) -> bytes | None:
        entries = self.entries.get(market, [])
        return entries[-1] if entries else None


@dataclass
class FakeSnapshots:
    """See `ports.SnapshotStore`."""

    blobs: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def put(self, *, market: str, seq: int, blob: bytes) -> None:
        self.blobs.setdefault(market, {})[seq] = blob

    def newest(self, *, market: str) -> tuple[int, bytes] | None:
        stored = self.blobs.get(market)
        return (max(stored), stored[max(stored)]) if stored else None

    def get(self, *, market: str, seq: int) -> bytes | None:
        return self.blobs.get(market, {}).get(seq)
