"""Rate limits: the bucket's arithmetic here and in Redis, what takes from which, and what happens when Redis is away."""

import time

import pytest
import redis

from exchange.adapters.pause import Pause
from exchange.adapters.redis import buckets
from exchange.api import limits
from exchange.api.errors import RateLimited
from exchange.api.limits import Limit, LocalBuckets, address_of, parse_limits
from tests.unit.handlers import http_event, load_handler

SLOW = "public=0.01/3,private=0.01/2,orders=0.01/4"  # none comes back within a test


@pytest.fixture
def counted(monkeypatch):
    """The limits are on and nobody has used any."""
    monkeypatch.setenv("RATE_LIMITS", SLOW)
    monkeypatch.setattr(limits, "_local", LocalBuckets())
    monkeypatch.setattr(limits, "_left_alone", Pause(2))
    yield monkeypatch
    buckets.close()


def test_the_setting():
    assert parse_limits(SLOW)["public"] == Limit(0.01, 3)
    assert parse_limits("") == {}
    for wrong in ("public=0/1", "public=1/0", "public", "public=x/1", "public=2000000/1"):
        with pytest.raises(ValueError, match="|".join(("RATE_LIMITS", "invalid literal", "could not convert"))):
            parse_limits(wrong)


@pytest.mark.parametrize(("address", "owner"), [
    ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8::1", "2001:db8::/64"), ("", "")])
def test_whose_bucket(address, owner):
    assert address_of(address) == owner


@pytest.mark.parametrize("kind", ["local", "shared"])
def test_a_bucket_gives_its_burst_and_then_its_rate(kind, redis_url):
    take = LocalBuckets().take if kind == "local" else (
        lambda key, limit, cost: buckets.take_shared(key, limit.interval_us, limit.burst * limit.interval_us, cost))
    slow, quick = Limit(0.01, 3), Limit(50, 2)
    assert [take("a", slow, 1)[0] for _ in range(5)] == [True, True, True, False, False]
    assert take("b", slow, 4)[0] is False and take("b", slow, 3)[0] is True
    allowed, full_in_us = take("b", slow, 1)
    assert not allowed and 200_000_000 < full_in_us <= 300_000_000
    assert [take("c", quick, 1)[0] for _ in range(2)] == [True, True]
    deadline = time.monotonic() + 5
    while not take("c", quick, 1)[0]:
        assert time.monotonic() < deadline
    buckets.close()


def test_a_clock_that_is_put_back_locks_nobody_out(redis_url):
    limit = Limit(1, 3)
    with redis.Redis.from_url(redis_url) as client:
        seconds, micros = client.time()
        client.set("ahead", (seconds + 3600) * 1_000_000 + micros)
    try:
        assert [buckets.take_shared("ahead", limit.interval_us, limit.capacity_us, 1)[0] for _ in range(4)] == [
            True, True, True, False]
    finally:
        buckets.close()


def test_headers_and_the_refusal(counted, redis_url):
    assert limits.take("orders", 7) == {"ratelimit-limit": "4", "ratelimit-remaining": "3", "ratelimit-reset": "100"}
    assert limits.take("orders", 7, cost=3)["ratelimit-remaining"] == "0"
    with pytest.raises(RateLimited) as refused:
        limits.take("orders", 7, cost=2)
    assert refused.value.message == "rate limit exceeded"
    assert refused.value.headers == {"retry-after": "200", "ratelimit-limit": "4", "ratelimit-remaining": "0",
                                     "ratelimit-reset": "400"}
    assert limits.take("orders", 8)["ratelimit-remaining"] == "3"
    assert limits.take("nothing", 8) == {}


def test_a_public_operation_is_limited_by_address(counted, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    handler = load_handler("api_get_time").lambda_handler
    answers = [handler(http_event("/time"), None) for _ in range(4)]
    assert [answer["statusCode"] for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["headers"]["ratelimit-remaining"] == "2"
    assert int(answers[3]["headers"]["retry-after"]) >= 1
    assert '"message":"rate limit exceeded","code":"rate_limit_exceeded"' in answers[3]["body"]


def test_accounts_orders_and_guessing_have_their_own(counted, redis_url, api):
    statuses = [api.call("api_verify_user", user="ann").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert [api.place("ann").body["code"] for _ in range(4)] == ["insufficient_funds"] * 4
    assert api.place("ann").status == 429
    batch = {"orders": [{}] * 3}
    assert api.call("api_place_orders", user="bob", method="POST", body=batch).headers["ratelimit-limit"] == "4"
    assert api.call("api_place_orders", user="bob", method="POST", body=batch).status == 429
    assert [api.call("api_verify_user").status for _ in range(4)] == [401, 401, 401, 429]


def test_without_redis_the_process_counts_and_nothing_fails(counted, redis_url, monkeypatch):
    limits.take("private", 1)
    buckets.close()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert [limits.take("private", 1)["ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(RateLimited):
        limits.take("private", 1)
    assert limits._left_alone.lasts
    monkeypatch.setattr(limits, "_left_alone", Pause(2))
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert limits.take("private", 1)["ratelimit-remaining"] == "0"  # what Redis remembers


def test_a_lost_connection_is_made_anew(counted, redis_url):
    assert limits.take("private", 1)["ratelimit-remaining"] == "1"
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert limits.take("private", 1)["ratelimit-remaining"] == "0"


def test_an_unknown_route_answers_in_our_shape():
    answer = load_handler("api_answer_unknown").lambda_handler(http_event("/nowhere"), None)
    assert (answer["statusCode"], answer["body"]) == (404, '{"message":"NotFound","code":"not_found","request_id":"request-1"}')
