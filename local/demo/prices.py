"""The prices that the demo market wanders along: per asset a seeded walk in logarithms that is drawn back to a reference.

Invented numbers, and so floats: what is sent to the exchange is whole ticks and lots (`quotes`). Pure; the time comes in.
"""

import math
import random
from dataclasses import dataclass, field

# What one unit is worth at rest, in dollars; an asset that is not here is worth DEFAULT_VALUE.
REFERENCE = {"USD": 1.0, "BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}
DEFAULT_VALUE = 100.0
# Standard deviation of the logarithm's change in one second, and of its place in the long run.
SIGMA = 0.00018
SPREAD_AT_REST = 0.03
FARTHEST = 0.15


@dataclass
class Walk:
    """One asset's value. `offset`: the logarithm of its distance from the reference."""

    reference: float
    rng: random.Random
    offset: float = 0.0

    def start_at(self, value: float) -> None:
        """Goes on from a value of an earlier run, or from as near as the walk may be."""
        self.offset = max(-FARTHEST, min(FARTHEST, math.log(value / self.reference)))

    def advance(self, elapsed_s: float) -> None:
        elapsed_s = min(elapsed_s, 60.0)
        pull = SIGMA**2 / (2 * SPREAD_AT_REST**2)
        self.offset += -pull * self.offset * elapsed_s + SIGMA * math.sqrt(elapsed_s) * self.rng.gauss(0, 1)
        self.offset = max(-FARTHEST, min(FARTHEST, self.offset))

    @property
    def value(self) -> float:
        return self.reference * math.exp(self.offset)


@dataclass
class Prices:
    """All walks. A dollar does not wander."""

    seed: int
    walks: dict[str, Walk] = field(default_factory=dict)
    at_s: float | None = None

    def walk(self, asset: str) -> Walk:
        if asset not in self.walks:
            self.walks[asset] = Walk(REFERENCE.get(asset, DEFAULT_VALUE), random.Random(f"{self.seed} {asset}"))
        return self.walks[asset]

    def advance(self, now_s: float) -> None:
        elapsed_s = 0.0 if self.at_s is None else max(0.0, now_s - self.at_s)
        self.at_s = now_s
        for asset, walk in self.walks.items():
            if asset != "USD":
                walk.advance(elapsed_s)

    def price(self, base: str, quote: str) -> float:
        """Of one unit of `base`, in `quote`."""
        return self.walk(base).value / self.walk(quote).value

    def value(self, asset: str) -> float:
        """In dollars."""
        return self.walk(asset).value
