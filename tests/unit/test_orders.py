"""The order rules as tables: what is placed with which hold, and what is refused with which words."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from exchange.commands import POST_ONLY, OrderType, Side, Stp, TimeInForce
from exchange.markets import listing
from exchange.orders import OrderRefused, Touch, build_order, parse_order

LIMIT = {"product_id": "BTC-USD", "side": "buy", "price": "100.00", "size": "0.5"}
MARKET = {"product_id": "BTC-USD", "side": "buy", "type": "market"}
TOUCH = Touch(bid_ticks=9_900, ask_ticks=10_100, last_ticks=10_000)
ORDER_ID = UUID("5b6f8d3e-8f3a-4d24-9d2a-0c9a2f1f7a11")


def place(body, touch=TOUCH, **rates):
    terms = parse_order(body, listing())
    return build_order(terms, order_id=ORDER_ID, account=1000, now_ms=1_700_000_000_000, touch=touch,
                       maker_fee_ppm=rates.get("maker", 4000), taker_fee_ppm=rates.get("taker", 6000))


# A fee of 6000 ppm is 0.6 %, of 4000 ppm 0.4 %.
@pytest.mark.parametrize(("body", "asset", "hold"), [
    (LIMIT, "USD", "50.30000000"),
    (LIMIT | {"post_only": True}, "USD", "50.20000000"),
    (LIMIT | {"time_in_force": "IOC"}, "USD", "50.30000000"),
    (LIMIT | {"side": "sell"}, "BTC", "0.50000000"),
    (LIMIT | {"price": 100, "size": Decimal("0.50")}, "USD", "50.30000000"),
    (LIMIT | {"price": "1e2", "size": "5e-1"}, "USD", "50.30000000"),
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
    nulls = dict.fromkeys(("funds", "stop", "stop_price", "time_in_force", "stp", "client_oid", "post_only", "type"))
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
    ({"type": "stop"}, "not_supported", "not supported yet"),
    ({"stop": "loss"}, "not_supported", "not supported yet"),
    ({"stop_price": "1"}, "not_supported", "not supported yet"),
    ({"time_in_force": "GTT"}, "not_supported", "not supported yet"),
    ({"cancel_after": "min"}, "not_supported", "not supported yet"),
    ({"display_size": "0.1"}, "not_supported", "not supported yet"),
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
