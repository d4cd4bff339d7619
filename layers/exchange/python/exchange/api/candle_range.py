"""Which candles a request asks for: `granularity`, `start` and `end` of GET /products/{product_id}/candles."""

from dataclasses import dataclass
from datetime import UTC, datetime

from exchange.api.errors import BadRequest
from exchange.api.request import Request
from exchange.feed.candles import GRANULARITIES_S, MAX_ROWS

DEFAULT_GRANULARITY_S = 60
_LATEST_S = 32_503_680_000  # the year 3000; what is beyond is milliseconds, or nonsense


@dataclass(frozen=True, slots=True)
class CandleRange:
    """Candles that start within from_s..to_s (exclusive); both are whole spans."""

    granularity_s: int
    from_s: int
    to_s: int


def candle_range(request: Request) -> CandleRange:
    """BadRequest for a granularity that does not exist, a time that is none, or more than 300 candles. Without both of start
    and end: the newest 300 spans; one of them alone is not looked at, as on the real exchange."""
    text = request.query("granularity", str(DEFAULT_GRANULARITY_S))
    if text not in map(str, GRANULARITIES_S):
        raise BadRequest("Unsupported granularity", "unsupported_granularity")
    step_s = int(text)
    start, end = request.query("start"), request.query("end")
    if start is None or end is None:
        to_s = request.received_at_ms // 1000 // step_s * step_s + step_s
        return CandleRange(step_s, to_s - MAX_ROWS * step_s, to_s)
    start_s, end_s = _time_s(start, "start"), _time_s(end, "end")
    if end_s < start_s:
        raise BadRequest("Invalid time range: start is after end", "invalid_time_range")
    if end_s - start_s > MAX_ROWS * step_s:
        raise BadRequest("granularity too small for the requested time range. Count of aggregations requested exceeds "
                         f"{MAX_ROWS}", "too_many_candles")
    return CandleRange(step_s, -(-start_s // step_s) * step_s, end_s // step_s * step_s + step_s)


def _time_s(text: str, name: str) -> int:
    """Whole seconds since the epoch of ISO 8601 (UTC where it names no zone) or of a number of seconds."""
    try:
        if text.isascii() and text.isdigit() and len(text) > 8:
            seconds = int(text[:20])
        else:
            # A plus that was not encoded arrives as a space.
            moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise BadRequest(f"Invalid {name}: {text[:40]!r} is no ISO 8601 time", "invalid_time_range") from None
    if not 0 <= seconds < _LATEST_S:
        raise BadRequest(f"Invalid {name}: {text[:40]!r} is out of range", "invalid_time_range")
    return seconds
