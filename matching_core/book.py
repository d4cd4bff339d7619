"""The C core as Python sees it: `Book` owns one block of memory and makes one cffi call per batch.

Growth happens here: a batch that might not fit is refused by the core unchanged, its orders are copied into a block
twice as large and the batch runs again; nothing observable differs. A Book belongs to one thread: the call releases the
GIL and the block has no lock.
"""

import struct

from . import COMMAND_BYTES, CORE_VERSION, EVENT_BYTES
from ._core import ffi, lib
from .errors import BookFull, CoreInvariantBroken, DamagedSnapshot, EventsFull
from .memory import Block, large_bytes

if lib.MC_CORE_VERSION != CORE_VERSION:
    raise ImportError("matching_core/_core was built from other sources: run python -m matching_core.build")

# Named once: a batch of ten is matched in the time of a few look-ups.
_apply = lib.mc_apply
_buffer = ffi.buffer
_MAX_COMMAND_EVENTS, _BOOK_FULL = lib.MC_MAX_COMMAND_EVENTS, lib.MC_BOOK_FULL
_SNAPSHOT_SIDES = struct.Struct("<24x4Q88x")
_SNAPSHOT_ORDER = struct.Struct("<16sQ2q24x")
_HALTED = 1
_DAMAGES = {
    lib.MC_SNAPSHOT_TRUNCATED: "its length is not what its header says",
    lib.MC_SNAPSHOT_UNKNOWN_FORMAT: "unknown magic, version or record size",
    lib.MC_SNAPSHOT_CHECKSUM: "the checksum does not match",
    lib.MC_SNAPSHOT_FIGURES: "a figure in its header is out of range",
    lib.MC_SNAPSHOT_ORDER: "its orders are no sound book",
    lib.MC_SNAPSHOT_STATE_HASH: "the state hash of its orders is not the one in its header",
}


class Book:
    """One market's book. Make one with `create` or `restore`."""

    __slots__ = ("_block", "_buffer_capacity", "_capacity", "_events", "_head", "_memory", "_work")

    def __init__(self, capacity: int) -> None:
        """Memory for `capacity` resting orders; not yet a book."""
        size = lib.mc_block_bytes(capacity) if 0 < capacity <= lib.MC_MAX_ORDERS else 0
        if size <= 0:
            raise BookFull(f"{capacity} resting orders, the core holds 1..{lib.MC_MAX_ORDERS}")
        self._memory = Block(size)
        self._block, self._head = self._memory.address, self._memory.head
        self._capacity = capacity
        self._buffer_capacity = -1

    @classmethod
    def create(cls, orders: int = 65536) -> "Book":
        """An empty book with room for `orders` resting orders to start with; it grows by itself."""
        book = cls(orders)
        book._checked(lib.mc_create(book._block, len(book._memory), orders))
        return book

    @classmethod
    def restore(cls, snapshot: bytes, *, orders: int = 65536) -> "Book":
        """The book of `snapshot`, with room for at least `orders`. Raises DamagedSnapshot."""
        snapshot = bytes(snapshot)
        found = lib.mc_snapshot_orders(snapshot, len(snapshot))
        if found < 0:
            raise DamagedSnapshot(_DAMAGES[found])
        book = cls(max(orders, found, 1))
        book._checked(lib.mc_restore(book._block, len(book._memory), book._capacity, snapshot, len(snapshot)))
        return book

    @property
    def sequence(self) -> int:
        """The number of the last event that the public feed publishes."""
        return self._head.sequence

    @property
    def last_trade_id(self) -> int:
        return self._head.last_trade_id

    @property
    def mode(self) -> int:
        """0 open, 1 halted, 2 auction (orders collect), 3 uncrossing (an auction's trades are not all done)."""
        return self._head.mode

    @property
    def halted(self) -> bool:
        return self._head.mode == _HALTED

    @property
    def last_price_ticks(self) -> int:
        """The price of the last trade; 0 before the first."""
        return self._head.last_price_ticks

    @property
    def at_ms(self) -> int:
        """The time of the last batch."""
        return self._head.at_ms

    @property
    def work_waits(self) -> bool:
        """Orders that are over, stops that are met or an unfinished uncross wait: one command does a bounded share of it. Any
        command takes it further; a TICK is enough."""
        return self._checked(lib.mc_work_waits(self._block)) == 1

    @property
    def order_count(self) -> int:
        """Orders on the book: resting, and stops that wait."""
        return self._head.order_count

    @property
    def capacity(self) -> int:
        """Resting orders that fit before the book grows; no part of its state."""
        return self._capacity

    def apply(self, at_ms: int, commands: bytes, max_event_bytes: int) -> bytes:
        """Runs a batch of command records at the time `at_ms` and answers its event records.

        All or nothing: EventsFull (more than `max_event_bytes`), BookFull and ValueError (no whole records, a time before
        the last batch's) leave the book unchanged. Raises CoreInvariantBroken when the book is not to be used any more.
        """
        count, rest = divmod(len(commands), COMMAND_BYTES)
        if rest:
            raise ValueError(f"{len(commands)} bytes are no whole records of {COMMAND_BYTES}")
        if type(commands) is not bytes:
            commands = bytes(commands)  # the core reads records in place, so they must be aligned
        capacity = min(max(0, max_event_bytes) // EVENT_BYTES, count * _MAX_COMMAND_EVENTS)
        if capacity > self._buffer_capacity:
            self._make_room_for_events(capacity)
        while True:
            written = _apply(self._block, at_ms, commands, count, self._events, capacity, self._work)
            if written != _BOOK_FULL:
                break
            self._grow(self._head.order_count + count)
        if written < 0:
            self._refuse(written, at_ms, max_event_bytes)
        return _buffer(self._events, written * EVENT_BYTES)[:]

    def state_hash(self) -> int:
        """64 bits over everything a trader could see of the book; the same on every machine and in the naive core."""
        return lib.mc_state_hash(self._block)

    def snapshot(self) -> bytes:
        """The book's bytes: equal for equal books, whatever their capacity and history."""
        size = self._checked(lib.mc_snapshot_bytes(self._block))
        snapshot = large_bytes(size)  # nobody else's yet: the core writes it in place, and no large buffer is copied
        self._checked(lib.mc_snapshot(self._block, ffi.from_buffer(snapshot), size))
        return snapshot

    def levels(self, side: int, limit: int) -> list[tuple[int, int, int]]:
        """(price_ticks, lots, orders) of at most `limit` levels of a side (1 bids, 2 asks, 3 loss stops, 4 entry stops), best
        first; of stops the stop price, the next to trigger first."""
        limit = min(limit, self.order_count)
        levels = ffi.new("mc_level[]", max(limit, 1))
        count = self._checked(lib.mc_levels(self._block, side, limit, levels))
        return [(level.price_ticks, level.lots, level.orders) for level in levels[0:count]]

    def orders(self, side: int) -> list[tuple[bytes, int, int, int]]:
        """(order_id, account, price_ticks, lots) of a side's orders, first in priority first; sides as in `levels`. The lots
        are those that the book shows."""
        snapshot = self.snapshot()
        counts = _SNAPSHOT_SIDES.unpack_from(snapshot)
        first = _SNAPSHOT_SIDES.size + sum(counts[:side - 1]) * _SNAPSHOT_ORDER.size
        return list(_SNAPSHOT_ORDER.iter_unpack(snapshot[first:first + counts[side - 1] * _SNAPSHOT_ORDER.size]))

    def indicative(self) -> tuple[int, int]:
        """(price_ticks, lots): where a crossed book would open, and how much would trade there; (0, 0) when it is not
        crossed."""
        found = ffi.new("mc_level *")
        self._checked(lib.mc_indicative(self._block, found))
        return found.price_ticks, found.lots

    def _make_room_for_events(self, capacity: int) -> None:
        work_bytes = lib.mc_work_bytes(capacity)
        if work_bytes < 0:
            raise ValueError(f"room for {capacity} events is more than the core takes")
        self._events = ffi.new("uint64_t[]", (capacity + lib.MC_EVENT_SLACK) * EVENT_BYTES // 8)
        self._work = ffi.new("uint64_t[]", work_bytes // 8)
        self._buffer_capacity = capacity

    def _grow(self, orders: int) -> None:
        if orders > lib.MC_MAX_ORDERS or self._capacity == lib.MC_MAX_ORDERS:
            raise BookFull(f"room for {orders} resting orders wanted, the core holds {lib.MC_MAX_ORDERS}")
        larger = Book.restore(self.snapshot(), orders=min(max(2 * self._capacity, orders), lib.MC_MAX_ORDERS))
        self._memory, self._block, self._head = larger._memory, larger._block, larger._head
        self._capacity = larger._capacity

    def _refuse(self, code: int, at_ms: int, max_event_bytes: int) -> None:
        if code == lib.MC_EVENTS_FULL:
            raise EventsFull(f"the events of the batch need more than {max_event_bytes} bytes")
        if code == lib.MC_TIME_RAN_BACKWARDS:
            raise ValueError(f"at_ms {at_ms} is before the book's {self.at_ms}")
        self._checked(code)

    def _checked(self, code: int) -> int:
        """`code` if it is a count; raises what it stands for otherwise."""
        if code >= 0:
            return code
        if code == lib.MC_INVARIANT_BROKEN:
            raise CoreInvariantBroken(f"assertion {self._head.broken_at} (file x 10000 + line) does not hold")
        if code in _DAMAGES:
            raise DamagedSnapshot(_DAMAGES[code])
        raise ValueError(f"the core refused its arguments (code {code})")
