"""The naive core's snapshot: a book as bytes, and back. The format is drawn in `src/snapshot.h`; both cores read each other's.

Header, then the orders of bids, asks, loss stops and entry stops in priority order, then the extra records of those orders that
have one. `restore` believes nothing: whatever a sound book would not have written raises DamagedSnapshot.
"""

from matching_core import MAX_COLLAR_BP, DamagedSnapshot
from matching_core.digest import checksum
from matching_core.naive_auction import is_crossed
from matching_core.naive_orders import Order
from matching_core.naive_state import BookState
from matching_core.records import (
    ENTRY_STOPS,
    LOSS_STOPS,
    MAX_NOTIONAL,
    MAX_ORDERS,
    NIL,
    ORDER_EXTRA,
    ORDER_POST_ONLY,
    SNAPSHOT_EXTRA,
    SNAPSHOT_HEADER,
    SNAPSHOT_MAGIC,
    SNAPSHOT_OLDER_VERSION,
    SNAPSHOT_ORDER,
    SNAPSHOT_VERSION,
    Mode,
    OrderType,
    Side,
    Stp,
    TimeInForce,
)

CHAINS = {SNAPSHOT_OLDER_VERSION: 1, SNAPSHOT_VERSION: 4}
IN_ORDER = (Side.BUY, Side.SELL, LOSS_STOPS, ENTRY_STOPS)
OUT_OF_RANGE = "its orders are no sound book: a number out of range or an id twice"


def write(book: BookState) -> bytes:
    orders, extras, counts = [], [], []
    for which in IN_ORDER:
        first = len(orders)
        for order in book.queues[which].by_priority():
            flags = order.flags()
            orders.append(SNAPSHOT_ORDER.pack(order.order_id, order.account, order.level_ticks, order.lots, order.opened,
                                              order.traded, order.side, order.stp, flags, 0, 0))
            if flags & ORDER_EXTRA:
                extras.append(SNAPSHOT_EXTRA.pack(*order.extra(), 0))
        counts.append(len(orders) - first)
    body = b"".join(orders) + b"".join(extras)
    header = SNAPSHOT_HEADER.pack(
        SNAPSHOT_MAGIC, SNAPSHOT_VERSION, SNAPSHOT_ORDER.size, SNAPSHOT_EXTRA.size, 0, *counts, len(extras), book.sequence,
        book.last_trade_id, book.at_ms, book.mode, book.last_price_ticks, book.low_ticks, book.high_ticks,
        book.auction_price_ticks, book.state_hash(), 0)
    return header[:-8] + checksum(header[:-8], body, CHAINS[SNAPSHOT_VERSION]).to_bytes(8, "little") + body


def restore(book: BookState, snapshot: bytes) -> None:
    """Fills the empty `book`."""
    if len(snapshot) < SNAPSHOT_HEADER.size:
        raise DamagedSnapshot(f"{len(snapshot)} bytes are less than a header")
    (magic, version, order_bytes, extra_bytes, zero, *counts, extras, sequence, last_trade_id, at_ms, mode, last, low, high,
     auction_price, wanted_hash, wanted_checksum) = SNAPSHOT_HEADER.unpack_from(snapshot)
    if (version not in CHAINS or (magic, order_bytes, extra_bytes) !=
            (SNAPSHOT_MAGIC, SNAPSHOT_ORDER.size, SNAPSHOT_EXTRA.size)):
        raise DamagedSnapshot("unknown magic, version or record size")
    first_extra = SNAPSHOT_HEADER.size + sum(counts) * SNAPSHOT_ORDER.size
    if (sum(counts) > MAX_ORDERS or extras > sum(counts)
            or len(snapshot) != first_extra + extras * SNAPSHOT_EXTRA.size):
        raise DamagedSnapshot("its length is not what its header says")
    if checksum(snapshot[:SNAPSHOT_HEADER.size - 8], snapshot[SNAPSHOT_HEADER.size:], CHAINS[version]) != wanted_checksum:
        raise DamagedSnapshot("the checksum does not match")
    if (zero or mode > Mode.UNCROSSING or at_ms < 0 or sequence >= 2**63 or last_trade_id > sequence
            or not 0 <= low <= last <= high <= MAX_NOTIONAL or not 0 <= auction_price <= MAX_NOTIONAL
            or len({last == 0, low == 0, high == 0, last_trade_id == 0}) > 1
            or (mode != Mode.UNCROSSING and auction_price != 0)):
        raise DamagedSnapshot("a figure in its header is out of range")
    book.sequence, book.last_trade_id, book.at_ms, book.mode = sequence, last_trade_id, at_ms, Mode(mode)
    book.last_price_ticks, book.low_ticks, book.high_ticks = last, low, high
    book.auction_price_ticks = auction_price
    records = SNAPSHOT_ORDER.iter_unpack(snapshot[SNAPSHOT_HEADER.size:first_extra])
    extra_records = SNAPSHOT_EXTRA.iter_unpack(snapshot[first_extra:])
    for which, count in zip(IN_ORDER, counts, strict=True):
        for _ in range(count):
            _restore_order(book, which, next(records), extra_records)
    if next(extra_records, None) is not None:
        raise DamagedSnapshot(OUT_OF_RANGE)
    if mode == Mode.OPEN and is_crossed(book.queues[Side.BUY], book.queues[Side.SELL]):
        raise DamagedSnapshot("its orders are no sound book: crossed")
    if book.state_hash() != wanted_hash:
        raise DamagedSnapshot("the state hash of its orders is not the one in its header")


def _restore_order(book: BookState, which: int, record: tuple, extra_records) -> None:
    order_id, account, level_ticks, lots, opened, traded, side, stp, flags, zero, zero_too = record
    waiting = which in (LOSS_STOPS, ENTRY_STOPS)
    has_extra = bool(flags & ORDER_EXTRA)
    extra = next(extra_records, None) if has_extra else (0,) * 9
    if extra is None or zero or zero_too or flags > ORDER_POST_ONLY | ORDER_EXTRA:
        raise DamagedSnapshot(OUT_OF_RANGE)
    hidden, display, expire_at_ms, limit_ticks, funds, collar_bp, order_type, time_in_force, zero = extra
    order = Order(order_id=order_id, account=account, side=side, price_ticks=limit_ticks if waiting else level_ticks, lots=lots,
                  hidden=hidden, display=display, traded=traded, opened=opened, stp=stp,
                  post_only=bool(flags & ORDER_POST_ONLY), expire_at_ms=expire_at_ms, funds=funds, by_funds=funds > 0,
                  collar_bp=collar_bp, waiting=waiting, stop_price_ticks=level_ticks if waiting else 0,
                  is_entry=which == ENTRY_STOPS)
    if waiting:
        order.order_type, order.time_in_force = order_type, time_in_force
    side_fits = Side.BUY <= side <= Side.SELL if waiting else side == which
    sound = (order_id != NIL and order_id not in book.by_id and account > 0 and 0 < level_ticks <= MAX_NOTIONAL
             and 0 <= lots <= MAX_NOTIONAL and 0 < opened <= book.sequence and traded <= MAX_NOTIONAL and side_fits
             and Stp.DECREASE_AND_CANCEL <= stp <= Stp.CANCEL_BOTH and zero == 0 and expire_at_ms >= 0
             and min(hidden, display, limit_ticks, funds) >= 0 and max(hidden, display, limit_ticks, funds) <= MAX_NOTIONAL
             and has_extra == (display > 0 or expire_at_ms > 0 or waiting)
             and (_is_sound_stop(order) if waiting else _is_sound_resting(order, extra)))
    if not sound or not _fits_its_level(book, order):
        raise DamagedSnapshot(OUT_OF_RANGE)
    if not _follows_the_last(book, order):
        raise DamagedSnapshot("its orders are no sound book: not in priority order")
    book.put(order)


def _is_sound_resting(order: Order, extra: tuple) -> bool:
    if order.lots == 0 or any(extra[3:]):
        return False
    return order.lots <= order.display if order.display else order.hidden == 0


def _is_sound_stop(order: Order) -> bool:
    """What a PLACE of it would have had to fulfil."""
    if order.hidden or order.post_only or order.collar_bp > MAX_COLLAR_BP:
        return False
    if order.order_type == OrderType.STOP_MARKET:
        return ((order.lots > 0) != (order.funds > 0) and order.display == 0
                and order.time_in_force <= TimeInForce.FOK)
    if order.order_type != OrderType.STOP_LIMIT or order.funds or order.lots == 0 or order.price_ticks == 0:
        return False
    if order.price_ticks * order.lots > MAX_NOTIONAL:
        return False
    if order.time_in_force == TimeInForce.GTC:
        return order.expire_at_ms == 0 and order.display < order.lots
    if order.time_in_force == TimeInForce.GTT:
        return order.expire_at_ms > 0 and order.display < order.lots
    return order.time_in_force == TimeInForce.IOC and order.display == 0


def _fits_its_level(book: BookState, order: Order) -> bool:
    lots = order.left + book.queues[order.queue].whole(order.level_ticks)
    return (lots if order.waiting else order.level_ticks * lots) <= MAX_NOTIONAL


def _follows_the_last(book: BookState, order: Order) -> bool:
    """Each order is worse than the one before it, or younger at the same price."""
    queues = book.queues[order.queue]
    if not queues.prices:
        return True
    worst = queues.prices[0] if queues.highest_first else queues.prices[-1]
    if order.level_ticks == worst:
        return queues.by_price[worst][-1].opened < order.opened
    return order.level_ticks < worst if queues.highest_first else order.level_ticks > worst
