"""POST /deposits/faucet: play money for a sandbox, up to the listed amount per account and asset in all.

A deposit like any other: credited once, against the outside world's account, in one transaction. `id`, if the caller gives
one, makes the call repeatable.
"""

import os
from uuid import uuid4

from exchange.adapters.postgres.deposits import credit
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request, parse_uuid
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
    outcome = credit(account=request.caller.account, asset=asset, amount_units=amount, method=METHOD,
                     external_id=f"{METHOD}:{request.caller.account}:{wanted}", limit_units=limit)
    if outcome.over_limit:
        raise BadRequest(f"an account gets at most {asset.faucet_limit} {asset.id} from the faucet", "faucet_limit_reached")
    return {"id": outcome.transfer_id, "currency": asset.id, "amount": asset.format(amount), "created_at": outcome.created_at}
