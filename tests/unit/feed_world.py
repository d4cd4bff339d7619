"""A market for the feed's tests: the naive core makes journal entries, memory stands in for journal and queue."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from exchange.commands import (
    NIL,
    POST_ONLY,
    STOP_ENTRY,
    Command,
    CommandKind,
    OrderType,
    Side,
    Stp,
    TimeInForce,
)
from exchange.events import CORE_VERSION
from exchange.feed.routing import Buffered, Outgoing, Subscriber, route
from exchange.feed.state import MarketState
from exchange.journal import GENESIS_HASH, JournalEntry
from exchange.markets import listing
from exchange.nudges import encode_nudge
from exchange.ports import Send
from matching_core.naive import NaiveBook

MARKET = "BTC-USD"
START_MS = 1_700_000_000_000
_TYPES = {(False, False): OrderType.LIMIT, (True, False): OrderType.MARKET, (False, True): OrderType.STOP_LIMIT,
          (True, True): OrderType.STOP_MARKET}


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

    def send_all(self, messages: list[Send]) -> None:
        for message in messages:
            self.send(queue=message.queue, group=message.group, dedup_id=message.dedup_id, body=message.body)

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
              client_oid: UUID = NIL, display: str | None = None, stop: str | None = None, entry: bool = False,
              expire_in_ms: int = 0, post_only: bool = False) -> Command:
        """A limit order, or a market order where `price` is None; of either the stop order where `stop` is given."""
        self._orders += 1
        return Command(
            kind=CommandKind.PLACE, issued_at_ms=self.at_ms, order_id=order or UUID(int=self._orders), account=account,
            side=Side.BUY if side == "buy" else Side.SELL,
            order_type=_TYPES[price is None, stop is not None], time_in_force=tif, stp=stp,
            flags=POST_ONLY * post_only | STOP_ENTRY * entry,
            stop_price_ticks=self.market.price_ticks(stop) if stop else 0,
            display_lots=self.market.size_lots(display) if display else 0,
            expire_at_ms=self.at_ms + expire_in_ms if expire_in_ms else 0,
            price_ticks=self.market.price_ticks(price) if price else 0,
            size_lots=self.market.size_lots(size) if size else 0,
            funds=self.market.quote.parse(funds) // self.market.unit_per_tick_lot if funds else 0,
            maker_fee_ppm=4000, taker_fee_ppm=6000, client_oid=client_oid)

    def cancel(self, order: UUID) -> Command:
        return Command(kind=CommandKind.CANCEL, issued_at_ms=self.at_ms, order_id=order)

    def amend(self, order: UUID, *, price: str | None = None, size: str | None = None, account: int = 0) -> Command:
        return self.command(CommandKind.AMEND, order_id=order, account=account,
                            price_ticks=self.market.price_ticks(price) if price else 0,
                            size_lots=self.market.size_lots(size) if size else 0)

    def command(self, kind: CommandKind, **fields: object) -> Command:
        return Command(kind=kind, issued_at_ms=self.at_ms, **fields)

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

    def random_batch_of_all(self, rng: random.Random, size: int) -> list[Command]:
        """As `random_batch`, with every kind of order and command."""
        batch = self.random_batch(rng, size)
        for _ in range(size):
            side, price, account = rng.choice(("buy", "sell")), f"100.{rng.randint(0, 40):02}", rng.randint(1, 5)
            size_ = f"0.00{rng.randint(10, 99):02}"
            order = UUID(int=rng.randint(max(1, self._orders - 60), max(1, self._orders)))
            draw = rng.random()
            if draw < 0.15:
                batch.append(self.place(side, price, size_, account=account, display=f"0.00{rng.randint(1, 9):02}",
                                        post_only=rng.random() < 0.2, stp=rng.choice(list(Stp))))
            elif draw < 0.3:
                batch.append(self.place(side, rng.choice((price, None)), size_, account=account, entry=rng.random() < 0.5,
                                        stop=f"100.{rng.randint(0, 40):02}"))
            elif draw < 0.4:
                batch.append(self.place(side, price, size_, account=account, tif=TimeInForce.GTT,
                                        expire_in_ms=rng.randint(1, 60)))
            elif draw < 0.7:
                # By its owner, by somebody else, or by nobody: some are refused, and each is told to who asked.
                batch.append(self.amend(order, price=rng.choice((None, price)), size=size_,
                                        account=account if order.int % 3 == 0 else 0))
            elif draw < 0.72:
                batch.append(self.command(CommandKind.CANCEL_ALL, account=account))
            elif draw < 0.8:
                batch.append(self.command(rng.choice((CommandKind.AUCTION, CommandKind.HALT))))
            else:
                batch.append(self.command(rng.choice((CommandKind.UNCROSS, CommandKind.RESUME))))
        return batch

    def core_levels(self, side: Side) -> list[list[str]]:
        return [[self.market.format_price(price), self.market.format_size(lots)]
                for price, lots, _ in self.book.levels(side, 10_000)]


def nudge(entry: JournalEntry, *, with_entry: bool = True) -> str:
    if with_entry:
        return encode_nudge(entry)
    return f'{{"market":"{entry.market}","seq":{entry.seq}}}'


def texts_of(outgoing: Outgoing) -> dict[str, list[dict]]:
    """What each connection would be sent, in order."""
    found: dict[str, list[dict]] = {}
    for _, body in outgoing.bodies(MARKET, 4):
        document = orjson.loads(body)
        for connections, indexes in document["send"]:
            for connection in connections:
                found.setdefault(connection, []).extend(orjson.loads(document["texts"][index]) for index in indexes)
    return found


class Listener:
    """A state with its subscribers; `run` gives what one entry sends to each."""

    def __init__(self, world: World, *subscribers: Subscriber) -> None:
        self.world = world
        self.state = MarketState(MARKET)
        self.subscribers = subscribers

    def run(self, *commands: Command) -> dict[str, list[dict]]:
        return self.run_all(commands)

    def run_all(self, *batches: Iterable[Command]) -> dict[str, list[dict]]:
        """An entry per batch, the messages made after the last, as the publisher does it."""
        buffered = Buffered(self.state.sequence)
        for commands in batches:
            step = self.state.apply(self.world.run(*commands))
            buffered.add(step.events, step.levels)
        outgoing = Outgoing()
        route(self.world.market, self.state, buffered, self.subscribers, outgoing)
        return texts_of(outgoing)


def subscriber(name: str, *channels: str, account: int = 0) -> Subscriber:
    user = {"user_id": f"user-{account}", "profile_id": f"profile-{account}"} if account else {}
    return Subscriber(name, 1, frozenset(channels), account, **user)
