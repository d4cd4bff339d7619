"""Scenes that noise would hardly come to: some batches in a row that build a rare state and then act in it.

A scene takes the stream and yields (milliseconds to wait before the batch, its commands). Between two batches it may look
at the book. Everything is drawn from the stream's random numbers.
"""

from collections.abc import Callable

from matching_core.records import CommandKind, OrderType, Side, TimeInForce
from tests.core.auctions import (
    Batches,
    any_taker,
    auction,
    clean,
    first_trade,
    huge_auction,
    long_uncross,
    noise,
    pieces,
    wide_uncross,
)
from tests.core.commands import MAX, POST_ONLY, STOP_ENTRY, other_side
from tests.core.endings import crowd, ends_together

MAX_FILLS, MAX_BACKGROUND = 400, 50


def wall(stream) -> Batches:
    """About MAX_FILLS makers of one lot, some of them own, due or icebergs; then takers about as large as that."""
    draw = stream.random
    yield 0, clean(stream)
    side, count = stream.side(), MAX_FILLS + draw.choice((-2, -1, 0, 0, 1, 2, 9))
    away = 1 if side == Side.SELL else -1
    levels, odd, taker_account = draw.choice((1, 40, 400, 400)), draw.choice((0, 0, 1, 3)), 7
    many = stream.chance(40)  # all of one account, for a CANCEL_ALL that does not take them all
    makers = [stream.rest(side=side, price_ticks=stream.middle + away * (number % levels), size_lots=1,
                          account=3 if many else draw.randint(10, 20)) for number in range(count)]
    for maker in draw.sample(makers, odd):
        what = draw.randrange(3)
        if what == 0:
            maker.account = taker_account
        elif what == 1:
            maker.time_in_force, maker.expire_at_ms = TimeInForce.GTT, stream.at_ms + 10
        else:
            maker.size_lots, maker.display_lots = draw.choice((2, 3, 9)), 1
    yield 0, makers
    due = sum(maker.expire_at_ms > 0 for maker in makers)
    if due:  # so many others are due before them that the taker meets them itself
        yield 0, [stream.rest(side=side, price_ticks=stream.middle + 500 * away, size_lots=1, account=9,
                              time_in_force=TimeInForce.GTT, expire_at_ms=stream.at_ms + 5) for _ in range(MAX_BACKGROUND)]
    size = count + draw.choice((-5, -2, -1, 0, 0, 1, 20))
    worst = max(1, stream.middle + 450 * away)
    taker = any_taker(stream, other_side(side), size, worst, account=taker_account,
                      stp=draw.choice((0, 2, 2, 3, 4)))
    fok = dict(side=other_side(side), order_type=OrderType.LIMIT, time_in_force=TimeInForce.FOK, price_ticks=worst, account=6)
    if stream.chance(50):
        taker = stream.place(**fok, size_lots=MAX_FILLS)
        yield 0, [stream.place(**fok, size_lots=MAX_FILLS + 1)]
    if stream.chance(30):  # by way of an amend
        taker = stream.rest(side=other_side(side), price_ticks=max(1, stream.middle - away), size_lots=size, stp=2,
                            account=taker_account)
        yield 0, [taker, stream.amend(order_id=taker.order_id, account=0, price_ticks=worst, size_lots=0, collar_bp=0)]
    elif stream.chance(20):  # by way of a stop
        yield 0, [*first_trade(stream), stream.place(
            side=other_side(side), order_type=OrderType.STOP_MARKET, flags=STOP_ENTRY, stop_price_ticks=1, size_lots=size)]
    else:
        yield (11 if due else 0), [taker]
    yield 0, [stream.cancel_all(draw.choice((0, 3, 3))), *noise(stream, 3)]


def own_crowd(stream) -> Batches:
    """More than MAX_FILLS orders of one account on both sides and waiting, then CANCEL_ALL."""
    draw = stream.random
    yield 0, clean(stream, 30)
    crowd = []
    for number in range(MAX_FILLS + draw.choice((-1, 0, 1, 30))):
        side, away = stream.side(), draw.randint(1, 60)
        if number % 10 == 0:
            crowd.append(stream.stop(account=3))
        else:
            price_ticks = max(1, stream.middle + (away if side == Side.SELL else -away))
            crowd.append(stream.rest(side=side, price_ticks=price_ticks, account=3, size_lots=stream.lots()))
    yield 0, crowd
    yield 0, [stream.of_kind(draw.choice((CommandKind.HALT, CommandKind.AUCTION, CommandKind.TICK))),
              stream.cancel_all(draw.choice((3, 0)))]
    yield 0, [stream.cancel_all(3), stream.cancel_all(3), stream.reopen(), *noise(stream, 4)]


def icebergs(stream) -> Batches:
    """Few orders that show little of much: one taker meets each of them many times."""
    draw = stream.random
    yield 0, clean(stream)
    side, levels, away = stream.side(), draw.choice((1, 1, 2, 3)), 0
    step = 1 if side == Side.SELL else -1
    bergs, total = [], 0
    for number in range(draw.randint(1, 5)):
        lots = draw.choice((3, 40, 130, 200, MAX_FILLS, MAX_FILLS + 1, 1 + draw.choice((2**32, 2**32 + 9, 2**31, 2**40))
                            if stream.chance(40) else 30))
        away = number % levels
        berg = stream.rest(side=side, price_ticks=stream.middle + step * away, size_lots=lots,
                           display_lots=draw.choice((1, 1, 1, 2, 7)), account=draw.choice((3, 4, 5, 7)))
        if stream.chance(25):
            berg.time_in_force, berg.expire_at_ms = TimeInForce.GTT, stream.at_ms + 10
        total += lots
        bergs.append(berg)
    for _ in range(draw.randint(0, 3)):
        bergs.append(stream.rest(side=side, price_ticks=stream.middle, size_lots=stream.lots(), account=draw.choice((3, 7))))
    draw.shuffle(bergs)
    yield from pieces(stream, bergs)
    wait = 0
    if stream.chance(25):
        yield 0, [stream.rest(side=side, price_ticks=stream.middle + 300 * step, size_lots=1, account=9,
                              time_in_force=TimeInForce.GTT, expire_at_ms=stream.at_ms + 5) for _ in range(MAX_BACKGROUND)]
        wait = 11
    sizes = (total, total - 1, total + 1, MAX_FILLS, MAX_FILLS - 1, MAX_FILLS + 1, draw.randint(1, total), total // 2 + 1)
    for _ in range(draw.randint(1, 4)):
        taker = any_taker(stream, other_side(side), max(1, draw.choice(sizes)), stream.middle + 50 * step,
                          account=draw.choice((6, 6, 6, 7)), stp=draw.randint(0, 4))
        yield from pieces(stream, [taker, *noise(stream, 2)])
        if wait:
            yield wait, [any_taker(stream, other_side(side), draw.choice(sizes), stream.middle + 50 * step, account=6)]
            wait = 0


def cascade(stream, depth: int = 0) -> Batches:
    """Levels on both sides, stops close to each other beside the touch, and the trade that begins it."""
    draw = stream.random
    yield 0, clean(stream)
    depth = depth or draw.randint(4, 40)
    makers = first_trade(stream)
    for _ in range(depth + draw.randint(0, depth)):
        side = stream.side()
        away = draw.randint(1, depth) * (1 if side == Side.SELL else -1)
        makers.append(stream.options(stream.rest(side=side, price_ticks=max(1, stream.middle + away),
                                                 size_lots=draw.randint(1, 4))))
    yield from pieces(stream, makers)
    count = draw.choice((2, 4, 10, 30, 60, 80))
    one_price = draw.choice((0, 0, 0, 1 + draw.randrange(depth)))
    domino, stops = draw.choice((0, 0, Side.BUY, Side.SELL)), []
    for number in range(count):
        entry, away = stream.chance(50), one_price or draw.randint(1, max(1, depth // 2))
        if domino:
            entry, away = domino == Side.BUY, 1 + number % depth
        side = draw.choice((Side.BUY, Side.BUY, Side.BUY, Side.SELL)) if entry else draw.choice((Side.SELL,) * 3 + (Side.BUY,))
        stop = stream.stop(side=side, stop_price_ticks=max(1, stream.middle + (away if entry else -away)),
                           size_lots=draw.choice((1, 2, 3, 5, 80)) if depth > 50 else draw.randint(1, 5))
        stop.flags = STOP_ENTRY if entry else 0
        stops.append(stop)
    yield from pieces(stream, stops)
    side = domino or stream.side()
    shock = any_taker(stream, side, draw.randint(1, depth), max(1, stream.middle + (depth if side == Side.BUY else -depth)))
    after = [stream.tick() for _ in range(draw.randint(0, 3))] + noise(stream, 3)
    yield from pieces(stream, [shock, *after])


def tall_cascade(stream) -> Batches:
    """A cascade through a hundred levels: single triggers that touch more than the background may."""
    yield from cascade(stream, 100)


def dominoes(stream) -> Batches:
    """One small order on each price, one stop for each: every trigger's trade meets the next stop."""
    draw = stream.random
    yield 0, clean(stream)
    side, length = stream.side(), draw.choice((4, 12, 30, 60))
    step = -1 if side == Side.SELL else 1
    makers, stops = first_trade(stream), []
    for number in range(1, length + 1):
        price_ticks = max(1, stream.middle + step * number)
        maker = stream.rest(side=other_side(side), price_ticks=price_ticks, size_lots=1, account=draw.choice((8, 8, 8, 9)))
        if stream.chance(8):
            maker.size_lots, maker.display_lots = draw.randint(2, 4), 1
        stop = stream.place(side=side, order_type=OrderType.STOP_MARKET, stop_price_ticks=price_ticks, size_lots=1,
                            flags=STOP_ENTRY if side == Side.BUY else 0, account=draw.choice((7, 7, 7, 9)))
        if stream.chance(20):
            stop.order_type, stop.time_in_force = OrderType.STOP_LIMIT, draw.choice((TimeInForce.GTC, TimeInForce.IOC))
            stop.price_ticks = max(1, price_ticks + 5 * step)
        elif stream.chance(20):
            stop.size_lots, stop.funds = 0, price_ticks + length
        makers.append(maker)
        stops.append(stop)
    draw.shuffle(stops)
    yield from pieces(stream, [*makers, *stops])
    yield from pieces(stream, [stream.market(side=side, size_lots=1, account=77), *noise(stream, 2)])
    yield 0, [stream.tick()] * draw.randint(0, 2)


def backlog(stream) -> Batches:
    """More stops are met than one command's background triggers; then the market is halted, and opened again."""
    draw = stream.random
    yield 0, clean(stream)
    yield 0, first_trade(stream)
    stops = []
    for _ in range(draw.choice((55, 80, 120))):
        stop = stream.stop(stop_price_ticks=stream.middle - draw.choice((5, 5, 6)))
        stop.flags = 0
        stops.append(stop)
    yield 0, [*stops, *(stream.rest(side=side, price_ticks=max(1, stream.middle + away), size_lots=stream.lots())
                        for away in range(-9, 10) if away for side in (Side.BUY if away < 0 else Side.SELL,))]
    ending = [stream.rest(side=Side.BUY, price_ticks=max(1, stream.middle - 300), size_lots=1, time_in_force=TimeInForce.GTT,
                          expire_at_ms=stream.at_ms + 45) for _ in range(draw.choice((5, 20, 35)))]
    yield 0, ending
    shock = stream.market(side=Side.SELL, size_lots=8 * stream.profile.largest_lots)
    close = stream.of_kind(draw.choice((CommandKind.HALT, CommandKind.AUCTION, CommandKind.TICK)))
    late = [stream.stop(), *noise(stream, 2), stream.cancel_all() if stream.chance(20) else stream.tick()]
    yield from pieces(stream, [shock, close, *late])
    yield draw.choice((0, 45, 45)), [stream.reopen(), *noise(stream, 2)]
    yield 0, [stream.tick(), stream.tick()]


def full_level(stream) -> Batches:
    """A level that is full or nearly so: OVERFLOW, LEVEL_FULL, and what still fits to the last lot."""
    draw = stream.random
    yield 0, [*clean(stream, 70), *first_trade(stream)]
    side = stream.side()
    price_ticks = draw.choice((1, 2, 999, stream.middle, stream.middle, 2**31, 2**61, MAX))
    room = MAX // price_ticks
    lots, free = room, draw.choice((0, 1, 5))
    full = stream.rest(side=side, price_ticks=price_ticks, size_lots=max(1, lots - free), account=3)
    if stream.chance(50) and full.size_lots > 1:
        full.display_lots = draw.choice((1, full.size_lots // 2, full.size_lots // 3 or 1, full.size_lots - 1))
    small = stream.rest(side=side, price_ticks=max(1, price_ticks - 1 if side == Side.BUY else min(MAX, price_ticks + 1)),
                        size_lots=1 + free, account=4)
    triggered = dict(side=side, order_type=OrderType.STOP_LIMIT, flags=STOP_ENTRY, stop_price_ticks=1, price_ticks=price_ticks)
    more = (
        stream.rest(side=side, price_ticks=price_ticks, size_lots=max(1, free)),
        stream.rest(side=side, price_ticks=price_ticks, size_lots=free + 1),
        stream.place(side=side, order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, price_ticks=price_ticks,
                     size_lots=free + 1),
        stream.place(**triggered, time_in_force=TimeInForce.GTC, size_lots=free + 1),
        stream.place(**triggered, time_in_force=TimeInForce.GTC, size_lots=max(1, free)),
        stream.place(**triggered, time_in_force=TimeInForce.IOC, size_lots=free + 1),
        stream.place(**triggered, time_in_force=TimeInForce.GTT, size_lots=room, expire_at_ms=stream.at_ms + 50),
        stream.amend(order_id=full.order_id, account=3, price_ticks=0, size_lots=room, collar_bp=0),
        stream.amend(order_id=full.order_id, account=3, price_ticks=0, size_lots=min(MAX, room + 1), collar_bp=0),
        stream.amend(order_id=small.order_id, account=4, price_ticks=price_ticks, size_lots=0, collar_bp=0),
        stream.amend(order_id=small.order_id, account=4, price_ticks=price_ticks, size_lots=MAX, collar_bp=0),
        any_taker(stream, other_side(side), stream.lots(), 1 if side == Side.BUY else MAX // 999),
        stream.market(side=other_side(side), funds=MAX - draw.randrange(2)),
        stream.market(side=other_side(side), size_lots=MAX - draw.randrange(2)),
        stream.stop(side=other_side(side), stop_price_ticks=stream.middle, size_lots=room),
        *(stream.place(side=stream.side(), order_type=OrderType.STOP_MARKET, stop_price_ticks=7, size_lots=lots)
          for lots in (MAX - 1, MAX, 1, 2)),
    )
    yield from pieces(stream, [full, small, *draw.sample(more, draw.randint(2, 9))])
    if stream.chance(30):
        against = stream.rest(side=other_side(side), price_ticks=price_ticks, size_lots=room)
        yield 0, [stream.of_kind(CommandKind.AUCTION), against, stream.reopen()]
    yield 60, [stream.cancel_all(0)]


def bands(stream) -> Batches:
    """Orders at the very edge of a band, and market orders whose collar ends between two levels."""
    draw = stream.random
    yield 0, [*clean(stream, 60), *first_trade(stream)]
    last, basis = stream.middle, draw.choice((1, 9, 10, 11, 50, 99, 10_000))
    if stream.chance(25):  # where a collar is as large as numbers may be
        last = draw.choice((1, 2, 2**50 + 7, 2**61, 2**61 + 1, MAX // 2, MAX // 2 + 1, MAX - 1, MAX))
        yield 0, [stream.rest(side=side, price_ticks=last, size_lots=1, account=90 + side) for side in (Side.SELL, Side.BUY)]
    collar = last * basis // 10_000
    edges = [stream.rest(side=side, price_ticks=max(1, last + sign * (collar + beyond)), size_lots=max(1, min(
        stream.lots(), MAX // last)),
                         collar_bp=basis) for side, sign in ((Side.BUY, 1), (Side.SELL, -1)) for beyond in (-1, 0, 1)]
    ladder = [stream.rest(side=side, price_ticks=max(1, last + away), account=9,
                          size_lots=draw.randint(1, 3) if last < 2**60 else 1)
              for away in range(-8, 9) if away for side in (Side.BUY if away < 0 else Side.SELL,)]
    draw.shuffle(edges)
    yield from pieces(stream, [*edges[:3], *ladder, *edges[3:]])
    stream.look()
    amends = [stream.amend(price_ticks=max(1, last + sign * (collar + draw.randint(-1, 1))), collar_bp=basis)
              for sign in (-1, 1, 1)]
    takers = []
    for _ in range(4):
        side = stream.side()
        worst = draw.choice((0, 0, 1, max(1, last + draw.randint(-5, 5)), 2 * last))
        size = dict(size_lots=stream.lots(3)) if stream.chance(50) else dict(funds=stream.lots(3) * last)
        takers.append(stream.market(side=side, collar_bp=draw.choice((basis, 1, 20, 50, 10_000)), price_ticks=worst, **size))
        takers.append(stream.place(side=side, order_type=OrderType.STOP_MARKET, flags=draw.choice((0, STOP_ENTRY)),
                                   price_ticks=worst, stop_price_ticks=last + draw.randint(-2, 2),
                                   collar_bp=draw.choice((20, 50)), **size))
    yield from pieces(stream, [*amends, *takers])


def amends(stream) -> Batches:
    """One order, partly traded, then amended to about what it traded and what it has left, and to other prices."""
    draw = stream.random
    yield 0, clean(stream)
    side, lots = stream.side(), draw.randint(2, 12)
    away = 1 if side == Side.SELL else -1
    order = stream.rest(side=side, price_ticks=stream.middle, size_lots=lots, account=3, stp=draw.randint(0, 4))
    if stream.chance(60):
        order.display_lots = draw.randint(1, lots)
    if stream.chance(25):
        order.flags = POST_ONLY
    if stream.chance(25):
        order.time_in_force, order.expire_at_ms = TimeInForce.GTT, stream.at_ms + 30
    others = [stream.rest(side=side, price_ticks=stream.middle, size_lots=stream.lots(), account=4) for _ in range(2)]
    against = [stream.rest(side=other_side(side), price_ticks=max(1, stream.middle - away * distance), size_lots=stream.lots(),
                           account=draw.choice((3, 5, 6))) for distance in (1, 1, 2, 3, 4)]
    for maker in against[1:3]:
        maker.display_lots = draw.choice((0, 1, 2))
    traded = draw.choice((0, 0, 1, lots - 1, draw.randint(1, lots)))
    taking = [stream.place(side=other_side(side), order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, account=7,
                           price_ticks=stream.middle, size_lots=traded)] if traded else []
    yield 0, [order, *others, *against, *taking]
    for _ in range(draw.randint(1, 4)):
        size = draw.choice((0, 0, 1, traded - 1, traded, traded + 1, lots - 1, lots, lots, lots + 1, 3 * lots, 90))
        price_ticks = draw.choice((0, 0, stream.middle, stream.middle - away, stream.middle - 4 * away, stream.middle + away,
                                   max(1, stream.middle - 10 * away)))
        amend = stream.amend(order_id=order.order_id, account=draw.choice((3, 3, 3, 0, 4)), price_ticks=max(0, price_ticks),
                             size_lots=max(0, size), collar_bp=draw.choice((0, 0, 0, 5, 100)))
        if stream.chance(5):
            amend.issued_at_ms -= 240_001
        yield draw.choice((0, 0, 0, 0, 31)), [amend, *noise(stream, 2)]


SCENES: dict[str, Callable[..., Batches]] = {scene.__name__: scene for scene in (
    wall, own_crowd, icebergs, cascade, tall_cascade, dominoes, backlog, crowd, auction, long_uncross, wide_uncross,
    huge_auction, full_level, ends_together, bands, amends)}
