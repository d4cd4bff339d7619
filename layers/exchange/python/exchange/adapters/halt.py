"""Halting a market: the status row stops the API at once, a HALT command stops the engine in the journal's order.

Called by whatever finds a broken invariant, the engine itself included: one whose journal is broken takes nothing from its
queue, the HALT neither, but when the journal is sound again (the version that wrote it is back, say) the HALT is journaled
behind the orders that were acknowledged before it. Cancels stay possible; an operator resumes.
"""

import hashlib
import os
import time

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import command_queue
from exchange.commands import Command, CommandKind, encode_message
from exchange.feed.bodies import encode_status
from exchange.feed.requests import status_market
from exchange.market_modes import Status
from exchange.markets import listing


def halt_market(market: str, reason: str) -> None:
    """Writes the status row, sends HALT, tells the feed; exceptions of all three pass through.

    One HALT per halt and reason within the queue's deduplication window: a HALT is journaled, its entry's nudge finds the
    same fault again and would ask for the next one, without end.
    """
    standing = MarketStatus().halt(market, reason=reason)
    of_this_halt = hashlib.sha256(f"{standing.since} {reason}".encode()).hexdigest()[:40]
    send_command(market, CommandKind.HALT, dedup_id=f"halt:{of_this_halt}")
    tell_status(market, standing)


def send_command(market: str, kind: CommandKind, *, dedup_id: str) -> None:
    """Sends a command that names no order: HALT, AUCTION, UNCROSS, TICK."""
    command = Command(kind=kind, issued_at_ms=time.time_ns() // 1_000_000)
    command_queue().send(queue=f"{os.environ['COMMAND_QUEUE_URL_PREFIX']}{market}.fifo", group=market, dedup_id=dedup_id,
                         body=encode_message([command.pack()]))


def tell_status(market: str, standing: Status) -> None:
    """Has the feed tell at once what stands in the market's row. The last step, after what stops the market: what is lost of it
    the feed's clock tells within seconds."""
    teller = status_market(listing().markets)
    command_queue().send(queue=os.environ["FEED_QUEUE_URL"], group=teller, dedup_id=f"status:{market}:{standing.since}",
                         body=encode_status(teller, market))
