"""POST /admin/custody-secret: a new secret for the custody to sign its notices with. It is in this answer and nowhere else."""

from exchange.adapters.custody_secret import make_secret
from exchange.adapters.postgres.operator_actions import record
from exchange.api.door import operation
from exchange.api.operators import reason_in
from exchange.api.request import Request


@operation(scope="operate")
def lambda_handler(request: Request) -> dict:
    """Body: `reason`. Answers `secret`; the one before stops working within 5 s."""
    record(operator=request.caller.user_id, action="custody.secret", subject="custody", reason=reason_in(request.json()))
    return {"secret": make_secret()}
