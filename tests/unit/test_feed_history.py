"""Events after a sequence: what the endpoint tells from the journal is what `full` told when it happened."""

import json
import random

import orjson
import pytest
import redis

from exchange.adapters import ports
from exchange.adapters.redis import keys
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.feed.bodies import Subscription
from exchange.feed.history import first_entry
from exchange.feed.publisher import FeedPublisher
from exchange.journal import decode_entry
from exchange.markets import listing
from tests.unit.feed_world import MARKET, MemoryQueue, World, nudge
from tests.unit.handlers import http_event, load_handler


class Told(World):
    """A world with a listener of `full`; `full` is what it was told, by sequence. `records`: the orders' rows."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.queue = MemoryQueue()
        self.records: dict[bytes, bytes] = {}
        self.publisher = FeedPublisher(
            markets=listing().markets, views=RedisViewStore(client), journal=self.journal, queue=self.queue,
            push_queue_url="push", shards=1, account_of=None, connections_of=lambda market: [], status=str, cancel_all=None)
        self.tell(Subscription(MARKET, "c", 1, frozenset(("full",))).encode())

    def tell(self, body: str) -> None:
        self.publisher.handle(MARKET, [json.loads(body)])

    def place(self, *arguments, **fields):
        command = super().place(*arguments, **fields)
        self.records[command.order_id.bytes] = command.pack()
        return command

    def go(self, *commands) -> None:
        self.tell(nudge(self.run(*commands)))

    @property
    def full(self) -> dict[int, dict]:
        texts = [text for _, _, _, body in self.queue.sent for text in orjson.loads(body)["texts"]]
        return {message["sequence"]: message for message in map(orjson.loads, texts)}


@pytest.fixture
def world(redis_url, monkeypatch):
    client = redis.Redis.from_url(redis_url)
    made = Told(client)
    made.client = client
    monkeypatch.setattr(ports, "journal", lambda: made.journal)
    yield made
    client.close()


@pytest.fixture
def events(world, monkeypatch):
    handler = load_handler("api_list_events")
    monkeypatch.setattr(handler, "placed_commands", lambda ids: {
        order_id: world.records[order_id] for order_id in ids if order_id in world.records})

    def ask(query: str, status: int = 200, product: str = MARKET) -> dict:
        answer = handler.lambda_handler(http_event("/x", query=query, parameters={"product_id": product}), None)
        assert answer["statusCode"] == status, answer
        return orjson.loads(answer["body"])
    return ask


@pytest.mark.parametrize("seed", range(2))
def test_every_event_of_every_kind_of_order_as_it_was_told(world, events, seed):
    rng = random.Random(seed)
    for _ in range(90):
        world.go(*world.random_batch_of_all(rng, rng.randint(0, 4)))
    full = world.full
    last = max(full)
    assert list(full) == list(range(1, last + 1)) and last > 300
    assert {message["type"] for message in full.values()} == {"received", "open", "match", "done", "change", "activate"}
    for after in [0, last - 1, *rng.sample(range(last), 25)]:
        answer = events(f"after={after}")
        assert answer["sequence"] == last
        assert answer["events"] == [full[n] for n in range(after + 1, min(last, after + 1000) + 1)][:len(answer["events"])]
        assert answer["events"]
    seen = []
    while len(seen) < last:
        page = events(f"after={len(seen)}&limit=37")["events"]
        assert 0 < len(page) <= 37
        seen += page
    assert seen == list(full.values())


def test_at_the_head_and_beyond_and_without_a_journal(world, events):
    assert events("after=0") == {"product_id": MARKET, "sequence": 0, "events": []}
    world.go(world.place("buy", "1", "1"))
    for after in (2, 3, 10**15):
        assert events(f"after={after}") == {"product_id": MARKET, "sequence": 2, "events": []}
    world.run(world.place("buy", "1", "1"))  # in the journal, not yet published
    assert [message["sequence"] for message in events("after=0")["events"]] == [1, 2]


def test_entries_without_events_are_passed_over(world, events):
    world.go(world.place("buy", "1", "1"))
    for _ in range(150):
        world.go()
    world.go(world.place("buy", "2", "1"))
    assert [message["sequence"] for message in events("after=2")["events"]] == [3, 4]


def test_what_is_not_kept_any_more_is_said(world, events):
    order = world.place("buy", "100.00", "1")
    world.go(order)
    world.go(world.amend(order.order_id, price="99.00"))
    assert len(events("after=0")["events"]) == 4
    world.client.delete(keys.key(MARKET, "told"))
    assert events("after=0", 400)["code"] == "events_too_old"
    assert events("after=0&limit=2")["events"] and events("after=3")["events"]


@pytest.mark.parametrize("query", ["", "after=", "after=x", "after=-1", "after=1.0", "after=99999999999999999999",
                                   "after=1&limit=0", "after=1&limit=1001", "after=%00"])
def test_bad_queries(world, events, query):
    assert events(query, 400)["code"] == "bad_query"


def test_an_unknown_product(world, events):
    assert events("after=0", 404, "XRP-USD")["message"] == "NotFound"


def test_the_first_entry_is_found_with_few_reads(world):
    rng = random.Random(1)
    for number in range(300):  # entries of very different size
        world.run(*[world.place("buy", "1", "1") for _ in range(rng.choice((0, 0, 1, 1, 2, 40)) if number > 5 else 0)])
    entries = [decode_entry(raw) for raw in world.journal.entries]
    reads = []
    get = world.journal.get
    world.journal.get = lambda **where: reads.append(1) or get(**where)
    for after in range(0, entries[-1].feed_sequence + 2, 13):
        reads.clear()
        wanted = next((entry.seq for entry in entries if entry.feed_sequence > after), None)
        assert first_entry(world.journal, MARKET, after) == wanted
        assert len(reads) <= 20
    assert first_entry(world.journal, "ETH-USD", 0) is None
