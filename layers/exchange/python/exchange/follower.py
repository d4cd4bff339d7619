"""Following the journal: how settlement and feed learn what was matched, each entry once and in order.

Queue messages after the commit are nudges, the journal is the data:

    nudge says 8, cursor at 7   ->  apply the entry the nudge carries
    nudge says 9, cursor at 7   ->  read 8 and 9 from the journal, apply both
    nudge says 5, cursor at 7   ->  nothing to do (a repeat, or late)
    nudge says 7, cursor at 7   ->  the sink is asked where it is: a crash of its server may have undone the last steps
    nudge lost                  ->  the next one shows the gap; a tick each minute brings a next one
    nudges say 8, 9, 10         ->  one step of the sink for all three: the more there is to do, the less each costs

The cursor is stored together with the effect (one transaction of the sink), so a crash between any two calls repeats
nothing and loses nothing. Keeps I4 (each entry must chain by hash to the one before) and, for the ledger, I7.

Called by `functions/ledger_settle_fills` and `functions/feed_publish`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from exchange.events import CORES
from exchange.journal import JournalEntry, check_core, check_follows, decode_entry
from exchange.ports import Journal

PAGE = 50
# What is applied in one step: ten entries as a batch of nudges brings them, and fewer where they are large.
MAX_RUN = 10
MAX_RUN_EVENT_BYTES = 400_000


class StaleCursor(Exception):
    """The sink's cursor is not at `entry.seq - 1`: another environment applied the entry meanwhile."""


class Sink(Protocol):
    """What a follower feeds; one row of state per market."""

    def cursor(self, market: str) -> tuple[int, bytes]:
        """(seq, hash) of the last entry applied; (0, GENESIS_HASH) for none."""

    def apply_run(self, entries: Sequence[JournalEntry]) -> None:
        """The effect of consecutive entries and the new cursor. Raises StaleCursor, and changes nothing then. What any other
        error leaves done is a prefix of the run, with its cursor."""


class JournalFollower:
    """Applies the entries of the journal to a sink, in order, starting behind the sink's cursor."""

    def __init__(self, journal: Journal, sink: Sink) -> None:
        self._journal = journal
        self._sink = sink
        # What the sink's cursor was when we last looked. A cache: a wrong one costs a StaleCursor and a read.
        self._cursors: dict[str, tuple[int, bytes]] = {}

    def follow(self, market: str, seq: int, nudges: Mapping[int, bytes] | None = None) -> list[JournalEntry]:
        """Brings the sink to at least `seq` and answers the entries applied by this call, in order.

        `nudges`: entries by seq, as far as the messages carried them. Raises JournalBroken when the journal does not
        chain, or is an older core's (the caller halts the market), NewerCore, and whatever the journal or the sink raise
        when they fail.
        """
        applied: list[JournalEntry] = []
        for _ in range(3):
            try:
                self._follow(market, seq, nudges or {}, applied)
                return applied
            except StaleCursor:
                self._cursors.pop(market, None)
        raise StaleCursor(f"{market}: the cursor moved three times while entry {seq} was being applied")

    def forget(self, market: str) -> None:
        """Drops the cached cursor; the next call reads it from the sink."""
        self._cursors.pop(market, None)

    def _follow(self, market: str, seq: int, nudges: Mapping[int, bytes], applied: list[JournalEntry]) -> None:
        if market not in self._cursors or self._cursors[market][0] == seq:
            self._cursors[market] = self._sink.cursor(market)
        while (at := self._cursors[market])[0] < seq:
            pending = _carried(nudges, at[0]) or self._journal.after(market=market, seq=at[0], limit=PAGE)
            if not pending:
                # The nudge names an entry that the journal does not have: the append it speaks of never committed.
                break
            for run in _runs(market, at, pending):
                self._sink.apply_run(run)
                self._cursors[market] = (run[-1].seq, run[-1].hash)
                applied += run


def _carried(nudges: Mapping[int, bytes], seq: int) -> list[bytes]:
    """What the nudges carry without a gap behind `seq`."""
    found = []
    while (raw := nudges.get(seq + len(found) + 1)) is not None:
        found.append(raw)
    return found


def _runs(market: str, cursor: tuple[int, bytes], pending: list[bytes]) -> Iterator[list[JournalEntry]]:
    """The entries, checked one against the other, in runs of at most MAX_RUN. What is before a broken entry is still given."""
    run: list[JournalEntry] = []
    seq, last_hash = cursor
    events = 0
    for raw in pending:
        try:
            entry = decode_entry(raw)
            check_follows(entry, market=market, seq=seq, prev_hash=last_hash)
            check_core(entry.core_version, CORES, entry)
        except Exception:
            if run:
                yield run
            raise
        if run and (len(run) == MAX_RUN or events + len(entry.events) > MAX_RUN_EVENT_BYTES):
            yield run
            run, events = [], 0
        run.append(entry)
        events += len(entry.events)
        seq, last_hash = entry.seq, entry.hash
    if run:
        yield run
