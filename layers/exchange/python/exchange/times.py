"""Times in requests, answers and messages: ISO 8601 outside, milliseconds since 1970 inside.

Read by the order rules and by the queries that ask for a range. A time without a zone is UTC. Nothing is rounded up: what is
finer than a millisecond is cut off.
"""

from datetime import UTC, datetime
from functools import lru_cache

# Years that PostgreSQL, the core's records and ISO 8601 with four digits all have.
FIRST_YEAR, LAST_YEAR = 1970, 9000


class BadTime(ValueError):
    """Text that is no time; `str(error)` says what was found and what was wanted."""


def parse_time_ms(value: object) -> int:
    """Milliseconds since 1970 of an ISO 8601 date or time, for example `2026-01-02T03:04:05.678Z`. Raises BadTime."""
    if not isinstance(value, str) or not value.isascii() or not 10 <= len(value) <= 40 or value != value.strip():
        raise BadTime("wanted a time such as 2026-01-02T03:04:05Z")
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadTime(f"{value!r} is no time such as 2026-01-02T03:04:05Z") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise BadTime(f"{value!r} is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000


def iso(at_ms: int) -> str:
    """ISO 8601 in UTC with six digits and `Z`, as all times that are shown."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{_second(seconds)}.{ms:03}000Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
