"""GET /admin/fees: what the house has earned per market and by withdrawals, and the rates in force."""

from exchange.adapters.postgres.operated_accounts import collected_fees
from exchange.api.door import operation
from exchange.api.operated import scale_of
from exchange.api.render import at_scale, rate_text
from exchange.api.request import Request
from exchange.markets import listing


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """`markets`, `withdrawals`, `tiers`."""
    rows = [{"currency": row["asset"], "collected": at_scale(row["amount"], scale_of(row["asset"])), "market": row["market"]}
            for row in collected_fees()]
    return {
        "markets": [{"product_id": row["market"], "currency": row["currency"], "collected": row["collected"],
                     **_rates(row["market"])} for row in rows if row["market"] is not None],
        "withdrawals": [{"currency": row["currency"], "collected": row["collected"]} for row in rows if row["market"] is None],
        "tiers": [{"volume": f"{tier.volume:f}", "maker_fee_rate": rate_text(tier.maker_fee_ppm),
                   "taker_fee_rate": rate_text(tier.taker_fee_ppm)} for tier in listing().fee_tiers]}


def _rates(market_id: str) -> dict:
    """The market's own rates; nothing of one that is not listed any more."""
    market = listing().markets.get(market_id)
    if market is None:
        return {}
    return {"maker_fee_rate": rate_text(market.maker_fee_ppm), "taker_fee_rate": rate_text(market.taker_fee_ppm)}
