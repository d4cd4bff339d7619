"""What follows from an audit's report: the log, the metric that the alarm watches, the tables, and the halt.

    log and metric (1)  ->  halt (2)  ->  audit_runs, audit_findings (3)  ->  raise (4)

In this order, so that a database out of reach keeps neither the alarm nor the halt from an operator. Called by the audits.
"""

import json
import logging

from exchange.adapters.halt import halt_market
from exchange.adapters.metric_lines import write_figures
from exchange.adapters.postgres.audit_runs import record
from exchange.audits import FINDINGS_SHOWN, AuditReport
from exchange.faults import BrokenInvariant
from exchange.markets import listing

METRIC = "BrokenInvariants"

logger = logging.getLogger("exchange.audit")


def conclude(reports: list[AuditReport]) -> None:
    """Records the reports; halts the market of each finding (all, where it names none) and raises BrokenInvariant."""
    reasons: dict[str, str] = {}
    for report in reports:
        _emit(report)
        for found in report.findings[:FINDINGS_SHOWN]:
            logger.critical("%s found a broken invariant: %s; rows: %s", report.audit, found,
                            json.dumps(found.evidence, default=str))
            for market in [found.market] if found.market in listing().markets else listing().markets:
                reasons.setdefault(market, str(found))
    try:
        for market, reason in reasons.items():
            halt_market(market, reason)
    finally:
        for report in reports:
            record(report)
    if reasons:
        raise BrokenInvariant("; ".join(str(found) for report in reports for found in report.findings[:3]))


def _emit(report: AuditReport) -> None:
    write_figures(
        level="ERROR" if report.findings else "WARN", dimension="audit",
        units={METRIC: "Count", "RowsChecked": "Count", "DurationMs": "Milliseconds"},
        line={"audit": report.audit, "market": report.market, "result": report.result, METRIC: len(report.findings),
              "RowsChecked": report.rows_checked, "DurationMs": report.duration_ms})
