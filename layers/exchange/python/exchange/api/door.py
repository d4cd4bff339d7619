"""The door every HTTP operation stands behind: credentials, one answer shape, one error shape.

    @operation(scope="trade")                 @operation(public=True)
    def lambda_handler(request): ...          def lambda_handler(request): ...

The decorated function takes a `Request` and returns a JSON value (dict, list, string) or a `Response`; what Lambda calls
is the wrapper with `(event, context)`. Scopes: `view`, `trade`, `transfer` (API keys and tokens), `keys` (tokens of the
application API only: an API key cannot make another), `operate` (Cognito group `operators`).

Every answer carries `x-request-id`; every error is `{"message", "code", "request_id"}`. Only this outermost place catches
what nobody expected: it logs the trace and answers 500, and a fault of a service is 503. A public operation never looks at
credentials, not even at wrong ones. The authentication and its imports are loaded with the first private operation.
"""

import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps

import orjson

from exchange.api import limits
from exchange.api.errors import ApiError, Forbidden, Unauthorized, Unavailable
from exchange.api.request import Caller, Request, from_event
from exchange.faults import RetryableFault

logger = logging.getLogger("exchange.api")

SCOPES = frozenset(("view", "trade", "transfer", "keys", "operate"))
# Libraries whose exceptions some adapters let through: from them an unexpected error is a service's fault, not a bug of ours.
SERVICE_CLIENTS = frozenset(("boto3", "botocore", "psycopg", "pynamodb", "redis"))
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with headers or a status of its own. `body` is a JSON value, or bytes that are JSON already, compressed if a
    `content-encoding` says so."""

    body: object
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def operation(*, public: bool = False, scope: str | None = None, bucket: str = "private") -> Callable:
    """Decorator: the Lambda handler of an operation, public or with exactly one needed scope. `bucket`: which of the account's
    rate limits a private one takes from."""
    if public == (scope is not None) or scope not in SCOPES | {None}:
        raise ValueError("an operation is public or names one of the scopes")
    if not public:
        from exchange.api.auth import authenticate

    def decorate(answer: Callable[[Request], object]) -> Callable[[dict, object], dict]:
        @wraps(answer)
        def lambda_handler(event: dict, context: object) -> dict:
            request_id = (event.get("requestContext") or {}).get("requestId", "")
            budget: dict[str, str] = {}
            try:
                request = from_event(event)
                if public:
                    budget = limits.take("public", limits.address_of(request.source_ip))
                else:
                    request.caller = _caller(request, authenticate)
                    budget = limits.take(bucket, request.caller.account)
                    if scope not in request.caller.scopes:
                        raise Forbidden(f"this key or token lacks the scope {scope!r}", "scope_missing")
                result = answer(request)
                return _http(result if isinstance(result, Response) else Response(result), request_id, budget)
            except ApiError as error:
                return _error(error, request_id, budget)
            except RetryableFault as fault:
                logger.warning("fault of a service, request %s: %s", request_id, fault)
                return _error(Unavailable(), request_id, budget)
            except Exception as error:
                logger.exception("unexpected error, request %s", request_id)
                of_a_client = type(error).__module__.partition(".")[0] in SERVICE_CLIENTS
                return _error(Unavailable() if of_a_client else ApiError("internal error"), request_id, budget)
        return lambda_handler
    return decorate


def _caller(request: Request, authenticate: Callable[[Request], Caller]) -> Caller:
    """Who asks. Guessing takes from the address's bucket: an account's own is not known yet."""
    try:
        return authenticate(request)
    except Unauthorized:
        limits.take("public", limits.address_of(request.source_ip))
        raise


def _http(response: Response, request_id: str, budget: dict[str, str]) -> dict:
    body = response.body if isinstance(response.body, bytes) else orjson.dumps(response.body)
    headers = {"content-type": JSON_TYPE, "x-request-id": request_id, **budget, **response.headers}
    if "content-encoding" in response.headers:
        return {"statusCode": response.status, "headers": headers, "body": b64encode(body).decode(), "isBase64Encoded": True}
    return {"statusCode": response.status, "headers": headers, "body": body.decode(), "isBase64Encoded": False}


def _error(error: ApiError, request_id: str, budget: dict[str, str]) -> dict:
    body = {"message": error.message, "code": error.code, "request_id": request_id}
    return _http(Response(body, error.status, error.headers), request_id, budget)
