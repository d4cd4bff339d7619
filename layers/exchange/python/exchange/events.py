"""Events of a market's book, and their fixed-width record: 96 bytes, little-endian, as the C core writes them.

    offset  0 u8  kind            1 u8 side          2 u8 code           3 u8 flags          4 u32 command_index
            8 u64 sequence       16 u64 trade_id
           24 16B order_id       40 16B maker_order_id
           56 u64 account        64 u64 maker_account
           72 i64 price_ticks    80 i64 size_lots   88 i64 remaining

| kind     | side    | code          | price | size                 | remaining                        | sequence |
| ACCEPTED | order's | -             | limit | ordered lots         | funds (ticks x lots) of by-funds | +1       |
| REJECTED | order's | RejectCode    | limit | ordered lots         | -                                | +1 for a PLACE |
| OPENED   | order's | -             | limit | lots now resting     | -                                | +1       |
| TRADE    | maker's | -             | maker | lots traded          | maker's lots left                | +1       |
| DONE     | order's | DoneReason    | limit | lots left unfilled   | funds left of a by-funds order   | +1       |
| REDUCED  | order's | -             | limit | lots left (new)      | lots before; by-funds: funds left | +1      |
| TRIGGERED| order's | -             | stop  | lots                 | -                                | +1       |
| LEVEL    | level's | -             | level | lots on it now       | number of orders on it now       | current  |
| HALTED, RESUMED  |  -                                                                           | current  |

A TRADE names the taker in order_id and account. `flags`: FLAG_RESTED, the order was on the book; FLAG_BY_FUNDS; and in a
REJECTED the kind of the refused command. The LEVEL events close an entry: each level that differs from before, once.
`sequence` grows by one with every event the public feed publishes; it is the number of REST books and of the feed.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

RECORD = struct.Struct("<4BI2Q16s16s2Q3q")
SIZE = RECORD.size
assert SIZE == 96


class EventKind(IntEnum):
    ACCEPTED = 1
    REJECTED = 2
    OPENED = 3
    TRADE = 4
    DONE = 5
    REDUCED = 6
    TRIGGERED = 7
    LEVEL = 8
    HALTED = 9
    RESUMED = 10


class RejectCode(IntEnum):
    """Why a command was refused. The core checks in this order; the first that applies is reported."""

    MALFORMED = 1  # an enum out of range, a number that must be positive and is not, size and funds both or neither
    UNSUPPORTED = 2  # a command or order type of a later core
    EXPIRED = 3  # issued more than 240 s before the engine's clock
    DUPLICATE_ORDER_ID = 4  # an order with this id rests already
    MARKET_HALTED = 5
    OVERFLOW = 6  # price x size does not fit 62 bits
    POST_ONLY_WOULD_CROSS = 7
    FOK_NOT_FILLABLE = 8
    UNKNOWN_ORDER = 9  # cancel of an order that does not rest, or of another account's


class DoneReason(IntEnum):
    FILLED = 1
    CANCELED = 2  # by its owner or an operator
    IOC_REMAINDER = 3
    NO_LIQUIDITY = 4  # a market order met an empty book or its worst price
    SELF_TRADE = 5
    FILL_LIMIT = 6  # one command touches at most MAX_FILLS makers
    EXPIRED = 7


FLAG_RESTED = 1
FLAG_BY_FUNDS = 2


class Event(NamedTuple):
    """One event; ids are 16 raw bytes (`UUID(bytes=...)`), integers as in the module's head."""

    kind: int
    side: int
    code: int
    flags: int
    command_index: int
    sequence: int
    trade_id: int
    order_id: bytes
    maker_order_id: bytes
    account: int
    maker_account: int
    price_ticks: int
    size_lots: int
    remaining: int


def unpack_events(records: bytes) -> list[Event]:
    """All events in a run of records, in order."""
    return [Event._make(fields) for fields in RECORD.iter_unpack(records)]
