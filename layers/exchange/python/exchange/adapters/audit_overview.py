"""The audits as an operator sees them: the last run of each, and which of them never ran.

Read only. Called by the operators' operations.
"""

from exchange.adapters.postgres.audit_runs import last_runs, ledger_made_at
from exchange.health import all_audits
from exchange.markets import Market


def audit_rows(markets: list[Market]) -> list[dict]:
    """One row per audit, and per market for the one that has a run for each; without what is not known."""
    runs = [{name: value for name, value in row.items() if value is not None} for row in last_runs()]
    return all_audits(runs, [market.id for market in markets], ledger_made_at())
