"""Every minute: I1 to I3 of what changed in the ledger since the last run, I4 at each market's settle cursor.

    journal at each settle cursor (1)  ->  the ledger's changes in one snapshot (2)  ->  position, report (3)

The position moves only when nothing was found, so a fault is found again until it is put right. What is found halts the
market it names (all of them where it names none), raises the alarm and stands in `audit_findings`.
"""

import time

from exchange.adapters.audit_outcome import conclude
from exchange.adapters.ports import journal
from exchange.adapters.postgres.audit import settled
from exchange.adapters.postgres.audit_runs import move, position
from exchange.adapters.postgres.ledger_checks import check_changes
from exchange.audits import AuditReport, Finding
from exchange.journal import JournalBroken, decode_entry

AUDIT = "audit_check_ledger"
# A market without an entry will not get one that is this much older than now.
UNSETTLED_MS = 3_600_000


def lambda_handler(event: dict, context: object) -> dict:
    """Answers what was checked; raises BrokenInvariant for a violation."""
    report = AuditReport(AUDIT, started_at_ms=time.time_ns() // 1_000_000)
    at = position(AUDIT)
    clocks = at.get("clocks", {})
    settled_clocks: dict[str, int] = {}
    for market, seq, hash_ in settled():
        found, settled_clocks[market] = _at_cursor(market, seq, hash_)
        report.findings += found
    # Entries settled since the last run are not older than the one that each cursor stood at then.
    since_ms = min((clocks.get(market, 0) for market in settled_clocks), default=0)
    checked = check_changes(at, ended_since_ms=since_ms)
    report.findings += checked.findings
    report.rows_checked, report.behind = checked.rows, checked.behind
    report.details = {"entry": checked.position["seen_entry"], "walked": checked.position["walked"]}
    if not report.findings:
        move(AUDIT, checked.position | {"clocks": settled_clocks})
    report.duration_ms = time.time_ns() // 1_000_000 - report.started_at_ms
    conclude([report])
    return {"checked": ["I1", "I2", "I3", "I4"], "rows": report.rows_checked, "result": report.result}


def _at_cursor(market: str, seq: int, settled_hash: bytes) -> tuple[list[Finding], int]:
    """I4: the entry that the ledger says it settled last is the journal's entry of that number. And that entry's time."""
    if seq == 0:
        first = journal().get(market=market, seq=1)
        return [], decode_entry(first).at_ms if first else time.time_ns() // 1_000_000 - UNSETTLED_MS
    raw = journal().get(market=market, seq=seq)
    what = "as settled is not the journal's"
    try:
        if raw is not None and (entry := decode_entry(raw)).hash == settled_hash:
            return [], entry.at_ms
    except JournalBroken as error:
        what = str(error)
    return [Finding("I4", f"journal entry {seq}", what, market)], 0
