"""Seeded streams of commands for the differential test: what one market might see, friendly and hostile.

A `Profile` says how deep the book gets, how many accounts meet themselves, how wild prices and sizes are, which commands
come and which scenes (tests/core/scenes.py) are played in between. `batches` draws from it; a failing run is one profile
name and one integer. The stream follows the book's own answers (it cancels and amends orders that rest and places at
prices that matter), so it reaches states that blind noise would not.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from matching_core.records import CommandKind, OrderType, Side, TimeInForce
from tests.core.commands import MAX, POST_ONLY, START_MS, STOP_ENTRY, Fields, any_value, wrong
from tests.core.scenes import SCENES

OPEN, HALTED, AUCTION, UNCROSSING = range(4)
SIDES = (1, 2, 3, 4)  # bids, asks, loss stops, entry stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a stream looks. The shares of commands are out of 100; what remains are limit orders that may rest."""

    name: str
    batches: int
    lives: int = 1  # how many books in a row, each from its first order
    largest_batch: int = 12
    accounts: int = 6
    middle_ticks: int = 1_000
    drift: int = 0  # how far the middle wanders in one batch
    spread_ticks: int = 12  # prices are drawn within this distance of the middle
    largest_lots: int = 20
    # commands
    cancels: int = 25
    takers: int = 15  # IOC, FOK and market
    stops: int = 0
    amends: int = 0
    cancel_alls: int = 0
    modes: int = 0  # HALT, RESUME, AUCTION, UNCROSS
    ticks: int = 0
    hostile: int = 3  # malformed, stale, repeated ids, huge numbers
    sweeps: int = 0  # orders that eat as much of the book as they may
    # of the orders that may rest, percent; independent of each other
    post_only: int = 7
    icebergs: int = 0
    ends: int = 0  # GTT, and deadlines of those that never rest
    collars: int = 0
    # of the batches, percent
    jumps: int = 2  # of time
    narrow_room: int = 4  # an event buffer that may be too small
    wild_prices: int = 0  # of the prices: any magnitude
    ids: str = "random"  # or counted, in the low or in the high word
    scenes: tuple[str, ...] = ()
    scene_share: int = 0  # percent of the turns that play a scene
    first_scene: str = ""


PROFILES = (
    Profile(name="shallow", batches=1500, spread_ticks=4, cancels=25, takers=25, stops=6, amends=6, icebergs=10, ends=10,
            collars=10),
    Profile(name="self-trades", batches=1500, accounts=2, spread_ticks=5, takers=30, cancels=10, amends=5, icebergs=35,
            ends=5),
    Profile(name="deep", batches=150, largest_batch=40, spread_ticks=150, cancels=12, takers=4, accounts=40, stops=5,
            icebergs=10, ends=3, amends=4),
    Profile(name="one-level", batches=180, largest_batch=40, spread_ticks=0, cancels=10, takers=20, accounts=30,
            largest_lots=3, icebergs=20, amends=10),
    Profile(name="sweeps", batches=110, largest_batch=90, spread_ticks=60, cancels=2, takers=1, sweeps=1, accounts=400,
            largest_lots=2, narrow_room=10, icebergs=3),
    Profile(name="hostile", batches=1500, hostile=60, spread_ticks=6, takers=10, stops=10, amends=10, cancel_alls=1, modes=2),
    Profile(name="wild-prices", batches=600, wild_prices=60, spread_ticks=30, cancels=20, stops=10, amends=5, icebergs=10,
            collars=10),
    Profile(name="narrow-room", batches=900, narrow_room=60, spread_ticks=5, takers=20, stops=10, amends=10, icebergs=30,
            ends=10, cancel_alls=1, modes=2),
    Profile(name="churn-in-batch", batches=500, ids="low", largest_batch=60, spread_ticks=3, cancels=35, takers=20, accounts=3,
            amends=10, icebergs=20),
    Profile(name="stops", batches=800, drift=3, spread_ticks=8, stops=30, takers=20, cancels=10, icebergs=10, ends=10,
            largest_lots=8, cancel_alls=1),
    Profile(name="cascades", batches=1500, scenes=("cascade", "cascade", "dominoes", "backlog", "tall_cascade"),
            scene_share=80, stops=15,
            takers=15, cancels=10, narrow_room=25, icebergs=10, ends=5),
    Profile(name="ends", batches=1200, ids="high", ends=60, jumps=25, icebergs=15, stops=10, amends=8, cancels=8, takers=15,
            spread_ticks=5, scenes=("crowd", "ends_together"), scene_share=20, narrow_room=15,
            first_scene="ends_together"),
    Profile(name="icebergs", batches=700, icebergs=80, spread_ticks=3, takers=25, cancels=10, amends=10, accounts=4,
            largest_lots=12, ends=10, scenes=("icebergs",), scene_share=10, narrow_room=15),
    Profile(name="walls", batches=250, scenes=("wall", "wall", "wall", "icebergs", "own_crowd"), scene_share=80, spread_ticks=8,
            takers=20, amends=10, narrow_room=10),
    Profile(name="amends", batches=1200, amends=35, spread_ticks=4, takers=10, cancels=5, icebergs=30, ends=10, stops=5,
            collars=20, post_only=25, scenes=("amends",), scene_share=25, narrow_room=15),
    Profile(name="modes", batches=1200, modes=8, amends=10, takers=10, cancels=10, stops=12, icebergs=20, ends=15, collars=5,
            ticks=3, cancel_alls=2, spread_ticks=5, accounts=4, narrow_room=10),
    Profile(name="auctions", batches=2500, scenes=("auction", "auction", "long_uncross", "long_uncross"), scene_share=80,
            stops=10, icebergs=20, ends=10, amends=10, takers=10, spread_ticks=6, narrow_room=20, drift=3),
    Profile(name="openings", batches=8, lives=60, scenes=("auction",), scene_share=50, first_scene="auction", icebergs=20,
            wild_prices=10),
    Profile(name="wide-auctions", batches=120, scenes=("wide_uncross",), scene_share=60, stops=10, icebergs=20),
    Profile(name="edges", batches=800, scenes=("full_level", "full_level", "bands", "huge_auction"), scene_share=60, stops=10,
            icebergs=20, collars=40, amends=10, takers=20, narrow_room=10),
    Profile(name="everything", batches=700, drift=2, accounts=5, cancels=10, takers=15, stops=12, amends=10, cancel_alls=1,
            modes=2, ticks=2, hostile=6, icebergs=25, ends=25, collars=15, jumps=6, narrow_room=10, wild_prices=2,
            scenes=tuple(name for name in SCENES if name not in ("wall", "wide_uncross")), scene_share=4),
)


class Stream:
    """One seeded stream over `book`, which it only reads."""

    def __init__(self, profile: Profile, seed: int | str, book) -> None:
        self.profile = profile
        self.random = random.Random(f"{profile.name}/{seed}")
        self.book = book
        self.at_ms = START_MS
        self.middle = profile.middle_ticks
        self.used_ids: list[bytes] = []
        self.live: list[tuple[bytes, int, int, int]] = []  # id, account, price, lots
        turns = {self._hostile: profile.hostile, self.cancel: profile.cancels, self.taker: profile.takers,
                 self.stop: profile.stops, self.amend: profile.amends, self.cancel_all: profile.cancel_alls,
                 self._mode: profile.modes, self._tick: profile.ticks, self._sweep: profile.sweeps}
        self._turns = [*turns, self.limit]
        self._shares = [*turns.values(), 100 - sum(turns.values())]

    def batches(self) -> Iterator[tuple[int, bytes, int]]:
        """(at_ms, commands, max_event_bytes) of each batch."""
        done, scene = 0, self.profile.first_scene
        while done < self.profile.batches:
            if not scene and self.chance(self.profile.scene_share):
                scene = self.random.choice(self.profile.scenes)
            for waits_ms, fields in SCENES[scene](self) if scene else self._noise():
                self.at_ms += waits_ms
                done += 1
                narrow = self.chance(self.profile.narrow_room)
                room = self.random.randint(0, 96 * (3 * len(fields) + 2)) if narrow else 96 * 1_000_000
                yield self.at_ms, b"".join(command.pack() for command in fields), room
            scene = ""

    def _noise(self) -> Iterator[tuple[int, list[Fields]]]:
        profile = self.profile
        self.look()
        self.middle = max(profile.spread_ticks + 1, self.middle + self.random.randint(-profile.drift, profile.drift))
        fields = [self.command() for _ in range(self.random.randint(0, profile.largest_batch))]
        if self.book.mode != OPEN and self.chance(40):
            fields.insert(self.random.randrange(len(fields) + 1), self.reopen())
        # Now and then the batch waits so long that its orders are stale.
        jump = self.random.choice((100, 1_000, 240_001)) if self.chance(profile.jumps) else self.random.choice((0, 1, 40))
        yield jump, fields

    # --- what scenes use too

    def look(self) -> None:
        """Takes note of what rests and waits now."""
        self.live = [order for side in SIDES for order in self.book.orders(side)]

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def command(self) -> Fields:
        return self.random.choices(self._turns, self._shares)[0]()

    def account(self) -> int:
        return self.random.randint(1, self.profile.accounts)

    def side(self) -> int:
        return self.random.choice((Side.BUY, Side.SELL))

    def place(self, **fields: int) -> Fields:
        order_id = self._new_id()
        place = Fields(**{"order_id": order_id, "account": self.account(), "stp": self.random.randint(0, 4),
                          "issued_at_ms": self.at_ms, **fields})
        self.used_ids.append(order_id)
        self.live.append((order_id, place.account, place.price_ticks, place.size_lots))
        return place

    def _new_id(self) -> bytes:
        if self.profile.ids == "random":
            return self.random.randbytes(16)
        number = (len(self.used_ids) + 1).to_bytes(8, "little")
        return number + bytes(8) if self.profile.ids == "low" else bytes(8) + number

    def rest(self, **fields: int) -> Fields:
        """A limit order that may rest, as given."""
        return self.place(**{"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, **fields})

    def market(self, **fields: int) -> Fields:
        return self.place(**{"order_type": OrderType.MARKET, "time_in_force": self.random.randint(0, 4), **fields})

    def tick(self) -> Fields:
        return Fields(kind=CommandKind.TICK, issued_at_ms=self.at_ms)

    def of_kind(self, kind: int, **fields: int) -> Fields:
        return Fields(kind=kind, **{"issued_at_ms": self.at_ms, **fields})

    def end(self) -> int:
        """A moment soon: in time for this batch, or just not."""
        return self.at_ms + self.random.choice((1, 2, 5, 39, 40, 41, 60, 100, 1_000, 300_000))

    def price(self) -> int:
        if self.chance(self.profile.wild_prices):
            return self.random.choice((1, 2, 63, 64, 16_384 + 1_000, self.random.randint(1, 2**40), 2**40,
                                       1 << self.random.randrange(41), self.random.randint(1, 4_096) << 14))
        spread = self.profile.spread_ticks
        return max(1, self.middle + round(self.random.triangular(-spread, spread)))

    def lots(self, times: int = 1) -> int:
        return self.random.randint(1, times * self.profile.largest_lots)

    def collar(self) -> int:
        """In 1/100 %: mostly some ticks at prices about 1000."""
        if not self.chance(self.profile.collars):
            return 0
        return self.random.choice((1, 10, 20, 30, 50, 100, 9_999, 10_000))

    def options(self, place: Fields) -> Fields:
        """The order, perhaps an iceberg, with an end, post-only, inside a band."""
        profile = self.profile
        if self.chance(profile.icebergs):
            place.display_lots = self.random.choice((1, 1, 2, self.random.randint(1, place.size_lots), place.size_lots))
        if self.chance(profile.ends):
            place.time_in_force, place.expire_at_ms = TimeInForce.GTT, self.end()
        if place.order_type == OrderType.LIMIT and self.chance(profile.post_only):
            place.flags |= POST_ONLY
        place.collar_bp = self.collar()
        return place

    def limit(self) -> Fields:
        side = self.side()
        price_ticks = self.price()
        # Mostly on its own side of the middle, so that a book builds up.
        if self.chance(70) and self.profile.spread_ticks:
            away = abs(price_ticks - self.middle) + 1
            price_ticks = max(1, self.middle - away if side == Side.BUY else self.middle + away)
        elif self.profile.spread_ticks == 0:
            side = Side.SELL if self.chance(90) else Side.BUY
        return self.options(self.rest(side=side, price_ticks=price_ticks, size_lots=self.lots()))

    def taker(self, *, lots: int | None = None, price_ticks: int | None = None) -> Fields:
        side = self.side()
        lots = lots or self.lots(3)
        worst = self.price() if price_ticks is None else price_ticks
        kind = self.random.choice(("IOC", "FOK", "size", "funds", "funds"))
        expire_at_ms = self.end() if self.chance(self.profile.ends // 3) else 0
        if kind in ("size", "funds"):
            if self.chance(40):
                worst = 0
            funds = lots * self.middle + self.random.randint(-999, 999)
            return self.market(side=side, price_ticks=worst, size_lots=lots if kind == "size" else 0,
                               funds=max(1, funds) if kind == "funds" else 0, collar_bp=self.collar(),
                               expire_at_ms=expire_at_ms)
        if worst == 0:
            worst = MAX // 4_096 if side == Side.BUY else 1
        return self.place(side=side, order_type=OrderType.LIMIT, time_in_force=TimeInForce[kind], price_ticks=worst,
                          size_lots=lots, collar_bp=self.collar(), expire_at_ms=expire_at_ms)

    def stop(self, **fields: int) -> Fields:
        """A stop near the middle: mostly one that is not met yet."""
        side = fields.get("side") or self.side()
        entry = self.chance(50)
        price_ticks = fields.get("stop_price_ticks") or self.price()
        if "stop_price_ticks" not in fields and self.chance(75):
            away = abs(price_ticks - self.middle) + 1
            price_ticks = max(1, self.middle + away if entry else self.middle - away)
        place = self.place(**{"side": side, "stop_price_ticks": price_ticks, "flags": STOP_ENTRY if entry else 0,
                              "size_lots": self.lots(), **fields})
        if self.chance(50):
            place.order_type, place.time_in_force = OrderType.STOP_LIMIT, TimeInForce.GTC
            place.price_ticks = max(1, price_ticks + self.random.randint(-3, 3))
            self.options(place)
            if self.chance(30):
                place.time_in_force, place.display_lots = TimeInForce.IOC, 0
            return place
        place.order_type, place.time_in_force = OrderType.STOP_MARKET, self.random.randint(0, 4)
        place.price_ticks = 0 if self.chance(70) else max(1, price_ticks + self.random.randint(-4, 4))
        place.collar_bp = self.collar()
        place.expire_at_ms = self.end() if self.chance(self.profile.ends) else 0
        if self.chance(50):
            place.size_lots, place.funds = 0, max(1, place.size_lots * self.middle + self.random.randint(-999, 999))
        return place

    def cancel(self) -> Fields:
        if not self.live:
            return Fields(kind=CommandKind.CANCEL, order_id=self.random.randbytes(16), account=1)
        order_id, account, _, _ = self.random.choice(self.live)
        account = self.random.choice((account, account, account, 0, account ^ 1))
        issued = self.at_ms - self.random.choice((0, 0, 900_000))
        return Fields(kind=CommandKind.CANCEL, order_id=order_id, account=account, issued_at_ms=issued)

    def amend(self, **fields: int) -> Fields:
        order_id, account, price_ticks, lots = (self.random.choice(self.live) if self.live else
                                                (self.random.randbytes(16), 1, 1, 1))
        around = self.random.choice((0, price_ticks, price_ticks, price_ticks - 1, price_ticks + 1, self.price()))
        size = self.random.choice((0, 1, lots - 1, lots, lots + 1, 2 * lots, self.random.randint(1, 2 * lots + 1)))
        account = self.random.choice((account, account, account, 0, account ^ 1))
        return self.of_kind(CommandKind.AMEND, **{"order_id": order_id, "account": account, "price_ticks": max(0, around),
                                                  "size_lots": max(0, min(size, MAX)), "collar_bp": self.collar(), **fields})

    def cancel_all(self, account: int | None = None) -> Fields:
        if account is None:
            account = self.random.choice((0, self.account(), self.account(), self.account(), 2**63))
        return self.of_kind(CommandKind.CANCEL_ALL, account=account)

    def reopen(self) -> Fields:
        return self.of_kind(self.random.choice((CommandKind.RESUME, CommandKind.UNCROSS)))

    # --- noise only

    def _mode(self) -> Fields:
        return self.of_kind(self.random.choice((CommandKind.HALT, CommandKind.AUCTION, CommandKind.AUCTION,
                                                CommandKind.RESUME, CommandKind.UNCROSS)))

    def _tick(self) -> Fields:
        return self.tick()

    def _sweep(self) -> Fields:
        return self.taker(lots=self.random.choice((5, 5, 5, 5, 3_000)), price_ticks=0)

    def _hostile(self) -> Fields:
        command = self.random.choice((self.taker, self.limit, self.stop, self.amend, self.cancel))()
        what = self.random.randrange(10)
        if what == 0:  # any field, any value
            name = self.random.choice([name for name in Fields.__slots__ if name not in ("order_id", "client_oid")])
            setattr(command, name, any_value(name, self.random))
        elif what == 1:  # two of the small ones
            for name in self.random.sample(("side", "order_type", "time_in_force", "stp", "flags", "collar_bp"), 2):
                setattr(command, name, self.random.randint(0, 6))
        elif what in (2, 3, 4):
            return wrong(command, self.random)
        elif what == 5:
            command.issued_at_ms -= self.random.choice((239_999, 240_000, 240_001, 10**9))
        elif what == 6 and self.used_ids:
            command.order_id = self.random.choice(self.live)[0] if self.live and self.chance(60) else self.random.choice(
                self.used_ids)
        elif what == 7:  # numbers at the edge of 62 bits
            name = self.random.choice(("price_ticks", "size_lots", "size_lots", "funds", "stop_price_ticks", "display_lots"))
            edge = MAX // max(1, command.price_ticks)
            setattr(command, name, self.random.choice((MAX, MAX + 1, edge, edge + 1, edge - 20, 2**63 - 1)))
        elif what == 8:
            return self.of_kind(self.random.choice((0, 10, 11, 255, CommandKind.TICK, CommandKind.RESUME,
                                                    CommandKind.CANCEL_ALL)), account=2**64 - 1, side=7, price_ticks=-5)
        elif command.kind == CommandKind.PLACE:
            command.expire_at_ms = self.at_ms + self.random.choice((-1, 0, 1, -self.at_ms))
            command.time_in_force = self.random.choice(list(TimeInForce))
        return command
