"""Halts a market whose command queue has given up on a message.

A message in the dead-letter queue was acknowledged to a trader and not matched, and what follows it must not overtake it:
the status row stops new orders at once, and a HALT command puts the stop into the journal as well. The orders of a dead
message stay pending and the sweep sends them again; its cancels and amends are in no other place, so they go behind the HALT:
cancels are done there, amends are refused and so answered. Ticks and HALTs that died with a broken engine are not answered by
more of their kind.
"""

import os
import time

from aws_lambda_powertools import Logger

from exchange.adapters.halt import tell_status
from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.commands import SIZE, BadMessage, Command, CommandKind, decode_message, encode_message

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]
# With the HALT before them they still fit one message.
CANCELS_PER_MESSAGE = 400
SENT_AGAIN = frozenset((CommandKind.CANCEL, CommandKind.CANCEL_ALL, CommandKind.AMEND))

logger = Logger(service="engine_halt_market", use_rfc3339=True)


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch from the command queues' dead-letter queues; the message group is the market."""
    for record in event["Records"]:
        market = record["attributes"]["MessageGroupId"]
        reason = f"command message {record['messageId']} could not be processed"
        logger.critical("dead letter, market halted", market=market, body=record["body"])
        standing = MarketStatus().halt(market, reason=reason)
        of_traders, cancels = _content(record["body"])
        halt = Command(kind=CommandKind.HALT, issued_at_ms=time.time_ns() // 1_000_000).pack()
        for start in range(0, max(len(cancels), 1), CANCELS_PER_MESSAGE) if of_traders else ():
            command_queue().send(
                queue=f"{PREFIX}{market}.fifo", group=market, dedup_id=f"halt:{record['messageId']}:{start}",
                body=encode_message([halt, *cancels[start:start + CANCELS_PER_MESSAGE]]))
        tell_status(market, standing)
    return {"batchItemFailures": []}


def _content(body: str) -> tuple[bool, list[bytes]]:
    """Whether a trader's command may be in the message, and what of it goes behind the HALT. A body that cannot be read may
    hold one."""
    try:
        records = decode_message(body)
    except BadMessage:
        return True, []
    commands = [records[start:start + SIZE] for start in range(0, len(records), SIZE)]
    cancels = [command for command in commands if command[0] in SENT_AGAIN]
    return bool(cancels) or any(command[0] == CommandKind.PLACE for command in commands), cancels
