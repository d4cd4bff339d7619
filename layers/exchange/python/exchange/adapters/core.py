"""The C matching core as the engine takes it."""

from functools import partial

import matching_core
from exchange.markets import Market
from exchange.replica import Core


def core_for(market: Market) -> Core:
    """The core with room for the market's stated number of resting orders to start with; it grows by itself."""
    return Core(create=partial(matching_core.Book.create, orders=market.capacity_orders),
                restore=matching_core.Book.restore, version=matching_core.CORE_VERSION,
                damaged=matching_core.DamagedSnapshot, events_full=matching_core.EventsFull)
