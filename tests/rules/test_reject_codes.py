"""Why a command is refused. The codes are checked in their numbers' order; the first that applies is reported."""

import pytest

from matching_core.records import (
    NIL,
    POST_ONLY,
    STOP_ENTRY,
    CommandKind,
    EventKind,
    OrderType,
    RejectCode,
    Side,
    Stp,
    TimeInForce,
)
from tests.rules.tables import LARGEST, LAST_100, NOW_MS, ROOM, order_id, pack, play, read, run, told

LIMIT = dict(order_id=order_id("x"), account=1, side=Side.BUY, order_type=OrderType.LIMIT,
             time_in_force=TimeInForce.GTC, price_ticks=100, size_lots=5)
MARKET = dict(order_id=order_id("x"), account=1, side=Side.BUY, order_type=OrderType.MARKET, size_lots=5)
STOP_LIMIT = LIMIT | dict(order_type=OrderType.STOP_LIMIT, stop_price_ticks=90)
STOP_MARKET = MARKET | dict(order_type=OrderType.STOP_MARKET, stop_price_ticks=90)
IOC = dict(time_in_force=TimeInForce.IOC)
FOK = dict(time_in_force=TimeInForce.FOK)
GTT = dict(time_in_force=TimeInForce.GTT, expire_at_ms=NOW_MS + 1)
AMEND = dict(kind=CommandKind.AMEND, order_id=order_id("x"), price_ticks=100)

MALFORMED = {
    "no kind": LIMIT | dict(kind=0),
    "a kind of no core": LIMIT | dict(kind=10),
    "the last kind there could be": LIMIT | dict(kind=255),
    "no side": LIMIT | dict(side=0),
    "side 3": LIMIT | dict(side=3),
    "no type": LIMIT | dict(order_type=0),
    "type 5": LIMIT | dict(order_type=5),
    "no time in force": LIMIT | dict(time_in_force=0),
    "no time in force of a stop-limit": STOP_LIMIT | dict(time_in_force=0),
    "time in force 5": LIMIT | dict(time_in_force=5),
    "time in force 5 at market": MARKET | dict(time_in_force=5),
    "time in force 5 of a stop-market": STOP_MARKET | dict(time_in_force=5),
    "stp 5": LIMIT | dict(stp=5),
    "flag 4": LIMIT | dict(flags=4),
    "flag 4 of a stop": STOP_LIMIT | dict(flags=4 | STOP_ENTRY),
    "a collar above 100 %": LIMIT | dict(collar_bp=10_001),
    "a collar above 100 % at market": MARKET | dict(collar_bp=10_001),
    "nil id": LIMIT | dict(order_id=NIL),
    "no account": LIMIT | dict(account=0),
    "no price": LIMIT | dict(price_ticks=0),
    "negative price": LIMIT | dict(price_ticks=-1),
    "no size": LIMIT | dict(size_lots=0),
    "negative size": LIMIT | dict(size_lots=-5),
    "a limit order with funds": LIMIT | dict(funds=100),
    "negative time": LIMIT | dict(issued_at_ms=-1),
    "negative expiry": LIMIT | GTT | dict(expire_at_ms=-1),
    "negative expiry at market": MARKET | dict(expire_at_ms=-1),
    "negative display": LIMIT | dict(display_lots=-1),
    "negative stop price": STOP_LIMIT | dict(stop_price_ticks=-1),
    "gtt without an end": LIMIT | GTT | dict(expire_at_ms=0),
    "gtc with an end": LIMIT | dict(expire_at_ms=NOW_MS + 1),
    "a stop-limit, gtt without an end": STOP_LIMIT | GTT | dict(expire_at_ms=0),
    "a stop-limit, gtc with an end": STOP_LIMIT | dict(expire_at_ms=NOW_MS + 1),
    "post-only ioc": LIMIT | IOC | dict(flags=POST_ONLY),
    "post-only fok": LIMIT | FOK | dict(flags=POST_ONLY),
    "post-only at market": MARKET | dict(flags=POST_ONLY),
    "an iceberg ioc": LIMIT | IOC | dict(display_lots=1),
    "an iceberg fok": LIMIT | FOK | dict(display_lots=1),
    "an iceberg at market": MARKET | dict(display_lots=1),
    "an iceberg ioc, as large as its display": LIMIT | IOC | dict(display_lots=5),
    "a stop price without a stop": LIMIT | dict(stop_price_ticks=90),
    "the smallest stop price without a stop": LIMIT | dict(stop_price_ticks=1),
    "the smallest funds of a limit order": LIMIT | dict(funds=1),
    "gtc with an end long ago": LIMIT | dict(expire_at_ms=1),
    "a stop price at market": MARKET | dict(stop_price_ticks=90),
    "the entry flag without a stop": LIMIT | dict(flags=STOP_ENTRY),
    "the entry flag at market": MARKET | dict(flags=STOP_ENTRY),
    "a stop-limit without a stop price": STOP_LIMIT | dict(stop_price_ticks=0),
    "a stop-market without a stop price": STOP_MARKET | dict(stop_price_ticks=0),
    "a stop-limit post-only": STOP_LIMIT | dict(flags=POST_ONLY),
    "a stop-market post-only": STOP_MARKET | dict(flags=POST_ONLY),
    "a stop-limit fok": STOP_LIMIT | FOK,
    "a stop-limit ioc, iceberg": STOP_LIMIT | IOC | dict(display_lots=1),
    "a stop-limit without a price": STOP_LIMIT | dict(price_ticks=0),
    "a stop-limit without a size": STOP_LIMIT | dict(size_lots=0),
    "a stop-limit with funds": STOP_LIMIT | dict(funds=5),
    "a stop-market, iceberg": STOP_MARKET | dict(display_lots=1),
    "a stop-market, neither size nor funds": STOP_MARKET | dict(size_lots=0),
    "a stop-market, both": STOP_MARKET | dict(funds=100),
    "market, neither size nor funds": MARKET | dict(size_lots=0),
    "market, both": MARKET | dict(funds=100),
    "market, negative worst price": MARKET | dict(price_ticks=-1),
    "market, negative funds": MARKET | dict(size_lots=0, funds=-1),
    "cancel of nil": dict(kind=CommandKind.CANCEL),
    "amend of nil": AMEND | dict(order_id=NIL),
    "amend of nothing": AMEND | dict(price_ticks=0),
    "amend, negative price": AMEND | dict(price_ticks=-1, size_lots=1),
    "amend, negative size": AMEND | dict(size_lots=-1),
    "amend, negative time": AMEND | dict(issued_at_ms=-1),
    "amend, a collar above 100 %": AMEND | dict(collar_bp=10_001),
}
WELL_FORMED = {
    "a collar of 100 %": LIMIT | dict(collar_bp=10_000),
    "the smallest price and size": LIMIT | dict(price_ticks=1, size_lots=1),
    "the smallest stop price": STOP_LIMIT | dict(stop_price_ticks=1),
    "the smallest size at market": MARKET | dict(size_lots=1),
    "the smallest funds": MARKET | dict(size_lots=0, funds=1),
    "the last stp": LIMIT | dict(stp=Stp.CANCEL_BOTH),
    "ioc with an end": LIMIT | IOC | dict(expire_at_ms=NOW_MS + 1),
    "fok with an end": LIMIT | FOK | dict(expire_at_ms=NOW_MS + 1, side=Side.SELL),
    "market with an end": MARKET | dict(expire_at_ms=NOW_MS + 1),
    "gtc at market with an end": MARKET | dict(time_in_force=TimeInForce.GTC, expire_at_ms=NOW_MS + 1),
    "gtt at market without an end": MARKET | dict(time_in_force=TimeInForce.GTT),
    "a stop-market with an end": STOP_MARKET | dict(expire_at_ms=NOW_MS + 1),
    "a stop-market fok": STOP_MARKET | FOK,
    "a stop-limit ioc with an end": STOP_LIMIT | IOC | dict(expire_at_ms=NOW_MS + 1),
    "a stop-limit gtt": STOP_LIMIT | GTT,
    "a stop-limit, iceberg": STOP_LIMIT | dict(display_lots=1),
    "post-only gtt": LIMIT | GTT | dict(flags=POST_ONLY),
    "post-only iceberg": LIMIT | dict(flags=POST_ONLY, display_lots=1),
    "a display larger than the order": LIMIT | dict(display_lots=2**63 - 1),
}
OVERFLOW = {
    "price x size": LIMIT | dict(price_ticks=2**31, size_lots=2**31),
    "price x size of an ioc": LIMIT | IOC | dict(price_ticks=2**31, size_lots=2**31),
    "price x size of an iceberg": LIMIT | dict(price_ticks=2**31, size_lots=2**31, display_lots=1),
    "price x size of a stop-limit": STOP_LIMIT | dict(price_ticks=2**31, size_lots=2**31),
    "by one": LIMIT | dict(price_ticks=1, size_lots=LARGEST + 1),
    "beyond 64 bits": LIMIT | dict(price_ticks=2**63 - 1, size_lots=2**63 - 1),
    "market size": MARKET | dict(size_lots=LARGEST + 1),
    "market worst price": MARKET | dict(price_ticks=2**60, size_lots=5),
    "a worst price by itself": MARKET | dict(price_ticks=LARGEST + 1, size_lots=0, funds=1),
    "funds": MARKET | dict(size_lots=0, funds=LARGEST + 1),
    "funds of a stop": STOP_MARKET | dict(size_lots=0, funds=LARGEST + 1),
    "stop price": STOP_LIMIT | dict(stop_price_ticks=LARGEST + 1),
    "stop price of a stop-market": STOP_MARKET | dict(stop_price_ticks=LARGEST + 1),
}


def _refused(book, fields: dict) -> RejectCode:
    [event] = read(book.apply(max(NOW_MS, book.at_ms), pack(**fields), ROOM))
    assert event.kind == EventKind.REJECTED
    return RejectCode(event.code)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(book, name: str) -> None:
    assert _refused(book, MALFORMED[name]) == RejectCode.MALFORMED


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed(book, name: str) -> None:
    book.apply(NOW_MS, pack(order_id=order_id("b"), account=2, side=Side.BUY, order_type=OrderType.LIMIT, time_in_force=1,
                            price_ticks=100, size_lots=9), ROOM)
    first = read(book.apply(NOW_MS, pack(**WELL_FORMED[name]), ROOM))[0]
    assert first.kind == EventKind.ACCEPTED


@pytest.mark.parametrize("name", OVERFLOW)
def test_overflow(book, name: str) -> None:
    assert _refused(book, OVERFLOW[name]) == RejectCode.OVERFLOW


def test_the_largest_order_fits_and_its_level_takes_no_more(book) -> None:
    book.apply(NOW_MS, pack(**LIMIT | dict(price_ticks=1, size_lots=LARGEST)), ROOM)
    assert book.levels(Side.BUY, 1) == [(1, LARGEST, 1)]
    another = LIMIT | dict(order_id=order_id("y"), price_ticks=1, size_lots=1)
    assert _refused(book, another) == RejectCode.OVERFLOW, "the level's total would leave 62 bits"
    assert _refused(book, another | GTT) == RejectCode.OVERFLOW
    ioc = another | IOC
    assert told(book.apply(NOW_MS, pack(**ioc), ROOM)) == ["y ioc-remainder 1"], "it never rests"
    on_the_other_side = another | dict(side=Side.SELL, price_ticks=2)
    assert told(book.apply(NOW_MS, pack(**on_the_other_side), ROOM)) == ["y opened 1"]


def test_hidden_lots_count_for_the_level(book) -> None:
    book.apply(NOW_MS, pack(**LIMIT | dict(price_ticks=1, size_lots=LARGEST - 1, display_lots=1)), ROOM)
    assert book.levels(Side.BUY, 1) == [(1, 1, 1)]
    another = LIMIT | dict(order_id=order_id("y"), price_ticks=1)
    assert _refused(book, another | dict(size_lots=2)) == RejectCode.OVERFLOW
    assert told(book.apply(NOW_MS, pack(**another | dict(size_lots=1)), ROOM)) == ["y opened 1"]


def test_stops_at_one_price_hold_62_bits_of_lots(book) -> None:
    first = STOP_MARKET | dict(size_lots=LARGEST)
    assert told(book.apply(NOW_MS, pack(**first), ROOM)) == ["x waits"]
    another = STOP_MARKET | dict(order_id=order_id("y"), size_lots=1)
    assert _refused(book, another) == RejectCode.OVERFLOW
    assert _refused(book, STOP_LIMIT | dict(order_id=order_id("y"), price_ticks=1)) == RejectCode.OVERFLOW
    assert told(book.apply(NOW_MS, pack(**another | dict(size_lots=0, funds=7)), ROOM)) == ["y waits"], "it has no lots"
    for name, change in (("z", dict(stop_price_ticks=91)), ("w", dict(flags=STOP_ENTRY))):
        order = another | change | dict(order_id=order_id(name))
        assert told(book.apply(NOW_MS, pack(**order), ROOM)) == [f"{name} waits"], "another price, the other kind"


@pytest.mark.parametrize("kind", [CommandKind.PLACE, CommandKind.AMEND])
def test_stale_commands_are_refused_after_240_s(book, kind: CommandKind) -> None:
    play(book, "b1 bob buys 1 at 50 | b1 opened 1")
    name = "b1" if kind == CommandKind.AMEND else "x"
    on_time = LIMIT | dict(kind=kind, account=2, order_id=order_id(name), issued_at_ms=NOW_MS - 240_000)
    assert told(book.apply(NOW_MS, pack(**on_time), ROOM))[-1] == f"{name} opened 5"
    late = on_time | dict(issued_at_ms=NOW_MS - 240_001, order_id=order_id("b1" if kind == CommandKind.AMEND else "y"))
    assert _refused(book, late) == RejectCode.EXPIRED


def test_an_id_is_free_again_when_its_order_is_done(book) -> None:
    play(book, """
        b1 bob buys 5 at 100                       | b1 opened 5
        b1 alice buys 1 at 90                      | rejected duplicate-order-id
        cancel b1                                  | b1 canceled 5
        b1 alice buys 1 market stop-loss 80        | b1 waits
        b1 alice buys 1 at 90                      | rejected duplicate-order-id
        cancel b1                                  | b1 canceled 1 waiting
        b1 alice buys 1 at 90                      | b1 opened 1
    """)


def test_the_first_that_applies_to_a_place_is_reported(book) -> None:
    """Starts with everything wrong at once and mends it one by one."""
    play(book, LAST_100 + """
        x  alice buys 1 at 50     | x opened 1
        s1 bob sells 1 at 200     | s1 opened 1
        halt                      | halted
    """)
    order = LIMIT | dict(side=0, time_in_force=TimeInForce.FOK, issued_at_ms=0, price_ticks=2**40, size_lots=2**40,
                         collar_bp=10_000)
    seen = [_refused(book, order)]
    for repair in (dict(side=Side.BUY), dict(issued_at_ms=NOW_MS), dict(order_id=order_id("y"))):
        order |= repair
        seen.append(_refused(book, order))
    play(book, "resume | resumed")
    seen.append(_refused(book, order))
    order |= dict(collar_bp=0)
    seen.append(_refused(book, order))
    seen.append(_refused(book, order | dict(time_in_force=TimeInForce.GTC, flags=POST_ONLY)))
    order |= dict(price_ticks=200, size_lots=2)
    seen.append(_refused(book, order | dict(time_in_force=TimeInForce.GTC, flags=POST_ONLY)))
    seen.append(_refused(book, order))
    assert seen == [RejectCode.MALFORMED, RejectCode.EXPIRED, RejectCode.DUPLICATE_ORDER_ID, RejectCode.MARKET_HALTED,
                    RejectCode.OUTSIDE_BAND, RejectCode.OVERFLOW, RejectCode.OVERFLOW, RejectCode.POST_ONLY_WOULD_CROSS,
                    RejectCode.FOK_NOT_FILLABLE]


def test_the_first_that_applies_to_an_amend_is_reported(book) -> None:
    play(book, LAST_100 + """
        b1 bob buys 5 at 50 post-only              | b1 opened 5
        b2 bob buys 5 market stop-entry 300        | b2 waits
        s1 alice sells 1 at 200                    | s1 opened 1
        halt                                       | halted
    """)
    amend = AMEND | dict(order_id=order_id("b2"), account=3, price_ticks=LARGEST + 1, issued_at_ms=0, collar_bp=10_001)
    seen = [_refused(book, amend)]
    for repair in (dict(collar_bp=10_000), dict(issued_at_ms=NOW_MS), dict(account=2), dict(order_id=order_id("b1"))):
        amend |= repair
        seen.append(_refused(book, amend))
    play(book, "resume | resumed")
    seen.append(_refused(book, amend))
    for repair in (dict(collar_bp=0), dict(price_ticks=200)):
        amend |= repair
        seen.append(_refused(book, amend))
    assert seen == [RejectCode.MALFORMED, RejectCode.EXPIRED, RejectCode.UNKNOWN_ORDER, RejectCode.STOP_WAITING,
                    RejectCode.MARKET_HALTED, RejectCode.OUTSIDE_BAND, RejectCode.OVERFLOW,
                    RejectCode.POST_ONLY_WOULD_CROSS]
    play(book, "amend b1 to 6 at 199 | b1 moved 5 to 6 at 199, b1 opened 6")


def test_a_refused_command_changes_nothing_but_the_sequence(book) -> None:
    play(book, "b1 bob buys 5 at 100 | b1 opened 5")
    before, orders = book.sequence, book.orders(Side.BUY)
    assert _refused(book, dict(kind=CommandKind.CANCEL, order_id=order_id("z"))) == RejectCode.UNKNOWN_ORDER
    assert _refused(book, AMEND | dict(order_id=order_id("z"))) == RejectCode.UNKNOWN_ORDER
    assert _refused(book, LIMIT | dict(kind=77)) == RejectCode.MALFORMED
    assert book.sequence == before, "a refused cancel is not published, nor is an amend"
    assert _refused(book, MALFORMED["no price"]) == RejectCode.MALFORMED
    assert book.sequence == before + 1
    assert book.orders(Side.BUY) == orders


@pytest.mark.parametrize("kind", [CommandKind.PLACE, CommandKind.AMEND, CommandKind.CANCEL, 99])
def test_the_event_names_the_refused_command(book, kind: int) -> None:
    command = pack(**LIMIT | dict(kind=kind, stp=7, account=77))
    [event] = read(book.apply(NOW_MS, command, ROOM))
    assert (event.side, event.flags, event.order_id, event.account, event.price_ticks, event.size_lots, event.remaining) == (
        1, kind, order_id("x"), 77, 100, 5, 0)


def test_only_places_cancels_and_amends_are_refused(book) -> None:
    for name in ("cancel-all", "tick", "halt", "auction", "uncross", "resume", "cancel-all by bob stale"):
        assert not any(line.startswith("rejected") for line in told(run(book, name))), name
