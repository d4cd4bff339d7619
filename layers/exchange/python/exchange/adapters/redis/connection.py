"""How a process reaches Redis, at REDIS_URL. `rediss:` is ElastiCache serverless: the cluster protocol.

`client` is the complete client, for who writes; `read` is for reads, which most requests need: one node is asked straight (see
`node`), a cluster by its client.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from exchange.adapters.pause import Pause
from exchange.adapters.redis.node import Command, Refused, node
from exchange.faults import RetryableFault

if TYPE_CHECKING:
    import redis

CLIENT_TIMEOUT_S = 3
# A cluster's client waits up to three times before it gives up: for the answer, for the layout, for the answer from there.
CLUSTER_TIMEOUT_S = 1
READ_TIMEOUT_S = 2
# A server that starts again is away for a moment. One that hangs is not waited for again, and left alone for a while: who asks
# for what can be done without goes on, and the others are told at once.
_PAUSES_S = (0.02, 0.04)
_left_alone = Pause(2.0)


class ViewsUnavailable(RetryableFault):
    """Redis did not answer."""


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """Values are bytes. Short timeouts: a view that does not answer is rebuilt or asked again, never waited for long."""
    return connect(os.environ["REDIS_URL"])


@contextmanager
def reaching_redis() -> Iterator[None]:
    """What a client raises within is ViewsUnavailable. A cluster's that finds no node raises none of Redis's own errors."""
    from redis.exceptions import RedisClusterException, RedisError

    try:
        yield
    except (RedisError, RedisClusterException) as fault:
        raise ViewsUnavailable(str(fault)) from fault


def connect(url: str) -> "redis.Redis":
    """A client of `url`. Raises ViewsUnavailable for a cluster that does not answer; a single node is asked when it is used."""
    # Costs more to import than all else that most functions need.
    import redis
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    backoff = ExponentialBackoff(cap=0.2, base=0.02)
    if url.startswith("rediss://"):
        with reaching_redis():  # it asks for the cluster's layout at once
            return redis.RedisCluster.from_url(url, retry=Retry(backoff, 1), socket_timeout=CLUSTER_TIMEOUT_S,
                                               socket_connect_timeout=CLUSTER_TIMEOUT_S, health_check_interval=30)
    return redis.Redis.from_url(url, retry=Retry(backoff, 2, (redis.ConnectionError,)), retry_on_error=[redis.ConnectionError],
                                socket_timeout=CLIENT_TIMEOUT_S, socket_connect_timeout=2, health_check_interval=30)


def read(commands: Sequence[Command], *, together: bool = False) -> list:
    """The answers of commands that only read, in one round trip; hashes as lists of names and values. `together`: as of one
    moment, all keys with one tag. Raises ViewsUnavailable."""
    if _left_alone.lasts:
        raise ViewsUnavailable("Redis did not answer in time a moment ago")
    if os.environ["REDIS_URL"].startswith("rediss://"):
        started_s = time.monotonic()
        try:
            return read_by(client(), commands, together=together)
        except ViewsUnavailable:
            if time.monotonic() - started_s >= CLUSTER_TIMEOUT_S:
                _left_alone.begin()
            raise
    redis = node("views", READ_TIMEOUT_S)
    for pause_s in (*_PAUSES_S, None):
        try:
            return redis.run(commands, together=together)
        except (TimeoutError, BlockingIOError) as fault:
            _left_alone.begin()
            raise ViewsUnavailable(f"Redis did not answer within {READ_TIMEOUT_S} s") from fault
        except OSError as fault:
            if pause_s is None:
                raise ViewsUnavailable(str(fault)) from fault
            time.sleep(pause_s)
        except Refused as refused:
            raise ViewsUnavailable(str(refused)) from refused
    raise AssertionError


def read_by(client: "redis.Redis", commands: Sequence[Command], *, together: bool = False) -> list:
    """`read` by this client."""
    with reaching_redis():
        pipeline = client.pipeline(transaction=together)
        for command in commands:
            pipeline.execute_command(*command)
        return [[part for pair in answer.items() for part in pair] if isinstance(answer, dict) else answer
                for answer in pipeline.execute()]
