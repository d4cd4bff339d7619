"""The feed's clock: a beat a second while somebody listens, handed over from minute to minute, nothing for nobody."""

import json

import pytest
import redis

from exchange.adapters.redis import keys
from exchange.feed.beat import GRACE_S, SLOT_S, Beater, Start
from exchange.markets import listing
from tests.unit.feed_world import MARKET, MemoryQueue
from tests.unit.handlers import load_handler, queue_event

MINUTE = 28_000_000


class Clock:
    """Time that passes only in sleeps. `listening` may be replaced; `at` runs things when their second comes."""

    def __init__(self, start_s: float = MINUTE * 60) -> None:
        self.ms = int(start_s * 1000)
        self.listening: dict[str, frozenset[str]] = {}
        self.at: dict[int, object] = {}
        self.sent: list[tuple[str, str, str]] = []
        self.started: list[int] = []
        self.beater = Beater(listening=lambda: self.listening, send=lambda *message: self.sent.append(message),
                             start_next=self.started.append, now_ms=lambda: self.ms, sleep_s=self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.ms += int(seconds * 1000)
        act = self.at.pop(self.ms // 1000 - MINUTE * 60, None)
        if act:
            act()

    def beats(self) -> list[tuple[int, str, bool]]:
        """(second of the minute, market, batch)"""
        return [(json.loads(body)["beat"]["at_ms"] // 1000 - MINUTE * 60, market, json.loads(body)["beat"]["batch"])
                for market, _, body in self.sent]


def test_a_beat_each_second_and_a_batch_every_five():
    clock = Clock()
    clock.listening = {"A": frozenset(("heartbeat",)), "B": frozenset(("ticker_batch",)), "C": frozenset(("status",))}
    assert clock.beater.run_minute(MINUTE) == 180
    beats = clock.beats()
    assert [second for second, market, _ in beats if market == "A"] == list(range(60))
    assert [second for second, market, _ in beats if market == "B"] == list(range(0, 60, 5))
    assert [second for second, market, _ in beats if market == "C"] == list(range(0, 60, 5))
    assert all(batch == (second % 5 == 0) for second, _, batch in beats)
    assert clock.started == [(MINUTE + 1) * 60_000]
    assert len({dedup for _, dedup, _ in clock.sent}) == len(clock.sent)


def test_it_ends_soon_after_the_last_listener_left_and_starts_no_next_minute():
    clock = Clock()
    clock.listening = {"A": frozenset(("heartbeat",))}
    clock.at[20] = lambda: setattr(clock, "listening", {})
    clock.beater.run_minute(MINUTE)
    assert clock.ms // 1000 - MINUTE * 60 == 19 + GRACE_S
    assert clock.started == [] and len(clock.sent) == 20


def test_it_waits_for_the_subscription_that_started_it():
    clock = Clock(MINUTE * 60 + 3)
    clock.at[5] = lambda: setattr(clock, "listening", {"A": frozenset(("heartbeat",))})
    clock.beater.run_minute(MINUTE)
    assert [second for second, _, _ in clock.beats()] == list(range(5, 60))


def test_a_late_start_does_nothing():
    clock = Clock((MINUTE + 1) * 60)
    clock.listening = {"A": frozenset(("heartbeat",))}
    assert clock.beater.run_minute(MINUTE) == 0
    assert clock.sent == clock.started == []


@pytest.mark.parametrize(("back_s", "beaten"), [(10, [*range(31), *range(21, 60)]), (3600, [*range(31)])])
def test_a_clock_that_is_put_back_is_followed_and_not_waited_for(back_s, beaten):
    clock = Clock()
    clock.listening = {"A": frozenset(("heartbeat",))}
    clock.at[31] = lambda: setattr(clock, "ms", clock.ms - back_s * 1000)
    clock.beater.run_minute(MINUTE)
    assert [second for second, _, _ in clock.beats()] == beaten
    assert clock.started == [(MINUTE + 1) * 60_000 if back_s < 60 else (MINUTE * 60 + 31 - 3600) * 1000]


def test_it_ends_in_time_and_hands_over():
    clock = Clock()
    clock.listening = {"A": frozenset(("heartbeat",))}
    left = iter([30, 20, 10, 2])
    assert clock.beater.run_minute(MINUTE, lambda: next(left)) == 3
    assert clock.started == [(MINUTE + 1) * 60_000]


def test_a_start_names_its_minute_and_is_not_repeated_within_the_grace():
    assert SLOT_S <= GRACE_S
    first, same, next_slot, next_minute = (Start.at((MINUTE * 60 + second) * 1000 + 1) for second in (0, 4, 5, 60))
    assert first == same and first.dedup_id != next_slot.dedup_id and first.group == next_slot.group
    assert next_minute.group != first.group and json.loads(next_minute.body) == {"minute": MINUTE + 1}


@pytest.fixture
def handler(redis_url, monkeypatch):
    for name in ("FEED_QUEUE_URL", "BEAT_QUEUE_URL"):
        monkeypatch.setenv(name, name)
    loaded = load_handler("feed_beat")
    loaded.queue = MemoryQueue()
    monkeypatch.setattr(loaded, "command_queue", lambda: loaded.queue)
    return loaded


def test_the_schedule_starts_the_clock_only_where_somebody_listens(handler, redis_url):
    assert handler.lambda_handler({"source": "aws.events"}, None) == {}
    assert handler.queue.sent == []
    with redis.Redis.from_url(redis_url) as client:
        client.hset(keys.key(MARKET, "cursor"), "listening", "heartbeat")
        handler.lambda_handler({"source": "aws.events"}, None)
        ((queue, group, _, body),) = handler.queue.sent
        assert queue == "BEAT_QUEUE_URL" and group == f"minute:{json.loads(body)['minute']}"


def test_a_start_runs_the_clock(handler, redis_url, monkeypatch):
    clock = Clock()
    with redis.Redis.from_url(redis_url) as client:
        client.hset(keys.key(MARKET, "cursor"), "listening", "heartbeat,ticker_batch")
    handler.beater = Beater(listening=handler.listening, send=handler.send, start_next=handler.start,
                            now_ms=lambda: clock.ms, sleep_s=clock.sleep)
    start = Start.at(clock.ms)
    late = Start.at(clock.ms - 60_000)
    assert handler.lambda_handler(queue_event((late.group, late.body), (start.group, start.body)), None) == {
        "batchItemFailures": []}
    assert [group for queue, group, _, _ in handler.queue.sent if queue == "FEED_QUEUE_URL"] == [MARKET] * 60
    assert [queue for queue, *_ in handler.queue.sent].count("BEAT_QUEUE_URL") == 1
    assert next(iter(listing().markets)) == MARKET  # whose publisher sends `status`
