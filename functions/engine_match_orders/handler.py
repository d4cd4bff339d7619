"""Matches the orders of one market: a batch from its FIFO queue, in order, into its journal.

One function per market (MARKET in its environment), behind an alias with provisioned concurrency. A raise fails the whole
batch, which is then delivered again in order; the journal tells what of it was done. A broken invariant halts the market.
"""

import os
import time

from aws_lambda_powertools import Logger

import matching_core
from exchange.adapters.core import core_for
from exchange.adapters.halt import halt_market
from exchange.adapters.ports import command_queue, journal, snapshot_store
from exchange.engine import Delivery, MatchingEngine
from exchange.journal import JournalBroken
from exchange.markets import listing

MARKET = os.environ["MARKET"]

logger = Logger(service="engine_match_orders", use_rfc3339=True)
logger.append_keys(market=MARKET)
engine = MatchingEngine(
    market=MARKET,
    core=core_for(listing().markets[MARKET]),
    journal=journal(),
    snapshots=snapshot_store(),
    queue=command_queue(),
    command_queue_url=f"{os.environ['COMMAND_QUEUE_URL_PREFIX']}{MARKET}.fifo",
    nudge_queue_urls=[os.environ["SETTLE_QUEUE_URL"], os.environ["FEED_QUEUE_URL"]],
    now_ms=lambda: time.time_ns() // 1_000_000,
)


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch of one market's command messages. Answers that none failed, or raises and fails all of them."""
    batch = [Delivery(int(record["attributes"]["SequenceNumber"]), record["body"]) for record in event["Records"]]
    try:
        outcome = engine.handle(batch)
    except (JournalBroken, matching_core.CoreInvariantBroken) as broken:
        logger.critical("invariant broken, market halted", error=str(broken))
        halt_market(MARKET, str(broken))
        raise
    if outcome.refused_snapshot:
        logger.error("snapshot refused, replayed from the start", error=outcome.refused_snapshot)
    if outcome.redelivered or outcome.caught_up:
        logger.info("caught up", redelivered=outcome.redelivered, entries=outcome.caught_up)
    return {"batchItemFailures": []}
