"""Settles the journal of each market into the ledger, one transaction per entry, woken by nudges.

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
    """An SQS batch of nudges. After a failure the later nudges of that market are given back too, so that its order is
    kept; the other markets go on."""
    failed: list[str] = []
    stopped: set[str] = set()
    for record in event["Records"]:
        nudge = decode_nudge(json.loads(record["body"]))
        if nudge.market not in stopped and _settled(nudge):
            continue
        stopped.add(nudge.market)
        failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _settled(nudge: Nudge) -> bool:
    try:
        follower.follow(nudge.market, nudge.seq, nudge.entry)
    except BrokenInvariant as broken:
        logger.critical("invariant broken, %s is halted: %s", nudge.market, broken)
        halt_market(nudge.market, str(broken))
        return False
    except Exception:
        logger.exception("settling %s/%s failed", nudge.market, nudge.seq)
        return False
    return True
