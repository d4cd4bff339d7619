"""POST /coinbase-accounts/{account_id}/addresses: the address at which deposits of one currency of the caller come in.

The custody names it; asked again, the answer is the same address.
"""

from exchange.adapters.postgres.addresses import keep_deposit_address
from exchange.adapters.sandbox_custody import custody
from exchange.api.accounts import own_balance
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.render import asset_of
from exchange.api.request import Request


@operation(scope="transfer")
def lambda_handler(request: Request) -> dict:
    """The address, in the shape that clients know."""
    balance = own_balance(request)
    asset, account = asset_of(balance), request.caller.account
    if asset.kind != "crypto":
        raise BadRequest(f"{asset.id} has no deposit addresses", "currency_not_depositable")
    row = keep_deposit_address(account, asset.id, custody().deposit_address(account, asset.id))
    network = asset.name.lower()
    return {"id": row["id"], "address": row["address"], "address_info": {"address": row["address"]}, "name": "Deposit address",
            "created_at": row["created_at"], "updated_at": row["created_at"], "network": network, "uri_scheme": network,
            "resource": "address", "resource_path": f"/v2/accounts/{balance['id']}/addresses/{row['id']}", "warnings": [],
            "deposit_uri": f"{network}:{row['address']}", "exchange_deposit_address": True}
