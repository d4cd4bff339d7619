"""Token buckets in Redis: one EVALSHA and nothing else.

Whatever goes wrong is BucketsUnavailable: the caller counts for itself then.

    key -> the time (µs of the server's clock) at which the bucket is full again; it is forgotten at that time

A time that is further away than a bucket can be was written before the server's clock was put back: the bucket counts as full,
or its owner would be locked out for as long as the clock was ahead.
"""

import hashlib

from exchange.adapters.redis.node import Refused, node
from exchange.adapters.redis.node import close as close_node

_PURPOSE = "buckets"
TIMEOUT_S = 0.25

# KEYS[1]: the bucket. ARGV: µs per token, µs that the bucket holds, tokens wanted. Answers {allowed, µs until it is full}.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
if full - now > tonumber(ARGV[2]) then
  full = now
end
local after = full + ARGV[3] * ARGV[1]
if after - now > tonumber(ARGV[2]) then
  return {0, full - now}
end
redis.call('SET', KEYS[1], string.format('%d', after), 'PX', math.ceil((after - now) / 1000))
return {1, after - now}
"""
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class BucketsUnavailable(Exception):
    """Redis did not answer in time, or not what was asked."""


def take_shared(key: str, interval_us: int, capacity_us: int, cost: int) -> tuple[bool, int]:
    """(allowed, µs until the bucket is full). Raises BucketsUnavailable."""
    words = (1, key, interval_us, capacity_us, cost)
    redis = node(_PURPOSE, TIMEOUT_S)
    try:
        try:
            (allowed, full_in_us), = redis.run([("EVALSHA", _SHA, *words)])
        except ConnectionError:  # the server may have closed an idle connection; a new one tells
            (allowed, full_in_us), = redis.run([("EVALSHA", _SHA, *words)])
        except Refused as refused:
            if not str(refused).startswith("NOSCRIPT"):
                raise
            (allowed, full_in_us), = redis.run([("EVAL", SCRIPT, *words)])
    except (OSError, ValueError, TypeError, Refused) as failure:
        close()
        raise BucketsUnavailable(str(failure)) from failure
    return allowed == 1, full_in_us


def close() -> None:
    """Closes this thread's connection, if there is one."""
    close_node(_PURPOSE)
