"""The level 2 book: lots and number of orders per price, best first, and the checksum that clients compare.

The checksum is the CRC-32 of the text `price:size` of the ten best bids, then of the ten best asks, each best first, all
joined with `:`, prices and sizes written as in the messages. An empty book has the checksum of the empty text, 0.
"""

from bisect import bisect_left, insort
from zlib import crc32

from exchange.commands import Side
from exchange.markets import Market

CHECKSUM_LEVELS = 10


class Levels:
    """One side. `best_first` for bids is from the highest price, for asks from the lowest."""

    __slots__ = ("_by_price", "_keys", "_sign")

    def __init__(self, side: int, levels: dict[int, tuple[int, int]] | None = None) -> None:
        self._sign = -1 if side == Side.BUY else 1
        self._by_price: dict[int, tuple[int, int]] = dict(levels or {})
        self._keys = sorted(price * self._sign for price in self._by_price)

    def set(self, price_ticks: int, lots: int, orders: int) -> None:
        """What now stands at a price; 0 lots removes the level."""
        key = price_ticks * self._sign
        if lots:
            if price_ticks not in self._by_price:
                insort(self._keys, key)
            self._by_price[price_ticks] = (lots, orders)
        elif self._by_price.pop(price_ticks, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def get(self, price_ticks: int) -> tuple[int, int]:
        """(lots, orders) at a price; (0, 0) where there is nothing."""
        return self._by_price.get(price_ticks, (0, 0))

    def best(self, limit: int | None = None) -> list[tuple[int, int, int]]:
        """(price_ticks, lots, orders), best first, at most `limit`."""
        sign, by_price = self._sign, self._by_price
        return [(key * sign, *by_price[key * sign]) for key in self._keys[:limit]]

    def __len__(self) -> int:
        return len(self._keys)


def checksum(market: Market, bids: Levels, asks: Levels) -> int:
    """See the module's head."""
    parts = [f"{market.format_price(price)}:{market.format_size(lots)}"
             for side in (bids, asks) for price, lots, _ in side.best(CHECKSUM_LEVELS)]
    return crc32(":".join(parts).encode("ascii"))
