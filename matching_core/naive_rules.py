"""Why the naive core refuses a command: the codes in the order of their numbers, the first that applies is reported.

A PLACE or an AMEND that came too late, of a wrong form, for a market that does not take it, at a price outside its band,
too large for 62 bits, or that cannot keep what it promises (post-only, fill or kill). Each function answers a RejectCode, or 0.
Nothing here changes the book. The same rules for the C core are in `src/rules.h`.
"""

from matching_core import MAX_COLLAR_BP, MAX_FILLS, STALE_AFTER_MS
from matching_core.naive_orders import MARKET_TYPES, STOP_TYPES, Order, crosses
from matching_core.naive_state import BookState
from matching_core.records import (
    MAX_NOTIONAL,
    NIL,
    POST_ONLY,
    STOP_ENTRY,
    Command,
    Mode,
    OrderType,
    RejectCode,
    Side,
    Stp,
    TimeInForce,
)

NEVER_REST = (TimeInForce.IOC, TimeInForce.FOK)


def why_place_refused(book: BookState, place: Command, order: Order) -> int:
    """`order` is what the command asks for."""
    if _is_malformed_place(place):
        return RejectCode.MALFORMED
    if book.at_ms - place.issued_at_ms > STALE_AFTER_MS or order.is_due(book.at_ms):
        return RejectCode.EXPIRED
    if order.order_id in book.by_id:
        return RejectCode.DUPLICATE_ORDER_ID
    if book.mode in (Mode.HALTED, Mode.UNCROSSING):
        return RejectCode.MARKET_HALTED
    if book.mode == Mode.AUCTION and not order.waiting and not order.may_rest:
        return RejectCode.MARKET_HALTED
    if order.order_type == OrderType.LIMIT and is_outside_band(book, order.side, order.price_ticks, order.collar_bp):
        return RejectCode.OUTSIDE_BAND
    if _is_too_large(book, order):
        return RejectCode.OVERFLOW
    if order.post_only and _would_cross(book, order.side, order.price_ticks):
        return RejectCode.POST_ONLY_WOULD_CROSS
    if order.must_fill and not is_fillable(book, order):
        return RejectCode.FOK_NOT_FILLABLE
    return 0


def why_amend_refused(book: BookState, amend: Command) -> int:
    """What holds whatever the change; `why_move_refused` goes on for an order that would lose its place."""
    if (amend.order_id == NIL or min(amend.price_ticks, amend.size_lots, amend.issued_at_ms) < 0
            or amend.price_ticks == amend.size_lots == 0 or amend.collar_bp > MAX_COLLAR_BP):
        return RejectCode.MALFORMED
    if book.at_ms - amend.issued_at_ms > STALE_AFTER_MS:
        return RejectCode.EXPIRED
    order = book.by_id.get(amend.order_id)
    if order is None or amend.account not in (0, order.account) or order.is_due(book.at_ms):
        return RejectCode.UNKNOWN_ORDER
    if order.waiting:
        return RejectCode.STOP_WAITING
    if book.mode in (Mode.HALTED, Mode.UNCROSSING):
        return RejectCode.MARKET_HALTED
    return 0


def why_move_refused(book: BookState, amend: Command, order: Order, new_price: int, new_left: int) -> int:
    """For an amended order that would leave its place and go on with another price or more lots."""
    if new_price != order.price_ticks and is_outside_band(book, order.side, new_price, amend.collar_bp):
        return RejectCode.OUTSIDE_BAND
    others = book.queues[order.side].whole(new_price) - (order.left if new_price == order.price_ticks else 0)
    if max(amend.size_lots, amend.price_ticks, new_price * (new_left + others)) > MAX_NOTIONAL:
        return RejectCode.OVERFLOW
    if order.post_only and _would_cross(book, order.side, new_price):
        return RejectCode.POST_ONLY_WOULD_CROSS
    return 0


def is_outside_band(book: BookState, side: int, price_ticks: int, collar_bp: int) -> bool:
    """A buy too far above the last trade's price, a sell too far below it."""
    if collar_bp == 0 or book.last_price_ticks == 0:
        return False
    width = book.last_price_ticks * collar_bp // 10_000
    if side == Side.BUY:
        return price_ticks > book.last_price_ticks + width
    return price_ticks < book.last_price_ticks - width


def level_is_full(book: BookState, side: int, price_ticks: int, lots: int) -> bool:
    """Price x everything on the level where an order comes to rest must fit 62 bits too."""
    return price_ticks * (lots + book.queues[side].whole(price_ticks)) > MAX_NOTIONAL


def is_fillable(book: BookState, taker: Order) -> bool:
    """Whether the book would trade the whole size now. Own orders do not count; in the way they stop the taker, unless its stp
    takes the oldest away. Of each level the visible lots trade first, then the hidden ones, a touch for each part shown."""
    wanted, touched = taker.lots, 0
    makers = book.opposite(taker.side)
    for price_ticks in makers.best_first():
        if not crosses(taker.side, taker.price_ticks, price_ticks):
            return False
        hidden, parts = 0, 0
        for maker in makers.by_price[price_ticks]:
            if touched == MAX_FILLS:
                return False
            touched += 1
            if maker.is_due(book.at_ms):
                continue
            if maker.account == taker.account:
                if taker.stp != Stp.CANCEL_OLDEST:
                    return False
                continue
            if maker.lots >= wanted:
                return True
            wanted -= maker.lots
            if maker.hidden:
                hidden += maker.hidden
                parts += -(-maker.hidden // maker.display)  # rounded up
        if hidden:
            touched += parts
            if touched > MAX_FILLS:
                return False
            if hidden >= wanted:
                return True
            wanted -= hidden
    return False


def _would_cross(book: BookState, side: int, price_ticks: int) -> bool:
    best = book.opposite(side).best()
    return best is not None and crosses(side, price_ticks, best)


def _is_too_large(book: BookState, order: Order) -> bool:
    """Every number and price x size must fit 62 bits; so must the level where the order comes to rest or wait."""
    largest = max(order.price_ticks, order.lots, order.funds, order.stop_price_ticks, order.price_ticks * order.lots)
    if largest > MAX_NOTIONAL:
        return True
    if order.waiting:
        return order.lots + book.queues[order.queue].whole(order.stop_price_ticks) > MAX_NOTIONAL
    return order.may_rest and level_is_full(book, order.side, order.price_ticks, order.lots)


def _is_malformed_place(place: Command) -> bool:
    """An enum out of range, a number that must be positive and is not, fields that contradict each other."""
    market, stop = place.order_type in MARKET_TYPES, place.order_type in STOP_TYPES
    post_only, entry = bool(place.flags & POST_ONLY), bool(place.flags & STOP_ENTRY)
    if (not Side.BUY <= place.side <= Side.SELL or not OrderType.LIMIT <= place.order_type <= OrderType.STOP_MARKET
            or not (0 if market else TimeInForce.GTC) <= place.time_in_force <= TimeInForce.FOK  # a market order has none
            or place.stp > Stp.CANCEL_BOTH or place.flags > POST_ONLY | STOP_ENTRY or place.collar_bp > MAX_COLLAR_BP):
        return True
    if place.order_id == NIL or place.account == 0:
        return True
    if min(place.price_ticks, place.size_lots, place.funds, place.stop_price_ticks, place.display_lots,
           place.expire_at_ms, place.issued_at_ms) < 0:
        return True
    if stop and (place.stop_price_ticks == 0 or post_only):
        return True
    if not stop and (place.stop_price_ticks > 0 or entry):
        return True
    if market:
        return (place.size_lots == 0) == (place.funds == 0) or post_only or place.display_lots > 0
    if place.price_ticks == 0 or place.size_lots == 0 or place.funds > 0:
        return True
    if place.time_in_force in NEVER_REST and (post_only or place.display_lots > 0):
        return True
    if place.time_in_force == TimeInForce.FOK and stop:
        return True
    return ((place.time_in_force == TimeInForce.GTT and place.expire_at_ms == 0)
            or (place.time_in_force == TimeInForce.GTC and place.expire_at_ms > 0))
