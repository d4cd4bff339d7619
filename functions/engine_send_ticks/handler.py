"""Sends each market a tick, every minute: the engine's clock moves, and followers that lost a nudge see the gap."""

import os
import time

from exchange.adapters.ports import command_queue
from exchange.commands import Command, CommandKind, encode_message
from exchange.markets import listing

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers the number of markets. Repeats within a minute are dropped
    by the queue's deduplication."""
    now_ms = time.time_ns() // 1_000_000
    body = encode_message([Command(kind=CommandKind.TICK, issued_at_ms=now_ms).pack()])
    for market in listing().markets:
        command_queue().send(queue=f"{PREFIX}{market}.fifo", group=market, dedup_id=f"tick:{now_ms // 60_000}", body=body)
    return {"markets": len(listing().markets)}
