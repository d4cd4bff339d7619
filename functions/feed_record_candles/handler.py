"""Records the candles of every market from its journal, every minute; the newest trades are in the views meanwhile."""

import logging

from exchange.adapters.ports import journal
from exchange.adapters.postgres.candles import PostgresCandles
from exchange.feed.candles import CandleRecorder
from exchange.follower import StaleCursor
from exchange.markets import listing

logger = logging.getLogger("exchange.feed_record_candles")
recorder = CandleRecorder(journal=journal(), store=PostgresCandles(listing()))


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers the number of entries. A market whose journal is broken fails the
    invocation, after the others."""
    recorded, failures = 0, []
    for market in listing().markets:
        try:
            recorded += recorder.catch_up(market, lambda: context.get_remaining_time_in_millis() / 1000 if context else 3600)
        except StaleCursor:
            logger.info("%s: another invocation is at it", market)
        except Exception as failure:
            logger.exception("%s: its candles stand still", market)
            failures.append(failure)
    if failures:
        raise failures[0]
    return {"entries": recorded}
