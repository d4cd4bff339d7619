"""GET /proof/{currency}: the caller's own leaf and its path to the published root."""

from uuid import UUID

from exchange.adapters.postgres.proofs import own_leaf
from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request
from exchange.markets import listing


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """`account`, `balance`, `nonce` and `path`, with the proof they belong to; docs/PROOF.md verifies them."""
    currency, caller = request.path_parameter("currency"), request.caller
    if currency not in listing().assets:
        raise NotFound()
    found = own_leaf(caller.account, UUID(caller.profile_id), currency)
    if found is None:
        raise NotFound("the newest proof has no balance of yours in this currency", "no_proof")
    path = [{"side": side, "hash": node[:32].hex(), "sum": str(int.from_bytes(node[32:], "big"))}
            for side, node in found["path"]]
    return found | {"currency": currency, "account": caller.profile_id, "path": path}
