"""POST /admin/markets/{product_id}/halt|resume|auction: an operator steers a market; see `adapters.steering`."""

from exchange.adapters.market_overview import status_row
from exchange.adapters.market_status import StatusChanged
from exchange.adapters.steering import NotAcknowledged, WrongStatus, steer
from exchange.api.door import operation
from exchange.api.errors import BadRequest, NotFound
from exchange.api.operators import reason_in
from exchange.api.products import product_of
from exchange.api.request import Request
from exchange.market_modes import MOVES


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """Body: `reason`, and `acknowledge_broken_invariant: true` to open what a broken invariant halted. Answers the market's
    status once the command stands in its queue, with the id of the recorded act."""
    market, move = product_of(request), MOVES.get(request.path.rstrip("/").rsplit("/", 1)[-1])
    if move is None:
        raise NotFound()
    body = request.json()
    acknowledged = body.get("acknowledge_broken_invariant", False)
    if not isinstance(acknowledged, bool):
        raise BadRequest("acknowledge_broken_invariant is not true or false", "invalid_acknowledgement")
    try:
        action, status = steer(market.id, move, reason=reason_in(body), operator=request.caller.user_id,
                               acknowledged=acknowledged)
    except WrongStatus as wrong:
        raise BadRequest(str(wrong), "wrong_market_status") from None
    except NotAcknowledged as missing:
        raise BadRequest(str(missing), "acknowledgement_required") from None
    except StatusChanged:
        raise BadRequest(f"the status of {market.id} has changed meanwhile, look again", "wrong_market_status") from None
    return status_row(market.id, status) | {"action_id": str(action)}
