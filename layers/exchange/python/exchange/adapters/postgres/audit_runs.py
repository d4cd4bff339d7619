"""The audits' own tables: the last run of each, what was found, and how far each has come.

`record` is one transaction. Written by the audit functions only; `last_runs`, `ledger_made_at` and `findings` are for
operators.
"""

from datetime import UTC, datetime

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.audits import FINDINGS_SHOWN, ROWS_SHOWN, AuditReport

_RUN = """INSERT INTO audit_runs (audit, market, started_at, duration_ms, rows_checked, result, details, last_passed_at,
                                  last_failed_at)
    VALUES (%(audit)s, %(market)s, %(at)s, %(duration_ms)s, %(rows)s, %(result)s, %(details)s,
            CASE WHEN %(result)s = 'passed' THEN %(at)s END, CASE WHEN %(result)s = 'failed' THEN %(at)s END)
    ON CONFLICT (audit, market) DO UPDATE SET started_at = EXCLUDED.started_at, duration_ms = EXCLUDED.duration_ms,
        rows_checked = EXCLUDED.rows_checked, result = EXCLUDED.result, details = EXCLUDED.details,
        last_passed_at = coalesce(EXCLUDED.last_passed_at, audit_runs.last_passed_at),
        last_failed_at = coalesce(EXCLUDED.last_failed_at, audit_runs.last_failed_at)"""

_FINDING = """INSERT INTO audit_findings (audit, market, invariant, subject, what, evidence, first_found_at, last_found_at)
    VALUES (%(audit)s, %(market)s, %(invariant)s, %(subject)s, %(what)s, %(evidence)s, %(at)s, %(at)s)
    ON CONFLICT (audit, market, invariant, subject) DO UPDATE SET what = EXCLUDED.what, evidence = EXCLUDED.evidence,
        last_found_at = EXCLUDED.last_found_at, times = audit_findings.times + 1"""

_LAST_RUNS = f"""SELECT audit, market, {ISO_TIME.format('started_at')} AS started_at, duration_ms, rows_checked, result,
        details, {ISO_TIME.format('last_passed_at')} AS last_passed_at,
        {ISO_TIME.format('last_failed_at')} AS last_failed_at
    FROM audit_runs ORDER BY audit, market"""

_MADE_AT = f"SELECT {ISO_TIME.format('min(applied_at)')} FROM schema_migrations"

_FINDINGS = f"""SELECT audit, market, invariant, subject, what, evidence, {ISO_TIME.format('first_found_at')} AS first_found_at,
        {ISO_TIME.format('last_found_at')} AS last_found_at, times
    FROM audit_findings ORDER BY audit_findings.last_found_at DESC LIMIT %s"""


def record(report: AuditReport) -> None:
    """Writes a run and its findings."""
    run = {"audit": report.audit, "market": report.market, "at": datetime.fromtimestamp(report.started_at_ms / 1000, UTC),
           "duration_ms": report.duration_ms, "rows": report.rows_checked, "result": report.result,
           "details": Jsonb(report.details)}
    # Of one subject the first that was found stands for all.
    shown = reversed(report.findings[:FINDINGS_SHOWN])
    first = {(found.market, found.invariant, found.subject[:200]): found for found in shown}
    findings = [run | {"market": market, "invariant": invariant, "subject": subject, "what": found.what,
                       "evidence": Jsonb(list(found.evidence[:ROWS_SHOWN]))}
                for (market, invariant, subject), found in first.items()]

    def write(connection: object) -> None:
        with connection.transaction():
            connection.execute(_RUN, run)
            for finding in findings:
                connection.execute(_FINDING, finding)
    repeatable(write)


def last_runs() -> list[dict]:
    """The last run of each audit and market."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(_LAST_RUNS).fetchall())


def ledger_made_at() -> str:
    """When the ledger was made, and its first audits were due from."""
    (made_at,), = repeatable(lambda connection: connection.execute(_MADE_AT).fetchall())
    return made_at


def findings(limit: int = 100) -> list[dict]:
    """What was found, the latest first."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(_FINDINGS, (limit,)).fetchall())


def position(audit: str, market: str = "") -> dict:
    """Up to where the audit has found everything in order; empty before its first run."""
    row = repeatable(lambda connection: connection.execute(
        "SELECT position FROM audit_cursors WHERE audit = %s AND market = %s", (audit, market)).fetchone())
    return row[0] if row else {}


def state(audit: str, market: str = "") -> bytes | None:
    """What the audit has rebuilt up to its position."""
    row = repeatable(lambda connection: connection.execute(
        "SELECT state FROM audit_cursors WHERE audit = %s AND market = %s", (audit, market)).fetchone())
    return bytes(row[0]) if row and row[0] is not None else None


def move(audit: str, to: dict, market: str = "", *, state: bytes | None = None) -> None:
    """Stores the position that the next run starts from, and what was rebuilt up to it."""
    repeatable(lambda connection: connection.execute(
        "INSERT INTO audit_cursors (audit, market, position, state) VALUES (%s, %s, %s, %b)"
        " ON CONFLICT (audit, market) DO UPDATE SET position = EXCLUDED.position, state = EXCLUDED.state, updated_at = now()",
        (audit, market, Jsonb(to), state)))
