"""What a consumer of nudges knows of the journal, and hands on: the queue holds none of them.

    engine ── hint ──> heard ──┐
                               ├──> next ──> handler ──> done, or failed: again after a pause
    journal ── heads ──> look ─┘

Nudges are hints on one machine (docs/adr/0020): one may be lost with a full socket, with the engine that was to send it, with
the consumer that held it. So the journal's heads are looked at when the consumer starts, each second, and when a hint is known
to be missing; where a head is past what the handler has taken, a nudge is made here. One whose handler fails is never given
up: the market is halted or its follower's lag is shown, as `GET /admin/health` tells, until it goes through.

Keeps per market the order, and one batch at a time. Called by `local/consumer.py`; one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from exchange.nudges import encode_bare_nudge, nudge_id
from exchange.ports import Message

LOOK_EVERY_S = 1.0
# More are not kept of a market: what comes too fast, or while the handler fails, is read from the journal, many at a time.
MAX_KEPT = 50


@dataclass(slots=True)
class _Market:
    """`taken`: what the handler was given and did not refuse. `bodies`: nudges beyond it, by seq, as far as they were heard."""

    taken: int = 0
    head: int = 0
    bodies: dict[int, str] = field(default_factory=dict)
    failures: int = 0
    not_before: float = 0.0


class Nudges:
    """Of one queue. Times are those of the caller's clock, in seconds."""

    def __init__(self, queue: str, heads: Callable[[], dict[str, int]], *, batch_size: int,
                 pauses_s: tuple[float, ...]) -> None:
        """`heads`: of each market that is to be followed the seq of its last entry, or 0; what it raises passes through.
        `pauses_s`: after the first failure in a row, the second, ...; the last one is for all that follow."""
        self._queue = queue
        self._heads = heads
        self._batch_size = batch_size
        self._pauses_s = pauses_s
        self._markets: dict[str, _Market] = {}
        self._waiting: dict[str, None] = {}  # those with something to take, the longest first
        self._look_at = 0.0

    def heard(self, hints: tuple[str, ...]) -> None:
        """Takes up nudges, once the journal has been looked at."""
        for hint in hints:
            try:
                body = orjson.loads(hint)
                name, seq = body["market"], int(body["seq"])
                market = self._markets.get(name)
            except (ValueError, KeyError, TypeError):
                continue  # no nudge
            if market is not None and seq > market.taken:
                if not market.failures and len(market.bodies) < MAX_KEPT:
                    market.bodies[seq] = hint
                self._grown(name, market, seq)

    def look(self, now: float) -> None:
        """Looks at the journal, if it is time."""
        if now < self._look_at:
            return
        for name, seq in self._heads().items():
            self._grown(name, self._markets.setdefault(name, _Market()), seq)
        self._look_at = now + LOOK_EVERY_S

    def look_soon(self) -> None:
        """A hint is known to be missing."""
        self._look_at = 0.0

    def forget(self) -> None:
        """The database was away: what the handler had taken may be undone, so all of it is offered again."""
        self._markets.clear()
        self._waiting.clear()
        self._look_at = 0.0

    def due_in_s(self, now: float) -> float:
        """Until there is something to hand on, or to look for; 0 if there is."""
        soonest = min((self._markets[name].not_before for name in self._waiting), default=self._look_at)
        return max(0.0, min(soonest, self._look_at) - now)

    def next(self, now: float) -> list[Message]:
        """What one market's handler is to be given; empty if there is nothing at this moment."""
        name = next((name for name in self._waiting if self._markets[name].not_before <= now), None)
        if name is None:
            return []
        market = self._markets[name]
        batch = [(seq, market.bodies[seq]) for seq in sorted(market.bodies)[:self._batch_size]]
        if len(batch) < self._batch_size and (not batch or batch[-1][0] < market.head):
            batch.append((market.head, encode_bare_nudge(name, market.head)))
        return [Message(queue=self._queue, group=name, sequence=seq, dedup_id=nudge_id(name, seq), body=body,
                        receive_count=market.failures + 1, receipt="") for seq, body in batch]

    def done(self, batch: list[Message]) -> None:
        """The handler took it."""
        name, taken = batch[-1].group, batch[-1].sequence
        market = self._markets[name]
        market.taken, market.failures, market.not_before = taken, 0, 0.0
        market.bodies = {seq: body for seq, body in market.bodies.items() if seq > taken}
        del self._waiting[name]
        self._grown(name, market, market.head)

    def failed(self, batch: list[Message], now: float) -> None:
        """It comes again after a pause, as one nudge: the follower reads from the journal what it lacks."""
        market = self._markets[batch[-1].group]
        market.not_before = now + self._pauses_s[min(market.failures, len(self._pauses_s) - 1)]
        market.failures += 1
        market.bodies.clear()

    def _grown(self, name: str, market: _Market, seq: int) -> None:
        market.head = max(market.head, seq)
        if market.head > market.taken:
            self._waiting.setdefault(name)
