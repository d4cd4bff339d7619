"""Every minute: sends again what may not have reached the engine (I8, I10).

    journal head (1)  ->  [settle cursor, orders pending > 30 s] in one snapshot (2)  ->  send (3)

An order is pending because it was never matched, or because its entry is not settled yet. Only if the ledger (2) stands at
or past the head read before (1) is it the former, and only then is it sent again: the same bytes, the same deduplication
id, so the queue drops what it still remembers and the engine refuses as expired what is too old to be executed. Either way
its answer resolves the order and its hold. Orders that came in one message go in one again. Amends that nobody answered, and
cancels that were asked for while their order was pending, are sent again too.
"""

import logging
import os
import time
from itertools import groupby
from operator import itemgetter
from uuid import uuid4

from exchange.adapters.ports import command_queue, journal
from exchange.adapters.postgres.amends import amend_name
from exchange.adapters.postgres.audit import Unanswered, unanswered
from exchange.adapters.postgres.audit_runs import record as record_run
from exchange.audits import AuditReport
from exchange.commands import Command, CommandKind, encode_message
from exchange.journal import decode_entry
from exchange.markets import listing

PREFIX = os.environ["COMMAND_QUEUE_URL_PREFIX"]
AGE_S = 30
LIMIT = 500
WAIT_S = 5

logger = logging.getLogger("exchange.audit_sweep_orders")


def lambda_handler(event: dict, context: object) -> dict:
    """Answers how many orders, cancels and amends were sent again, per market that had any. Raises when a service fails."""
    sent = {}
    report = AuditReport("audit_sweep_orders", started_at_ms=time.time_ns() // 1_000_000)
    for market in listing().markets:
        head = journal().head(market=market)
        found = _unanswered(market, decode_entry(head).seq if head else 0)
        if found is None:
            logger.warning("%s: settlement is more than %s s behind the journal, nothing is sent again", market, WAIT_S)
            report.behind = True
            continue
        for message_id, together in groupby(found.orders, key=itemgetter(0)):
            _send(market, str(message_id), [record for _, record in together])
        for record in found.amends:
            _send(market, amend_name(Command.unpack(record)), [record])
        for order_id, account, asked_at_ms in found.cancels:
            cancel = Command(kind=CommandKind.CANCEL, issued_at_ms=asked_at_ms, order_id=order_id, account=account)
            _send(market, f"cancel:{order_id}:{uuid4().hex}", [cancel.pack()])
        if found.orders or found.cancels or found.amends:
            sent[market] = {"orders": len(found.orders), "cancels": len(found.cancels), "amends": len(found.amends)}
            logger.warning("%s: sent again: %s", market, sent[market])
            report.rows_checked += sum(sent[market].values())
    report.details = {"sent_again": sent}
    report.duration_ms = time.time_ns() // 1_000_000 - report.started_at_ms
    record_run(report)
    return sent


def _unanswered(market: str, head: int) -> Unanswered | None:
    """Under load settlement is always a few entries behind; it reaches the head that was read within moments."""
    deadline = time.monotonic() + WAIT_S
    while (found := unanswered(market, settled_up_to=head, age_s=AGE_S, limit=LIMIT)) is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)
    return found


def _send(market: str, dedup_id: str, records: list[bytes]) -> None:
    command_queue().send(queue=f"{PREFIX}{market}.fifo", group=market, dedup_id=dedup_id, body=encode_message(records))
