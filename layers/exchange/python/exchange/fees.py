"""Fees, and the one rounding of the exchange.

A fee is `value x rate`, taken in the quote asset. Where it does not divide it rounds up, in favour of the house, once per
order and not once per fill: `fee_units` is applied to the order's running total and a fill pays the difference. So the
fees of an order cut into a thousand fills never exceed what was held for it (I2, I3), which rounding each fill up would.

Rates are whole parts per million. A fee numerator is `sum of value_units x rate_ppm` over an order's fills, so that an
order that was a taker first and a maker later is still rounded once.
"""

PPM = 1_000_000


def fee_units(fee_numerator: int) -> int:
    """The fee in quote units for a numerator (`sum of value_units x rate_ppm`), rounded up to a whole unit."""
    return -(-fee_numerator // PPM)


def hold_for_buy(remaining_value: int, fee_numerator: int, fees_paid: int, max_rate_ppm: int) -> int:
    """Quote units a buy still needs: its remaining value at its limit, and the largest fee that can still come due.

    `remaining_value`: remaining size at the limit price, in quote units. `fee_numerator`, `fees_paid`: of its fills so
    far. With no fills yet this is the hold taken when the order is placed.
    """
    return remaining_value + fee_units(fee_numerator + remaining_value * max_rate_ppm) - fees_paid


def spendable(funds_units: int, taker_rate_ppm: int) -> int:
    """The largest value in quote units whose taker fee still fits into `funds_units` together with it."""
    value = funds_units * PPM // (PPM + taker_rate_ppm)
    while value > 0 and value + fee_units(value * taker_rate_ppm) > funds_units:
        value -= 1
    return value
