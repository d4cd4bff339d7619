"""Halting a market: the status row stops the API at once, a HALT command stops the engine in the journal's order.

Called by whatever finds a broken invariant. Cancels stay possible; an operator resumes.
"""

import hashlib
import os
import time

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.commands import Command, CommandKind, encode_message


def halt_market(market: str, reason: str) -> None:
    """Writes the status row, then sends HALT; exceptions of both pass through.

    One HALT per reason within the queue's deduplication window: a HALT is journaled, its entry's nudge finds the same
    fault again and would ask for the next one, without end.
    """
    MarketStatus().halt(market, reason=reason)
    halt = Command(kind=CommandKind.HALT, issued_at_ms=time.time_ns() // 1_000_000)
    command_queue().send(queue=f"{os.environ['COMMAND_QUEUE_URL_PREFIX']}{market}.fifo", group=market,
                         dedup_id=f"halt:{hashlib.sha256(reason.encode()).hexdigest()[:40]}",
                         body=encode_message([halt.pack()]))
