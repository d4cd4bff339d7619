"""GET /users/self/verify: whose credentials these are, and what they may do."""

from exchange.api.door import operation
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> dict:
    """Ids and scopes; an answer at all says that the signature or token is good."""
    caller = request.caller
    return {"id": caller.user_id, "user_id": caller.user_id, "profile_id": caller.profile_id, "scopes": sorted(caller.scopes)}
