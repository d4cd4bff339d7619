"""Runs the feed's clock for a minute: heartbeats, batched tickers, the status; see `exchange.feed.beat`.

Called by the beat queue, and by a schedule that starts the clock where somebody listens and it has stopped.
"""

import json
import os
import time

from exchange.adapters.ports import command_queue
from exchange.adapters.redis.market_views import MarketViews
from exchange.feed.beat import Beater, Start
from exchange.markets import listing

FEED_QUEUE_URL, BEAT_QUEUE_URL = os.environ["FEED_QUEUE_URL"], os.environ["BEAT_QUEUE_URL"]

views = MarketViews()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def listening() -> dict[str, frozenset[str]]:
    return views.listening(listing().markets)


def send(market: str, dedup_id: str, body: str) -> None:
    command_queue().send(queue=FEED_QUEUE_URL, group=market, dedup_id=dedup_id, body=body)


def start(at_ms: int) -> None:
    message = Start.at(at_ms)
    command_queue().send(queue=BEAT_QUEUE_URL, group=message.group, dedup_id=message.dedup_id, body=message.body)


beater = Beater(listening=listening, send=send, start_next=start, now_ms=now_ms, sleep_s=time.sleep)


def lambda_handler(event: dict, context: object) -> dict:
    """A batch of the beat queue, or a scheduled event. A failed beat fails the batch: it comes again, and so does the next
    minute's start."""
    if "Records" not in event:
        if listening():
            start(now_ms())
        return {}
    for record in event["Records"]:
        beater.run_minute(json.loads(record["body"])["minute"],
                          lambda: context.get_remaining_time_in_millis() / 1000 if context is not None else 3600)
    return {"batchItemFailures": []}
