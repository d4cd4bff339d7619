"""Exact money and the one rounding of the exchange."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.fees import fee_units, hold_for_buy, spendable
from exchange.markets import listing
from exchange.money import NotANumber, OutOfRange, TooPrecise, decimal_places, format_units, parse_units


@given(units=st.integers(-(10**30), 10**30), scale=st.integers(0, 8))
def test_format_and_parse_are_inverse(units, scale):
    text = format_units(units, scale)
    if len(text.lstrip("-").partition(".")[0]) <= 24:
        assert parse_units(text, scale) == units
    assert Decimal(text).as_tuple().exponent == -scale


@pytest.mark.parametrize(("value", "units"), [
    ("1", 10**8), ("0.00000001", 1), ("1e-8", 1), ("-1.5", -150_000_000), (7, 700_000_000), (Decimal("1.10"), 110_000_000),
    ("0", 0), ("-0", 0), ("1.000000000000", 10**8), ("+1", 10**8), (".5", 50_000_000)])
def test_parse(value, units):
    assert parse_units(value, 8) == units


@pytest.mark.parametrize(("value", "error"), [
    ("0.000000001", TooPrecise), ("1e-9", TooPrecise), ("", NotANumber), (" 1", NotANumber), ("1_0", NotANumber),
    ("\u0661", NotANumber), ("NaN", NotANumber), ("Infinity", NotANumber), (1.0, NotANumber), (True, NotANumber),
    (None, NotANumber), ([], NotANumber), ("1" * 65, NotANumber), ("1e24", OutOfRange), ("1e-30", OutOfRange),
    (10**40, OutOfRange), ("1e999999", OutOfRange)])
def test_refused(value, error):
    with pytest.raises(error):
        parse_units(value, 8)


@pytest.mark.parametrize(("numerator", "fee"), [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2)])
def test_a_fee_rounds_up(numerator, fee):
    assert fee_units(numerator) == fee


@given(limit_value=st.integers(1, 10**18), cuts=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100), st.booleans()),
                                                         max_size=20),
       maker=st.integers(0, 10_000), taker=st.integers(0, 10_000))
def test_a_hold_covers_every_way_an_order_can_fill(limit_value, cuts, maker, taker):
    """Fills of any share, at any price up to the limit, as maker or taker: the hold never runs short."""
    highest = max(maker, taker)
    hold, left, numerator, paid = hold_for_buy(limit_value, 0, 0, highest), limit_value, 0, 0
    for share, price, makes in cuts:
        at_limit = min(left, limit_value * share // 100)
        value = at_limit * price // 100
        numerator += value * (maker if makes else taker)
        fee = fee_units(numerator) - paid
        paid += fee
        left -= at_limit
        hold -= value + fee
        needed = hold_for_buy(left, numerator, paid, highest)
        assert 0 <= needed <= hold
        hold = needed


@given(funds=st.integers(0, 10**18), rate=st.integers(0, 20_000))
def test_spendable_is_the_most_that_fits_with_its_fee(funds, rate):
    value = spendable(funds, rate)
    assert value + fee_units(value * rate) <= funds
    assert value + 1 + fee_units((value + 1) * rate) > funds


@pytest.mark.parametrize(("increment", "places"), [("0.01", 2), ("1", 0), ("0.000001", 6), ("0.10", 1), ("10", 0)])
def test_decimal_places(increment, places):
    assert decimal_places(increment) == places


@pytest.mark.parametrize("market", listing().markets.values(), ids=lambda market: market.id)
def test_every_listed_market_is_exact(market):
    one_tick_one_lot = market.price_ticks(market.quote_increment) * market.size_lots(market.base_increment)
    assert market.value_units(one_tick_one_lot) == market.unit_per_tick_lot >= 1
    assert Decimal(market.format_price(12_345)) == 12_345 * Decimal(market.quote_increment)
    assert Decimal(market.format_size(678)) == 678 * Decimal(market.base_increment)
