"""A market for the feed's tests: the naive core makes journal entries, memory stands in for journal and queue."""

import random
from dataclasses import dataclass, field
from uuid import UUID

from exchange.commands import (
    NIL,
    Command,
    CommandKind,
    OrderType,
    Side,
    Stp,
    TimeInForce,
)
from exchange.events import CORE_VERSION
from exchange.journal import GENESIS_HASH, JournalEntry
from exchange.markets import listing
from exchange.nudges import encode_nudge
from matching_core.naive import NaiveBook

MARKET = "BTC-USD"
START_MS = 1_700_000_000_000


class MemoryJournal:
    """Of MARKET; every other market has none."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    def get(self, *, market: str, seq: int) -> bytes | None:
        return self.entries[seq - 1] if market == MARKET and 0 < seq <= len(self.entries) else None

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        return self.entries[seq:seq + limit] if market == MARKET else []

    def head(self, *, market: str) -> bytes | None:
        return self.entries[-1] if self.entries and market == MARKET else None


@dataclass
class MemoryQueue:
    """Deduplicates for ever. `fail_after`: sends that succeed before one raises."""

    sent: list[tuple[str, str, str, str]] = field(default_factory=list)  # queue, group, dedup id, body
    fail_after: int | None = None
    _seen: set[str] = field(default_factory=set)

    def send(self, *, queue: str, group: str, dedup_id: str, body: str) -> int:
        if self.fail_after is not None:
            if self.fail_after == 0:
                self.fail_after = None
                raise ConnectionError("the queue is away")
            self.fail_after -= 1
        if dedup_id not in self._seen:
            self._seen.add(dedup_id)
            self.sent.append((queue, group, dedup_id, body))
        return len(self.sent)


class World:
    """One market: `run` puts a batch of commands through the core and journals it."""

    def __init__(self) -> None:
        self.market = listing().markets[MARKET]
        self.book = NaiveBook.create()
        self.journal = MemoryJournal()
        self.at_ms = START_MS
        self._hash = GENESIS_HASH
        self._orders = 0

    def run(self, *commands: Command, later_ms: int = 10) -> JournalEntry:
        self.at_ms += later_ms
        records = b"".join(command.pack() for command in commands)
        events = self.book.apply(self.at_ms, records, 10_000_000)
        entry = JournalEntry(
            market=MARKET, seq=len(self.journal.entries) + 1, at_ms=self.at_ms, queue_identity=1, first_queue_sequence=1,
            last_queue_sequence=1, resume_offset=0, core_version=CORE_VERSION, state_hash=self.book.state_hash(),
            feed_sequence=self.book.sequence, prev_hash=self._hash, commands=records, events=events)
        self._hash = entry.hash
        self.journal.entries.append(entry.encoded)
        return entry

    def place(self, side: str, price: str | None, size: str | None, *, account: int = 1, funds: str | None = None,
              tif: TimeInForce = TimeInForce.GTC, stp: Stp = Stp.DECREASE_AND_CANCEL, order: UUID | None = None,
              client_oid: UUID = NIL) -> Command:
        """A limit order, or a market order where `price` is None."""
        self._orders += 1
        return Command(
            kind=CommandKind.PLACE, issued_at_ms=self.at_ms, order_id=order or UUID(int=self._orders), account=account,
            side=Side.BUY if side == "buy" else Side.SELL,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT, time_in_force=tif, stp=stp,
            price_ticks=self.market.price_ticks(price) if price else 0,
            size_lots=self.market.size_lots(size) if size else 0,
            funds=self.market.quote.parse(funds) // self.market.unit_per_tick_lot if funds else 0,
            maker_fee_ppm=4000, taker_fee_ppm=6000, client_oid=client_oid)

    def cancel(self, order: UUID) -> Command:
        return Command(kind=CommandKind.CANCEL, issued_at_ms=self.at_ms, order_id=order)

    def random_batch(self, rng: random.Random, size: int) -> list[Command]:
        """Limit and market orders around 100.00 of a few accounts, cancels of what may rest."""
        batch = []
        for _ in range(size):
            side = rng.choice(("buy", "sell"))
            draw = rng.random()
            account = rng.randint(1, 5)
            if draw < 0.6:
                batch.append(self.place(side, f"100.{rng.randint(0, 40):02}", f"0.00{rng.randint(1, 99):02}",
                                        account=account, tif=rng.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC))))
            elif draw < 0.7:
                batch.append(self.place(side, None, "0.005", account=account))
            elif draw < 0.75:
                batch.append(self.place(side, None, None, funds="0.75", account=account))
            elif self._orders:
                batch.append(self.cancel(UUID(int=rng.randint(max(1, self._orders - 60), self._orders))))
        return batch

    def core_levels(self, side: Side) -> list[list[str]]:
        return [[self.market.format_price(price), self.market.format_size(lots)]
                for price, lots, _ in self.book.levels(side, 10_000)]


def nudge(entry: JournalEntry, *, with_entry: bool = True) -> str:
    if with_entry:
        return encode_nudge(entry)
    return f'{{"market":"{entry.market}","seq":{entry.seq}}}'
