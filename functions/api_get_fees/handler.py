"""GET /fees: the caller's fee rates and traded volume of the last 30 days."""

from exchange.adapters.postgres.fee_rates import fee_rates, volume_30_days
from exchange.api.door import operation
from exchange.api.order_ids import market_in
from exchange.api.render import rate_text
from exchange.api.request import Request
from exchange.markets import listing


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """Rates as decimal fractions; of the first listed market unless `product_id` names another."""
    market = market_in(request.query("product_id")) or next(iter(listing().markets.values()))
    volume = volume_30_days(request.caller.account)
    maker_ppm, taker_ppm = fee_rates(request.caller.account, market)
    return {"maker_fee_rate": rate_text(maker_ppm), "taker_fee_rate": rate_text(taker_ppm), "usd_volume": f"{volume:.8f}"}
