"""GET /proof: what the exchange owes its users, per currency, and the journal entries that these sums stand at."""

from exchange.adapters.postgres.proofs import published
from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    """`taken_at`, `journals` (market -> seq, hash), `currencies` with `accounts`, `total`, `root`. 404 before the first."""
    rows = published()
    if not rows:
        raise NotFound("no proof was taken yet", "no_proof")
    return {"taken_at": rows[0]["taken_at"], "journals": rows[0]["journals"], "currencies": [
        {"currency": row["asset"], "accounts": row["accounts"], "total": row["total"], "root": row["root"]} for row in rows]}
