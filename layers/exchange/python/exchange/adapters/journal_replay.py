"""One market's journal from the last audited entry to the last settled one, replayed and held against the ledger.

    stored book at n (1)  ->  entries n+1 ...: I4, I5, I7 (2)  ->  fills, postings, orders: I7, I10 (3)  ->  store (4)

Page by page. The book and the position are stored in one transaction, and only when nothing was found, so that a fault is found
again until it is put right. The naive core replays too, for a part of the time. Called by `functions/audit_replay_journal`.
"""

import logging
import time

from exchange.adapters.core import core_for, limits_in, naive_core
from exchange.adapters.ports import journal
from exchange.adapters.postgres.audit_runs import move, position, state
from exchange.adapters.postgres.journal_checks import compare
from exchange.audits import AuditReport, Finding
from exchange.journal import NewerCore
from exchange.journal_audit import JournalAudit
from exchange.markets import Market
from exchange.replica import BadSnapshot, BookReplica, Position

AUDIT = "audit_replay_journal"
PAGE = 100

logger = logging.getLogger("exchange.audit_replay_journal")


def audit_journal(market: Market, settled_seq: int, *, most_s: float, naive_s: float) -> AuditReport:
    """Up to the entry `settled_seq`, or as far as it gets in about `most_s`; the naive core for about `naive_s` of it."""
    report = AuditReport(AUDIT, started_at_ms=time.time_ns() // 1_000_000, market=market.id)
    started = time.monotonic()
    run = _resume(market)
    first = run.replica.position.seq
    report.details["seq"] = first
    try:
        while run.replica.position.seq < settled_seq and not report.findings:
            if time.monotonic() - started > most_s:
                report.behind = True
                break
            report.findings += _page(run, market, settled_seq, naive_until=started + naive_s)
    except NewerCore as newer:
        logger.warning("%s: a newer core has written here; the next run will be its: %s", market.id, newer)
        report.behind = True
    report.rows_checked = run.entries
    report.details |= {"entries": run.entries, "naive_entries": run.naive_entries, "settled": settled_seq}
    if not report.findings and run.replica.position.seq > first:
        report.details["seq"] = run.replica.position.seq
        move(AUDIT, {"seq": run.replica.position.seq, "hash": run.replica.position.hash.hex()}, market.id,
             state=run.replica.to_snapshot())
    report.duration_ms = round((time.monotonic() - started) * 1000)
    return report


def _page(run: JournalAudit, market: Market, settled_seq: int, *, naive_until: float) -> list[Finding]:
    at = run.replica.position.seq
    page = journal().after(market=market.id, seq=at, limit=min(PAGE, settled_seq - at))
    if not page:
        return [Finding("I4", f"journal entry {at + 1}", f"is missing; the ledger has settled up to {settled_seq}", market.id,
                        ({"market": market.id, "seq": at + 1},))]
    run.sides.clear()
    run.ended.clear()
    for raw in page:
        if time.monotonic() > naive_until:
            run.naive = None
        if found := run.take(raw):
            return found
    return compare(market, run.sides, run.ended)


def _resume(market: Market) -> JournalAudit:
    """At the stored position; at the journal's beginning where there is none, or its book is damaged or of a core that is not
    kept. The naive core takes part where the book is of today's rules."""
    core, stored = core_for(market), state(AUDIT, market.id)
    replica = BookReplica(market.id, core, core.create(), Position())
    if stored is not None:
        try:
            replica = BookReplica.from_snapshot(market.id, core, stored)
        except BadSnapshot as refused:
            logger.error("%s: the audited book is refused, starting from the first entry: %s", market.id, refused)
        else:
            at = position(AUDIT, market.id)
            if (at["seq"], at["hash"]) != (replica.position.seq, replica.position.hash.hex()):
                logger.error("%s: the audited book is not at the stored position, starting from the first entry", market.id)
                replica = BookReplica(market.id, core, core.create(), Position())
    if replica.rules is core:
        naive = BookReplica.from_snapshot(market.id, naive_core(), replica.to_snapshot())
        return JournalAudit(replica, limits_in(replica.book.snapshot()), naive)
    return JournalAudit(replica, limits_in(core.restore(replica.book.snapshot()).snapshot()))
