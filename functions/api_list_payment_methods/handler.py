"""GET /payment-methods, GET /coinbase-accounts: where dollars may be withdrawn to, and the wallets that deposits come in by.

A sandbox gives everybody one bank account per fiat currency, to nowhere. A wallet's id is the account's: its deposit address is
asked for under it.
"""

from exchange.adapters.postgres.accounts import list_balances
from exchange.adapters.sandbox_custody import payment_method_id
from exchange.api.door import operation
from exchange.api.request import Request
from exchange.api.withdrawals import sandbox
from exchange.markets import listing


@operation(scope="view")
def lambda_handler(request: Request) -> list[dict]:
    """The list that the path names."""
    assets, caller = listing().assets, request.caller
    if request.path.rstrip("/").endswith("/coinbase-accounts"):
        return [{"id": row["id"], "name": f"{row['asset']} Wallet", "currency": row["asset"], "type": "wallet", "active": True,
                 "primary": False, "balance": "0.00000000", "hold_balance": "0.00000000", "hold_currency": row["asset"]}
                for row in list_balances(caller.account) if row["asset"] in assets and assets[row["asset"]].kind == "crypto"]
    if not sandbox():
        return []
    return [{"id": str(payment_method_id(caller.profile_id, asset.id)), "type": "bank_account", "currency": asset.id,
             "name": f"Sandbox bank account ({asset.id})", "primary_buy": False, "primary_sell": False, "allow_buy": False,
             "allow_sell": False, "allow_deposit": False, "allow_withdraw": True, "limits": {}}
            for asset in assets.values() if asset.kind == "fiat" and asset.withdrawal is not None]
