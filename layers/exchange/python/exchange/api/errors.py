"""The errors of the HTTP API, and their one JSON shape: `{"message": ..., "code": ..., "request_id": ...}`.

    ApiError
    +-- BadRequest        400  what the user asked for is wrong or impossible
    +-- Unauthorized      401  no, wrong or expired credentials
    +-- Forbidden         403  good credentials without the needed scope
    +-- NotFound          404  unknown, or somebody else's
    +-- RateLimited       429  with Retry-After
    +-- Unavailable       503  a service behind us failed; the same request may be sent again

`message` is for people and for the real clients that match on its words (docs/API.md lists those that may not change);
`code` is stable and for programs. Anything else that reaches the door is a bug: 500 `internal_error`, logged.
"""


class ApiError(Exception):
    """An error that is an answer. `message` says what was found and what was wanted; `code` is documented and stable."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, code: str | None = None, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.headers = headers or {}


class BadRequest(ApiError):
    status = 400
    code = "bad_request"


class Unauthorized(ApiError):
    status = 401
    code = "unauthorized"


class Forbidden(ApiError):
    status = 403
    code = "forbidden"


class NotFound(ApiError):
    """`NotFound` is a word that clients match on, so it is the message when none is given."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "NotFound", code: str | None = None) -> None:
        super().__init__(message, code)


class RateLimited(ApiError):
    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, retry_after_s: int, headers: dict[str, str] | None = None) -> None:
        super().__init__("rate limit exceeded", headers={"retry-after": str(retry_after_s), **(headers or {})})


class Unavailable(ApiError):
    status = 503
    code = "unavailable"

    def __init__(self, message: str = "the service is unavailable, try again", code: str | None = None) -> None:
        super().__init__(message, code, headers={"retry-after": "1"})
