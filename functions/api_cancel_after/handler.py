"""POST /orders/cancel-after: a dead man's switch. Unless it is set anew within `timeout_s`, all orders of the account are
canceled.

The switch is durable once it is answered; `engine_cancel_after` watches over it.
"""

from exchange.adapters.postgres.cancel_switches import remove_switch, set_switch
from exchange.api.door import operation
from exchange.api.errors import BadRequest
from exchange.api.request import Request

SHORTEST_S, LONGEST_S = 5, 86_400


@operation(scope="trade")
def lambda_handler(request: Request) -> dict:
    """`timeout_s`, and when it runs out as `cancel_at`; 0 switches it off."""
    timeout_s = request.json().get("timeout_s")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int) or (
            timeout_s != 0 and not SHORTEST_S <= timeout_s <= LONGEST_S):
        raise BadRequest(f"timeout_s: wanted a whole number from {SHORTEST_S} to {LONGEST_S}, or 0 for off", "invalid_timeout")
    if timeout_s == 0:
        remove_switch(request.caller.account)
        return {"timeout_s": 0}
    return {"timeout_s": timeout_s, "cancel_at": set_switch(request.caller.account, timeout_s)}
