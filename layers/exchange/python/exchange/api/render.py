"""The public objects of orders, fills and accounts, from the ledger's rows.

Money is a decimal string at the listed scale of its asset, prices at the market's increment. Absent values are left out,
never null.
"""

from functools import lru_cache

from exchange.markets import Asset, listing
from exchange.orders import NewOrder
from exchange.times import iso


# A page has five of these for each row, most of them zeros, the lots of a market, or what the page before had.
@lru_cache(maxsize=4096)
def at_scale(text: str, places: int) -> str:
    """Decimal text from the ledger (8 digits after the point) cut to `places`; the digits cut off are zeros."""
    whole, _, digits = text.partition(".")
    if digits[places:].strip("0"):
        raise ValueError(f"{text} has more than {places} digits")
    return f"{whole}.{digits[:places].ljust(places, '0')}" if places else whole


def order_object(row: dict, profile_id: str) -> dict:
    """The public order of a row of `adapters.postgres.orders`."""
    market = listing().markets[row["market"]]
    quote, base = market.quote.scale, market.base.scale
    shown = {
        "id": row["id"], "product_id": market.id, "profile_id": profile_id, "side": row["side"], "type": row["type"],
        "stp": row["stp"], "time_in_force": row["time_in_force"], "post_only": row["post_only"],
        "created_at": row["created_at"], "fill_fees": at_scale(row["fill_fees"], quote),
        "filled_size": at_scale(row["filled_size"], base), "executed_value": at_scale(row["executed_value"], quote),
        "status": "rejected" if row["done_reason"] == "rejected" else row["status"], "settled": row["status"] == "done",
        "market_type": "spot",
    }
    for name, places in (("price", market.quote_places), ("size", base), ("funds", quote), ("specified_funds", quote),
                         ("stop_price", market.quote_places), ("display_size", base)):
        if row[name] is not None:
            shown[name] = at_scale(row[name], places)
    if row["display_size"] is not None:
        shown["max_floor"] = shown["display_size"]
    if row["expire_at"] is not None:
        shown["expire_time"] = row["expire_at"]
    for name in ("client_oid", "stop", "done_at", "done_reason", "reject_reason"):
        if row[name] is not None:
            shown[name] = row[name]
    return shown


def placed_order(order: NewOrder, profile_id: str) -> dict:
    """The public order of one that was placed a moment ago, without reading it back."""
    terms = order.terms
    price, size, specified_funds = terms.decimals()
    stop_price, display_size = terms.more_decimals()
    expire_at_ms = order.command.expire_at_ms
    funds = terms.market.quote.format(order.funds_units) if order.funds_units is not None else None
    zero = "0.00000000"
    return order_object({
        "id": str(order.id), "market": terms.market.id, "side": terms.side, "type": terms.type, "stp": terms.stp,
        "time_in_force": terms.time_in_force, "post_only": terms.post_only, "price": price, "size": size, "funds": funds,
        "specified_funds": specified_funds, "client_oid": str(terms.client_oid) if terms.client_oid else None,
        "filled_size": zero, "executed_value": zero, "fill_fees": zero, "status": "pending", "done_at": None,
        "done_reason": None, "reject_reason": None, "stop": terms.stop, "stop_price": stop_price,
        "display_size": display_size, "expire_at": iso(expire_at_ms) if expire_at_ms else None,
        "created_at": iso(order.created_at_ms)}, profile_id)


def fill_object(row: dict, user_id: str, profile_id: str) -> dict:
    """The public fill of a row of `adapters.postgres.orders.list_fills`."""
    market = listing().markets[row["market"]]
    shown = {
        "trade_id": row["trade_id"], "product_id": market.id, "order_id": row["order_id"], "user_id": user_id,
        "profile_id": profile_id, "liquidity": row["liquidity"], "price": at_scale(row["price"], market.quote_places),
        "size": at_scale(row["size"], market.base.scale), "fee": at_scale(row["fee"], market.quote.scale),
        "side": row["side"], "settled": True, "created_at": row["created_at"],
    }
    if market.quote.id == "USD":
        shown["usd_volume"] = at_scale(row["value"], market.quote.scale)
    return shown


def account_object(row: dict, profile_id: str) -> dict:
    """The public account of a balance row: `balance` is exactly `available + hold`."""
    scale = asset_of(row).scale
    return {"id": row["id"], "currency": row["asset"], "balance": at_scale(row["balance"], scale),
            "available": at_scale(row["available"], scale), "hold": at_scale(row["held"], scale),
            "profile_id": profile_id, "trading_enabled": not row["frozen"]}


def ledger_object(row: dict, scale: int) -> dict:
    """The public ledger row of a posting; `details` names what caused it."""
    details = {name: row[name] for name in ("order_id", "product_id", "transfer_id") if row[name] is not None}
    if row["trade_id"] is not None:
        details["trade_id"] = str(row["trade_id"])
    return {"id": str(row["id"]), "amount": at_scale(row["amount"], scale), "balance": at_scale(row["balance"], scale),
            "created_at": row["created_at"], "type": row["type"], "details": details}


def asset_of(row: dict) -> Asset:
    return listing().assets[row["asset"]]


def rate_text(ppm: int) -> str:
    """A rate in parts per million as a decimal string: 4000 is 0.004000."""
    return f"{ppm // 1_000_000}.{ppm % 1_000_000:06}"
