"""Views made anew from the journal alone are those that grew with it: books, trades, ticker, statistics, candles."""

import contextlib
import json
import random

import orjson
import psycopg
import pytest
import redis

from exchange.adapters import ports
from exchange.adapters.postgres.candles import PostgresCandles
from exchange.adapters.redis import keys
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.feed.bodies import Subscription
from exchange.feed.candles import CandleRecorder
from exchange.feed.publisher import FeedPublisher, OutOfTime
from exchange.markets import listing
from tests.unit.feed_world import MARKET, MemoryQueue, World, nudge
from tests.unit.handlers import http_event, load_handler

READERS = {
    "level 2": ("api_get_book", "level=2"), "level 3": ("api_get_book", "level=3"), "trades": ("api_list_trades", "limit=500"),
    "ticker": ("api_get_ticker", ""), "stats": ("api_get_stats", ""), "candles": ("api_list_candles", "granularity=3600"),
    "days": ("api_list_candles", "granularity=86400"), "events": ("api_list_events", "after=0&limit=200")}


class Exchange(World):
    """A market with its views, its candles and a publisher that takes the feed queue's messages at once."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.client = client
        self.push = MemoryQueue()
        self.records: dict[bytes, bytes] = {}
        self.publisher = FeedPublisher(
            markets=listing().markets, views=RedisViewStore(client), journal=self.journal, queue=self.push,
            push_queue_url="push", shards=1, account_of=None, connections_of=lambda market: ["listener"], status=str,
            cancel_all=None)

    def place(self, *arguments, **fields):
        command = super().place(*arguments, **fields)
        self.records[command.order_id.bytes] = command.pack()
        return command

    def send(self, *, queue: str, group: str, dedup_id: str, body: str) -> None:
        """The feed queue."""
        if group == MARKET:
            self.publisher.handle(group, [json.loads(body)])

    def read(self) -> dict[str, object]:
        """What the public sees."""
        found = {}
        for name, (function, query) in READERS.items():
            handler = load_handler(function)
            if hasattr(handler, "placed_commands"):
                handler.placed_commands = lambda ids: {order_id: self.records[order_id] for order_id in ids}
            handler.views._now_ms = lambda: self.at_ms
            answer = handler.lambda_handler(http_event("/x", query=query, parameters={"product_id": MARKET}), None)
            assert answer["statusCode"] == 200, (name, answer)
            found[name] = orjson.loads(answer["body"])
        return found

    def stored(self) -> dict[str, object]:
        """Every key but who listens and which writer it was."""
        kept = {}
        for part in set(keys.PARTS) - {"subscribers", "outbox"}:
            name = keys.key(MARKET, part)
            kept[part] = self.client.lrange(name, 0, -1) if part in ("trades", "told") else self.client.hgetall(name)
        kept["cursor"] = {name: value for name, value in kept["cursor"].items()
                          if name not in (b"epoch", b"revision", b"listening")}
        return kept


@pytest.fixture
def exchange(redis_url, ledger_dsn, monkeypatch):
    monkeypatch.setenv("FEED_QUEUE_URL", "feed")
    client = redis.Redis.from_url(redis_url)
    made = Exchange(client)
    monkeypatch.setattr(ports, "journal", lambda: made.journal)
    monkeypatch.setattr(ports, "command_queue", lambda: made)
    yield made
    client.close()


def candles(dsn: str) -> list:
    with psycopg.connect(dsn) as database:
        return database.execute("SELECT * FROM candles ORDER BY 1, 2, 3").fetchall()


def test_a_rebuild_by_hand_gives_what_was_live(exchange, ledger_dsn, monkeypatch):
    rng = random.Random(11)
    recorder = CandleRecorder(journal=exchange.journal, store=PostgresCandles(listing()))
    for number in range(160):
        if number % 4 == 0:
            exchange.at_ms += rng.randint(1, 3_600_000)
        exchange.send(queue="feed", group=MARKET, dedup_id="", body=nudge(
            exchange.run(*exchange.random_batch_of_all(rng, rng.randint(1, 3)))))
        if number % 50 == 0:
            recorder.catch_up(MARKET)
    recorder.catch_up(MARKET)
    monkeypatch.setattr("exchange.api.request.time.time_ns", lambda: exchange.at_ms * 1_000_000)
    exchange.send(queue="feed", group=MARKET, dedup_id="", body=Subscription(
        MARKET, "listener", 1, frozenset(("full",))).encode())
    seen, stored, rows = exchange.read(), exchange.stored(), candles(ledger_dsn)
    assert all(seen.values()) and len(rows) > 20 and seen["level 3"]["bids"] and stored["told"]
    # What is wrong with the views does not matter.
    exchange.client.hset(keys.key(MARKET, "bids"), "1", "5:1")
    exchange.client.lpush(keys.key(MARKET, "trades"), b"nonsense")
    with psycopg.connect(ledger_dsn, autocommit=True) as database:
        database.execute("UPDATE candles SET high = high + 1")

    answer = load_handler("feed_rebuild_views").lambda_handler({"market": MARKET}, None)

    assert answer == {MARKET: {"entry": 160, "complete": True}}
    for name, value in exchange.read().items():
        assert value == seen[name], name
    assert exchange.stored() == stored and candles(ledger_dsn) == rows
    last = json.loads(exchange.push.sent[-1][3])
    assert last["close"] == ["listener"] and "Feed restarted" in last["texts"][-1]
    # And it goes on from there.
    exchange.send(queue="feed", group=MARKET, dedup_id="", body=nudge(exchange.run(exchange.place("buy", "1.00", "1"))))
    assert exchange.read()["level 2"]["sequence"] == exchange.book.sequence


def test_all_markets_of_which_most_are_empty(exchange):
    exchange.send(queue="feed", group=MARKET, dedup_id="", body=nudge(exchange.run(exchange.place("buy", "1", "1"))))
    context = type("Context", (), {"get_remaining_time_in_millis": lambda self: 6000})()
    answer = load_handler("feed_rebuild_views").lambda_handler({}, context)
    assert list(answer) == list(listing().markets) and answer[MARKET]["complete"]


def test_a_long_rebuild_goes_on_where_it_was_when_its_message_comes_again(exchange):
    for number in range(600):
        entry = exchange.run(exchange.place("buy", f"{number + 1}", "1"))
    exchange.send(queue="feed", group=MARKET, dedup_id="", body=nudge(entry))
    body = json.loads('{"market":"BTC-USD","rebuild":{"epoch":"again"}}')
    stood = []
    for left in (1.0, 1.0, 100.0):
        with contextlib.suppress(OutOfTime):
            exchange.publisher.handle(MARKET, [body], lambda left=left: left)
        stood.append(int(exchange.client.hget(keys.key(MARKET, "cursor"), "seq")))
    assert stood == [250, 500, 600]
    assert exchange.client.hget(keys.key(MARKET, "cursor"), "epoch") == b"again"


def test_a_market_that_is_not_listed(exchange, monkeypatch):
    handler = load_handler("feed_rebuild_views")
    monkeypatch.setattr(handler, "command_queue", lambda: pytest.fail("nothing may be sent"))
    with pytest.raises(ValueError, match="BTC-XXX is not listed; the markets are BTC-USD"):
        handler.lambda_handler({"market": "BTC-XXX"}, None)
