"""The journal against itself: every entry of a market chained, replayed, and its trades within both orders' limits.

Pure. `JournalAudit.take` goes over one entry after the other and answers what is wrong:

    I4   it chains to the entry before, and its hash is that of its bytes
    I7   each trade is at the maker's price (or an auction's) and within both limits, told by the commands and events alone
    I5   the core gives its events and state hash again; so does the naive core, for as long as it is asked to

The naive core is a few hundred times slower, so it takes part in a run's first entries only, from a copy of the audited book;
how many is the caller's to say. Once an entry is wrong the audit goes no further: everything after it stands on it.
Called by `functions/audit_replay_journal`.
"""

from dataclasses import dataclass, field
from uuid import UUID

from exchange.audits import Finding
from exchange.commands import SIZE, Command, CommandKind, Side
from exchange.events import FLAG_AUCTION, Event, EventKind
from exchange.journal import JournalBroken, JournalEntry, check_follows, decode_entry
from exchange.replica import BookReplica


@dataclass(frozen=True, slots=True)
class TradeSide:
    """One side of a trade as the journal tells it; the ledger must have exactly this fill. Whole ticks and lots."""

    trade_id: int
    side: int
    order_id: UUID
    account: int
    liquidity: str
    price_ticks: int
    size_lots: int
    seq: int


@dataclass(slots=True)
class JournalAudit:
    """One market's audit. `limits`: the limit price by order id of those that stand on `replica`'s book, 0 for none."""

    replica: BookReplica
    limits: dict[bytes, int]
    naive: BookReplica | None = None
    entries: int = 0
    naive_entries: int = 0
    sides: list[TradeSide] = field(default_factory=list)
    ended: dict[UUID, int] = field(default_factory=dict)  # the orders that are done, and in which entry

    @property
    def market(self) -> str:
        return self.replica.market

    def take(self, raw: bytes) -> list[Finding]:
        """What is wrong with the next entry. Raises NewerCore."""
        at = self.replica.position
        try:
            entry = decode_entry(raw)
            check_follows(entry, market=self.market, seq=at.seq, prev_hash=at.hash)
            self.replica.core.of(entry.core_version, entry)
        except JournalBroken as broken:
            return [self._finding("I4", f"journal entry {at.seq + 1}", str(broken))]
        if self.naive is not None and self.naive.rules.version != entry.core_version:
            self.naive = None  # it knows today's rules only
        found = self._trades(entry)
        for replica, name in ((self.replica, "the core"), (self.naive, "the naive core")):
            if replica is None:
                continue
            try:
                replica.replay(entry)
            except (JournalBroken, ValueError) as broken:
                found.append(self._finding("I5", f"journal entry {entry.seq}", f"{name}: {broken}"))
                return found
        self.entries += 1
        self.naive_entries += self.naive is not None
        return found

    def _trades(self, entry: JournalEntry) -> list[Finding]:
        commands = [Command.unpack(entry.commands[start:start + SIZE]) for start in range(0, len(entry.commands), SIZE)]
        found = []
        for event in entry.unpack_events():
            if event.kind == EventKind.ACCEPTED:
                self.limits[event.order_id] = self._asked_for(commands, event, CommandKind.PLACE)
                self.ended.pop(UUID(bytes=event.order_id), None)
            elif event.kind == EventKind.AMENDED:
                asked = self._asked_for(commands, event, CommandKind.AMEND)
                self.limits[event.order_id] = asked or self.limits.get(event.order_id, 0)
            elif event.kind == EventKind.TRADE:
                found += self._trade(entry.seq, event)
            elif event.kind == EventKind.DONE:
                self.limits.pop(event.order_id, None)
                self.ended[UUID(bytes=event.order_id)] = entry.seq
        return found

    @staticmethod
    def _asked_for(commands: list[Command], event: Event, kind: CommandKind) -> int:
        """The price in the command that an event answers; -1, a limit that no trade is within, where it answers none."""
        command = commands[event.command_index] if event.command_index < len(commands) else None
        if command is None or command.kind != kind or command.order_id.bytes != event.order_id:
            return -1
        return command.price_ticks

    def _trade(self, seq: int, event: Event) -> list[Finding]:
        taker_side = Side.BUY + Side.SELL - event.side
        price, lots = event.price_ticks, event.size_lots
        self.sides += [
            TradeSide(event.trade_id, event.side, UUID(bytes=event.maker_order_id), event.maker_account, "M", price, lots, seq),
            TradeSide(event.trade_id, taker_side, UUID(bytes=event.order_id), event.account, "T", price, lots, seq)]
        wrong = []
        for side, order_id in ((event.side, event.maker_order_id), (taker_side, event.order_id)):
            limit = self.limits.get(order_id, -1)
            beyond = limit < 0 or (limit > 0 and (price > limit if side == Side.BUY else price < limit))
            if beyond:
                wrong.append(f"{price} ticks is beyond the limit of {limit} of order {UUID(bytes=order_id)}")
        maker = self.limits.get(event.maker_order_id, -1)
        if not event.flags & FLAG_AUCTION and price != maker:
            wrong.append(f"{price} ticks is not the maker's price of {maker}")
        return [self._finding("I7", f"trade {event.trade_id}", f"in entry {seq}: {what}") for what in wrong[:1]]

    def _finding(self, invariant: str, subject: str, what: str) -> Finding:
        return Finding(invariant, subject, what, self.market, ({"market": self.market, "seq": self.replica.position.seq + 1},))
