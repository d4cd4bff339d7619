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
SNAPSHOT_HEADER = struct.Struct("<Q2I2Q2Qq2Q2QQ")
SNAPSHOT_ORDER = struct.Struct("<16sQ2qQ")
assert (COMMAND.size, EVENT.size) == (COMMAND_BYTES, EVENT_BYTES)

SNAPSHOT_MAGIC = 0x004B4F4F42584C00
SNAPSHOT_VERSION = 1
MAX_ORDERS = 1 << 24
MAX_NOTIONAL = 2**62 - 1
NIL = bytes(16)

POST_ONLY = 1
FLAG_RESTED = 1
FLAG_BY_FUNDS = 2

CommandKind = IntEnum("CommandKind", "PLACE CANCEL TICK HALT RESUME CANCEL_ALL AMEND AUCTION UNCROSS")
LATER_KINDS = (CommandKind.CANCEL_ALL, CommandKind.AMEND, CommandKind.AUCTION, CommandKind.UNCROSS)
Side = IntEnum("Side", "BUY SELL")
OrderType = IntEnum("OrderType", "LIMIT MARKET STOP_LIMIT STOP_MARKET")
TimeInForce = IntEnum("TimeInForce", "GTC GTT IOC FOK")
Stp = IntEnum("Stp", "DECREASE_AND_CANCEL CANCEL_OLDEST CANCEL_NEWEST CANCEL_BOTH")
EventKind = IntEnum("EventKind", "ACCEPTED REJECTED OPENED TRADE DONE REDUCED TRIGGERED LEVEL HALTED RESUMED")
RejectCode = IntEnum("RejectCode", "MALFORMED UNSUPPORTED EXPIRED DUPLICATE_ORDER_ID MARKET_HALTED OVERFLOW "
                     "POST_ONLY_WOULD_CROSS FOK_NOT_FILLABLE UNKNOWN_ORDER")
DoneReason = IntEnum("DoneReason", "FILLED CANCELED IOC_REMAINDER NO_LIQUIDITY SELF_TRADE FILL_LIMIT EXPIRED")


class Command(NamedTuple):
    """The fields of a command record, in its order."""

    kind: int
    side: int
    order_type: int
    time_in_force: int
    stp: int
    flags: int
    reserved: int
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
