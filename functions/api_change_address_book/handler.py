"""POST /address-book, DELETE /address-book/{address_id}: adds addresses, each with its waiting time, and takes one out.

Whoever steals a session cannot withdraw to a place of their own before the owner had the waiting time to notice.
"""

from exchange.adapters.postgres.addresses import MOST_ADDRESSES, TooManyAddresses, add_addresses, delete_address
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.request import Request
from exchange.api.withdrawals import address_object, parse_addresses, sandbox
from exchange.markets import listing


@operation(scope="transfer")
def lambda_handler(request: Request) -> list[dict] | str:
    """The entries as they stand now; of a deleted one its id."""
    account = request.caller.account
    if request.method == "DELETE":
        address_id = request.path_uuid("address_id")
        if not delete_address(account, address_id):
            raise NotFound()
        return str(address_id)
    entries = parse_addresses(request.json())
    try:
        rows = add_addresses(account, entries, wait_s=listing().new_address_wait_s(sandbox=sandbox()))
    except TooManyAddresses:
        raise BadRequest(f"an account has at most {MOST_ADDRESSES} addresses; delete one first", "too_many_addresses") from None
    return [address_object(row) for row in rows]
