"""Settles the journal of each market into the ledger, woken by nudges; what a batch brings of a market is one transaction.

Follows the journal, not the queue: a lost, repeated or late nudge costs time, never money. A broken invariant halts the
market and raises; nothing of the entry is in the ledger then, and its nudge comes back until an operator has looked.
"""

import json
import logging

from exchange.adapters.halt import halt_market
from exchange.adapters.ports import journal
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.faults import BrokenInvariant
from exchange.follower import JournalFollower
from exchange.markets import listing
from exchange.nudges import Nudge, decode_nudge

logger = logging.getLogger("exchange.ledger_settle_fills")
follower = JournalFollower(journal(), PostgresLedger(listing()))


def lambda_handler(event: dict, context: object) -> dict:
    """An SQS batch of nudges. Markets fail one by one; of one that fails all nudges come again, which is safe because its
    cursor says what was done."""
    by_market: dict[str, list[tuple[str, Nudge]]] = {}
    for record in event["Records"]:
        nudge = decode_nudge(json.loads(record["body"]))
        by_market.setdefault(nudge.market, []).append((record["messageId"], nudge))
    failed: list[str] = []
    for market, nudges in by_market.items():
        if not _settled(market, [nudge for _, nudge in nudges]):
            failed += [message_id for message_id, _ in nudges]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _settled(market: str, nudges: list[Nudge]) -> bool:
    seq = max(nudge.seq for nudge in nudges)
    try:
        follower.follow(market, seq, {nudge.seq: nudge.entry for nudge in nudges if nudge.entry is not None})
    except BrokenInvariant as broken:
        logger.critical("invariant broken, %s is halted: %s", market, broken)
        halt_market(market, str(broken))
        return False
    except Exception:
        logger.exception("settling %s/%s failed", market, seq)
        return False
    return True
