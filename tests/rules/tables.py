"""The language of the rule tables: one command per line, what comes of it behind the bar.

    s1 alice sells 5 at 100           | s1 opened 5
    b1 bob buys 8 at 101 ioc          | b1 traded 5 at 100 with s1, s1 filled, b1 ioc-remainder 3
    b2 bob buys 3 at market           | b2 no-liquidity 3
    cancel s1 by bob                  | rejected unknown-order

A place: id, account, buys|sells, lots (`funds N` for an order by funds), `at` a price, `market`, or `market 105` (worst
price), then any of ioc fok gtt post-only dc co cn cb stale. Others: cancel ID [by ACCOUNT] [stale], halt, resume, tick.
ACCEPTED is left out of the text: it is asserted before everything else of a place that is not rejected. LEVEL events are
asserted by test_level_changes.py. A line that begins with a bar goes on with what comes of the
command above. Every line is a batch of its own; the clock stands at NOW_MS.
"""

import re

from matching_core.records import (
    COMMAND,
    EVENT,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    NIL,
    POST_ONLY,
    CommandKind,
    DoneReason,
    EventKind,
    OrderType,
    RejectCode,
    Side,
    Stp,
    TimeInForce,
)

NOW_MS = 1_700_000_000_000
ROOM = 10**6
ACCOUNTS = {"alice": 1, "bob": 2, "carol": 3, "dave": 4}
STPS = {"dc": Stp.DECREASE_AND_CANCEL, "co": Stp.CANCEL_OLDEST, "cn": Stp.CANCEL_NEWEST, "cb": Stp.CANCEL_BOTH}
TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "gtt": TimeInForce.GTT, "gtc": TimeInForce.GTC}


def play(book, table: str) -> None:
    """Runs the table's commands one by one and asserts what each line says comes of it."""
    for line in filter(None, map(str.strip, re.sub(r"\n\s*\|", ",", table).splitlines())):
        command, _, expected = (part.strip() for part in line.partition("|"))
        expected = re.sub(r"\s*,\s*", ", ", expected)
        events = book.apply(NOW_MS, parse(command), ROOM)
        assert ", ".join(told(events)) == expected, line


def show(book) -> tuple[str, str]:
    """The book's orders, bids then asks, first in priority first: `b1 3@99, b2 1@98`."""
    return tuple(", ".join(f"{name_of(order_id)} {lots}@{price_ticks}"
                           for order_id, _, price_ticks, lots in book.orders(side)) for side in (Side.BUY, Side.SELL))


def order_id(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def name_of(order_id: bytes) -> str:
    return order_id.rstrip(b"\0").decode()


def parse(text: str) -> bytes:
    """The record of a command in the tables' language."""
    words = text.split()
    issued_at_ms = NOW_MS - 240_001 if "stale" in words else NOW_MS
    words = [word for word in words if word != "stale"]
    if words[0] in ("halt", "resume", "tick"):
        return pack(kind=CommandKind[words[0].upper()], issued_at_ms=issued_at_ms)
    if words[0] == "cancel":
        account = ACCOUNTS[words[3]] if len(words) > 2 else 0
        return pack(kind=CommandKind.CANCEL, order_id=order_id(words[1]), account=account, issued_at_ms=issued_at_ms)
    name, account, verb, *rest = words
    fields = dict(order_id=order_id(name), account=ACCOUNTS[account], side={"buys": Side.BUY, "sells": Side.SELL}[verb],
                  order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, issued_at_ms=issued_at_ms)
    while rest:
        word = rest.pop(0)
        if word == "funds":
            fields["funds"] = int(rest.pop(0))
        elif word == "market":
            fields["order_type"] = OrderType.MARKET
            if rest and rest[0].isdigit():
                fields["price_ticks"] = int(rest.pop(0))
        elif word == "at":
            if rest[0] != "market":
                fields["price_ticks"] = int(rest.pop(0))
        elif word == "post-only":
            fields["flags"] = POST_ONLY
        elif word in STPS:
            fields["stp"] = STPS[word]
        elif word in TIMES:
            fields["time_in_force"] = TIMES[word]
        else:
            fields["size_lots"] = int(word)
    return pack(**fields)


def pack(*, kind: int = CommandKind.PLACE, side: int = 0, order_type: int = 0, time_in_force: int = 0, stp: int = 0,
         flags: int = 0, reserved: int = 0, order_id: bytes = NIL, account: int = 0, price_ticks: int = 0,
         size_lots: int = 0, funds: int = 0, stop_price_ticks: int = 0, display_lots: int = 0, expire_at_ms: int = 0,
         issued_at_ms: int = NOW_MS) -> bytes:
    return COMMAND.pack(kind, side, order_type, time_in_force, stp, flags, reserved, order_id, account, price_ticks,
                        size_lots, funds, stop_price_ticks, display_lots, expire_at_ms, issued_at_ms, 0, 0, NIL)


def told(events: bytes) -> list[str]:
    """The events as the tables tell them."""
    lines = []
    for (kind, _, code, flags, _, _, _, order, maker, _, _, price_ticks, size_lots,
         remaining) in EVENT.iter_unpack(events):
        name = name_of(order)
        if kind == EventKind.REJECTED:
            lines.append(f"rejected {_spoken(RejectCode(code))}")
        elif kind == EventKind.OPENED:
            lines.append(f"{name} opened {size_lots}")
        elif kind == EventKind.TRADE:
            lines.append(f"{name} traded {size_lots} at {price_ticks} with {name_of(maker)}")
        elif kind == EventKind.REDUCED:
            left = f"funds {remaining}" if flags & FLAG_BY_FUNDS else f"{remaining} to {size_lots}"
            lines.append(f"{name} reduced {left}")
        elif kind == EventKind.DONE:
            rest = f" {size_lots}" if size_lots else ""
            if flags & FLAG_BY_FUNDS and remaining:
                rest = f" funds {remaining}"
            lines.append(f"{name} {_spoken(DoneReason(code))}{rest}")
            assert flags & FLAG_RESTED or remaining == 0 or flags & FLAG_BY_FUNDS
        elif kind in (EventKind.HALTED, EventKind.RESUMED):
            lines.append(_spoken(EventKind(kind)))
    kinds = [event[0] for event in EVENT.iter_unpack(events)]
    if any(kind in (EventKind.OPENED, EventKind.TRADE) for kind in kinds):
        assert kinds[0] == EventKind.ACCEPTED
    return lines


def _spoken(value) -> str:
    return value.name.lower().replace("_", "-")
