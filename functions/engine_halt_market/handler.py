"""Halts a market whose command queue has given up on a message.

A message in the dead-letter queue was acknowledged to a trader and not matched, and what follows it must not overtake it:
the status row stops new orders at once, and a HALT command puts the stop into the journal as well.
"""

import os
import time

from aws_lambda_powertools import Logger

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.commands import Command, CommandKind, encode_message

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]

logger = Logger(service="engine_halt_market")


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch from the command queues' dead-letter queues; the message group is the market."""
    for record in event["Records"]:
        market = record["attributes"]["MessageGroupId"]
        reason = f"command message {record['messageId']} could not be processed"
        logger.critical("dead letter, market halted", market=market, body=record["body"])
        MarketStatus().halt(market, reason=reason)
        halt = Command(kind=CommandKind.HALT, issued_at_ms=time.time_ns() // 1_000_000)
        command_queue().send(queue=f"{PREFIX}{market}.fifo", group=market, dedup_id=f"halt:{record['messageId']}",
                             body=encode_message([halt.pack()]))
    return {"batchItemFailures": []}
