"""Exact money: decimal text to whole units and back.

Inside the exchange an amount is an `int` counting the smallest unit of its asset (`scale` decimal digits). Outside it is
a decimal string in fixed notation. Nothing here rounds: a number that does not fit its scale is refused. The one rounding
of the exchange, of a fee, is `fees.fee_units`.

Called by the order rules, the ledger and every handler that reads or prints an amount.
"""

from decimal import Decimal, InvalidOperation
from functools import lru_cache

# Larger than any balance the ledger can hold (NUMERIC(32,8)); keeps a hostile exponent from becoming a huge integer.
MAX_DIGITS = 24


class MoneyError(ValueError):
    """Text that is not an exact amount at the wanted scale. `str(error)` says what was found and what was wanted."""


class NotANumber(MoneyError):
    """Not a finite decimal number."""


class TooPrecise(MoneyError):
    """More decimal digits than the scale or the increment allows."""


class OutOfRange(MoneyError):
    """More than MAX_DIGITS digits before the decimal point."""


def parse_decimal(value: object) -> Decimal:
    """A finite `Decimal` from a decimal string, an int or a Decimal (a JSON number parsed exactly).

    Raises NotANumber for anything else: floats (they have already lost digits), booleans, NaN, infinities, white space,
    underscores and non-ASCII digits; OutOfRange for more than MAX_DIGITS digits before or after the point.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise NotANumber(f"{type(value).__name__} is not a decimal number")
    if isinstance(value, str) and (not value.isascii() or "_" in value or value != value.strip() or len(value) > 64):
        raise NotANumber(f"{value[:40]!r} is not a decimal number")
    if isinstance(value, int) and value.bit_length() > 128:
        raise OutOfRange("the number is too large")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise NotANumber(f"{value!r} is not a decimal number") from None
    if not number.is_finite():
        raise NotANumber(f"{value!r} is not a finite number")
    if not number:
        return Decimal(0)  # whatever exponent it was written with
    if (number.adjusted() >= MAX_DIGITS or number.adjusted() < -MAX_DIGITS or number.as_tuple().exponent < -64):
        raise OutOfRange(f"{value} is out of range")
    return number


def parse_units(value: object, scale: int) -> int:
    """The number of smallest units (10^-scale) in `value`; exact, sign kept.

    Raises NotANumber, OutOfRange, or TooPrecise when `value` has a non-zero digit beyond `scale`.
    """
    number = parse_decimal(value)
    sign, digits, exponent = number.as_tuple()
    whole = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    if shift >= 0:
        whole *= 10**shift
    else:
        whole, rest = divmod(whole, 10**-shift)
        if rest:
            raise TooPrecise(f"{value} has more than {scale} decimal digits")
    return -whole if sign else whole


# The same prices and sizes are shown again and again: a book's levels, the closed minutes of a day.
@lru_cache(maxsize=1 << 14)
def format_units(units: int, scale: int) -> str:
    """`units` of 10^-scale as a decimal string in fixed notation with exactly `scale` digits after the point."""
    if scale == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def decimal_places(increment: str) -> int:
    """The number of decimal digits of an increment written without superfluous zeros: `0.01` has 2, `1` has 0."""
    return max(0, -Decimal(increment).normalize().as_tuple().exponent)
