"""The local consumer on the embedded queue: each message once, in order, and for one call of the server where that will do."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest

from exchange.adapters.embedded import QueueSpec, install, wake
from exchange.adapters.embedded.journal import PostgresJournal
from exchange.adapters.embedded.queue import PostgresQueue
from exchange.adapters.embedded.wake import FULL, MAX_HINT_BYTES, POLL_S, UNKNOWN, Noticed, Sleeper, Waker
from exchange.nudges import encode_bare_nudge, nudge_id
from exchange.ports import Message, Send
from local.consumer import ACKNOWLEDGE_WITHIN_S, BATCHES_A_TURN, WAIT_S, Consumer
from local.nudges import Nudges
from local.plan import MappingPlan

FUNCTION = "function"


class CountingQueue(PostgresQueue):
    """Counts its calls of the server, and loses its connection when told to."""

    def __init__(self, dsn: str) -> None:
        self.name = f"consumer-{uuid.uuid4().hex[:8]}"
        super().__init__(dsn, self.name)
        self.calls: Counter[str] = Counter()
        self.broken_calls = 0

    def _count(self, name: str) -> None:
        self.calls[name] += 1
        if self.broken_calls:
            self.broken_calls -= 1
            raise psycopg.OperationalError("away")

    def receive(self, **arguments) -> list[Message]:
        self._count("receive")
        return super().receive(**arguments)

    def acknowledge(self, messages: list[Message]) -> None:
        self._count("acknowledge")
        super().acknowledge(messages)

    def acknowledge_and_receive(self, done: list[Message], **arguments) -> list[Message]:
        self._count("acknowledge_and_receive")
        return super().acknowledge_and_receive(done, **arguments)


class Handlers:
    """Stands for the function: notes the bodies it gets; `on` is called for each, and answers whether it failed."""

    stopping = False

    def __init__(self, on: Callable[[str, int], bool | None]) -> None:
        self.bodies: list[str] = []
        self.events: list[dict] = []
        self._on = on

    def call(self, function: str, event: dict, *, request_id: str, deadline_ms: int) -> dict:
        self.events.append(event)
        for record in event["Records"]:
            if self._on(record["body"], int(record["attributes"]["ApproximateReceiveCount"])):
                return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
            self.bodies.append(record["body"])
        return {"batchItemFailures": []}


class World:
    """Two queues and their consumer, which runs in this thread until a handler stops it."""

    def __init__(self, dsn: str) -> None:
        self.names = [f"q-{uuid.uuid4().hex[:12]}.fifo" for _ in range(2)]
        install(dsn, [QueueSpec(name) for name in self.names])
        self.queue, self.sender, self.dsn = CountingQueue(dsn), PostgresQueue(dsn), dsn
        self.journal = PostgresJournal(dsn)
        self.beats = 0
        self.consumer: Consumer

    def send(self, *bodies: str, group: str = "A", queue: int = 0) -> None:
        for body in bodies:
            self.sender.send(queue=self.names[queue], group=group, dedup_id=uuid.uuid4().hex, body=body)

    def append(self, *entries: str, market: str = "BTC-USD", hinted: bool = True) -> None:
        """Entries of the journal, as an engine appends them and nudges the first queue."""
        for entry in entries:
            seq = self.journal.heads([market])[market] + 1
            self.journal.append(market=market, seq=seq, entry=entry.encode())
            body = json.dumps({"market": market, "seq": seq, "entry": entry})
            if hinted:
                self.sender.send_hints([Send(self.names[0], market, nudge_id(market, seq), body)])

    def run(self, on: Callable[[str, int], bool | None], queues: int = 1, *, follows: bool = False) -> Handlers:
        """Until `on` sets `stopping`; a run that never does is stopped after 20 s and fails. `follows`: it is nudged, too."""
        handlers = Handlers(on)
        mappings = [MappingPlan(function=FUNCTION, queue=name, arn=name, batch_size=10, partial_answers=True)
                    for name in self.names[:queues]]
        nudges = Nudges(self.names[0], lambda: self.journal.heads(["BTC-USD", "ETH-USD", "SOL-USD"]), batch_size=10,
                        pauses_s=(0.05,)) if follows else None
        self.consumer = Consumer(self.queue.name, mappings, handlers=handlers, queue=self.queue, timeout_s=10, nudges=nudges,
                                 beat=self.beat)
        late = threading.Timer(20, self.stop)
        late.start()
        self.consumer.run(purge=False)
        assert late.is_alive(), f"it came to {handlers.bodies} only"
        late.cancel()
        return handlers

    def stop(self) -> None:
        self.consumer.stopping = True

    def beat(self) -> None:
        self.beats += 1

    def left(self) -> int:
        return sum(self.sender.depth(name).waiting + self.sender.depth(name).in_flight for name in self.names)


@pytest.fixture
def world(postgres_dsn: str):
    made = World(postgres_dsn)
    yield made
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE embedded.journal")
    for port in (made.queue, made.sender, made.journal):
        port.close()


def test_a_message_at_a_time_is_one_call_each(world: World) -> None:
    """Each is sent when the one before has been handled, from four groups in turn."""
    def on(body: str, _: int) -> None:
        if body == "40":
            world.stop()
        else:
            threading.Timer(0.01, lambda: world.send(str(int(body) + 1), group=f"G{int(body) % 4}")).start()
    world.send("1")
    handlers = world.run(on)
    assert handlers.bodies == [str(number) for number in range(1, 41)]
    # 40 with a message, one at the start that found nothing, one at the end; on a slow machine some that time took.
    assert sum(world.queue.calls.values()) <= 40 + 8, world.queue.calls
    assert world.left() == 0


def test_all_that_was_noticed_together_is_handled_without_a_pause(world: World) -> None:
    handled: list[str] = []
    began = 0.0

    def on(body: str, _: int) -> None:
        nonlocal began
        if body == "first":
            for group in "XYZ":
                world.send(*[f"{group}{number}" for number in range(12)], group=group)
            world.sender.send_all([Send(world.names[0], group, uuid.uuid4().hex, group) for group in ("P", "Q", "Q")])
            began = time.monotonic()
        handled.append(body)
        if len(handled) == 1 + 3 * 12 + 3:
            world.stop()

    world.send("first")
    world.run(on)
    assert time.monotonic() - began < WAIT_S
    for group in "XYZ":
        assert [body for body in handled if body[0] == group] == [f"{group}{number}" for number in range(12)]
    assert sorted(body for body in handled if body in "PQ") == ["P", "Q", "Q"]
    assert world.left() == 0


def test_the_last_batch_is_acknowledged_soon_though_nothing_follows(world: World) -> None:
    found: list[int] = []

    def look() -> None:
        found.append(world.left())
        world.stop()
    world.send("one")
    world.run(lambda *_: threading.Timer(ACKNOWLEDGE_WITHIN_S + 0.3, look).start())
    assert found == [0]


def test_a_busy_queue_does_not_keep_the_other_ones_acknowledgement(world: World) -> None:
    found: list[int] = []
    stopped = threading.Event()

    def on(body: str, _: int) -> None:
        if body == "rare":
            threading.Timer(WAIT_S + 0.5, look).start()
        elif not stopped.is_set():
            threading.Timer(0.02, lambda: world.send("busy")).start()

    def look() -> None:
        found.append(world.sender.depth(world.names[1]).in_flight)
        stopped.set()
        world.stop()
    world.send("rare", queue=1)
    world.send("busy")
    world.run(on, queues=2)
    assert found == [0]


def test_a_message_without_notice_is_found(world: World) -> None:
    def on(body: str, _: int) -> None:
        if body == "one":
            threading.Timer(0.5, unnoticed).start()
        else:
            world.stop()

    def unnoticed() -> None:
        with psycopg.connect(world.dsn, autocommit=True) as connection:
            connection.execute("SELECT embedded.queue_send(%s, 'A', 'two', 'two')", (world.names[0],))
    world.send("one")
    assert world.run(on).bodies == ["one", "two"]


def test_what_failed_comes_again_before_what_is_behind_it(world: World) -> None:
    failures: list[int] = []

    def on(body: str, receives: int) -> bool:
        if body == "after":
            world.stop()
        if body == "flaky" and receives < 3:
            failures.append(receives)
            return True
        return False
    world.send("before", "flaky", "after")
    assert world.run(on).bodies == ["before", "flaky", "after"]
    assert failures[-2:] == [1, 2] and world.left() == 0


def test_a_batch_whose_acknowledgement_was_lost_comes_again(world: World) -> None:
    """At least once: the connection is lost when the first batch is to be acknowledged."""
    handled: list[str] = []

    def on(body: str, receives: int) -> None:
        handled.append(body)
        if body == "one" and receives == 1:
            world.queue.broken_calls = 1
            world.send("two", group="B")
        elif len(handled) == 3:
            world.stop()
    world.send("one")
    world.run(on)
    assert sorted(handled) == ["one", "one", "two"]


def test_what_a_predecessor_held_comes_at_once(world: World) -> None:
    world.send("one", "two")
    predecessor = PostgresQueue(world.dsn, world.queue.name)
    assert len(predecessor.receive(queue=world.names[0])) == 2
    predecessor.close()
    began = time.monotonic()
    assert world.run(lambda body, _: body == "two" and world.stop()).bodies == ["one", "two"]
    assert time.monotonic() - began < WAIT_S and world.left() == 0


def test_it_shows_signs_of_life_while_it_works_and_while_it_waits(world: World) -> None:
    """Before each call of the function, when there is nothing to do, and when the database is away."""
    beats: list[int] = []

    def on(body: str, _: int) -> None:
        beats.append(world.beats)
        if body == "last":
            world.stop()
        elif len(beats) == BATCHES_A_TURN:
            world.queue.broken_calls = 3
            threading.Timer(2.5 * WAIT_S, lambda: world.send("last")).start()

    for number in range(BATCHES_A_TURN):
        world.send("busy", group=f"G{number}")
    world.run(on)
    assert len(beats) > len({*beats[:BATCHES_A_TURN]}) == BATCHES_A_TURN, "one turn has many calls"
    assert beats[-1] - beats[BATCHES_A_TURN - 1] >= 3 + 2


def test_what_was_done_when_it_is_stopped_is_acknowledged(world: World) -> None:
    world.send("one")
    assert world.run(lambda *_: world.stop()).bodies == ["one"]
    assert world.left() == 0 and world.queue.calls == {"receive": 1, "acknowledge": 1}


def test_stopping_without_the_database_ends(world: World) -> None:
    def on(*_: object) -> None:
        world.queue.broken_calls = 1
        world.stop()
    world.send("one")
    assert world.run(on).bodies == ["one"]
    assert world.left() == 1


def test_notices_are_counted_by_queue_until_the_buffer_is_full() -> None:
    dsn = f"counted-{uuid.uuid4().hex}"
    sleeper, other, waker = Sleeper(dsn), Sleeper(dsn), Waker(dsn)
    try:
        assert sleeper.wait(0, ["a", "b"]) == {"a": UNKNOWN, "b": UNKNOWN}
        assert sleeper.wait(0, ["a", "b"]) == {}
        for queue in ("a", "b", "a", "nobody's"):
            waker.wake(queue)
        assert sleeper.wait(1, ["a", "b"]) == {"a": Noticed(2), "b": Noticed(1)}
        for _ in range(5 * FULL):
            waker.wake("a")
        assert sleeper.wait(1, ["a", "b"]) == {"a": UNKNOWN}
        # A second consumer of a queue gets no notices and looks often.
        other.wait(0, ["a"])
        assert other.wait(0, ["a"]) == {"a": UNKNOWN}
    finally:
        for one in (sleeper, other, waker):
            one.close()


def test_a_consumer_takes_the_name_once_the_other_has_gone() -> None:
    """The other may have been the last run's, a moment longer alive: not for ever is this one's a consumer that polls."""
    dsn = f"left-{uuid.uuid4().hex}"
    first, second, waker = Sleeper(dsn), Sleeper(dsn), Waker(dsn)
    try:
        first.wait(0, ["a"])
        assert second.wait(0, ["a", "b"]) == {"a": UNKNOWN, "b": UNKNOWN}
        began = time.monotonic()
        assert second.wait(1, ["a", "b"]) == {"a": UNKNOWN}
        assert time.monotonic() - began >= POLL_S * 0.9, "it waits between looks"
        waker.wake("a")
        assert first.wait(1, ["a"]) == {"a": Noticed(1)}, "the name is the first one's"
        first.close()
        assert second.wait(1, ["a", "b"]) == {"a": UNKNOWN}, "what came meanwhile woke nobody"
        waker.wake("a")
        waker.hint("a", "hello")
        assert second.wait(1, ["a", "b"]) == {"a": Noticed(1, ("hello",))}
        began = time.monotonic()
        assert second.wait(3 * POLL_S, ["a", "b"]) == {} and time.monotonic() - began >= 3 * POLL_S * 0.9
        assert first.wait(0, ["a"]) == {"a": UNKNOWN} and first.wait(0, ["a"]) == {"a": UNKNOWN}
    finally:
        for one in (first, second, waker):
            one.close()


@pytest.fixture
def sockets():
    """(the consumer's side, the sender's), of queue `q`, which the consumer waits for."""
    dsn = f"hinted-{uuid.uuid4().hex}"
    sleeper, waker = Sleeper(dsn), Waker(dsn)
    sleeper.wait(0, ["q"])
    yield sleeper, waker
    sleeper.close()
    waker.close()


def test_hints_come_as_they_were_sent_beside_the_notices(sockets: tuple[Sleeper, Waker]) -> None:
    sleeper, waker = sockets
    largest = "é" * (MAX_HINT_BYTES // 2)
    for hint in ("one", largest):
        waker.hint("q", hint)
    waker.wake("q")
    waker.hint("q", "three")
    waker.hint("nobody's", "lost")
    assert sleeper.wait(1, ["q"]) == {"q": Noticed(1, ("one", largest, "three"))}
    waker.hint("q", "x" * (MAX_HINT_BYTES + 1))
    assert sleeper.wait(1, ["q"]) == {"q": Noticed(0, (), all_of_them=False)}


@pytest.mark.parametrize("size", [1, 1000, MAX_HINT_BYTES])
def test_a_consumer_is_told_when_hints_may_have_found_its_buffer_full(sockets: tuple[Sleeper, Waker], size: int) -> None:
    """Of every size: what the sender's socket may have under way must not be less than what fills the receiver's."""
    sleeper, waker = sockets
    for number in range(5 * FULL):
        waker.hint("q", f"{number:2}".rjust(size))
    [found] = sleeper.wait(1, ["q"]).values()
    assert found.groups == UNKNOWN.groups and not found.all_of_them
    assert [int(hint) for hint in found.hints] == [*range(len(found.hints))] and len(found.hints) >= FULL


def test_what_another_user_of_the_machine_sends_counts_for_nothing(sockets: tuple[Sleeper, Waker],
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper, waker = sockets
    monkeypatch.setattr(wake, "_USER", wake._USER + 1)
    waker.wake("q")
    waker.hint("q", "forged")
    assert sleeper.wait(1, ["q"]) == {"q": Noticed(0)}


def test_nudges_reach_the_function_like_messages_and_cost_the_queue_nothing(world: World) -> None:
    handled: list[str] = []

    def on(body: str, _: int) -> None:
        handled.append(json.loads(body).get("entry", "bare"))
        if len(handled) == 1:  # that of the start
            world.append("two", "three")
            world.append("of another", market="ETH-USD")
        elif len(handled) == 4:
            world.stop()

    world.append("one")
    handlers = world.run(on, follows=True)
    assert sorted(handled[1:]) == ["of another", "three", "two"]
    *_, event = [event for event in handlers.events if event["Records"][0]["attributes"]["MessageGroupId"] == "BTC-USD"]
    for record, seq, entry in zip(event["Records"], (2, 3), ("two", "three"), strict=True):
        assert set(record) == {"messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody",
                               "eventSource", "eventSourceARN", "awsRegion"}
        assert record["attributes"]["SequenceNumber"] == str(seq) and record["attributes"]["ApproximateReceiveCount"] == "1"
        assert record["attributes"]["MessageDeduplicationId"] == f"BTC-USD:{seq}"
        assert record["eventSource"] == "aws:sqs" and json.loads(record["body"])["entry"] == entry
    assert world.queue.calls["acknowledge"] == world.queue.calls["acknowledge_and_receive"] == 0 and world.left() == 0


def test_messages_of_the_queue_go_on_beside_its_nudges(world: World) -> None:
    messages, nudged = [], []

    def on(body: str, _: int) -> None:
        if body.isdigit():
            messages.append(body)
            world.append("entry")
        else:
            nudged.append(json.loads(body)["seq"])
            world.send(str(len(nudged)))
        if len(messages) > 20 and nudged[-1] > 20:
            world.stop()
    world.append("entry")
    world.run(on, follows=True)
    assert messages[:20] == [str(number) for number in range(1, 21)] and nudged == sorted(set(nudged))


def test_a_nudge_that_never_came_is_made_up_for_within_a_second(world: World) -> None:
    told_at = 0.0

    def on(body: str, _: int) -> None:
        nonlocal told_at
        if body == encode_bare_nudge("BTC-USD", 1):
            threading.Timer(0.3, unheard).start()
        else:
            assert body == encode_bare_nudge("BTC-USD", 2)
            told_at = time.monotonic()
            world.stop()

    def unheard() -> None:
        nonlocal appended_at
        appended_at = time.monotonic()
        world.append("two", hinted=False)
    appended_at = 0.0
    world.append("one")
    world.run(on, follows=True)
    assert told_at - appended_at < WAIT_S + 2


def test_what_no_buffer_holds_is_found_at_once(world: World) -> None:
    """While the handler is at work more entries come than the socket takes, among them one that is too large for it."""
    began = 0.0

    def on(body: str, _: int) -> None:
        nonlocal began
        seq = json.loads(body)["seq"]
        if seq == 1:
            world.append("x" * MAX_HINT_BYTES, *[str(number) for number in range(5 * FULL)])
            began = time.monotonic()
        elif seq == 1 + 1 + 5 * FULL:
            world.stop()
    world.append("one")
    world.run(on, follows=True)
    assert time.monotonic() - began < WAIT_S


def test_a_nudge_that_fails_comes_again_and_keeps_no_other_market(world: World) -> None:
    told: list[tuple[str, int]] = []

    def on(body: str, receives: int) -> bool:
        market = json.loads(body)["market"]
        told.append((market, receives))
        if market == "ETH-USD":
            return receives < 3
        if len(told) < 20:
            threading.Timer(0.01, lambda: world.append("more")).start()
        else:
            world.stop()
        return False
    world.append("one")
    world.append("fails", market="ETH-USD")
    world.run(on, follows=True)
    assert [receives for market, receives in told if market == "ETH-USD"] == [1, 2, 3]
    assert len(told) == 20 and world.left() == 0


def test_after_the_database_was_away_all_markets_are_offered_again(world: World) -> None:
    told: list[str] = []

    def on(body: str, _: int) -> None:
        told.append(body)
        if len(told) == 2:
            world.queue.broken_calls = 1
        elif len(told) == 4:
            world.stop()
    world.append("one")
    world.append("other", market="ETH-USD")
    world.run(on, follows=True)
    assert sorted(told[:2]) == sorted(told[2:]) == [encode_bare_nudge("BTC-USD", 1), encode_bare_nudge("ETH-USD", 1)]
