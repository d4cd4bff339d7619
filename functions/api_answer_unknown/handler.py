"""Every request that no route takes: 404 in our shape. The gateway's own answer would be one that it words itself."""

from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request


@operation(public=True)
def lambda_handler(request: Request) -> None:
    raise NotFound()
