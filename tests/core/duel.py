"""One stream played on both cores at once: after each batch they must have said the same and be the same book.

The snapshot's bytes hold every order in priority order and the state hash, so comparing them compares the whole book. A
follower that knows only commands and events checks the naive core's answers against the rules a third time. Now and then
either core is restored from the other's snapshot, the room for events is too small, or the book has to grow.
"""

import random
from collections import Counter

from matching_core import EventsFull
from matching_core.records import EVENT
from tests.core.commands import Fields
from tests.core.follower import Follower
from tests.core.known import MODES
from tests.core.snapshots import Snapshot
from tests.core.streams import SIDES, Profile, Stream

COMMAND_BYTES, EVENT_BYTES = 112, 96
FIGURES = ("sequence", "last_trade_id", "at_ms", "mode", "halted", "last_price_ticks", "order_count",
           "work_waits")


class Difference(AssertionError):
    """The two cores, or a core and the rules, do not agree; says where, and how to play it again."""


class Duel:
    """One life of a book. `fast` and `naive` are the cores' classes; `fast` may be the naive core too."""

    def __init__(self, profile: Profile, seed: int | str, fast: type, naive: type) -> None:
        self.fast_type, self.naive_type = fast, naive
        self.fast, self.naive = fast.create(orders=4), naive.create()
        self.stream = Stream(profile, seed, self.naive)
        self.profile = profile
        self.follower = Follower()
        self.note = self.follower.note
        self.random = random.Random(f"duel/{profile.name}/{seed}")
        self.where = f"profile {profile.name}, seed {seed}"
        self.commands = self.played = 0
        self.saved = self.naive.snapshot()

    @property
    def reached(self) -> Counter[str]:
        return self.follower.reached

    def run(self, stop=lambda: False) -> None:
        try:
            for at_ms, commands, room in self.stream.batches():
                self.play(at_ms, commands, room)
                if stop():
                    break
        except Exception as failure:
            raise Difference(f"{self.where}, batch {self.played}: {type(failure).__name__} {failure}") from failure

    def play(self, at_ms: int, commands: bytes, room: int) -> None:
        fast, naive = self.fast, self.naive
        capacity = getattr(fast, "capacity", 0)
        events = _apply(naive, at_ms, commands, room)
        if events is None:
            assert _apply(fast, at_ms, commands, room) is None, "only the naive core's events are full"
            self._same(self.saved)
            events = self._split(at_ms, commands, room)
        else:
            if events and self.random.randrange(100) < 2 + self.profile.narrow_room:
                self._cut(at_ms, commands, events)
            self._agree(_apply(fast, at_ms, commands, room), events)
            self.note("events fit exactly", when=bool(events) and room // EVENT_BYTES == len(events) // EVENT_BYTES)
        self.note("book grew", when=getattr(fast, "capacity", 0) > capacity)
        self.saved = naive.snapshot()
        self._same(self.saved)
        records = [Fields.unpack(commands[at:at + COMMAND_BYTES]) for at in range(0, len(commands), COMMAND_BYTES)]
        self.commands += len(records)
        self.played += 1
        self.follower.batch(at_ms, records, list(EVENT.iter_unpack(events)))
        self.follower.check(self.saved)
        self.note("empty batch", when=not records)
        self._note_book()
        if self.random.randrange(40) == 0:
            self._restore()

    def _split(self, at_ms: int, commands: bytes, room: int) -> bytes:
        """After EventsFull: the batch with room for one record too few is refused too, with exactly enough it runs."""
        capacity = getattr(self.fast, "capacity", 0)
        probe = self.naive_type.restore(self.saved)
        events = probe.apply(at_ms, commands, 10**9)
        self.follower.note_taken_back(_kinds(commands), list(EVENT.iter_unpack(events)), room // EVENT_BYTES)
        assert len(events) > room
        assert _apply(self.fast, at_ms, commands, len(events) - 1) is None, "one record too few"
        self.note("book grew while events were full", when=getattr(self.fast, "capacity", 0) > capacity)
        self._same(self.saved)
        self.note("events full by one record")
        self._agree(_apply(self.fast, at_ms, commands, len(events)), events)
        assert _apply(self.naive, at_ms, commands, len(events)) == events
        self.note("events fit exactly")
        return events

    def _cut(self, at_ms: int, commands: bytes, events: bytes) -> None:
        """The fast core with too little room, at some places in the middle: nothing may change."""
        rows, kinds = list(EVENT.iter_unpack(events)), _kinds(commands)
        for cut in {self.random.randrange(len(rows)) for _ in range(3)}:
            capacity = getattr(self.fast, "capacity", 0)
            room = cut * EVENT_BYTES + self.random.randrange(EVENT_BYTES)
            assert _apply(self.fast, at_ms, commands, room) is None, f"room for {cut} records of {len(rows)}"
            assert self.fast.snapshot() == self.saved, f"not taken back: room for {cut} records of {len(rows)}"
            self.note("book grew while events were full", when=getattr(self.fast, "capacity", 0) > capacity)
            self.follower.note_taken_back(kinds, rows, cut)

    def _agree(self, answer: bytes | None, events: bytes) -> None:
        if answer == events:
            return
        assert answer is not None, "only the fast core's events are full"
        ours, theirs = list(EVENT.iter_unpack(answer)), list(EVENT.iter_unpack(events))
        for number, (fast, naive) in enumerate(zip(ours, theirs, strict=False)):
            assert fast == naive, f"event {number}: fast {fast}, naive {naive}"
        raise AssertionError(f"{len(ours)} events of the fast core, {len(theirs)} of the naive core; "
                             f"the first beyond: {(ours + theirs)[min(len(ours), len(theirs))]}")

    def _same(self, saved: bytes) -> None:
        """Both are the book of this snapshot."""
        fast, naive = self.fast, self.naive
        if fast.snapshot() != saved:
            ours, theirs = Snapshot.unpack(fast.snapshot()), Snapshot.unpack(saved)
            assert ours.header == theirs.header, f"fast {ours.header}, naive {theirs.header}"
            raise AssertionError("\n".join(f"fast {fast}, naive {naive}" for fast, naive in zip(
                ours.orders, theirs.orders, strict=True) if fast != naive))
        for name in FIGURES:
            assert getattr(fast, name) == getattr(naive, name), name
        assert fast.state_hash() == naive.state_hash(), "state hash"
        assert fast.indicative() == naive.indicative(), f"indicative: {fast.indicative()}, naive {naive.indicative()}"
        for side in SIDES:
            levels = naive.levels(side, 10_000)
            assert fast.levels(side, 10_000) == levels, f"levels of side {side}"
            assert fast.levels(side, 3) == levels[:3], f"levels of side {side}"
            self.note("100 levels on a side", when=len(levels) >= 100)
            if levels and max(orders for _, _, orders in levels) >= 30:
                self.note("30 orders on a level" if side <= 2 else "30 stops on a level")
            self.note("two prices share a near slot", when=len({price % 16_384 for price, _, _ in levels}) < len(levels))
        side = self.random.choice(SIDES)
        assert fast.orders(side) == naive.orders(side), f"orders of side {side}"

    def _note_book(self) -> None:
        follower = self.follower
        mode = MODES[follower.mode]
        self.note(f"snapshot in {mode}")
        self.note(f"snapshot in {mode}, crossed", when=follower.crossed())
        due = any(map(follower.due, follower.orders.values()))
        met = any(follower.met(stop, follower.low, follower.high) for stop in follower.waiting.values())
        assert self.naive.work_waits == (due or mode == "UNCROSSING" or (mode == "OPEN" and met)), "work_waits"
        self.note("snapshot with orders due", when=due)
        self.note("snapshot with a wide trigger range", when=follower.low < follower.high)
        self.note("indicative volume beyond 62 bits", when=self.naive.indicative()[1] == 2**62 - 1)

    def _restore(self) -> None:
        """One of the cores goes on from the other's snapshot."""
        mode = MODES[self.follower.mode]
        if self.random.randrange(2):
            self.fast = self.fast_type.restore(self.naive.snapshot(), orders=1)
            self.note(f"restored fast in {mode}")
        else:
            self.naive = self.stream.book = self.naive_type.restore(self.fast.snapshot(), orders=1)
            self.note(f"restored naive in {mode}")


def _apply(book, at_ms: int, commands: bytes, room: int) -> bytes | None:
    try:
        return book.apply(at_ms, commands, room)
    except EventsFull:
        return None


def _kinds(commands: bytes) -> list[Fields]:
    return [Fields.unpack(commands[at:at + COMMAND_BYTES]) for at in range(0, len(commands), COMMAND_BYTES)]
