"""POST /deposits/faucet: play money for a sandbox, up to the listed amount per account and asset in all.

A deposit like any other: credited once, against the outside world's account, in one transaction. `id`, if the caller gives
one, makes the call repeatable.
"""

import os
from uuid import uuid4

from exchange.adapters.postgres.accounts import deposit
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request, parse_uuid
from exchange.faults import BrokenInvariant
from exchange.markets import listing
from exchange.money import MoneyError

METHOD = "faucet"


@operation(scope="transfer")
def lambda_handler(request: Request) -> dict:
    """Body: `currency`, `amount`, optionally `id` (a UUID). Answers `id, currency, amount, created_at`."""
    if os.environ.get("SANDBOX") != "1":
        raise NotFound()
    body = request.json()
    currency = body.get("currency")
    asset = listing().assets.get(currency) if isinstance(currency, str) else None
    if asset is None:
        raise BadRequest("currency is not listed", "currency_not_found")
    try:
        amount = asset.parse(body.get("amount"))
    except MoneyError as error:
        raise BadRequest(f"Invalid amount: {error}", "invalid_amount") from None
    limit = asset.parse(asset.faucet_limit)
    if not 0 < amount <= limit:
        raise BadRequest(f"Invalid amount: wanted more than 0 and at most {asset.faucet_limit} {asset.id}", "invalid_amount")
    repeat = body.get("id")
    wanted = uuid4() if repeat is None else parse_uuid(repeat)
    if wanted is None:
        raise BadRequest("id is no UUID", "invalid_id")
    made = deposit(request.caller.account, asset.id, asset.format(amount), method=METHOD, limit=asset.format(limit),
                   external_id=f"{METHOD}:{request.caller.account}:{wanted}")
    if made.outcome == "unknown_account":
        raise BrokenInvariant(f"account {request.caller.account} has no balance row in {asset.id}, every open account has one")
    if made.outcome == "conflict":
        raise BadRequest("id was used before, for another deposit", "duplicate_id")
    if made.outcome == "over_limit":
        raise BadRequest(f"an account gets at most {asset.faucet_limit} {asset.id} from the faucet", "faucet_limit_reached")
    return {"id": made.transfer_id, "currency": asset.id, "amount": asset.format(amount), "created_at": made.created_at}
