"""The order rules as tables: what is placed with which hold, and what is refused with which words."""

import itertools
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import pytest

import matching_core
from exchange.commands import POST_ONLY, STALE_AFTER_MS, STOP_ENTRY, OrderType, Side, Stp, TimeInForce
from exchange.events import EventKind, RejectCode, unpack_events
from exchange.markets import listing
from exchange.order_terms import SIDES
from exchange.orders import OrderRefused, Touch, build_order, parse_order, refuse_outside_band
from matching_core.naive import NaiveBook
from matching_core.naive_rules import is_outside_band

NOW = 1_700_000_000_000
LIMIT = {"product_id": "BTC-USD", "side": "buy", "price": "100.00", "size": "0.5"}
MARKET = {"product_id": "BTC-USD", "side": "buy", "type": "market"}
TOUCH = Touch(bid_ticks=9_900, ask_ticks=10_100, last_ticks=10_000)
ORDER_ID = UUID("5b6f8d3e-8f3a-4d24-9d2a-0c9a2f1f7a11")


def place(body, touch=TOUCH, **rates):
    terms = parse_order(body, listing())
    return build_order(terms, order_id=ORDER_ID, account=1000, now_ms=NOW, touch=touch,
                       maker_fee_ppm=rates.get("maker", 4000), taker_fee_ppm=rates.get("taker", 6000))


# A fee of 6000 ppm is 0.6 %, of 4000 ppm 0.4 %.
@pytest.mark.parametrize(("body", "asset", "hold"), [
    (LIMIT, "USD", "50.30000000"),
    (LIMIT | {"post_only": True}, "USD", "50.20000000"),
    (LIMIT | {"time_in_force": "IOC"}, "USD", "50.30000000"),
    (LIMIT | {"side": "sell"}, "BTC", "0.50000000"),
    (LIMIT | {"price": 100, "size": Decimal("0.50")}, "USD", "50.30000000"),
    (LIMIT | {"price": "1e2", "size": "5e-1"}, "USD", "50.30000000"),
    (LIMIT | {"price": "+1E+2", "size": ".5"}, "USD", "50.30000000"),
    (LIMIT | {"price": "100.", "size": Decimal("0.5000000000000000")}, "USD", "50.30000000"),
    (LIMIT | {"display_size": "0.1"}, "USD", "50.30000000"),
    # an iceberg grows younger with each part, and may be the taker of an auction
    (LIMIT | {"display_size": "0.1", "post_only": True}, "USD", "50.30000000"),
    (LIMIT | {"time_in_force": "GTT", "cancel_after": "min", "post_only": True}, "USD", "50.20000000"),
    (LIMIT | {"stop": "entry", "stop_price": "99"}, "USD", "50.30000000"),
    (LIMIT | {"side": "sell", "stop": "loss", "stop_price": "101"}, "BTC", "0.50000000"),
    # an entry reckons from the market where that is past it: ask 101.00 + 10 % = 111.10
    (MARKET | {"size": "1", "stop_price": "90"}, "USD", "111.76660000"),
    # stop 200.00 + 10 % = 220.00
    (MARKET | {"size": "1", "stop_price": "200"}, "USD", "221.32000000"),
    # a loss that buys waits for the market to fall to it: 90.00 + 10 % = 99.00
    (MARKET | {"size": "1", "stop": "loss", "stop_price": "90"}, "USD", "99.59400000"),
    (MARKET | {"funds": "100", "stop_price": "200"}, "USD", "100.00000000"),
    (MARKET | {"side": "sell", "size": "1", "stop_price": "90"}, "BTC", "1.00000000"),
    # stop 80.00 - 10 % = 72.00: 100 / 72 = 1.388888 lots of a millionth
    (MARKET | {"side": "sell", "funds": "100", "stop_price": "80"}, "BTC", "1.38888800"),
    # the market, bid 99.00, is below it already: 99.00 - 10 % = 89.10
    (MARKET | {"side": "sell", "funds": "100", "stop_price": "120"}, "BTC", "1.12233400"),
    # ask 101.00 + 10 % = 111.10
    (MARKET | {"size": "1"}, "USD", "111.76660000"),
    (MARKET | {"funds": "100"}, "USD", "100.00000000"),
    (MARKET | {"side": "sell", "size": "1"}, "BTC", "1.00000000"),
    # bid 99.00 - 10 % = 89.10: 100 / 89.10 = 1.122334 lots of a millionth
    (MARKET | {"side": "sell", "funds": "100"}, "BTC", "1.12233400"),
])
def test_hold(body, asset, hold):
    order = place(body)
    assert (order.hold_asset, order.hold) == (asset, hold)


def test_the_command_of_a_limit_order():
    oid = "9a3f5b7e-0d1c-4f2e-8a6b-3c5d7e9f1a2b"
    command = place(LIMIT | {"post_only": True, "stp": "cn", "client_oid": oid}).command
    assert (command.side, command.order_type, command.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.GTC)
    assert (command.price_ticks, command.size_lots, command.funds) == (10_000, 500_000, 0)
    assert (command.flags, command.stp, command.client_oid) == (POST_ONLY, Stp.CANCEL_NEWEST, UUID(oid))
    assert (command.order_id, command.account, command.issued_at_ms) == (ORDER_ID, 1000, 1_700_000_000_000)
    assert (command.maker_fee_ppm, command.taker_fee_ppm) == (4000, 6000)


STOP_LIMIT = ("limit", "loss", 9_000, 8_900)
STOP_MARKET = ("market", "loss", 9_000, None)


@pytest.mark.parametrize(("fields", "becomes"), [
    ({"type": "limit", "stop": "loss", "stop_price": "90", "price": "89"}, STOP_LIMIT),
    ({"stop": "loss", "stop_price": "90", "price": "89"}, STOP_LIMIT),
    ({"stop_price": "90", "price": "89"}, STOP_LIMIT),
    ({"stop_price": "90", "stop_limit_price": "89"}, STOP_LIMIT),
    ({"stop_price": "90", "stop_limit_price": "89", "price": "89"}, STOP_LIMIT),
    ({"type": "stop", "stop_price": "90", "stop_limit_price": "89"}, STOP_LIMIT),
    ({"type": "stop", "stop_price": "90", "price": "89"}, STOP_LIMIT),
    ({"type": "stop", "price": "90", "stop_limit_price": "89"}, STOP_LIMIT),
    ({"type": "stop", "price": "90"}, STOP_MARKET),
    ({"type": "stop", "stop_price": "90"}, STOP_MARKET),
    ({"type": "market", "stop_price": "90"}, STOP_MARKET),
    ({"type": "market", "stop_price": "90", "stop": "entry"}, ("market", "entry", 9_000, None)),
    ({"type": None, "stop_price": "90", "stop": "entry", "price": "89"}, ("limit", "entry", 9_000, 8_900)),
])
def test_the_ways_to_ask_for_a_stop(fields, becomes):
    order = place({"product_id": "BTC-USD", "side": "sell", "size": "1"} | fields)
    terms = order.terms
    assert (terms.type, terms.stop, terms.stop_price_ticks, terms.price_ticks) == becomes
    assert order.command.order_type == (OrderType.STOP_LIMIT if becomes[0] == "limit" else OrderType.STOP_MARKET)
    assert order.command.stop_price_ticks == 9_000
    assert bool(order.command.flags & STOP_ENTRY) == (becomes[1] == "entry")


def test_a_buy_without_a_direction_is_an_entry():
    assert place(LIMIT | {"stop_price": "110"}).terms.stop == "entry"


@pytest.mark.parametrize(("fields", "expire_at_ms"), [
    ({"cancel_after": "min"}, NOW + 60_000), ({"cancel_after": "hour"}, NOW + 3_600_000),
    ({"cancel_after": "day"}, NOW + 86_400_000), ({"expire_time": "2023-11-14T22:13:20.001Z"}, NOW + 1),
    ({"expire_time": "2023-11-15"}, NOW + 6_400_000), ({"expire_time": "2023-11-15T01:00:00+01:00"}, NOW + 6_400_000),
    ({"expire_time": "2023-11-15T00:00:00.000999"}, NOW + 6_400_000),
])
def test_the_end_of_an_order(fields, expire_at_ms):
    command = place(LIMIT | {"time_in_force": "GTT"} | fields).command
    assert (command.time_in_force, command.expire_at_ms) == (TimeInForce.GTT, expire_at_ms)
    waits = place(MARKET | {"size": "1", "stop_price": "90", "time_in_force": "GTT"} | fields)
    assert (waits.terms.time_in_force, waits.command.expire_at_ms) == ("GTT", expire_at_ms)


@pytest.mark.parametrize(("deadline", "issued_at_ms"), [
    ("2023-11-14T22:13:21Z", NOW + 1000 - STALE_AFTER_MS), ("2030-01-01", NOW)])
def test_a_deadline_is_an_earlier_issue(deadline, issued_at_ms):
    """The engine refuses what was issued more than STALE_AFTER_MS ago."""
    command = place(LIMIT | {"deadline": deadline}).command
    assert command.issued_at_ms == issued_at_ms
    assert STALE_AFTER_MS == matching_core.STALE_AFTER_MS


def test_an_iceberg_that_shows_all_is_none():
    assert place(LIMIT | {"max_floor": "0.5"}).command.display_lots == 0
    assert place(LIMIT | {"max_floor": "0.2"}).command.display_lots == 200_000


def test_bands_go_with_the_command():
    assert place(LIMIT).command.collar_bp == 5_000
    assert place(MARKET | {"size": "1"}).command.collar_bp == 1_000


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("last_ticks", [1, 3, 9_999, 10_000, 10_001, 5_000_000])
def test_the_door_refuses_the_limits_that_the_core_would(side, last_ticks):
    """At both sides of the band's edge, which is rounded down; none where there was no trade."""
    width = last_ticks * 5_000 // 10_000
    edge = last_ticks + width if side == "buy" else last_ticks - width
    book, market = SimpleNamespace(last_price_ticks=last_ticks), listing().markets["BTC-USD"]
    for price_ticks in {edge - 1, edge, edge + 1} - {-1, 0}:
        try:
            refuse_outside_band(market, side, price_ticks, last_ticks)
            refused = False
        except OrderRefused as error:
            refused = error.code == "outside_band"
        assert refused == is_outside_band(book, SIDES[side], price_ticks, 5_000)
        refuse_outside_band(market, side, price_ticks, None)


def test_every_accepted_order_is_well_formed_to_the_core():
    """Whatever the door lets in, the core must not call malformed."""
    choices = itertools.product(
        [{}, {"type": "market"}, {"type": "stop"}], [{}, {"time_in_force": "IOC"}, {"time_in_force": "FOK"},
        {"time_in_force": "GTT", "cancel_after": "min"}], [{}, {"post_only": True}], [{}, {"max_floor": "0.1"}],
        [{}, {"stop_price": "110"}, {"stop_price": "90", "stop": "loss"}], [{}, {"price": "100"}],
        [{"size": "0.5"}, {"funds": "50"}], [{"side": "buy"}, {"side": "sell"}])
    accepted = 0
    for number, parts in enumerate(choices, start=1):
        body = {"product_id": "BTC-USD"}
        for part in parts:
            body |= part
        try:
            command = replace(place(body).command, order_id=UUID(int=number))
        except OrderRefused:
            continue
        accepted += 1
        book = NaiveBook.create()
        event = unpack_events(book.apply(NOW, command.pack(), 10**6))[0]
        assert event.kind != EventKind.REJECTED or event.code not in (RejectCode.MALFORMED, RejectCode.EXPIRED), body
    assert accepted > 60


def test_a_market_buy_by_funds_spends_what_leaves_room_for_the_fee():
    order = place(MARKET | {"funds": "100.60"})
    assert order.command.funds * order.terms.market.unit_per_tick_lot == order.funds_units == 100 * 10**8
    assert order.command.size_lots == 0
    assert order.command.price_ticks == 11_110


@pytest.mark.parametrize(("side", "touch", "worst"), [
    ("buy", TOUCH, 11_110), ("sell", TOUCH, 8_910),
    ("buy", Touch(last_ticks=10_001), 11_001),  # 11001.1 down
    ("sell", Touch(last_ticks=10_001), 9_001),  # 9000.9 up
    ("sell", Touch(), 0), ("buy", Touch(ask_ticks=99_999_999), 100_000_000),
])
def test_worst_price_of_a_market_order(side, touch, worst):
    assert place(MARKET | {"side": side, "size": "1"}, touch).command.price_ticks == worst


def test_null_counts_as_absent():
    nulls = dict.fromkeys(("funds", "stop", "stop_price", "max_floor", "deadline",
                           "cancel_after", "time_in_force", "stp", "client_oid", "post_only", "type"))
    assert place(LIMIT | nulls) == place(LIMIT)


REFUSED = [
    ({"product_id": "DOGE-USD"}, "product_not_found", "Product not found"),
    ({"product_id": None}, "product_not_found", "Product not found"),
    ({"product_id": ["BTC-USD"]}, "product_not_found", "Product not found"),
    ({"side": "hold"}, "invalid_side", "Invalid side"),
    ({"side": None}, "invalid_side", "Invalid side: missing"),
    ({"side": 1}, "invalid_side", "Invalid side"),
    ({"type": "pegged"}, "invalid_type", "Invalid type"),
    ({"type": []}, "invalid_type", "Invalid type"),
    ({"stop": "loss"}, "invalid_stop_price", "missing"),
    ({"stop": "up", "stop_price": "1"}, "invalid_stop", "Invalid stop"),
    ({"stop_price": "x"}, "invalid_stop_price", "Invalid stop_price"),
    ({"stop_price": "0"}, "stop_price_too_small", "too small"),
    ({"stop_price": "1000000.01"}, "stop_price_too_large", "too large"),
    ({"stop_price": "1.001"}, "stop_price_too_precise", "too precise"),
    ({"stop_limit_price": "1"}, "invalid_stop_limit_price", "stop orders"),
    ({"stop_price": "1", "stop_limit_price": "1"}, "invalid_stop_limit_price", "price is another"),
    ({"stop_price": "1", "post_only": True}, "invalid_post_only", "post_only"),
    ({"stop_price": "1", "time_in_force": "FOK"}, "invalid_time_in_force", "FOK"),
    ({"time_in_force": "GTT"}, "invalid_cancel_after", "either cancel_after or expire_time"),
    ({"time_in_force": "GTT", "cancel_after": "min", "expire_time": "2030-01-01"}, "invalid_cancel_after", "either"),
    ({"time_in_force": "GTT", "cancel_after": "1,0,0"}, "invalid_cancel_after", "Invalid cancel_after"),
    ({"time_in_force": "GTT", "expire_time": "2023-11-14T22:13:20Z"}, "invalid_expire_time", "passed"),
    ({"time_in_force": "GTT", "expire_time": 1_900_000_000}, "invalid_expire_time", "wanted a time"),
    ({"time_in_force": "GTT", "expire_time": "9999-12-31T23:59:59-23:59"}, "invalid_expire_time", "expire_time"),
    ({"time_in_force": "GTT", "expire_time": "9500-01-01"}, "invalid_expire_time", "years"),
    ({"cancel_after": "min"}, "invalid_cancel_after", "requires time_in_force GTT"),
    ({"expire_time": "2030-01-01"}, "invalid_expire_time", "requires time_in_force GTT"),
    ({"deadline": "soon"}, "invalid_deadline", "wanted a time"),
    ({"deadline": "2023-11-14T22:13:20Z"}, "deadline_passed", "deadline has passed"),
    ({"display_size": "0.6"}, "invalid_display_size", "more than the size"),
    ({"display_size": "0"}, "display_size_too_small", "too small"),
    ({"max_floor": "0.0000001"}, "max_floor_too_precise", "too precise"),
    ({"display_size": "0.1", "max_floor": "0.2"}, "invalid_max_floor", "display_size is another"),
    ({"display_size": "0.1", "time_in_force": "IOC"}, "invalid_display_size", "cannot rest"),
    ({"time_in_force": "DAY"}, "invalid_time_in_force", "Invalid time_in_force"),
    ({"stp": "xx"}, "invalid_stp", "Invalid stp"),
    ({"post_only": "maybe"}, "invalid_post_only", "Invalid post_only"),
    ({"post_only": 1}, "invalid_post_only", "Invalid post_only"),
    ({"post_only": [1]}, "invalid_post_only", "Invalid post_only"),
    ({"post_only": True, "time_in_force": "IOC"}, "invalid_post_only", "post_only"),
    ({"client_oid": "mine"}, "invalid_client_oid", "Invalid client_oid"),
    ({"client_oid": "00000000-0000-0000-0000-000000000000"}, "invalid_client_oid", "Invalid client_oid"),
    ({"client_oid": 5}, "invalid_client_oid", "Invalid client_oid"),
    ({"price": None}, "invalid_price", "Invalid price: missing"),
    ({"price": "0"}, "price_too_small", "price too small"),
    ({"price": "-1"}, "price_too_small", "price too small"),
    ({"price": "100.001"}, "price_too_precise", "price too precise"),
    ({"price": "1000000.01"}, "price_too_large", "price is too large"),
    ({"price": "NaN"}, "invalid_price", "Invalid price"),
    ({"price": "Infinity"}, "invalid_price", "Invalid price"),
    ({"price": "1_0"}, "invalid_price", "Invalid price"),
    ({"price": " 1"}, "invalid_price", "Invalid price"),
    ({"price": "1e999999999"}, "invalid_price", "Invalid price"),
    ({"price": "1e-7"}, "price_too_precise", "price too precise"),
    ({"price": "1E-7"}, "price_too_precise", "price too precise"),
    ({"price": Decimal("1e-999999")}, "invalid_price", "Invalid price"),
    ({"price": "0e999999999"}, "price_too_small", "price too small"),
    ({"price": "0e-999999999"}, "price_too_small", "price too small"),
    ({"price": "-0"}, "price_too_small", "price too small"),
    ({"price": "sNaN"}, "invalid_price", "Invalid price"),
    ({"price": "1 "}, "invalid_price", "Invalid price"),
    ({"price": "1\n"}, "invalid_price", "Invalid price"),
    ({"price": "\u0661"}, "invalid_price", "Invalid price"),
    ({"price": "\uff11"}, "invalid_price", "Invalid price"),
    ({"price": "1,000"}, "invalid_price", "Invalid price"),
    ({"price": "++1"}, "invalid_price", "Invalid price"),
    ({"price": 1.5}, "invalid_price", "Invalid price"),
    ({"price": "0." + "0" * 61 + "1"}, "invalid_price", "Invalid price"),
    ({"price": "1." + "0" * 62 + "1"}, "invalid_price", "Invalid price"),
    ({"price": True}, "invalid_price", "Invalid price"),
    ({"price": {}}, "invalid_price", "Invalid price"),
    ({"price": 10**60}, "invalid_price", "Invalid price"),
    ({"size": "0"}, "size_too_small", "size is too small"),
    ({"size": "-0.5"}, "size_too_small", "size is too small"),
    ({"size": "0.0000001"}, "size_too_precise", "size too precise"),
    ({"size": "10001"}, "size_too_large", "size is too large"),
    ({"size": "0.001"}, "funds_too_small", "size is too small"),
    ({"funds": "5"}, "invalid_funds", "Invalid funds"),
]


@pytest.mark.parametrize(("change", "code", "words"), REFUSED, ids=[str(row[0])[:50] for row in REFUSED])
def test_refused_limit_order(change, code, words):
    with pytest.raises(OrderRefused) as refused:
        place(LIMIT | change)
    assert refused.value.code == code
    assert words in refused.value.message


@pytest.mark.parametrize(("change", "touch", "code", "words"), [
    ({}, TOUCH, "invalid_size", "either size or funds"),
    ({"size": "1", "funds": "1"}, TOUCH, "invalid_size", "either size or funds"),
    ({"size": "1", "price": "5"}, TOUCH, "invalid_price", "for limit orders"),
    ({"size": "1", "post_only": True}, TOUCH, "invalid_post_only", "post_only"),
    ({"funds": "0.5"}, TOUCH, "funds_too_small", "funds is too small"),
    ({"funds": "1.000000001"}, TOUCH, "funds_too_precise", "funds too precise"),
    ({"funds": "1e20"}, TOUCH, "funds_too_large", "funds is too large"),
    ({"size": "0.000001"}, TOUCH, "funds_too_small", "size is too small"),
    ({"size": "1"}, Touch(), "no_reference_price", "no reference price"),
    ({"side": "sell", "funds": "10"}, Touch(), "no_reference_price", "no reference price"),
])
def test_refused_market_order(change, touch, code, words):
    with pytest.raises(OrderRefused) as refused:
        place(MARKET | change, touch)
    assert refused.value.code == code
    assert words in refused.value.message


def test_decimals_are_what_the_ledger_stores():
    assert parse_order(LIMIT, listing()).decimals() == ("100.00000000", "0.50000000", None)
    assert parse_order(MARKET | {"funds": "5"}, listing()).decimals() == (None, None, "5.00000000")


def test_terms_do_not_depend_on_how_a_number_was_written():
    assert parse_order(LIMIT, listing()) == parse_order(LIMIT | {"price": 100, "size": Decimal("0.500")}, listing())
    assert parse_order(LIMIT, listing()) != replace(parse_order(LIMIT, listing()), size_lots=1)
