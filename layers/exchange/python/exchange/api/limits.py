"""Rate limits: a token bucket for each address (public operations), and for each account one for orders and one for the rest.

    bucket    whose             what takes from it
    public    an address's      public operations, and private ones whose credentials are refused
    private   an account's      everything private but
    orders    an account's      placing and amending; a batch takes one for each of its orders

Rates and sizes are the stage's, in RATE_LIMITS (`public=10/15,...`: per second, and at once); without it nothing is limited.
The buckets stand in Redis where the function has it, one round trip for each request, and otherwise, or while Redis does not
answer, in the process: a limit then holds for each environment, and no request fails because of a limit that cannot be
counted.

A bucket is one number, the time at which it will be full again; a token moves that forward by one interval. It may be ahead
of now by as much as the bucket holds.
"""

import os
import time
from dataclasses import dataclass, field
from functools import lru_cache

from exchange.adapters.pause import Pause
from exchange.api.errors import RateLimited

BUCKETS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_s` tokens a second, `burst` of them at once."""

    per_s: float
    burst: int
    interval_us: int = field(init=False)
    capacity_us: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_us", int(1_000_000 / self.per_s))
        object.__setattr__(self, "capacity_us", self.burst * self.interval_us)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a bucket says to a request: whether it may pass, and in how many µs the bucket is full."""

    limit: Limit
    allowed: bool
    full_in_us: int
    cost: int

    def headers(self) -> dict[str, str]:
        left = (self.limit.capacity_us - self.full_in_us) // self.limit.interval_us
        return {"ratelimit-limit": str(self.limit.burst), "ratelimit-remaining": str(max(0, left)),
                "ratelimit-reset": str(-(-self.full_in_us // 1_000_000))}

    @property
    def retry_after_s(self) -> int:
        missing_us = self.full_in_us + (self.cost - self.limit.burst) * self.limit.interval_us
        return max(1, -(-missing_us // 1_000_000))


class LocalBuckets:
    """The buckets of this process."""

    def __init__(self) -> None:
        self._full_at_us: dict[str, int] = {}

    def take(self, key: str, limit: Limit, cost: int) -> tuple[bool, int]:
        """(allowed, µs until the bucket is full). What is not allowed takes nothing."""
        now_us = time.monotonic_ns() // 1000
        full_in_us = max(0, self._full_at_us.get(key, 0) - now_us)
        after_us = full_in_us + cost * limit.interval_us
        if after_us > limit.capacity_us:
            return False, full_in_us
        if len(self._full_at_us) >= BUCKETS_KEPT:
            self._full_at_us = {kept: at for kept, at in self._full_at_us.items() if at > now_us}
        self._full_at_us[key] = now_us + after_us
        return True, after_us


_local = LocalBuckets()
_left_alone = Pause(2.0)  # Redis, after it failed


@lru_cache(maxsize=4)
def parse_limits(text: str) -> dict[str, Limit]:
    """The limits in `public=10/15,private=30/60`. Raises ValueError."""
    limits = {}
    for part in filter(None, text.split(",")):
        name, _, numbers = part.partition("=")
        per_s, _, burst = numbers.partition("/")
        if not 0 < float(per_s) <= 1_000_000 or int(burst) < 1:
            raise ValueError(f"RATE_LIMITS {text!r}: rates up to 1000000 a second, bursts of 1 and more")
        limits[name.strip()] = Limit(float(per_s), int(burst))
    return limits


def take(bucket: str, owner: object, *, cost: int = 1) -> dict[str, str]:
    """Takes `cost` tokens; the headers of the answer. Raises RateLimited where there are not as many."""
    limit = parse_limits(os.environ.get("RATE_LIMITS", "")).get(bucket)
    if limit is None or cost <= 0:
        return {}
    budget = Budget(limit, *_take(f"limit:{bucket}:{owner}", limit, cost), cost)
    if not budget.allowed:
        raise RateLimited(budget.retry_after_s, headers=budget.headers())
    return budget.headers()


def address_of(source_ip: str) -> str:
    """Whose bucket an address takes from: its own, and of IPv6 that of its network, which one customer has whole."""
    if ":" not in source_ip:
        return source_ip
    head = source_ip.partition("::")[0].split(":")
    return ":".join(head[:4]) + "::/64"


def _take(key: str, limit: Limit, cost: int) -> tuple[bool, int]:
    if "REDIS_URL" in os.environ and not _left_alone.lasts:
        from exchange.adapters.redis.buckets import BucketsUnavailable, take_shared

        try:
            return take_shared(key, limit.interval_us, limit.capacity_us, cost)
        except BucketsUnavailable:
            _left_alone.begin()
    return _local.take(key, limit, cost)
