"""An engine for tests of the API: takes what was sent to BTC-USD, matches it with the naive core, and settles it."""

from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.commands import Command, CommandKind
from exchange.events import CORE_VERSION
from exchange.journal import JournalEntry
from exchange.markets import listing
from matching_core.naive import NaiveBook


class Engine:
    """Matches what the API has sent, with the naive core, and settles it."""

    def __init__(self, api):
        self.api, self.book, self.ledger, self.taken = api, NaiveBook.create(), PostgresLedger(listing()), 0
        self.seq, self.hash = self.ledger.cursor("BTC-USD")
        self.at_ms = 0

    def run(self, *, later_ms=0):
        """One entry of all that is new, `later_ms` after the newest of it."""
        commands = self.api.sent()[self.taken:]
        self.taken += len(commands)
        self.at_ms = max([self.at_ms, *(command.issued_at_ms for command in commands)]) + later_ms
        commands = commands or [Command(kind=CommandKind.TICK, issued_at_ms=self.at_ms)]
        records = b"".join(command.pack() for command in commands)
        entry = JournalEntry(
            market="BTC-USD", seq=self.seq + 1, at_ms=self.at_ms, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=CORE_VERSION, state_hash=0, feed_sequence=0,
            prev_hash=self.hash, commands=records, events=self.book.apply(self.at_ms, records, 10**6))
        self.ledger.apply(entry)
        self.seq, self.hash = entry.seq, entry.hash
