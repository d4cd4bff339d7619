"""GET /admin/invariants: the sums of I1 to I3 as they are now, I4 at each settle cursor, the audits' last runs and findings."""

from exchange.adapters.audit_overview import audit_rows
from exchange.adapters.ports import journal
from exchange.adapters.postgres.audit import settled
from exchange.adapters.postgres.audit_runs import findings
from exchange.adapters.postgres.ledger_sums import sums
from exchange.api.door import operation
from exchange.api.render import at_scale
from exchange.api.request import Request
from exchange.journal import HASH_SIZE
from exchange.markets import listing
from exchange.times import iso

FINDINGS_SHOWN = 50


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """`holds`: whether the invariant does, row by row. Nothing is halted here; the audits do that."""
    rows = [(row, listing().assets[row["asset"]].scale) for row in sums() if row["asset"] in listing().assets]
    return {
        "checked_at": iso(request.received_at_ms),
        "I1": [{"currency": row["asset"], "holds": not row["sum"].strip("-0.")}
               | {name: at_scale(row[name], scale) for name in ("traders", "fees", "custody", "sum")} for row, scale in rows],
        "I2": [{"currency": row["asset"], "negative_balances": row["negative"], "holds": row["negative"] == 0}
               for row, _ in rows],
        "I3": [{"currency": row["asset"], "held": at_scale(row["held"], scale), "needed": at_scale(row["needed"], scale),
                "differing_accounts": row["differing"], "holds": row["differing"] == 0} for row, scale in rows],
        "I4": [_chain(market, seq, settled_hash) for market, seq, settled_hash in settled()],
        "audits": audit_rows(list(listing().markets.values())),
        "findings": [_given(row) for row in findings(FINDINGS_SHOWN)]}


def _chain(market: str, seq: int, settled_hash: bytes) -> dict:
    """The entry that the ledger says it settled last is the journal's entry of that number."""
    raw = journal().get(market=market, seq=seq) if seq else None
    holds = seq == 0 or (raw is not None and raw[-HASH_SIZE:] == settled_hash)
    return {"product_id": market, "settled_seq": seq, "hash": settled_hash.hex(), "holds": holds}


def _given(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}
