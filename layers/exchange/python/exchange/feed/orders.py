"""A live order and a trade as the feed remembers them, and their fixed-width records in the views.

An event names an order by id only; what else its messages say (type, fee rates, `client_oid`) stood in the command that
placed it. So the command's part is kept for as long as the order lives.
"""

import struct
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

from exchange import commands
from exchange.commands import STOP_ENTRY, OrderType

# The fields of LiveOrder but its id, in their order.
_ORDER = struct.Struct("<2B?x2IQ6qQq16s")
# trade_id, sequence, at_ms, price, lots, maker's side, maker order, taker order
_TRADE = struct.Struct("<2Q3qB7x16s16s")


def uuid_text(raw: bytes) -> str:
    """`str(UUID(bytes=raw))`, four times as fast."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass(slots=True, eq=False)
class LiveOrder:
    """An order between ACCEPTED and DONE. `opened`: the sequence of its last OPENED event, its place in its level; 0 while it
    does not rest, because it waits for its stop price or is on its way through the book.

    While it rests `lots` are its visible ones and `hidden` the others; else `lots` are all. `display`: how many lots an
    iceberg shows at a time, 0 for an order that shows all. `funds`: what a by-funds order has left, in ticks x lots.
    """

    order_id: bytes
    side: int
    order_type: int
    stop_entry: bool
    maker_fee_ppm: int
    taker_fee_ppm: int
    account: int
    price_ticks: int
    lots: int
    hidden: int
    display: int
    funds: int
    stop_price_ticks: int
    opened: int
    placed_at_ms: int
    client_oid: bytes

    @classmethod
    def placed(cls, record: bytes, at_ms: int) -> "LiveOrder":
        """From a PLACE command's record."""
        (_, side, order_type, _, _, flags, _, order_id, account, price_ticks, size_lots, funds, stop_price_ticks,
         display_lots, _, _, maker_fee_ppm, taker_fee_ppm, client_oid) = commands.RECORD.unpack(record)
        return cls(order_id, side, order_type, bool(flags & STOP_ENTRY), maker_fee_ppm, taker_fee_ppm, account, price_ticks,
                   size_lots, 0, display_lots if 0 < display_lots < size_lots else 0, funds, stop_price_ticks, 0, at_ms,
                   client_oid)

    @property
    def is_market(self) -> bool:
        return self.order_type in (OrderType.MARKET, OrderType.STOP_MARKET)

    @property
    def is_stop(self) -> bool:
        return self.order_type in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)

    @property
    def uuid(self) -> str:
        return uuid_text(self.order_id)

    def shown(self, lots: int) -> int:
        """What the public may know of `lots` while it does not rest."""
        return min(lots, self.display) if self.display else lots

    def shrink(self, left: int) -> None:
        """To `left` lots while it rests: the hidden ones go first."""
        self.lots = min(self.lots, left)
        self.hidden = left - self.lots

    def pack(self) -> bytes:
        return _ORDER.pack(*_VALUES(self))

    @classmethod
    def unpack(cls, order_id: bytes, record: bytes) -> "LiveOrder":
        return cls(order_id, *_ORDER.unpack(record))


_VALUES = attrgetter(*[item.name for item in fields(LiveOrder)][1:])


class Trade(NamedTuple):
    """A trade; `side` is the maker's."""

    trade_id: int
    sequence: int
    at_ms: int
    price_ticks: int
    lots: int
    side: int
    maker_order_id: bytes
    taker_order_id: bytes

    def pack(self) -> bytes:
        return _TRADE.pack(*self)

    @classmethod
    def unpack(cls, record: bytes) -> "Trade":
        return cls._make(_TRADE.unpack(record))
