"""GET /profiles and /profiles/{profile_id}: the caller's one profile, which is the account."""

from exchange.adapters.postgres.accounts import opened_at
from exchange.api.door import operation
from exchange.api.errors import NotFound
from exchange.api.request import Request


@operation(scope="view")
def lambda_handler(request: Request) -> list | dict:
    """The profile, in a list unless the path names it; 404 for somebody else's."""
    caller = request.caller
    profile = {"id": caller.profile_id, "user_id": caller.user_id, "name": "default", "active": True, "is_default": True,
               "has_margin": False, "created_at": opened_at(caller.account)}
    if not request.path_parameters:
        return [profile]
    if str(request.path_uuid("profile_id")) != caller.profile_id:
        raise NotFound()
    return profile
