"""I9 for every channel, from the journal to the client: what each client can know is what the engine had, at any point.

Fault model. Nudges are lost, repeated, shuffled, without their entry. Two publishers take turns, each with a state that the
other has moved on from. The push queue fails between two sends; a push batch is cut short at any post, by a crash (it comes
again, from its start, perhaps with more) or by a connection that fails for a while. Clients come and go, subscribe again, and
skip what has a `sequence` that they have seen, as docs/FEED.md tells them. Nothing else is assumed.
"""

import json
import random
from collections import defaultdict
from zlib import crc32

import redis

from exchange.adapters.aws.posts import PostFailed
from exchange.adapters.aws.pusher import Pusher
from exchange.adapters.redis.market_views import MarketViews
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.commands import Side
from exchange.feed.bodies import Subscription, encode_beat, encode_drop
from exchange.feed.publisher import FeedPublisher
from tests.unit.feed_world import MARKET, MemoryQueue, World, nudge

CHANNELS = ("full", "matches", "user", "level2", "level2_batch", "ticker", "ticker_batch", "heartbeat")


class Crash(Exception):
    """The process ended here."""


class Client:
    """Follows all channels that it has; checks each message when it comes."""

    def __init__(self, name: str, exchange: "Exchange", channels: frozenset[str], account: int) -> None:
        self.name, self.exchange, self.channels, self.account = name, exchange, channels, account
        self.levels: dict[str, dict[str, str]] | None = None
        self.levels_at = 0
        self.event_at = 0  # the last event of `full`, `user` or `matches`
        self.trade_at = 0
        self.book: dict[str, dict[str, list]] | None = None  # side -> order id -> [price, size], in order of place
        self.mine: list[dict] = []
        self.ticker_at = 0
        self.seen: defaultdict[str, int] = defaultdict(int)

    def start_from_book(self) -> None:
        """Level 3 by REST, as a client of `full` must; at any time after it has subscribed."""
        view = self.exchange.views.book(MARKET, 3)
        price, size = self.exchange.market.format_price, self.exchange.market.format_size
        self.book = {name: {order.uuid: [price(order.price_ticks), size(order.lots)] for order in orders}
                     for name, orders in (("buy", view.bids), ("sell", view.asks))}
        self.book_at = view.sequence

    def take(self, message: dict) -> None:
        kind = message["type"]
        self.seen[kind] += 1
        if kind == "snapshot":
            if message["sequence"] >= self.levels_at:
                self.levels = {"buy": dict(message["bids"]), "sell": dict(message["asks"])}
                self.levels_at = message["sequence"]
                self.check_levels(message)
        elif kind == "l2update":
            self.update(message)
        elif kind == "ticker":
            self.ticker_at = max(self.ticker_at, message["trade_id"])
        elif kind == "heartbeat":
            if "full" in self.channels and self.event_at:
                assert message["sequence"] <= self.event_at
            assert self.levels is None or message["sequence"] <= self.levels_at
        elif kind == "last_match":
            self.trade_at = max(self.trade_at, message["trade_id"])
        elif kind == "amend_rejected":
            assert self.account and {"user", "full"} & self.channels and "sequence" not in message
        else:
            self.event(message)

    def update(self, message: dict) -> None:
        if message["sequence"] <= self.levels_at:
            return  # posted again
        # Sizes are absolute: one that begins before is good, too; it is in part posted again.
        assert message["previous_sequence"] <= self.levels_at, "a gap in level 2"
        for side, price, size in message["changes"]:
            self.levels[side][price] = size
            if not float(size):
                self.levels[side].pop(price, None)
        self.levels_at = message["sequence"]
        self.check_levels(message)

    def check_levels(self, message: dict) -> None:
        assert self.levels == self.exchange.levels[message["sequence"]]
        best = [f"{price}:{size}" for name, sign in (("buy", -1), ("sell", 1))
                for price, size in sorted(self.levels[name].items(), key=lambda level: sign * float(level[0]))[:10]]
        assert message["checksum"] == crc32(":".join(best).encode())

    def event(self, message: dict) -> None:
        sequence = message["sequence"]
        if sequence <= self.event_at:
            return
        if "full" in self.channels:
            assert self.event_at in (0, sequence - 1), "a gap in full"
        if message["type"] == "match":
            if "full" in self.channels or "matches" in self.channels:
                assert self.trade_at in (0, message["trade_id"] - 1), "a trade is missing"
            self.trade_at = message["trade_id"]
        self.event_at = sequence
        if "user_id" in message:
            assert not {"maker_fee_rate", "taker_fee_rate"} <= message.keys()
            assert message["type"] != "match" or {"maker_fee_rate", "taker_fee_rate"} & message.keys()
            self.mine.append(message)
        if self.book is not None and sequence > self.book_at:
            self.move(message)

    def move(self, message: dict) -> None:
        """The table of docs/FEED.md, and nothing else."""
        kind = message["type"]
        if kind == "open":
            side = self.book[message["side"]]
            side.pop(message["order_id"], None)
            side[message["order_id"]] = [message["price"], message["remaining_size"]]
        elif kind == "match":
            for order in (message["maker_order_id"], message["taker_order_id"]):
                self.resize(order, lambda size: size - self.exchange.market.size_lots(message["size"]))
        elif kind == "change" and "new_size" in message:
            self.resize(message["order_id"], lambda size: self.exchange.market.size_lots(message["new_size"]))
        elif kind == "done":
            self.resize(message["order_id"], lambda size: 0)

    def resize(self, order: str, new: object) -> None:
        for side in self.book.values():
            if order in side:
                lots = new(self.exchange.market.size_lots(side[order][1]))
                side[order][1] = self.exchange.market.format_size(lots)
                if lots == 0:
                    del side[order]

    def orders(self, side: str) -> list[tuple[str, str, str]]:
        rows = [(price, size, order) for order, (price, size) in self.book[side].items()]
        return sorted(rows, key=lambda row: float(row[0]) * (-1 if side == "buy" else 1))  # stable: places are kept


class Exchange(World):
    """Journal, two publishers, push queue, pusher, clients."""

    def __init__(self, client: redis.Redis, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.queue = MemoryQueue()
        self.views = MarketViews(client)
        self.publishers = [FeedPublisher(
            markets={MARKET: self.market}, views=RedisViewStore(client), journal=self.journal, queue=self.queue,
            push_queue_url="push", shards=3, account_of=None, connections_of=lambda market: [], status=str, cancel_all=None)
            for _ in range(2)]
        self.clients: dict[str, Client] = {}
        self.levels: dict[int, dict] = {0: {"buy": {}, "sell": {}}}  # the engine's, after each entry
        self.pushed: dict[str, int] = defaultdict(int)  # group -> how many of its messages were acknowledged
        self.fault = 0.0
        self.versions = 0
        self.faults: defaultdict[str, int] = defaultdict(int)
        self.pusher = self.new_pusher()

    def new_pusher(self) -> Pusher:
        return Pusher(post=self.post, disconnect=self.leave, drop=lambda connection, markets: self.leave(connection),
                      resync=lambda *what: None, each=lambda function, items: [function(item) for item in items],
                      sleep_s=lambda seconds: None)

    def post(self, connection: str, text: str) -> None:
        draw = self.rng.random()
        if draw < self.fault:
            self.faults["crash"] += 1
            raise Crash
        if draw < 3 * self.fault:
            self.faults["post failed"] += 1
            if draw < 2 * self.fault and connection in self.clients:
                self.clients[connection].take(json.loads(text))  # it arrived, its answer did not
            raise PostFailed("500")
        if connection in self.clients:
            self.clients[connection].take(json.loads(text))

    def leave(self, connection: str) -> None:
        self.clients.pop(connection, None)

    def step(self) -> None:
        """A few entries, and the messages that tell of them, in one batch of the feed queue."""
        rng = self.rng
        bodies = []
        for _ in range(rng.randint(1, 3)):
            entry = self.run(*self.random_batch_of_all(rng, rng.randint(0, 3)))
            self.levels[self.book.sequence] = {name: dict(self.core_levels(side))
                                               for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell"))}
            bodies += [nudge(entry, with_entry=rng.random() < 0.7)] * rng.choice((0, 1, 1, 1, 2))
        if rng.random() < 0.3:
            rng.shuffle(bodies)
        bodies += self.comings_and_goings()
        if rng.random() < 0.3:
            bodies.insert(rng.randint(0, len(bodies)), encode_beat(MARKET, self.at_ms, batch=rng.random() < 0.5))
        while True:
            self.queue.fail_after = rng.randint(0, 3) if rng.random() < 0.6 * bool(self.fault) else None
            try:
                rng.choice(self.publishers).handle(MARKET, list(map(json.loads, bodies)))
                break
            except ConnectionError:
                self.faults["publisher"] += 1
        self.queue.fail_after = None

    def comings_and_goings(self) -> list[str]:
        rng, bodies = self.rng, []
        draw = rng.random()
        if draw < 0.25 and len(self.clients) < 8:
            self.versions += 1
            channels = frozenset(rng.sample(CHANNELS, rng.randint(1, 5)))
            account = rng.randint(1, 5) if "user" in channels else 0
            name = f"c{self.versions}"
            self.clients[name] = Client(name, self, channels, account)
            bodies.append(self.subscription(name, channels))
        elif draw < 0.35 and self.clients:  # asks again, and is greeted again
            name = rng.choice(sorted(self.clients))
            bodies.append(self.subscription(name, self.clients[name].channels))
        elif draw < 0.42 and self.clients:
            name = rng.choice(sorted(self.clients))
            self.leave(name)
            bodies.append(encode_drop(MARKET, name))
        return bodies

    def subscription(self, name: str, channels: frozenset[str]) -> str:
        self.versions += 1
        account = self.clients[name].account
        return Subscription(MARKET, name, self.versions, channels, channels, account,
                            *((f"user-{account}", f"profile-{account}") if account else ())).encode()

    def push(self, everything: bool = False) -> None:
        """Some batches of the push queue, group by group; one that crashed comes again, to another environment."""
        for group in sorted({group for _, group, _, _ in self.queue.sent}):
            bodies = [body for _, found, _, body in self.queue.sent if found == group]
            while (done := self.pushed[group]) < len(bodies) and (everything or self.rng.random() < 0.7):
                batch = bodies[done:done + self.rng.randint(1, 10)]
                try:
                    self.pusher.push(list(map(json.loads, batch)), name="n")
                except (Crash, PostFailed):
                    self.pusher = self.new_pusher()
                    continue
                self.pushed[group] += len(batch)


def test_every_client_has_what_the_engine_had(redis_url):
    reached: defaultdict[str, int] = defaultdict(int)
    for seed in range(4):
        run(redis_url, seed, reached)
    assert {name for name, times in reached.items() if times} >= {
        "publisher", "post failed", "crash", "books", "snapshot", "l2update", "ticker", "heartbeat", "match", "open",
        "received", "done", "change", "activate", "last_match"}


def run(redis_url: str, seed: int, reached: dict[str, int]) -> None:
    """`reached`: what came about at all."""
    rng = random.Random(seed)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        exchange = Exchange(client, rng)
        for number in range(90):
            exchange.fault = 0.0 if number % 3 else 0.01
            exchange.step()
            exchange.push()
            for follower in list(exchange.clients.values()):
                starts = "full" in follower.channels and follower.book is None and rng.random() < 0.5
                if starts and 0 < follower.event_at <= exchange.views.book(MARKET, 3).sequence:
                    exchange.push(everything=True)
                    follower.start_from_book()
        exchange.fault = 0.0
        last = exchange.run(exchange.place("buy", "1.00", "1"))
        exchange.levels[exchange.book.sequence] = {name: dict(exchange.core_levels(side))
                                                   for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell"))}
        exchange.publishers[0].handle(MARKET, [json.loads(nudge(last)), json.loads(encode_beat(MARKET, 1, batch=True))])
        exchange.push(everything=True)
        check_the_end(exchange, reached)
        for fault, times in exchange.faults.items():
            reached[fault] += times


def check_the_end(exchange: Exchange, reached: dict[str, int]) -> None:
    engine, market = exchange.book, exchange.market
    for client in exchange.clients.values():
        for kind, count in client.seen.items():
            reached[kind] += count
        if client.levels is not None:
            assert client.levels_at == engine.sequence
            assert client.levels == exchange.levels[engine.sequence]
        if "full" in client.channels:
            assert client.event_at == engine.sequence
        if client.ticker_at:
            assert client.ticker_at == engine.last_trade_id
        if {"full", "matches"} & client.channels and client.trade_at:
            assert client.trade_at == engine.last_trade_id
        if client.book is not None:
            reached["books"] += 1
            for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
                assert [(price, size, order.replace("-", "")) for price, size, order in client.orders(name)] == [
                    (market.format_price(price), market.format_size(lots), order_id.hex())
                    for order_id, _, price, lots in engine.orders(side)]
    assert exchange.clients
