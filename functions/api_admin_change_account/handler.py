"""POST /admin/accounts/{account_id}/freeze|unfreeze|tier: with a reason, which is recorded.

A frozen account takes no new orders and withdraws nothing; it can cancel and read. The tier sets its withdrawal limits.
"""

from exchange.adapters.postgres import operated_accounts
from exchange.adapters.postgres.operator_actions import record
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.operated import account_of, operated_account
from exchange.api.operators import reason_in
from exchange.api.request import Request
from exchange.markets import listing


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """Body: `reason`; of a tier also `tier`. The account as it is now."""
    account, body, operator = account_of(request.path_uuid("account_id")), request.json(), request.caller.user_id
    move, reason = request.path.rstrip("/").rpartition("/")[2], reason_in(body)
    if move not in ("freeze", "unfreeze", "tier"):
        raise NotFound()
    tier = body.get("tier")
    if move == "tier" and tier not in listing().tiers():
        raise BadRequest(f"tier: wanted one of {', '.join(listing().tiers())}", "invalid_tier")
    record(operator=operator, action=f"account.{move}", subject=account["id"], reason=reason,
           details={"tier": tier} if move == "tier" else None)
    if move == "tier":
        operated_accounts.set_tier(account["number"], tier, operator=operator, reason=reason)
    else:
        operated_accounts.set_frozen(account["number"], move == "freeze", operator=operator, reason=reason)
    return operated_account(account_of(request.path_uuid("account_id")))
