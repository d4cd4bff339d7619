"""Makes every view anew from the journal alone: books, trades, tickers, statistics in Redis, candles in PostgreSQL.

Called by hand (`make rebuild-views`; in the cloud `aws lambda invoke`), never needed while all is well: lost views come back by
themselves. Listeners are told and disconnected, and until it is done the public reads answer from what there is.
"""

import os
import time

from exchange.adapters.ports import command_queue, journal
from exchange.adapters.postgres.candles import PostgresCandles
from exchange.adapters.redis.market_views import MarketViews
from exchange.feed.bodies import encode_rebuild
from exchange.feed.candles import CandleRecorder
from exchange.journal import decode_entry
from exchange.markets import listing

views = MarketViews()


def lambda_handler(event: dict, context: object) -> dict:
    """`{"market": "BTC-USD"}`, or all. Answers, per market, the entry that it was rebuilt to; what is not `complete` when
    time is up goes on by itself, the candles with the minute's recorder. Raises ValueError for a market that is not listed."""
    wanted = event.get("market")
    if wanted and wanted not in listing().markets:
        raise ValueError(f"{wanted} is not listed; the markets are {', '.join(listing().markets)}")
    store, answer = PostgresCandles(listing()), {}
    recorder = CandleRecorder(journal=journal(), store=store)

    def time_left_s() -> float:
        return context.get_remaining_time_in_millis() / 1000 if context is not None else 3600.0
    for market in [wanted] if wanted else listing().markets:
        head = journal().head(market=market)
        seq = decode_entry(head).seq if head else 0
        epoch = f"rebuilt-{time.time_ns()}"
        command_queue().send(queue=os.environ["FEED_QUEUE_URL"], group=market, dedup_id=epoch,
                             body=encode_rebuild(market, epoch))
        store.forget(market)
        recorder.catch_up(market, time_left_s)
        while not (rebuilt := _is_at(market, epoch, seq)) and time_left_s() > 6:
            time.sleep(0.1)
        answer[market] = {"entry": seq, "complete": rebuilt and store.cursor(market)[0] >= seq}
    return answer


def _is_at(market: str, epoch: str, seq: int) -> bool:
    found, at = views.position(market)
    return found == epoch and at >= seq
