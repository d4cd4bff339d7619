"""The one Redis client of a process, for REDIS_URL. `rediss:` is ElastiCache serverless: the cluster protocol."""

import os
from functools import lru_cache

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from exchange.faults import RetryableFault

# What a caller may treat as "the service failed, try again".
RedisFault = redis.RedisError


class ViewsUnavailable(RetryableFault):
    """Redis did not answer."""


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Values are bytes. Short timeouts: a view that does not answer is rebuilt or asked again, never waited for long."""
    return connect(os.environ["REDIS_URL"])


def connect(url: str) -> redis.Redis:
    options = {"socket_timeout": 3, "socket_connect_timeout": 2, "health_check_interval": 30}
    if url.startswith("rediss://"):
        return redis.RedisCluster.from_url(url, **options)
    return redis.Redis.from_url(url, retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
                                retry_on_error=[redis.ConnectionError, redis.TimeoutError], **options)
