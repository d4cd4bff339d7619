"""Scenes of orders with an end (tests/core/scenes.py tells what a scene is)."""

from matching_core.records import CommandKind, OrderType, Side, TimeInForce
from tests.core.auctions import Batches, any_taker, clean, first_trade, noise, pieces
from tests.core.commands import POST_ONLY, STOP_ENTRY, other_side


def crowd(stream) -> Batches:
    """More orders end at once than the background takes off: commands meet the others."""
    draw = stream.random
    yield 0, clean(stream)
    yield 0, first_trade(stream)
    orders, at_ms = [], stream.at_ms
    for number in range(draw.choice((49, 51, 60, 90, 120, 150))):
        side = stream.side()
        away = draw.randint(1, 4) + (60 if number < 30 else 0)
        order = stream.rest(side=side, price_ticks=max(1, stream.middle + (away if side == Side.SELL else -away)),
                            size_lots=stream.lots(), time_in_force=TimeInForce.GTT)
        if stream.chance(20):
            order = stream.stop(order_type=OrderType.STOP_MARKET, price_ticks=0)
        if order.order_type == OrderType.STOP_LIMIT and order.time_in_force == TimeInForce.GTC:
            order.time_in_force = TimeInForce.GTT
        order.expire_at_ms = at_ms + draw.choice((1, 2)) if number < 30 else at_ms + draw.choice((2, 3, 3, 3))
        if order.order_type == OrderType.LIMIT and stream.chance(20):
            order.display_lots = draw.randint(1, order.size_lots)
        orders.append(order)
    late = [stream.rest(side=side, price_ticks=max(1, stream.middle + away), size_lots=stream.lots())
            for away in range(-6, 7) if away for side in (Side.BUY if away < 0 else Side.SELL,)]
    draw.shuffle(late)
    everything = [*orders, *late]
    if stream.chance(30):
        draw.shuffle(everything)
    yield 0, everything
    due = [order for order in orders if order.order_type == OrderType.LIMIT and order.expire_at_ms == at_ms + 3][-8:]
    stop = next((order for order in reversed(orders) if order.order_type > OrderType.MARKET), due[0])
    side = stream.side()
    worst = max(1, stream.middle + (7 if side == Side.BUY else -7))
    first, second = draw.sample((
        any_taker(stream, side, stream.lots(4), worst), any_taker(stream, side, stream.lots(8), worst),
        any_taker(stream, side, stream.lots(4), worst, account=due[0].account, stp=draw.randint(1, 4)),
        stream.place(side=side, order_type=OrderType.LIMIT, time_in_force=TimeInForce.FOK, price_ticks=worst, account=99,
                     size_lots=stream.lots(2)),
        stream.amend(order_id=stop.order_id, account=0), stream.of_kind(CommandKind.CANCEL, order_id=stop.order_id),
        stream.rest(side=side, price_ticks=worst, size_lots=stream.lots(), flags=POST_ONLY),
        stream.amend(order_id=due[1].order_id, account=0), stream.of_kind(CommandKind.CANCEL, order_id=due[2].order_id),
        stream.cancel_all(), stream.rest(side=side, price_ticks=worst, size_lots=1, order_id=due[3].order_id),
        *(stream.amend(order_id=draw.choice([order for order in late if order.side == side]).order_id, account=0,
                       price_ticks=worst, size_lots=0, collar_bp=0) for _ in range(2)),
        stream.of_kind(CommandKind.HALT), stream.stop(side=side, stop_price_ticks=stream.middle)), 2)
    wait = draw.choice((3, 4, 300))
    if stream.chance(25):
        yield 0, [stream.of_kind(CommandKind.AUCTION), *(stream.rest(
            side=side, price_ticks=max(1, stream.middle + (8 if side == Side.BUY else -8)), size_lots=stream.lots(3))
            for side in (Side.BUY, Side.SELL))]
        yield wait, [stream.reopen(), *noise(stream, 2)]
    else:
        yield wait, [first, second, *noise(stream, 2)]
    if stream.chance(50):
        yield 0, []
    yield 0, [stream.tick(), stream.reopen()]


def ends_together(stream) -> Batches:
    """Orders that end in the same millisecond, some of them with a new age: refreshed, amended, triggered. The oldest ends
    first."""
    draw = stream.random
    yield 0, clean(stream)
    end, orders = stream.at_ms + 20, first_trade(stream)
    side = stream.side()
    away = 1 if side == Side.SELL else -1
    for number in range(draw.randint(4, 12)):
        order = stream.rest(side=side, price_ticks=max(1, stream.middle + away * (number % 3)), size_lots=draw.randint(2, 9),
                            time_in_force=TimeInForce.GTT, expire_at_ms=end, account=draw.randint(2, 4))
        order.display_lots = draw.choice((0, 1, 1, 2))
        orders.append(order)
    for _ in range(2):
        stop = stream.place(side=side, order_type=OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTT, expire_at_ms=end,
                            account=5, flags=STOP_ENTRY, stop_price_ticks=stream.middle + draw.randint(0, 1), size_lots=2,
                            price_ticks=stream.middle + 3 * away)
        orders.insert(draw.randint(2, len(orders)), stop)
    yield from pieces(stream, orders)
    resting = [order for order in orders if order.expire_at_ms and order.order_type == OrderType.LIMIT]
    changes = [stream.amend(order_id=order.order_id, account=0, size_lots=draw.choice((0, 1, 20)), collar_bp=0,
                            price_ticks=max(1, stream.middle + away * draw.randint(1, 3)))
               for order in draw.sample(resting, 2)]
    changes += [stream.place(side=other_side(side), order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, account=8,
                             price_ticks=stream.middle + 5 * away, size_lots=draw.randint(1, 6)) for _ in range(3)]
    draw.shuffle(changes)
    yield from pieces(stream, changes)
    yield draw.choice((19, 20, 20)), [stream.tick(), *noise(stream, 2)]
    yield 1, [stream.tick()]
