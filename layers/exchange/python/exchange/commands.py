"""Commands to a market's book, and their fixed-width record: 112 bytes, little-endian.

The same bytes travel in the queue message, enter the C core and stand in the journal; nothing is encoded twice.

    offset  0 u8  kind            1 u8 side          2 u8 order_type     3 u8 time_in_force
            4 u8  stp             5 u8 flags       6 u16 collar_bp (1/100 %, 0 = none)
            8 16B order_id       24 u64 account
           32 i64 price_ticks (limit; for a market order the worst price it may trade at; 0 = none)
           40 i64 size_lots (0 = by funds)           48 i64 funds (ticks x lots, without the fee; 0 = by size)
           56 i64 stop_price_ticks (0 = no stop)     64 i64 display_lots (shown at a time; 0 = all)
           72 i64 expire_at_ms (0 = never)           80 i64 issued_at_ms
           88 u32 maker_fee_ppm                      92 u32 taker_fee_ppm
           96 16B client_oid (zero = none)

| kind       | uses, besides issued_at_ms                                                                                |
| PLACE      | all                                                                                                       |
| CANCEL     | order_id, account (0 = whoever owns it)                                                                   |
| CANCEL_ALL | account (0 = everybody's): the oldest 400 of its orders                                                   |
| AMEND      | order_id, account (0 = whoever owns it), collar_bp, price_ticks and size_lots (0 = keep); the size is the |
|            | whole order's, with what it has traded                                                                    |
| TICK, HALT, RESUME, AUCTION, UNCROSS | nothing; UNCROSS is RESUME                                                      |

`collar_bp`, at most 10,000: how far from the last trade the limit of a LIMIT order or of an AMEND may be, and how far from the
touch a market order may trade. An AUCTION collects orders without matching them; RESUME or UNCROSS trades them at one price
and opens the book.
"""

import base64
import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

RECORD = struct.Struct("<6BH16sQ7q2I16s")
SIZE = RECORD.size
assert SIZE == 112
_ISSUED_AT = struct.Struct("<q")
_ISSUED_AT_OFFSET = 80

# First byte of a queue message's decoded body; a later format gets another number.
MESSAGE_VERSION = 1
MAX_COMMANDS_PER_MESSAGE = 500

# The core refuses a PLACE or an AMEND that was issued longer before it arrives.
STALE_AFTER_MS = 240_000

NIL = UUID(int=0)


class CommandKind(IntEnum):
    PLACE = 1
    CANCEL = 2
    TICK = 3
    HALT = 4
    RESUME = 5
    CANCEL_ALL = 6
    AMEND = 7
    AUCTION = 8
    UNCROSS = 9


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP_MARKET = 4


class TimeInForce(IntEnum):
    GTC = 1
    GTT = 2
    IOC = 3
    FOK = 4


class Stp(IntEnum):
    """Self-trade prevention, by the taker's flag."""

    DECREASE_AND_CANCEL = 1
    CANCEL_OLDEST = 2
    CANCEL_NEWEST = 3
    CANCEL_BOTH = 4


POST_ONLY = 1
STOP_ENTRY = 2  # the stop is met at or above stop_price_ticks; without it (loss) at or below


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, in ticks, lots and milliseconds. See the module's head for which kind uses which field."""

    kind: CommandKind
    issued_at_ms: int
    order_id: UUID = NIL
    account: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    stp: int = 0
    flags: int = 0
    collar_bp: int = 0
    price_ticks: int = 0
    size_lots: int = 0
    funds: int = 0
    stop_price_ticks: int = 0
    display_lots: int = 0
    expire_at_ms: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    client_oid: UUID = NIL

    def pack(self) -> bytes:
        """The record; struct.error where a number does not fit its field."""
        return RECORD.pack(
            self.kind, self.side, self.order_type, self.time_in_force, self.stp, self.flags, self.collar_bp,
            self.order_id.bytes, self.account, self.price_ticks, self.size_lots, self.funds, self.stop_price_ticks,
            self.display_lots, self.expire_at_ms, self.issued_at_ms, self.maker_fee_ppm, self.taker_fee_ppm,
            self.client_oid.bytes)

    @classmethod
    def unpack(cls, record: bytes) -> "Command":
        (kind, side, order_type, time_in_force, stp, flags, collar_bp, order_id, account, price_ticks, size_lots,
         funds, stop_price_ticks, display_lots, expire_at_ms, issued_at_ms, maker_fee_ppm, taker_fee_ppm,
         client_oid) = RECORD.unpack(record)
        return cls(
            kind=CommandKind(kind), issued_at_ms=issued_at_ms, order_id=UUID(bytes=order_id), account=account, side=side,
            order_type=order_type, time_in_force=time_in_force, stp=stp, flags=flags, collar_bp=collar_bp,
            price_ticks=price_ticks, size_lots=size_lots, funds=funds, stop_price_ticks=stop_price_ticks,
            display_lots=display_lots, expire_at_ms=expire_at_ms, maker_fee_ppm=maker_fee_ppm,
            taker_fee_ppm=taker_fee_ppm, client_oid=UUID(bytes=client_oid))


def issued_later(records: bytes, by_ms: int) -> bytes:
    """Concatenated records, each as if it had been issued so much later; one that was issued at no time that can be is left to
    the core to refuse."""
    changed = bytearray(records)
    for offset in range(_ISSUED_AT_OFFSET, len(changed), SIZE):
        issued_at_ms, = _ISSUED_AT.unpack_from(changed, offset)
        if 0 <= issued_at_ms < 1 << 62:
            _ISSUED_AT.pack_into(changed, offset, issued_at_ms + by_ms)
    return bytes(changed)


class BadMessage(ValueError):
    """A queue message that is not a list of command records."""


def encode_message(records: list[bytes]) -> str:
    """The body of a queue message that carries `records` in order."""
    return base64.b64encode(bytes((MESSAGE_VERSION,)) + b"".join(records)).decode("ascii")


def decode_message(body: str) -> bytes:
    """The concatenated records of a message body; raises BadMessage. Their content is the core's to judge."""
    try:
        raw = base64.b64decode(body, validate=True)
    except ValueError as error:
        raise BadMessage(f"the body is not base64: {error}") from None
    if not raw or raw[0] != MESSAGE_VERSION:
        raise BadMessage(f"message version {raw[:1].hex() or 'missing'}, wanted {MESSAGE_VERSION}")
    if len(raw) == 1 or (len(raw) - 1) % SIZE or (len(raw) - 1) // SIZE > MAX_COMMANDS_PER_MESSAGE:
        raise BadMessage(f"{len(raw) - 1} bytes are not 1..{MAX_COMMANDS_PER_MESSAGE} records of {SIZE}")
    return raw[1:]
