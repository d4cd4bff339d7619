"""Books of every kind of order, one in each mode, built by commands that a test can read."""

from matching_core.records import CommandKind, OrderType, Side, Stp, TimeInForce
from tests.core.commands import POST_ONLY, STOP_ENTRY, Fields

NOW_MS = 1_700_000_000_000
ROOM = 10**8
BUY, SELL = Side.BUY, Side.SELL
GTC, GTT, IOC, FOK = TimeInForce


def order_id(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def limit(name: str, account: int, side: int, lots: int, price_ticks: int, time: int = GTC, **more: int) -> Fields:
    return Fields(**{"order_id": order_id(name), "account": account, "side": side, "size_lots": lots,
                     "price_ticks": price_ticks, "order_type": OrderType.LIMIT, "time_in_force": time,
                     "issued_at_ms": NOW_MS, **more})


def market(name: str, account: int, side: int, lots: int = 0, **more: int) -> Fields:
    return limit(name, account, side, lots, 0, 0, **{"order_type": OrderType.MARKET, **more})


def stop_limit(name: str, account: int, side: int, lots: int, stop: int, price_ticks: int, time: int = GTC, *,
               entry: bool = False, **more: int) -> Fields:
    return limit(name, account, side, lots, price_ticks, time, order_type=OrderType.STOP_LIMIT, stop_price_ticks=stop,
                 flags=STOP_ENTRY * entry, **more)


def stop_market(name: str, account: int, side: int, lots: int, stop: int, *, entry: bool = False, **more: int) -> Fields:
    return limit(name, account, side, lots, more.pop("price_ticks", 0), 0, order_type=OrderType.STOP_MARKET,
                 stop_price_ticks=stop, flags=STOP_ENTRY * entry, **more)


def of_kind(kind: CommandKind, **fields: int) -> Fields:
    return Fields(kind=kind, **{"issued_at_ms": NOW_MS, **fields})


def amend(name: str, **fields: int) -> Fields:
    return of_kind(CommandKind.AMEND, order_id=order_id(name), **fields)


HALT, RESUME, AUCTION, UNCROSS, TICK = (of_kind(kind) for kind in (
    CommandKind.HALT, CommandKind.RESUME, CommandKind.AUCTION, CommandKind.UNCROSS, CommandKind.TICK))


def play(book, *commands: Fields, at_ms: int = NOW_MS, room: int = ROOM) -> bytes:
    return book.apply(at_ms, b"".join(command.pack() for command in commands), room)


# Bids b1 (traded 1 of 5), b2, an iceberg, one with an end; asks likewise; stops of every kind; last trade at 100.
RICH = (
    limit("b1", 2, BUY, 5, 99), limit("b2", 1, BUY, 3, 99, GTT, expire_at_ms=NOW_MS + 5_000, stp=Stp.CANCEL_BOTH),
    limit("b3", 2, BUY, 20, 98, display_lots=4, flags=POST_ONLY), limit("b4", 5, BUY, 9, 97, GTT, expire_at_ms=NOW_MS + 9_000,
                                                                        display_lots=2),
    limit("s1", 3, SELL, 1, 100), limit("s2", 4, SELL, 12, 101, display_lots=5, stp=Stp.CANCEL_OLDEST),
    limit("s3", 3, SELL, 4, 103), limit("s4", 3, SELL, 2, 101),
    limit("t1", 6, SELL, 1, 99, IOC), limit("t2", 6, BUY, 1, 100, IOC), limit("t3", 6, BUY, 6, 101, IOC),
    stop_limit("l1", 2, SELL, 7, 95, 94, GTT, expire_at_ms=NOW_MS + 7_000, display_lots=3, stp=Stp.CANCEL_NEWEST),
    stop_limit("l2", 3, SELL, 7, 95, 95), stop_market("l3", 3, SELL, 4, 90, collar_bp=200, price_ticks=80),
    stop_limit("e1", 2, BUY, 6, 104, 105, IOC, entry=True, expire_at_ms=NOW_MS + 8_000),
    stop_market("e2", 5, BUY, 0, 110, entry=True, funds=1_000),
    stop_market("e3", 5, BUY, 3, 110, entry=True, time_in_force=FOK),
    limit("t4", 6, BUY, 1, 101, IOC),
)
# Two icebergs cross deep, so that an uncross takes several commands; the last price stands between them.
DEEP_CROSS = (
    limit("x1", 7, BUY, 300, 102, display_lots=1), limit("x2", 8, SELL, 300, 100, display_lots=1),
    limit("x3", 7, BUY, 3, 103), limit("x4", 9, SELL, 40, 99, display_lots=39), limit("x5", 9, BUY, 1, 102),
)
BOOKS = {
    "open": RICH,
    "halted": (*RICH, HALT),
    "collecting": (*RICH, AUCTION, *DEEP_CROSS),
    "halted and crossed": (*RICH, AUCTION, *DEEP_CROSS, HALT),
    "uncrossing": (*RICH, AUCTION, *DEEP_CROSS, UNCROSS),
    "first orders": RICH[:2],
    "stops before any trade": (stop_limit("l1", 2, SELL, 7, 95, 94), stop_market("e1", 2, SELL, 7, 95, entry=True)),
}


def book_of(core: type, name: str):
    """The named book, just built."""
    book = core.create(orders=4)
    play(book, *BOOKS[name])
    return book
