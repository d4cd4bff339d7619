"""The snapshot's bytes taken apart and put together, from the format's description alone: no code of the cores is used
but the mixing function. A test changes one number and gets bytes whose checksum and state hash fit."""

import struct
from dataclasses import dataclass, field

from matching_core.digest import K0, K1, K2, K3, K4, K5, MASK, mix

MAGIC = 0x004B4F4F42584C00
HEADER = struct.Struct("<Q4I4Q3QqQ4q2Q")
ORDER = struct.Struct("<16sQ2q2Q4BI")
EXTRA = struct.Struct("<5qH2BI")
HEADER_FIELDS = ("magic", "version", "order_bytes", "extra_bytes", "zero", "bids", "asks", "loss_stops", "entry_stops",
                 "extras", "sequence", "last_trade_id", "at_ms", "mode", "last_price", "low", "high", "auction_price",
                 "state_hash", "checksum")
ORDER_FIELDS = ("order_id", "account", "price", "lots", "opened", "traded", "side", "stp", "flags", "zero", "zero_too")
EXTRA_FIELDS = ("hidden", "display", "expire_at", "limit", "funds", "collar_bp", "order_type", "time_in_force", "zero")
SECTIONS = ("bids", "asks", "loss_stops", "entry_stops")
WITH_EXTRA = 2
assert (HEADER.size, ORDER.size, EXTRA.size) == (144, 64, 48)


@dataclass(slots=True)
class Snapshot:
    """A snapshot's header and orders as dictionaries; an order's "extra" is its second record or None."""

    header: dict[str, int]
    orders: list[dict] = field(default_factory=list)

    @classmethod
    def unpack(cls, snapshot: bytes) -> "Snapshot":
        header = dict(zip(HEADER_FIELDS, HEADER.unpack_from(snapshot), strict=True))
        counts = [header[name] for name in SECTIONS]
        middle = HEADER.size + sum(counts) * ORDER.size
        assert len(snapshot) == middle + header["extras"] * EXTRA.size
        sections = (number for number, count in enumerate(counts, 1) for _ in range(count))
        extras = (dict(zip(EXTRA_FIELDS, fields, strict=True)) for fields in EXTRA.iter_unpack(snapshot[middle:]))
        orders = []
        for fields in ORDER.iter_unpack(snapshot[HEADER.size:middle]):
            order = dict(zip(ORDER_FIELDS, fields, strict=True))
            order["section"] = next(sections)
            order["extra"] = next(extras) if order["flags"] & WITH_EXTRA else None
            orders.append(order)
        assert next(extras, None) is None
        return cls(header, orders)

    def pack(self) -> bytes:
        """The bytes, with counts, state hash and checksum as they stand in the header."""
        return (HEADER.pack(*(self.header[name] for name in HEADER_FIELDS))
                + b"".join(ORDER.pack(*(order[name] for name in ORDER_FIELDS)) for order in self.orders)
                + b"".join(EXTRA.pack(*(order["extra"][name] for name in EXTRA_FIELDS))
                           for order in self.orders if order["extra"] is not None))

    def fitting(self, *, state_hash: bool = True) -> bytes:
        """The bytes with a state hash and a checksum that fit them."""
        if state_hash:
            self.header["state_hash"] = self.state_hash()
        return rechecked(self.pack())

    def state_hash(self) -> int:
        head = {name: value & MASK for name, value in self.header.items()}
        value = mix(sum(map(order_hash, self.orders)) & MASK ^ K0, len(self.orders) ^ K1)
        value = mix(value ^ head["sequence"] ^ K2, head["last_trade_id"] ^ K3)
        value = mix(value ^ head["at_ms"] ^ K4, head["mode"] ^ K5)
        value = mix(value ^ head["last_price"] ^ K2, head["low"] ^ K1)
        return mix(value ^ head["high"] ^ K3, head["auction_price"] ^ K0)


def order_hash(order: dict) -> int:
    low, high = struct.unpack("<2Q", order["order_id"])
    meta = order["side"] | order["stp"] << 8 | order["flags"] << 16
    identity = (mix(low ^ K0, high ^ K1) ^ mix(order["account"] ^ K2, order["opened"] ^ K3)
                ^ mix(order["price"] & MASK ^ K4, meta ^ K5))
    value = mix(identity ^ order["lots"] & MASK, order["traded"] ^ K1)
    if order["extra"] is None:
        return value
    extra = {name: number & MASK for name, number in order["extra"].items()}
    entry, waiting = order["section"] == 4, order["section"] > 2
    kinds = (extra["collar_bp"] | extra["order_type"] << 16 | extra["time_in_force"] << 24 | entry << 32 | waiting << 40)
    rest = mix(extra["hidden"] ^ K0, extra["display"] ^ K2) ^ mix(extra["expire_at"] ^ K3, extra["limit"] ^ K4)
    return mix(value ^ rest, mix(extra["funds"] ^ K5, kinds ^ K1))


def rechecked(damaged: bytes, chains: int = 4) -> bytes:
    """With a checksum that fits, as far as there is room for one; with one chain, that of version 2."""
    if len(damaged) < HEADER.size:
        return damaged
    words = [word for (word,) in struct.iter_unpack("<Q", damaged[:len(damaged) // 8 * 8])]
    of_header = HEADER.size // 8 - 1
    body = words[of_header + 1:]
    first, *others = [chained(K0 ^ len(damaged) ^ number, (words[:of_header] if number == 0 else []) + body[number::chains])
                      for number in range(chains)]
    return damaged[:8 * of_header] + struct.pack("<Q", chained(first, others)) + damaged[HEADER.size:]


def chained(total: int, words: list[int]) -> int:
    for word in words:
        total = (total ^ word) * K3 & MASK
        total ^= total >> 32
    return total


def as_older(snapshot: bytes) -> bytes:
    """The same book as a snapshot of version 2, which had one chain."""
    saved = Snapshot.unpack(snapshot)
    saved.header["version"] = 2
    return rechecked(saved.pack(), chains=1)


def mutated(snapshot: bytes, draw) -> bytes:
    """The bytes with one to three numbers changed, mostly to something at an edge; hash and checksum fit, where they can."""
    saved = Snapshot.unpack(snapshot)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        records = [saved.header, *saved.orders, *(order["extra"] for order in saved.orders if order["extra"])]
        record = draw.choice(records)
        name = draw.choice([name for name in record if name in SIZES or name == "order_id"])
        old = record[name]
        if name == "order_id":
            record[name] = draw.choice((bytes(16), bytes(15) + b"\1", draw.choice(saved.orders)["order_id"]))
            continue
        bits, signed = (8, False) if name == "zero" and "stp" in record else SIZES[name]
        other = draw.choice([value for value in record.values() if type(value) is int])
        new = draw.choice((0, 1, 2, 3, 4, 5, old + 1, old - 1, old ^ 1 << draw.randrange(bits), other, 2**62 - 1, 2**62,
                           2**(bits - 1), 2**bits - 1, -1, 10_000, 10_001))
        low, high = (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)
        record[name] = min(max(new, low), high)
    return saved.fitting()


# Bits of each number, and whether it has a sign.
SIZES = {name: (64, True) for name in ("at_ms", "last_price", "low", "high", "auction_price", "price", "lots", "hidden",
                                       "display", "expire_at", "limit", "funds")}
SIZES |= {name: (64, False) for name in ("sequence", "last_trade_id", "mode", "account", "opened", "traded")}
SIZES |= {name: (32, False) for name in ("version", "order_bytes", "extra_bytes", "zero", "zero_too")}
SIZES |= {"collar_bp": (16, False)} | {name: (8, False) for name in ("side", "stp", "flags", "order_type", "time_in_force")}
