"""What the exchange costs a month on AWS: the synthesised templates and a load, times the public prices; `make bill`.

    standing.py   what the templates cost when nobody comes, resource by resource
    traffic.py    what a load adds, from what an order and a read do
    prices.py     the prices

Nothing here was billed by AWS: it is an estimate, with its assumptions printed beside it. See docs/COST.md.
"""

from dataclasses import dataclass
from decimal import Decimal

from bill.prices import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the bill of a load needs to know of the templates. `instances` of the database, each with `least_acu` units at
    least; `warm`: whether matching functions are kept warm; `traced`: whether calls are traced."""

    markets: int
    instances: int
    least_acu: Decimal
    warm: bool
    traced: bool


@dataclass(frozen=True, slots=True)
class Line:
    """So many units of a price, for what: `service` is whose, `what` what of it."""

    service: str
    what: str
    units: Decimal
    price: Price

    @property
    def usd(self) -> Decimal:
        return self.price.of(self.units)
