"""Why a command must be refused, worked out once more from the rules, on the book of the follower.

`why_refused` answers the code that the core must report, 0 when it must not refuse, and in words which part of the rule.
"""

from matching_core.records import CommandKind, OrderType, RejectCode, Stp, TimeInForce
from tests.core.commands import MAX, STOP_ENTRY, Fields, malformed, other_side
from tests.core.known import AUCTION, HALTED, MAX_FILLS, MODES, UNCROSSING, Known

STALE_AFTER_MS = 240_000


def why_refused(book, command: Fields) -> tuple[int, str]:
    broken = malformed(command)
    if broken:
        return RejectCode.MALFORMED, broken[0] if len(broken) == 1 else "many rules"
    if command.kind == CommandKind.PLACE:
        return _place(book, command)
    if command.kind == CommandKind.AMEND:
        return _amend(book, command)
    if command.kind == CommandKind.CANCEL:
        order = book.orders.get(command.order_id)
        if order is None:
            return RejectCode.UNKNOWN_ORDER, "no such order"
        if command.account not in (0, order.account):
            return RejectCode.UNKNOWN_ORDER, "another account's"
    return 0, "nothing"


def _place(book, place: Fields) -> tuple[int, str]:
    limit = place.order_type == OrderType.LIMIT
    never_rests = place.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if book.at_ms - place.issued_at_ms > STALE_AFTER_MS:
        return RejectCode.EXPIRED, "stale"
    if 0 < place.expire_at_ms <= book.at_ms:
        return RejectCode.EXPIRED, "its end is past"
    known = book.orders.get(place.order_id)
    if known is not None:
        return RejectCode.DUPLICATE_ORDER_ID, "of a due order" if book.due(known) else "of a stop" if known.waits else "rests"
    if book.mode in (HALTED, UNCROSSING):
        return RejectCode.MARKET_HALTED, MODES[book.mode]
    if book.mode == AUCTION and (place.order_type == OrderType.MARKET or (limit and never_rests)):
        return RejectCode.MARKET_HALTED, "AUCTION"
    if limit and _outside_band(book, place.side, place.price_ticks, place.collar_bp):
        return RejectCode.OUTSIDE_BAND, f"side {place.side}"
    large = _too_large(book, place, limit and not never_rests)
    if large:
        return RejectCode.OVERFLOW, large
    order = Known.of(place)
    if order.post_only:
        crossed = _post_only_crosses(book, order)
        if crossed:
            return RejectCode.POST_ONLY_WOULD_CROSS, crossed
    if limit and place.time_in_force == TimeInForce.FOK:
        fills, seen = fillable(book, order)
        for name in seen if fills else ():
            book.note(f"FOK fills: {name}")
        if not fills:
            return RejectCode.FOK_NOT_FILLABLE, seen[-1]
    return 0, "nothing"


def _amend(book, amend: Fields) -> tuple[int, str]:
    if book.at_ms - amend.issued_at_ms > STALE_AFTER_MS:
        return RejectCode.EXPIRED, "stale"
    order = book.orders.get(amend.order_id)
    if order is None:
        return RejectCode.UNKNOWN_ORDER, "no such order"
    if amend.account not in (0, order.account):
        return RejectCode.UNKNOWN_ORDER, "another account's"
    if book.due(order):
        return RejectCode.UNKNOWN_ORDER, "a due stop" if order.waits else "due"
    if order.waits:
        return RejectCode.STOP_WAITING, "waits"
    if book.mode in (HALTED, UNCROSSING):
        return RejectCode.MARKET_HALTED, MODES[book.mode]
    price_ticks = amend.price_ticks or order.price_ticks
    left = amend.size_lots - order.traded if amend.size_lots else order.left
    if left <= 0 or (price_ticks == order.price_ticks and left <= order.left):
        return 0, "nothing"
    if price_ticks != order.price_ticks and _outside_band(book, order.side, price_ticks, amend.collar_bp):
        return RejectCode.OUTSIDE_BAND, f"side {order.side}"
    if amend.size_lots > MAX:
        return RejectCode.OVERFLOW, "size"
    if amend.price_ticks > MAX:
        return RejectCode.OVERFLOW, "price"
    others = book.on_level(order.side, price_ticks) - (order.left if price_ticks == order.price_ticks else 0)
    if price_ticks * (left + others) > MAX:
        return RejectCode.OVERFLOW, "level" if price_ticks * left <= MAX else "price x size"
    if order.post_only:
        first = book.first(other_side(order.side))
        if first is not None and _trades(order.side, price_ticks, first.price_ticks):
            return RejectCode.POST_ONLY_WOULD_CROSS, "an own order" if first.account == order.account else "another's order"
    return 0, "nothing"


def _trades(side: int, limit: int, price_ticks: int) -> bool:
    return price_ticks <= limit if side == 1 else price_ticks >= limit


def _outside_band(book, side: int, price_ticks: int, collar_bp: int) -> bool:
    if collar_bp == 0 or book.last == 0:
        return False
    band = book.last * collar_bp // 10_000
    return price_ticks > book.last + band if side == 1 else price_ticks < book.last - band


def _too_large(book, place: Fields, may_rest: bool) -> str:
    for name in ("size_lots", "funds", "price_ticks", "stop_price_ticks"):
        if getattr(place, name) > MAX:
            return name
    if place.price_ticks * place.size_lots > MAX:
        return "price x size"
    if place.stop_price_ticks:
        there = sum(stop.lots for stop in book.waiting.values()
                    if stop.entry == bool(place.flags & STOP_ENTRY) and stop.stop_price_ticks == place.stop_price_ticks)
        return "stops at one price" if place.size_lots + there > MAX else ""
    queue = book.queues[place.side].get(place.price_ticks, {}).values()
    visible = sum(order.lots for order in queue)
    if may_rest and place.price_ticks * (place.size_lots + visible) > MAX:
        return "level"
    if may_rest and place.price_ticks * (place.size_lots + book.on_level(place.side, place.price_ticks)) > MAX:
        return "level with hidden lots"
    return ""


def _post_only_crosses(book, order: Known) -> str:
    first = book.first(other_side(order.side))
    if first is None or not order.crosses(first.price_ticks):
        return ""
    if book.mode == AUCTION:
        return "in AUCTION"
    return "an own order" if first.account == order.account else "a due order" if book.due(first) else "another's order"


def fillable(book, taker: Known) -> tuple[bool, list[str]]:
    """Whether a FOK fills, and what its walk came by."""
    wanted, touched, seen = taker.lots, 0, []
    for price_ticks, makers in book.walk(other_side(taker.side)):
        if not taker.crosses(price_ticks):
            break
        hidden = slices = 0
        for maker in makers:
            if touched == MAX_FILLS:
                return False, [*seen, "too many makers"]
            touched += 1
            if book.due(maker):
                seen.append("a due maker")
            elif maker.account == taker.account:
                if taker.stp != Stp.CANCEL_OLDEST:
                    return False, [*seen, "own order in the way"]
                seen.append("own order with co")
            elif maker.lots >= wanted:
                return True, [*seen, "at exactly MAX_FILLS"] if touched == MAX_FILLS else seen
            else:
                wanted -= maker.lots
                hidden += maker.hidden
                slices += -(-maker.hidden // maker.display) if maker.display else 0
        if hidden:
            touched += slices
            if touched > MAX_FILLS:
                return False, [*seen, "too many slices"]
            if hidden >= wanted:
                return True, [*seen, "by hidden lots"]
            wanted -= hidden
            seen.append("beyond a level with hidden lots")
    return False, [*seen, "too few lots"]
