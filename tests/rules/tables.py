"""The language of the rule tables: one command per line, what comes of it behind the bar.

    s1 alice sells 5 at 100           | s1 opened 5
    b1 bob buys 8 at 101 ioc          | b1 traded 5 at 100 with s1, s1 filled, b1 ioc-remainder 3
    b2 bob buys 3 at market           | b2 no-liquidity 3
    cancel s1 by bob                  | rejected unknown-order

A place: id, account, buys|sells, lots (`funds N` for an order by funds), `at` a price, `market`, or `market 105` (worst
price), then any of ioc fok gtt gtc post-only dc co cn cb stale; `until MS` (its end, from NOW_MS), `show LOTS` (an iceberg),
`collar BP`, `stop-loss PRICE` or `stop-entry PRICE`. Others: cancel ID [by ACCOUNT], cancel-all [by ACCOUNT], amend ID
[by ACCOUNT] [to LOTS] [at PRICE] [collar BP], each with `stale`; halt, resume, tick, auction, uncross. `after MS COMMAND` lets that
much time pass first; the clock starts at NOW_MS. Commands with `;` between them are one batch; otherwise a line is a batch.

`s1 opened 2 of 10` shows two of ten lots, and later `shows 2 of 8`; `waits` and `5 waiting` are of a stop; an order that is
`amended` keeps its place, one that `moved` does not; orders of an auction are `paired`. ACCEPTED is left out of the text: it is
asserted before everything else of a place that is not rejected. LEVEL events are asserted by test_level_changes.py. A line
that begins with a bar goes on with what comes of the command above.
"""

import re
from typing import NamedTuple

from matching_core.naive import NaiveBook
from matching_core.records import (
    COMMAND,
    EVENT,
    FLAG_AUCTION,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    NIL,
    POST_ONLY,
    STOP_ENTRY,
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
ROOM = 10**7
LARGEST = 2**62 - 1
ACCOUNTS = {"alice": 1, "bob": 2, "carol": 3, "dave": 4}
STPS = {"dc": Stp.DECREASE_AND_CANCEL, "co": Stp.CANCEL_OLDEST, "cn": Stp.CANCEL_NEWEST, "cb": Stp.CANCEL_BOTH}
TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "gtt": TimeInForce.GTT, "gtc": TimeInForce.GTC}
UNPUBLISHED = (EventKind.LEVEL, EventKind.HALTED, EventKind.RESUMED, EventKind.COLLECTING)

# The last trade of the market was at 100.
LAST_100 = """
    m1 dave sells 1 at 100    | m1 opened 1
    m2 carol buys 1 at 100    | m2 traded 1 at 100 with m1, m1 filled, m2 filled
"""


class Event(NamedTuple):
    """The fields of an event record, in its order."""

    kind: int
    side: int
    code: int
    flags: int
    command_index: int
    sequence: int
    trade_id: int
    order_id: bytes
    maker_order_id: bytes
    account: int
    maker_account: int
    price_ticks: int
    size_lots: int
    remaining: int


def play(book, table: str) -> None:
    """Runs the table's commands line by line and asserts what each line says comes of it."""
    for line in filter(None, map(str.strip, re.sub(r"\n\s*\|", ",", table).splitlines())):
        command, _, expected = (part.strip() for part in line.partition("|"))
        expected = re.sub(r"\s*,\s*", ", ", expected)
        assert ", ".join(told(run(book, command))) == expected, line


def run(book, *commands: str, after_ms: int = 0) -> bytes:
    """The events of a batch of commands, after checks that hold for every batch."""
    texts = [text.strip() for command in commands for text in command.split(";")]
    if texts[0].startswith("after "):
        _, waited, texts[0] = texts[0].split(maxsplit=2)
        after_ms = int(waited)
    at_ms = max(NOW_MS, book.at_ms) + after_ms
    records = [parse(text, at_ms) for text in texts]
    sequence = book.sequence
    events = book.apply(at_ms, b"".join(records), ROOM)
    _check_sequences(sequence, book, events)
    _check_places(records, events)
    for core in (NaiveBook, type(book)):
        assert core.restore(book.snapshot()).snapshot() == book.snapshot(), "a snapshot gives back the same book"
    return events


def read(events: bytes) -> list[Event]:
    return [Event._make(fields) for fields in EVENT.iter_unpack(events)]


def only(events: bytes, kind: EventKind) -> Event:
    """The one event of this kind."""
    [event] = (event for event in read(events) if event.kind == kind)
    return event


def show(book) -> tuple[str, str]:
    """The book's orders, bids then asks, first in priority first: `b1 3@99, b2 1@98`."""
    return _listed(book, Side.BUY), _listed(book, Side.SELL)


def show_stops(book) -> tuple[str, str]:
    """The waiting stops at their stop prices, loss then entry, the next to be met first."""
    return _listed(book, 3), _listed(book, 4)


def _listed(book, side: int) -> str:
    return ", ".join(f"{name_of(order_id)} {lots}@{price_ticks}" for order_id, _, price_ticks, lots in book.orders(side))


def order_id(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def name_of(order_id: bytes) -> str:
    return order_id.rstrip(b"\0").decode()


def parse(text: str, at_ms: int = NOW_MS) -> bytes:
    """The record of a command in the tables' language."""
    words = text.split()
    fields = dict(issued_at_ms=at_ms - 240_001 if "stale" in words else at_ms)
    words = [word for word in words if word != "stale"]
    kind = words[0].upper().replace("-", "_")
    if kind not in CommandKind.__members__:
        return pack(**fields | _place(words))
    fields["kind"] = CommandKind[kind]
    rest = words[1:]
    if kind in ("CANCEL", "AMEND"):
        fields["order_id"] = order_id(rest.pop(0))
    names = {"by": "account", "to": "size_lots", "at": "price_ticks", "collar": "collar_bp"}
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        fields[names[name]] = ACCOUNTS[value] if name == "by" else int(value)
    return pack(**fields)


def _place(words: list[str]) -> dict:
    name, account, verb, *rest = words
    fields = dict(order_id=order_id(name), account=ACCOUNTS[account], side={"buys": Side.BUY, "sells": Side.SELL}[verb],
                  order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    market = stop = False
    while rest:
        word = rest.pop(0)
        if word == "funds":
            fields["funds"] = int(rest.pop(0))
        elif word == "market":
            market = True
            if rest and rest[0].isdigit():
                fields["price_ticks"] = int(rest.pop(0))
        elif word == "at":
            if rest[0] != "market":
                fields["price_ticks"] = int(rest.pop(0))
        elif word == "until":
            fields["expire_at_ms"] = NOW_MS + int(rest.pop(0))
        elif word == "show":
            fields["display_lots"] = int(rest.pop(0))
        elif word == "collar":
            fields["collar_bp"] = int(rest.pop(0))
        elif word in ("stop-loss", "stop-entry"):
            stop = True
            fields["stop_price_ticks"] = int(rest.pop(0))
            fields["flags"] = fields.get("flags", 0) | (STOP_ENTRY if word == "stop-entry" else 0)
        elif word == "post-only":
            fields["flags"] = fields.get("flags", 0) | POST_ONLY
        elif word in STPS:
            fields["stp"] = STPS[word]
        elif word in TIMES:
            fields["time_in_force"] = TIMES[word]
        else:
            fields["size_lots"] = int(word)
    types = {(False, False): OrderType.LIMIT, (True, False): OrderType.MARKET,
             (False, True): OrderType.STOP_LIMIT, (True, True): OrderType.STOP_MARKET}
    return fields | dict(order_type=types[market, stop])


def pack(*, kind: int = CommandKind.PLACE, side: int = 0, order_type: int = 0, time_in_force: int = 0, stp: int = 0,
         flags: int = 0, collar_bp: int = 0, order_id: bytes = NIL, account: int = 0, price_ticks: int = 0,
         size_lots: int = 0, funds: int = 0, stop_price_ticks: int = 0, display_lots: int = 0, expire_at_ms: int = 0,
         issued_at_ms: int = NOW_MS) -> bytes:
    return COMMAND.pack(kind, side, order_type, time_in_force, stp, flags, collar_bp, order_id, account, price_ticks,
                        size_lots, funds, stop_price_ticks, display_lots, expire_at_ms, issued_at_ms, 0, 0, NIL)


def told(events: bytes) -> list[str]:
    """The events as the tables tell them."""
    return [line for event in read(events) for line in _told(event)]


def _told(event: Event) -> list[str]:
    """No line or one."""
    name, size, remaining, flags = name_of(event.order_id), event.size_lots, event.remaining, event.flags
    if event.kind == EventKind.REJECTED:
        return [f"rejected {_spoken(RejectCode(event.code))}"]
    if event.kind == EventKind.ACCEPTED:
        assert not flags & (FLAG_RESTED | FLAG_AUCTION)
        return [f"{name} waits"] if flags & FLAG_STOP else []
    if event.kind == EventKind.OPENED:
        verb = "shows" if flags & FLAG_RESTED else "opened"
        return [f"{name} {verb} {size}" + (f" of {size + remaining}" if remaining else "")]
    if event.kind == EventKind.TRADE:
        verb = "paired" if flags & FLAG_AUCTION else "traded"
        return [f"{name} {verb} {size} at {event.price_ticks} with {name_of(event.maker_order_id)}"]
    if event.kind == EventKind.REDUCED:
        return [f"{name} reduced " + (f"funds {remaining}" if flags & FLAG_BY_FUNDS else f"{remaining} to {size}")]
    if event.kind == EventKind.AMENDED:
        moved = f"{name} moved {remaining} to {size} at {event.price_ticks}"
        return [f"{name} amended {remaining} to {size}" if flags & FLAG_RESTED else moved]
    if event.kind == EventKind.TRIGGERED:
        assert flags & FLAG_STOP
        return [f"{name} triggered at {event.price_ticks}"]
    if event.kind == EventKind.DONE:
        rest = f" {size}" if size else ""
        if flags & FLAG_BY_FUNDS and remaining:
            rest = f" funds {remaining}"
        assert remaining == 0 or flags & FLAG_BY_FUNDS
        return [f"{name} {_spoken(DoneReason(event.code))}{rest}" + (" waiting" if flags & FLAG_STOP else "")]
    if event.kind == EventKind.RESUMED and event.price_ticks:
        return [f"resumed at {event.price_ticks}"]
    return [] if event.kind == EventKind.LEVEL else [_spoken(EventKind(event.kind))]


def _check_sequences(sequence: int, book, events: bytes) -> None:
    """Each published event has a number of its own."""
    for event in read(events):
        unpublished = event.kind in UNPUBLISHED or (event.kind == EventKind.REJECTED and event.flags != CommandKind.PLACE)
        sequence += not unpublished
        assert event.sequence == sequence, event
    assert book.sequence == sequence


def _check_places(records: list[bytes], events: bytes) -> None:
    """A place is answered once, and before everything else that comes of its order."""
    places = [(index, record[8:24]) for index, record in enumerate(records) if record[0] == CommandKind.PLACE]
    answered, come = [], set()
    for event in read(events):
        place = event.command_index, event.order_id
        if event.kind == EventKind.ACCEPTED or (event.kind == EventKind.REJECTED and event.flags == CommandKind.PLACE):
            assert place not in come, event
            answered.append(place)
        elif not event.flags & (FLAG_RESTED | FLAG_STOP | FLAG_AUCTION):
            come.add(place)
    assert answered == places


def _spoken(value) -> str:
    return value.name.lower().replace("_", "-")
