"""Scenes of auctions, and what all scenes need (tests/core/scenes.py tells what a scene is)."""

from collections.abc import Iterator

from matching_core.records import CommandKind, OrderType, Side, TimeInForce
from tests.core.commands import MAX, Fields

Batches = Iterator[tuple[int, list[Fields]]]


def pieces(stream, commands: list[Fields]) -> Batches:
    """The commands in one batch, in a few, or one by one."""
    largest = stream.random.choice((len(commands), len(commands), 7, 1))
    for first in range(0, len(commands), max(1, largest)):
        yield 0, commands[first:first + max(1, largest)]


def clean(stream, percent: int = 60) -> list[Fields]:
    """Perhaps an empty and open book to begin with."""
    fields = [stream.cancel_all(0), stream.cancel_all(0)] if stream.chance(percent) else []
    return fields + ([stream.reopen()] if stream.book.mode != 0 else [])


def first_trade(stream) -> list[Fields]:
    """A trade at the middle, by accounts that meet nobody else."""
    return [stream.rest(side=Side.SELL, price_ticks=stream.middle, size_lots=1, account=2**63),
            stream.place(side=Side.BUY, order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, size_lots=1,
                         price_ticks=stream.middle, account=2**63 + 1)]


def noise(stream, most: int) -> list[Fields]:
    return [stream.command() for _ in range(stream.random.randint(0, most))]


def any_taker(stream, side: int, lots: int, worst: int, **fields: int) -> Fields:
    """A taker of `lots` by any way that is none of a stop."""
    kind = stream.random.choice(("GTC", "IOC", "FOK", "FOK", "FOK", "size", "funds"))
    if kind in ("GTC", "IOC", "FOK"):
        return stream.place(**{"side": side, "order_type": OrderType.LIMIT, "time_in_force": TimeInForce[kind],
                               "price_ticks": worst, "size_lots": lots, **fields})
    worst = stream.random.choice((0, worst))
    if kind == "size":
        return stream.market(**{"side": side, "size_lots": lots, "price_ticks": worst, **fields})
    return stream.market(**{"side": side, "funds": lots * stream.middle + stream.random.randint(0, 999), "price_ticks": worst,
                            **fields})


def auction(stream) -> Batches:
    """An auction that crosses: icebergs, ends, own orders on both sides, stops, amends, cancels; then it uncrosses."""
    draw = stream.random
    yield 0, [*clean(stream, 20), *noise(stream, 2) * stream.chance(50), stream.of_kind(CommandKind.AUCTION)]
    over, orders = draw.choice((0, 2, 4, 8)), []
    for _ in range(draw.choice((2, 5, 12, 40))):
        side = stream.side()
        price_ticks = stream.middle + (1 if side == Side.BUY else -1) * (over - draw.randint(0, 8))
        order = stream.rest(side=side, price_ticks=max(1, price_ticks), size_lots=stream.lots())
        if stream.chance(35):
            order.display_lots = draw.randint(1, 3)
        if stream.chance(25):
            order.time_in_force, order.expire_at_ms = TimeInForce.GTT, stream.at_ms + draw.choice((20, 60, 1_000))
        orders.append(order)
        what = draw.randrange(20)
        if what < 3:
            orders.append((stream.stop, stream.taker, stream.limit)[what]())
        elif what < 5:
            orders.append(stream.amend(order_id=order.order_id, account=order.account))
    yield from pieces(stream, orders)
    stream.look()
    yield draw.choice((0, 0, 5, 30, 70)), [draw.choice((stream.amend, stream.cancel, stream.tick, stream.limit, stream.stop))()
                                           for _ in range(draw.randint(0, 6))]
    close = [stream.reopen()]
    if stream.chance(20):
        close.insert(0, stream.of_kind(draw.choice((CommandKind.HALT, CommandKind.AUCTION))))
    yield draw.choice((0, 0, 25)), [*noise(stream, 2), *close, *noise(stream, 3)]


def _while_uncrossing(stream, orders: list[Fields]) -> Batches:
    """Opens the crossed book and does this and that until it is uncrossed."""
    draw = stream.random
    yield draw.choice((0, 0, 15)), [stream.reopen(), *noise(stream, 2) * stream.chance(30)]
    for _ in range(draw.randint(1, 6)):
        order = draw.choice(orders)
        doing = draw.choice((
            stream.of_kind(CommandKind.CANCEL, order_id=order.order_id), stream.amend(order_id=order.order_id, account=0),
            stream.limit(), stream.taker(), stream.stop(), stream.tick(), stream.tick(), stream.reopen(),
            stream.cancel_all(order.account), stream.of_kind(CommandKind.HALT), stream.of_kind(CommandKind.AUCTION)))
        after = [stream.limit()] if doing.kind == CommandKind.AUCTION else []
        back = [stream.reopen()] if doing.kind in (CommandKind.HALT, CommandKind.AUCTION) else []
        yield draw.choice((0, 0, 0, 15)), [doing, *after, *back]
    yield 0, [stream.tick()] * draw.randint(0, 4)


def long_uncross(stream) -> Batches:
    """Icebergs cross so deep that the uncross takes longer than one command may."""
    draw = stream.random
    yield 0, [*clean(stream, 60), *first_trade(stream) * stream.chance(70), stream.of_kind(CommandKind.AUCTION)]
    orders = []
    for side in (Side.BUY, Side.SELL):
        for _ in range(draw.randint(2, 4)):
            price_ticks = stream.middle + draw.randint(0, 3) * (1 if side == Side.BUY else -1)
            order = stream.rest(side=side, price_ticks=price_ticks, size_lots=draw.choice((60, 110, 150, 250, 400)),
                                display_lots=draw.choice((1, 1, 2)), account=draw.choice((3, 4, 5, 6)))
            if stream.chance(25):
                order.time_in_force, order.expire_at_ms = TimeInForce.GTT, stream.at_ms + draw.choice((10, 15))
            orders.append(order)
    stops = [stream.stop(stop_price_ticks=stream.middle + draw.randint(-2, 2)) for _ in range(draw.randint(0, 5))]
    yield from pieces(stream, [*orders, *stops])
    yield from _while_uncrossing(stream, orders)


def wide_uncross(stream) -> Batches:
    """More pairs of orders cross than one command may pair, on many prices."""
    draw = stream.random
    yield 0, [*clean(stream, 80), *first_trade(stream) * stream.chance(50), stream.of_kind(CommandKind.AUCTION)]
    orders = [stream.rest(side=side, size_lots=draw.choice((1, 1, 2)), account=draw.randint(10, 40),
                          price_ticks=stream.middle + draw.randint(0, 40) * (1 if side == Side.BUY else -1))
              for _ in range(draw.choice((210, 260))) for side in (Side.BUY, Side.SELL)]
    for order in draw.sample(orders, draw.choice((0, 120))):
        order.time_in_force, order.expire_at_ms = TimeInForce.GTT, stream.at_ms + 10
    yield 0, orders
    yield from _while_uncrossing(stream, orders)


def huge_auction(stream) -> Batches:
    """An auction of levels that are full to the last lot."""
    draw = stream.random
    yield 0, [*clean(stream, 100), stream.of_kind(CommandKind.AUCTION)]
    levels = draw.randint(1, 6)
    sells = [stream.rest(side=Side.SELL, price_ticks=price_ticks, size_lots=MAX // price_ticks - draw.choice((0, 0, 5)))
             for price_ticks in range(1, levels + 1)]
    buys = [stream.rest(side=Side.BUY, price_ticks=price_ticks, size_lots=MAX // price_ticks)
            for price_ticks in range(draw.randint(1, levels), 5 * levels)]
    for order in draw.sample([*sells, *buys], min(3, len(sells) + len(buys))):
        order.display_lots = draw.choice((1, order.size_lots // 2 or 1, order.size_lots // 3 or 1))
    yield from pieces(stream, [*sells, *buys])
    yield 0, [stream.reopen(), *noise(stream, 2)]
    yield 0, [stream.cancel_all(0), stream.cancel_all(0)]
