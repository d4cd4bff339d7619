"""Names and small encodings of the views' keys; see the package's head."""

import struct
from collections.abc import Iterable, Iterator

from exchange.feed.levels import Levels
from exchange.feed.orders import Trade
from exchange.feed.state import Told
from exchange.feed.statistics import Bucket

PARTS = ("cursor", "bids", "asks", "live", "trades", "minutes", "hours", "subscribers", "outbox", "told")
_TOLD = struct.Struct("<4q")


def key(market: str, part: str) -> str:
    return f"feed:{{{market}}}:{part}"


def keys(market: str) -> list[str]:
    """All keys of a market, in the order of PARTS."""
    return [key(market, part) for part in PARTS]


def encode_level(lots: int, orders: int) -> str:
    return f"{lots}:{orders}"


def pairs(answer: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Name and value of each field of a hash that was answered as a list."""
    parts = iter(answer)
    return zip(parts, parts, strict=True)


def decode_levels(found: Iterable[tuple[bytes, bytes]]) -> list[tuple[int, int, int]]:
    """(price in ticks, lots, orders), in no order."""
    levels = []
    for price, value in found:
        lots, _, orders = value.partition(b":")
        levels.append((int(price), int(lots), int(orders)))
    return levels


def encode_touch(bids: Levels, asks: Levels, last: Trade | None) -> str:
    """`bid,lots,orders,ask,lots,orders,last`: the top of the book without reading the book; empty for what is not."""
    parts: list[object] = []
    for side in (bids, asks):
        best = side.best(1)
        parts += best[0] if best else ("", "", "")
    return ",".join(map(str, [*parts, last.price_ticks if last else ""]))


def decode_touch(text: bytes) -> list[int | None]:
    return [int(part) if part else None for part in text.split(b",")]


def encode_bucket(bucket: Bucket) -> str:
    return ",".join(map(str, bucket))


def decode_buckets(found: Iterable[tuple[bytes | int, bytes]]) -> dict[int, Bucket]:
    return {int(minute): Bucket._make(map(int, value.split(b","))) for minute, value in found}


def decode_hours(found: Iterable[tuple[bytes | int, bytes]]) -> dict[int, int]:
    return {int(hour): int(lots) for hour, lots in found}


def encode_told(told: Told) -> bytes:
    return _TOLD.pack(*told)


def decode_told(records: list[bytes]) -> dict[int, Told]:
    """By sequence."""
    found = (Told._make(_TOLD.unpack(record)) for record in records)
    return {told.sequence: told for told in found}
