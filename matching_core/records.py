"""The core's records and numbers in Python, for the naive core; `src/records.h` holds the same for the C core.

The enums' meanings are told in exchange/commands.py and exchange/events.py; the core imports nothing of the exchange, so
the numbers stand here again and tests/core/test_records.py compares all three.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

from matching_core import COMMAND_BYTES, EVENT_BYTES

COMMAND = struct.Struct("<6BH16sQ7q2I16s")
EVENT = struct.Struct("<4BI2Q16s16s2Q3q")
SNAPSHOT_HEADER = struct.Struct("<Q4I4Q3QqQ4q2Q")
SNAPSHOT_ORDER = struct.Struct("<16sQ2q2Q4BI")
SNAPSHOT_EXTRA = struct.Struct("<5qH2BI")
assert (COMMAND.size, EVENT.size) == (COMMAND_BYTES, EVENT_BYTES)
assert (SNAPSHOT_HEADER.size, SNAPSHOT_ORDER.size, SNAPSHOT_EXTRA.size) == (144, 64, 48)

SNAPSHOT_MAGIC = 0x004B4F4F42584C00
SNAPSHOT_VERSION = 3
SNAPSHOT_OLDER_VERSION = 2  # its checksum is of one chain; still read
MAX_ORDERS = 1 << 24
MAX_NOTIONAL = 2**62 - 1
NIL = bytes(16)

# A command's flags.
POST_ONLY = 1
STOP_ENTRY = 2

# An event's flags.
FLAG_RESTED = 1
FLAG_BY_FUNDS = 2
FLAG_STOP = 4
FLAG_AUCTION = 8

# An order's flags, in the state hash and in a snapshot.
ORDER_POST_ONLY = 1
ORDER_EXTRA = 2  # it has numbers that a plain order has not: an iceberg, one with an end, a waiting stop

CommandKind = IntEnum("CommandKind", "PLACE CANCEL TICK HALT RESUME CANCEL_ALL AMEND AUCTION UNCROSS")
Side = IntEnum("Side", "BUY SELL")
LOSS_STOPS, ENTRY_STOPS = 3, 4  # beside the sides, where a book's orders are read out
OrderType = IntEnum("OrderType", "LIMIT MARKET STOP_LIMIT STOP_MARKET")
TimeInForce = IntEnum("TimeInForce", "GTC GTT IOC FOK")
Stp = IntEnum("Stp", "DECREASE_AND_CANCEL CANCEL_OLDEST CANCEL_NEWEST CANCEL_BOTH")
Mode = IntEnum("Mode", "OPEN HALTED AUCTION UNCROSSING", start=0)
EventKind = IntEnum("EventKind", "ACCEPTED REJECTED OPENED TRADE DONE REDUCED TRIGGERED LEVEL HALTED RESUMED "
                    "AMENDED COLLECTING")
RejectCode = IntEnum("RejectCode", "MALFORMED EXPIRED DUPLICATE_ORDER_ID UNKNOWN_ORDER STOP_WAITING MARKET_HALTED "
                     "OUTSIDE_BAND OVERFLOW POST_ONLY_WOULD_CROSS FOK_NOT_FILLABLE")
DoneReason = IntEnum("DoneReason", "FILLED CANCELED IOC_REMAINDER NO_LIQUIDITY SELF_TRADE FILL_LIMIT EXPIRED LEVEL_FULL")


class Command(NamedTuple):
    """The fields of a command record, in its order."""

    kind: int
    side: int
    order_type: int
    time_in_force: int
    stp: int
    flags: int
    collar_bp: int
    order_id: bytes
    account: int
    price_ticks: int
    size_lots: int
    funds: int
    stop_price_ticks: int
    display_lots: int
    expire_at_ms: int
    issued_at_ms: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    client_oid: bytes
