"""What the maker wants in the book, and what to change so that it is there. Pure; randomness comes in.

Around the middle lie slots at growing distance, one order each. An order whose slot has moved away, or that stands where a
second one is, goes; an empty slot gets an order, the nearest first. One order is replaced at random now and then, so that the
book lives also where nobody trades.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from exchange.markets import Market

BASIS_POINT = 1e-4


@dataclass(frozen=True)
class Style:
    """How a market is quoted and traded: the maker looks every `round_s`, `layers` per side from `half_spread_bp` in steps of
    `step_bp`; the taker comes every `taker_every_s` on average. Values in dollars."""

    round_s: float
    layers: int
    half_spread_bp: float
    step_bp: float
    layer_value: float
    taker_every_s: float
    taker_value: float


BUSY = Style(round_s=1.5, layers=12, half_spread_bp=1.5, step_bp=2.5, layer_value=2_500, taker_every_s=1.6, taker_value=60)
CALM = Style(round_s=4.0, layers=8, half_spread_bp=3.0, step_bp=5.0, layer_value=1_500, taker_every_s=5.0, taker_value=50)


@dataclass(frozen=True)
class Quote:
    """An order of the maker's; `id` is empty for one that is wanted."""

    side: str
    price_ticks: int
    size_lots: int
    id: str = ""


@dataclass(frozen=True)
class Changes:
    cancel: list[Quote]
    place: list[Quote]


def plan(market: Market, style: Style, *, middle: float, unit_value: float, live: Iterable[Quote], rng: random.Random,
         scale: dict[str, float], most: int = 8) -> Changes:
    """At most `most` cancels and as many placements. `middle` in ticks; `unit_value`: dollars per unit of the base asset;
    `scale`: by side, how much of the usual size there is money for."""
    taken: dict[tuple[str, int], Quote] = {}
    cancel: list[Quote] = []
    for quote in sorted(live, key=lambda quote: abs(quote.price_ticks - middle)):
        slot = slot_of(quote, style, middle)
        if slot is None or (quote.side, slot) in taken:
            cancel.append(quote)
        else:
            taken[quote.side, slot] = quote
    if taken and not cancel and rng.random() < 0.3:
        slot = rng.choice(sorted(taken))
        cancel.append(taken.pop(slot))
    wanted = []
    for slot in range(style.layers):
        for side in ("buy", "sell"):
            if (side, slot) not in taken and scale[side] > 0.02:
                wanted.append(_quote(market, style, side, slot, middle, unit_value, rng, scale[side]))
    return Changes(cancel[:most], [quote for quote in wanted if quote.size_lots > 0 and quote.price_ticks > 0][:most])


def slot_of(quote: Quote, style: Style, middle: float) -> int | None:
    """The slot that an order stands in; None where it stands on the wrong side, too near, or too far."""
    away_bp = (quote.price_ticks - middle) / middle / BASIS_POINT * (1 if quote.side == "sell" else -1)
    if away_bp < style.half_spread_bp / 2:
        return None
    slot = round((away_bp - style.half_spread_bp) / style.step_bp)
    return slot if 0 <= slot < style.layers else None


def _quote(market: Market, style: Style, side: str, slot: int, middle: float, unit_value: float, rng: random.Random,
           scale: float) -> Quote:
    away_bp = style.half_spread_bp + style.step_bp * (slot + rng.uniform(-0.25, 0.25) * (slot > 0))
    exact = middle * (1 + away_bp * BASIS_POINT * (1 if side == "sell" else -1))
    # Away from the middle: a tick too near could cross.
    ticks = -int(-exact // 1) if side == "sell" else int(exact)
    return Quote(side, ticks, size_lots(market, style.layer_value * rng.uniform(0.2, 1.0 + slot / 4) * scale, unit_value))


def size_lots(market: Market, value: float, unit_value: float) -> int:
    """Whole lots worth about `value` dollars."""
    return int(value / unit_value * 10**market.base.scale / market.units_per_lot)


def style_of(market: str) -> Style:
    return BUSY if market == "BTC-USD" else CALM
