"""GET /users/self/exchange-limits: how much of each currency the caller may withdraw, by tier, and what is left of it now."""

from exchange.adapters.postgres.withdrawals import taken_24_hours
from exchange.api.door import operation
from exchange.api.render import at_scale
from exchange.api.request import Request
from exchange.markets import Asset, listing


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """`transfer_limits.exchange_withdraw`: currency -> `max` in `period_in_days`, `remaining` of it, `min` and `approve_up_to`
    of one withdrawal, in that currency. What cannot be withdrawn is left out."""
    tier, taken = taken_24_hours(request.caller.account)
    return {"limit_currency": "USD", "transfer_limits": {"exchange_withdraw": {
        asset.id: _limits(asset, tier, taken.get(asset.id, "0")) for asset in listing().assets.values() if asset.withdrawal}}}


def _limits(asset: Asset, tier: str, taken: str) -> dict:
    terms = asset.withdrawal
    most = asset.parse(terms.daily.get(tier, "0"))
    left = max(0, most - asset.parse(at_scale(taken, asset.scale)))
    return {"max": asset.format(most), "remaining": asset.format(left), "period_in_days": 1,
            "min": asset.format(asset.parse(terms.min)), "approve_up_to": asset.format(asset.parse(terms.approve_up_to))}
