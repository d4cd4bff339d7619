"""GET /address-book: where the caller may withdraw crypto to, and from when on."""

from exchange.adapters.postgres.addresses import list_addresses
from exchange.api.door import operation
from exchange.api.request import Request
from exchange.api.withdrawals import address_object


@operation(scope="view")
def lambda_handler(request: Request) -> list[dict]:
    """All entries, newest first."""
    return [address_object(row) for row in list_addresses(request.caller.account)]
