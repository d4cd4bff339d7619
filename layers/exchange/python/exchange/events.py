"""Events of a market's book, and their fixed-width record: 96 bytes, little-endian, as the C core writes them.

    offset  0 u8  kind            1 u8 side          2 u8 code           3 u8 flags          4 u32 command_index
            8 u64 sequence       16 u64 trade_id
           24 16B order_id       40 16B maker_order_id
           56 u64 account        64 u64 maker_account
           72 i64 price_ticks    80 i64 size_lots   88 i64 remaining

| kind      | side    | code       | price     | size                | remaining                              | sequence |
| ACCEPTED  | order's | -          | limit     | ordered lots        | funds (ticks x lots) of a by-funds order | +1     |
| REJECTED  | order's | RejectCode | limit     | ordered lots        | -                                      | +1 for a PLACE |
| OPENED    | order's | -          | limit     | visible lots now    | hidden lots now                        | +1       |
| TRADE     | maker's | -          | trade's   | lots traded         | maker's visible lots left              | +1       |
| DONE      | order's | DoneReason | limit     | lots left unfilled  | funds left of a by-funds order         | +1       |
| REDUCED   | order's | -          | limit     | lots left (new)     | lots before; by-funds: funds left      | +1       |
| TRIGGERED | order's | -          | stop      | lots                | funds of a by-funds order              | +1       |
| AMENDED   | order's | -          | limit now | lots left (new)     | lots before                            | +1       |
| LEVEL     | level's | -          | level     | visible lots on it  | number of orders on it                 | current  |
| HALTED, COLLECTING | -                                                                                    | current  |
| RESUMED   | -       | -          | auction's, 0 = none | -         | -                                      | current  |

"Lots left" are visible and hidden ones together. A TRADE names the taker in order_id and account; its price is the maker's,
and of an auction the auction's: there the older of the two orders is the maker. An order may be OPENED again: an iceberg whose
visible lots are gone shows the next ones, and goes to the back of its level. An AMENDED order with FLAG_RESTED kept its place;
without it it left the book and goes on like one that was just accepted. Expiries, triggered stops and what an auction trades
may come with any command: their `command_index` is that of the command they came with, which has nothing to do with the order.

`flags`: FLAG_RESTED, the order was on the book; FLAG_BY_FUNDS; FLAG_STOP, it waited, or now waits, for its stop price;
FLAG_AUCTION, a TRADE of two orders that rested; and in a REJECTED the kind of the refused command. The LEVEL events close an
entry: each level that differs from before, once. `sequence` grows by one with every event the public feed publishes; it is the
number of REST books and of the feed.
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
    AMENDED = 11
    COLLECTING = 12


class RejectCode(IntEnum):
    """Why a command was refused. The core checks in this order; the first that applies is reported."""

    MALFORMED = 1  # an enum out of range, a number that must be positive and is not, fields that contradict each other
    EXPIRED = 2  # issued more than 240 s before the engine's clock, or expire_at_ms is over
    DUPLICATE_ORDER_ID = 3  # an order with this id rests, or waits for its stop price
    UNKNOWN_ORDER = 4  # a cancel or an amend of an order that does not rest or wait, or of another account's
    STOP_WAITING = 5  # an amend of an order that waits for its stop price
    MARKET_HALTED = 6  # in an auction: of an order that cannot rest
    OUTSIDE_BAND = 7  # the limit is farther from the last trade than collar_bp
    OVERFLOW = 8  # price x size does not fit 62 bits
    POST_ONLY_WOULD_CROSS = 9
    FOK_NOT_FILLABLE = 10


class DoneReason(IntEnum):
    FILLED = 1
    CANCELED = 2  # by its owner or an operator
    IOC_REMAINDER = 3
    NO_LIQUIDITY = 4  # a market order met an empty book, its worst price or its collar
    SELF_TRADE = 5
    FILL_LIMIT = 6  # one order touches at most MAX_FILLS makers in one go
    EXPIRED = 7
    LEVEL_FULL = 8  # a stop was met and its level cannot take it: price x all lots there would not fit 62 bits


class Mode(IntEnum):
    """What a book does with orders. UNCROSSING: an auction's orders trade, for as many commands as it takes."""

    OPEN = 0
    HALTED = 1
    AUCTION = 2
    UNCROSSING = 3


FLAG_RESTED = 1
FLAG_BY_FUNDS = 2
FLAG_STOP = 4
FLAG_AUCTION = 8

# The versions of the core whose commands and events this module and `commands` describe, oldest first; the last one matches.
CORES = (2,)
CORE_VERSION = CORES[-1]


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
