"""Why a command is refused. The codes are checked in their numbers' order; the first that applies is reported."""

import pytest

from matching_core.records import (
    EVENT,
    POST_ONLY,
    CommandKind,
    EventKind,
    OrderType,
    RejectCode,
    Side,
    TimeInForce,
)
from tests.rules.tables import NOW_MS, ROOM, order_id, pack, play, told

LIMIT = dict(order_id=order_id("x"), account=1, side=Side.BUY, order_type=OrderType.LIMIT,
             time_in_force=TimeInForce.GTC, price_ticks=100, size_lots=5)
MARKET = dict(order_id=order_id("x"), account=1, side=Side.BUY, order_type=OrderType.MARKET, size_lots=5)
STOP = LIMIT | dict(order_type=OrderType.STOP_LIMIT, stop_price_ticks=90)
LARGEST = 2**62 - 1

MALFORMED = {
    "no kind": LIMIT | dict(kind=0),
    "a kind of no core": LIMIT | dict(kind=10),
    "no side": LIMIT | dict(side=0),
    "side 3": LIMIT | dict(side=3),
    "no type": LIMIT | dict(order_type=0),
    "type 5": LIMIT | dict(order_type=5),
    "no time in force": LIMIT | dict(time_in_force=0),
    "time in force 5": LIMIT | dict(time_in_force=5),
    "time in force 5 at market": MARKET | dict(time_in_force=5),
    "stp 5": LIMIT | dict(stp=5),
    "flag 2": LIMIT | dict(flags=2),
    "reserved": LIMIT | dict(reserved=1),
    "nil id": LIMIT | dict(order_id=bytes(16)),
    "no account": LIMIT | dict(account=0),
    "no price": LIMIT | dict(price_ticks=0),
    "negative price": LIMIT | dict(price_ticks=-1),
    "no size": LIMIT | dict(size_lots=0),
    "negative size": LIMIT | dict(size_lots=-5),
    "a limit order with funds": LIMIT | dict(funds=100),
    "negative time": LIMIT | dict(issued_at_ms=-1),
    "negative expiry": LIMIT | dict(expire_at_ms=-1),
    "negative display": LIMIT | dict(display_lots=-1),
    "a stop price without a stop": LIMIT | dict(stop_price_ticks=90),
    "a stop without a stop price": STOP | dict(stop_price_ticks=0),
    "market, neither size nor funds": MARKET | dict(size_lots=0),
    "market, both": MARKET | dict(funds=100),
    "market, negative worst price": MARKET | dict(price_ticks=-1),
    "market, negative funds": MARKET | dict(size_lots=0, funds=-1),
    "cancel of nil": dict(kind=CommandKind.CANCEL),
}
UNSUPPORTED = {
    "stop limit": STOP,
    "stop market": MARKET | dict(order_type=OrderType.STOP_MARKET, stop_price_ticks=90),
    "good till time": LIMIT | dict(time_in_force=TimeInForce.GTT),
    "an expiry": LIMIT | dict(expire_at_ms=NOW_MS),
    "an iceberg": LIMIT | dict(display_lots=1),
    "cancel all": dict(kind=CommandKind.CANCEL_ALL),
    "amend": dict(kind=CommandKind.AMEND),
    "auction": dict(kind=CommandKind.AUCTION),
    "uncross": dict(kind=CommandKind.UNCROSS),
}
OVERFLOW = {
    "price x size": LIMIT | dict(price_ticks=2**31, size_lots=2**31),
    "by one": LIMIT | dict(price_ticks=1, size_lots=LARGEST + 1),
    "beyond 64 bits": LIMIT | dict(price_ticks=2**63 - 1, size_lots=2**63 - 1),
    "market size": MARKET | dict(size_lots=LARGEST + 1),
    "market worst price": MARKET | dict(price_ticks=2**60, size_lots=5),
    "funds": MARKET | dict(size_lots=0, funds=LARGEST + 1),
}


def _refused(book, fields: dict) -> RejectCode:
    [event] = EVENT.iter_unpack(book.apply(NOW_MS, pack(**fields), ROOM))
    assert event[0] == EventKind.REJECTED
    return RejectCode(event[2])


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(book, name: str) -> None:
    assert _refused(book, MALFORMED[name]) == RejectCode.MALFORMED


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported(book, name: str) -> None:
    assert _refused(book, UNSUPPORTED[name]) == RejectCode.UNSUPPORTED


@pytest.mark.parametrize("name", OVERFLOW)
def test_overflow(book, name: str) -> None:
    assert _refused(book, OVERFLOW[name]) == RejectCode.OVERFLOW


def test_the_largest_order_fits_and_its_level_takes_no_more(book) -> None:
    book.apply(NOW_MS, pack(**LIMIT | dict(price_ticks=1, size_lots=LARGEST)), ROOM)
    assert book.levels(Side.BUY, 1) == [(1, LARGEST, 1)]
    another = LIMIT | dict(order_id=order_id("y"), price_ticks=1, size_lots=1)
    assert _refused(book, another) == RejectCode.OVERFLOW, "the level's total would leave 62 bits"
    ioc = another | dict(time_in_force=TimeInForce.IOC)
    assert told(book.apply(NOW_MS, pack(**ioc), ROOM)) == ["y ioc-remainder 1"], "it never rests"


def test_stale_orders_are_refused_after_240_s(book) -> None:
    on_time = LIMIT | dict(issued_at_ms=NOW_MS - 240_000)
    assert told(book.apply(NOW_MS, pack(**on_time), ROOM)) == ["x opened 5"]
    assert _refused(book, on_time | dict(order_id=order_id("y"), issued_at_ms=NOW_MS - 240_001)) == RejectCode.EXPIRED


def test_an_id_is_free_again_when_its_order_is_done(book) -> None:
    play(book, """
        b1 bob buys 5 at 100      | b1 opened 5
        b1 alice buys 1 at 90     | rejected duplicate-order-id
        cancel b1                 | b1 canceled 5
        b1 alice buys 1 at 90     | b1 opened 1
    """)


def test_the_first_that_applies_is_reported(book) -> None:
    """Starts with everything wrong at once and mends it one by one."""
    play(book, """
        x  alice buys 1 at 50     | x opened 1
        s1 bob sells 1 at 100     | s1 opened 1
        halt                      | halted
    """)
    order = LIMIT | dict(side=0, order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTT, issued_at_ms=0,
                         price_ticks=2**40, size_lots=2**40)
    seen = [_refused(book, order)]
    for repair in (dict(side=Side.BUY), dict(time_in_force=TimeInForce.FOK), dict(issued_at_ms=NOW_MS),
                   dict(order_id=order_id("y"))):
        order |= repair
        seen.append(_refused(book, order))
    play(book, "resume | resumed")
    seen.append(_refused(book, order))
    order |= dict(price_ticks=100, size_lots=2)
    seen.append(_refused(book, order | dict(time_in_force=TimeInForce.GTC, flags=POST_ONLY)))
    seen.append(_refused(book, order))
    seen.append(_refused(book, dict(kind=CommandKind.CANCEL, order_id=order_id("z"), account=1)))
    assert seen == list(RejectCode)


def test_a_refused_command_changes_nothing_but_the_sequence(book) -> None:
    play(book, "b1 bob buys 5 at 100 | b1 opened 5")
    before, orders = book.sequence, book.orders(Side.BUY)
    assert _refused(book, dict(kind=CommandKind.CANCEL, order_id=order_id("z"))) == RejectCode.UNKNOWN_ORDER
    assert book.sequence == before, "a refused cancel is not published"
    assert _refused(book, MALFORMED["no price"]) == RejectCode.MALFORMED
    assert book.sequence == before + 1
    assert book.orders(Side.BUY) == orders


def test_the_event_names_the_refused_command(book) -> None:
    command = pack(**LIMIT | dict(stp=7, account=77))
    [event] = EVENT.iter_unpack(book.apply(NOW_MS, command, ROOM))
    _, side, _, flags, _, _, _, order, _, account, _, price_ticks, size_lots, _ = event
    assert (side, flags, order, account, price_ticks, size_lots) == (1, CommandKind.PLACE, order_id("x"), 77, 100, 5)
