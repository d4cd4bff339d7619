"""GET /products/{product_id}/candles: low, high, open, close and volume of each span of time, newest first."""

from exchange.adapters.postgres.candles import read_candles
from exchange.adapters.redis.market_views import MarketViews
from exchange.api.candle_range import candle_range
from exchange.api.door import Response, operation
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.feed.candles import candle_rows, regroup
from exchange.feed.statistics import DAY_MINUTES

views = MarketViews()
NEVER_S = 2**62


@operation(public=True)
def lambda_handler(request: Request) -> Response:
    """`[[time, low, high, open, close, volume], ...]`, at most 300; spans without trades are left out. The last 24 hours up
    to the newest trade are in the views, what is older in the ledger's database, asked only where the range reaches it."""
    market, wanted = product_of(request), candle_range(request)
    minutes = views.minutes(market.id)
    oldest, newest = (next(iter(minutes)), next(reversed(minutes))) if minutes else (0, -1)  # in order of time
    cached_from_s = (newest - DAY_MINUTES + 1) * 60 if minutes else NEVER_S
    parts = []
    old_to_s = min(cached_from_s, wanted.to_s)
    if wanted.from_s < old_to_s:
        if wanted.granularity_s >= 3600:
            hours_to_s = old_to_s - old_to_s % 3600
            parts += read_candles(market, stored_s=3600, granularity_s=wanted.granularity_s, from_s=wanted.from_s,
                                  to_s=hours_to_s)
            parts += read_candles(market, stored_s=60, granularity_s=60, from_s=hours_to_s, to_s=old_to_s)
        else:
            parts += read_candles(market, stored_s=60, granularity_s=wanted.granularity_s, from_s=wanted.from_s,
                                  to_s=old_to_s)
    within = range(max(oldest, -(-wanted.from_s // 60)), min(newest, (wanted.to_s - 1) // 60) + 1)
    parts += [(minute * 60, minutes[minute]) for minute in within if minute in minutes]
    return Response(candle_rows(market, regroup(parts, wanted.granularity_s)))
