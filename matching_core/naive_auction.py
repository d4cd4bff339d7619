"""The price at which a crossed book trades: the naive core's auction.

While an auction collects, orders rest without matching, so the best bid may stand above the best ask. Pairing the lots of
both sides, best first, shows how much could trade; the last pair's two prices are the range in which that much trades. Of
these prices the auction takes the one nearest to the last trade, or the middle when there was none.
"""

from collections.abc import Iterator

from matching_core.naive_orders import Queues
from matching_core.records import MAX_NOTIONAL


def is_crossed(bids: Queues, asks: Queues) -> bool:
    return bool(bids.prices) and bool(asks.prices) and bids.best() >= asks.best()


def equilibrium(bids: Queues, asks: Queues, last_price_ticks: int) -> tuple[int, int]:
    """(price, lots that trade at it) of a crossed book, (0, 0) of another."""
    volume, last_pair = 0, None
    bid_levels, ask_levels = _levels(bids), _levels(asks)
    bid_price, bid_lots = next(bid_levels, (0, 0))
    ask_price, ask_lots = next(ask_levels, (0, 0))
    while bid_lots and ask_lots and bid_price >= ask_price:
        paired = min(bid_lots, ask_lots)
        volume += paired
        last_pair = bid_price, ask_price
        bid_lots -= paired
        ask_lots -= paired
        if bid_lots == 0:
            bid_price, bid_lots = next(bid_levels, (0, 0))
        if ask_lots == 0:
            ask_price, ask_lots = next(ask_levels, (0, 0))
    if last_pair is None:
        return 0, 0
    highest, lowest = last_pair
    if last_price_ticks:
        price_ticks = min(max(last_price_ticks, lowest), highest)
    else:
        price_ticks = lowest + (highest - lowest) // 2
    return price_ticks, min(volume, MAX_NOTIONAL)


def _levels(queues: Queues) -> Iterator[tuple[int, int]]:
    """(price, all lots at it, hidden ones too), best first."""
    for price_ticks in queues.best_first():
        yield price_ticks, queues.whole(price_ticks)
