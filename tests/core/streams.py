"""Seeded streams of commands for the differential test: what one market might see, friendly and hostile.

A `Profile` says how deep the book gets, how many accounts meet themselves, how wild prices and sizes are. `batches` draws
from it; a failing run is one profile name and one integer. The stream follows the book's own answers (it cancels orders
that rest and places at prices that matter), so it reaches states that blind noise would not.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from matching_core.records import COMMAND, LATER_KINDS, NIL, POST_ONLY, CommandKind, OrderType, Side, Stp, TimeInForce

START_MS = 1_700_000_000_000
HUGE = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a stream looks. Shares are out of 100 commands; what remains are limit orders that may rest."""

    name: str
    batches: int
    largest_batch: int = 12
    accounts: int = 6
    middle_ticks: int = 1_000
    spread_ticks: int = 12  # prices are drawn within this distance of the middle
    largest_lots: int = 20
    cancels: int = 25
    takers: int = 15  # IOC, FOK and market
    post_only: int = 5
    hostile: int = 3  # malformed, stale, repeated ids, later types, huge numbers, ticks, halts
    sweeps: int = 0  # orders that eat as much of the book as they may
    wild_prices: int = 0  # prices of any magnitude
    narrow_room: int = 4  # batches out of 100 that get an event buffer that may be too small


PROFILES = (
    Profile(name="shallow", batches=1500, spread_ticks=4, cancels=30, takers=30),
    Profile(name="self-trades", batches=1500, accounts=2, spread_ticks=5, takers=30, cancels=10),
    Profile(name="deep", batches=250, largest_batch=40, spread_ticks=150, cancels=12, takers=4, accounts=40),
    Profile(name="one-level", batches=250, largest_batch=40, spread_ticks=0, cancels=10, takers=20, accounts=30,
            largest_lots=3),
    Profile(name="sweeps", batches=160, largest_batch=90, spread_ticks=60, cancels=2, takers=1, sweeps=1, accounts=400,
            largest_lots=2, narrow_room=10),
    Profile(name="hostile", batches=1500, hostile=45, spread_ticks=6),
    Profile(name="wild-prices", batches=600, wild_prices=60, spread_ticks=30, cancels=20),
    Profile(name="narrow-room", batches=900, narrow_room=60, spread_ticks=5, takers=30),
    Profile(name="churn-in-batch", batches=500, largest_batch=60, spread_ticks=3, cancels=45, takers=20, accounts=3),
)


@dataclass(slots=True)
class Fields:
    """The fields of a command record, by name, with nothing in them."""

    kind: int = CommandKind.PLACE
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    stp: int = 0
    flags: int = 0
    reserved: int = 0
    order_id: bytes = NIL
    account: int = 0
    price_ticks: int = 0
    size_lots: int = 0
    funds: int = 0
    stop_price_ticks: int = 0
    display_lots: int = 0
    expire_at_ms: int = 0
    issued_at_ms: int = START_MS
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    client_oid: bytes = NIL

    def pack(self) -> bytes:
        return COMMAND.pack(*(getattr(self, name) for name in Fields.__slots__))


class Stream:
    """One seeded stream over `book`, which it only reads."""

    def __init__(self, profile: Profile, seed: int, book) -> None:
        self.profile = profile
        self.random = random.Random(f"{profile.name}/{seed}")
        self.book = book
        self.at_ms = START_MS
        self.used_ids: list[bytes] = []
        self.live: list[tuple[bytes, int]] = []

    def batches(self) -> Iterator[tuple[int, bytes, int]]:
        """(at_ms, commands, max_event_bytes) of each batch."""
        for _ in range(self.profile.batches):
            self.live = [(order_id, account) for side in (Side.BUY, Side.SELL)
                         for order_id, account, _, _ in self.book.orders(side)]
            count = self.random.randint(0, self.profile.largest_batch)
            commands = b"".join(self._command().pack() for _ in range(count))
            if self.book.halted and self._chance(60):
                commands = Fields(kind=CommandKind.RESUME).pack() + commands
                count += 1
            # Now and then the batch waits so long that its orders are stale.
            self.at_ms += 250_000 if self._chance(2) else self.random.choice((0, 1, 40))
            narrow = self._chance(self.profile.narrow_room)
            yield self.at_ms, commands, self.random.randint(0, 96 * (3 * count + 2)) if narrow else 96 * 40_000

    def _chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def _command(self) -> Fields:
        profile = self.profile
        draw = self.random.randrange(100)
        if draw < profile.hostile:
            return self._hostile()
        draw -= profile.hostile
        if draw < profile.cancels:
            return self._cancel()
        draw -= profile.cancels
        if draw < profile.takers:
            return self._taker()
        draw -= profile.takers
        if draw < profile.sweeps:
            return self._taker(lots=self.random.choice((5, 5, 5, 5, 3_000)), price_ticks=0)
        order = self._limit()
        if draw < profile.sweeps + profile.post_only:
            order.flags = POST_ONLY
        return order

    def _price(self) -> int:
        if self._chance(self.profile.wild_prices):
            return self.random.choice((1, 2, 63, 64, 16_384 + 1_000, self.random.randint(1, 2**40), 2**40,
                                       1 << self.random.randrange(41), self.random.randint(1, 4_096) << 14))
        middle, spread = self.profile.middle_ticks, self.profile.spread_ticks
        return max(1, middle + round(self.random.triangular(-spread, spread)))

    def _limit(self) -> Fields:
        side = self.random.choice((Side.BUY, Side.SELL))
        price_ticks = self._price()
        # Mostly on its own side of the middle, so that a book builds up.
        if self._chance(70) and self.profile.spread_ticks:
            away = abs(price_ticks - self.profile.middle_ticks) + 1
            price_ticks = max(1, self.profile.middle_ticks - away if side == Side.BUY else
                              self.profile.middle_ticks + away)
        elif self.profile.spread_ticks == 0:
            side = Side.SELL if self._chance(90) else Side.BUY
        return self._place(side=side, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
                           price_ticks=price_ticks, size_lots=self.random.randint(1, self.profile.largest_lots))

    def _place(self, **fields: int) -> Fields:
        order_id = self.random.randbytes(16)
        account = self.random.randint(1, self.profile.accounts)
        self.used_ids.append(order_id)
        self.live.append((order_id, account))
        return Fields(order_id=order_id, account=account, stp=self.random.randint(0, 4), issued_at_ms=self.at_ms, **fields)

    def _taker(self, *, lots: int | None = None, price_ticks: int | None = None) -> Fields:
        side = self.random.choice((Side.BUY, Side.SELL))
        lots = lots or self.random.randint(1, 3 * self.profile.largest_lots)
        worst = self._price() if price_ticks is None else price_ticks
        kind = self.random.choice(("IOC", "FOK", "size", "funds", "funds"))
        if kind in ("size", "funds"):
            if self._chance(30):
                worst = 0
            funds = lots * self.profile.middle_ticks + self.random.randint(-999, 999)
            return self._place(side=side, order_type=OrderType.MARKET, time_in_force=self.random.randint(0, 4),
                               price_ticks=worst, size_lots=lots if kind == "size" else 0,
                               funds=max(1, funds) if kind == "funds" else 0)
        if worst == 0:
            worst = HUGE // 4_096 if side == Side.BUY else 1
        return self._place(side=side, order_type=OrderType.LIMIT, time_in_force=TimeInForce[kind], price_ticks=worst,
                           size_lots=lots)

    def _cancel(self) -> Fields:
        if not self.live:
            return Fields(kind=CommandKind.CANCEL, order_id=self.random.randbytes(16), account=1)
        order_id, account = self.random.choice(self.live)
        account = self.random.choice((account, account, account, 0, account ^ 1))
        issued = self.at_ms - self.random.choice((0, 0, 900_000))
        return Fields(kind=CommandKind.CANCEL, order_id=order_id, account=account, issued_at_ms=issued)

    def _hostile(self) -> Fields:
        order = self._taker() if self._chance(50) else self._limit()
        what = self.random.randrange(9)
        if what == 0:  # any field, any value
            field = self.random.choice([name for name in Fields.__slots__ if name not in ("order_id", "client_oid")])
            setattr(order, field, self._any_value(field))
        elif what == 1:  # two of them
            for field in self.random.sample(("side", "order_type", "time_in_force", "stp", "flags", "reserved"), 2):
                setattr(order, field, self.random.randint(0, 6))
        elif what == 2:
            order.issued_at_ms -= self.random.choice((239_999, 240_000, 240_001, 10**9))
        elif what == 3 and self.used_ids:
            order.order_id = self.random.choice(self.used_ids)
        elif what == 4:  # sizes at the edge of 62 bits
            order.size_lots = self.random.choice((HUGE - 1, HUGE, HUGE // max(1, order.price_ticks), 2**63 - 1))
        elif what == 5:
            return Fields(kind=self.random.choice((CommandKind.HALT, CommandKind.RESUME, CommandKind.RESUME)))
        elif what == 6:
            return Fields(kind=self.random.choice((CommandKind.TICK, *LATER_KINDS, 0, 10, 255)))
        elif what == 7:
            return replace(order, order_type=self.random.choice((OrderType.STOP_LIMIT, OrderType.STOP_MARKET)),
                           stop_price_ticks=self.random.randint(0, 1) * 990)
        else:
            order.order_id = NIL if self._chance(50) else order.order_id
            order.stp = self.random.choice(list(Stp))
            order.time_in_force = TimeInForce.GTT
        return order

    def _any_value(self, field: str) -> int:
        bits = {"kind": 8, "side": 8, "order_type": 8, "time_in_force": 8, "stp": 8, "flags": 8, "reserved": 16,
                "account": 64, "maker_fee_ppm": 32, "taker_fee_ppm": 32}.get(field)
        if bits is not None:
            return self.random.choice((0, 1, 2**bits - 1, self.random.randrange(2**bits)))
        return self.random.choice((0, 1, -1, 2**63 - 1, -2**63, HUGE - 1, HUGE, self.random.randrange(2**62)))
