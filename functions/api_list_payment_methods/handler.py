"""GET /payment-methods and /coinbase-accounts: nobody has any here; clients ask for them when they start."""

from exchange.api.door import operation
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> list:
    """An empty list."""
    return []
