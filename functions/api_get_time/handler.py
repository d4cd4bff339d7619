"""GET /time: the API's clock, which clients sign with."""

from exchange.api.door import operation
from exchange.api.request import Request
from exchange.times import iso


@operation(public=True)
def lambda_handler(request: Request) -> dict:
    """`iso`, and `epoch` in seconds as a number."""
    return {"iso": iso(request.received_at_ms), "epoch": request.received_at_ms / 1000}
