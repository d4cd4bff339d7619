"""The publisher on a real Valkey: atomic saves, crashes, two writers, lost views, subscriptions between two entries."""

import json
import random
from uuid import UUID

import pytest
import redis

from exchange.adapters.redis import keys
from exchange.adapters.redis.connection import ViewsUnavailable, connect
from exchange.adapters.redis.market_views import MarketViews
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.commands import Side
from exchange.events import Mode
from exchange.feed.bodies import Subscription, encode_beat, encode_drop, encode_status
from exchange.feed.publisher import FeedPublisher, OutOfTime, Overtaken, Push, Room, Save
from exchange.feed.state import MarketState, ViewChanges
from exchange.journal import JournalBroken
from exchange.nudges import encode_nudge
from tests.unit.feed_world import MARKET, MemoryJournal, MemoryQueue, World, nudge


class Setup:
    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.world = World()
        self.queue = MemoryQueue()
        self.lost: list[str] = []
        self.status = "{}"
        self.stale_status: str | None = None  # what is answered to who does not ask for the newest
        self.canceled: list[tuple[int, str, str]] = []
        self.publisher = self.new_publisher()
        self.views = MarketViews(self.client, now_ms=lambda: self.world.at_ms)
        self._read = 0

    def new_publisher(self, shards: int = 2) -> FeedPublisher:
        return FeedPublisher(
            markets={MARKET: self.world.market}, views=RedisViewStore(self.client), journal=self.world.journal,
            queue=self.queue, push_queue_url="push", shards=shards, account_of=lambda user_id: (42, "profile-42"),
            connections_of=lambda market: self.lost,
            status=lambda newest: self.status if newest else self.stale_status or self.status,
            cancel_all=lambda *what: self.canceled.append(what))

    def handle(self, *bodies: str, publisher: FeedPublisher | None = None) -> None:
        (publisher or self.publisher).handle(MARKET, [json.loads(body) for body in bodies])

    def pushed(self) -> dict[str, list[dict]]:
        """What each connection was sent since the last call; a `close` as {"type": "close"}."""
        found: dict[str, list[dict]] = {}
        for _, _, _, body in self.queue.sent[self._read:]:
            document = json.loads(body)
            for connections, indexes in document["send"]:
                for connection in connections:
                    found.setdefault(connection, []).extend(json.loads(document["texts"][index]) for index in indexes)
            for connection in document["close"]:
                found.setdefault(connection, []).append({"type": "close"})
        self._read = len(self.queue.sent)
        return found

    def stored(self) -> dict:
        """Everything of the market but the cursor's revision and epoch."""
        found: dict = {}
        for part in keys.PARTS:
            name = keys.key(MARKET, part)
            found[part] = self.client.lrange(name, 0, -1) if part == "trades" else self.client.hgetall(name)
        found["cursor"] = {name: value for name, value in found["cursor"].items() if name not in (b"epoch", b"revision")}
        return found

    def assert_views_are_the_book(self) -> None:
        book = self.views.book(MARKET, 2)
        world = self.world
        assert book.sequence == world.book.sequence
        for side, rows in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            assert rows == world.book.levels(side, 10_000)
        book = self.views.book(MARKET, 3)
        for side, orders in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            assert [(o.order_id, o.account, o.price_ticks, o.lots) for o in orders] == world.book.orders(side)


@pytest.fixture
def setup(redis_url):
    setup = Setup(redis_url)
    yield setup
    setup.client.close()


def subscribe(connection: str, *channels: str, version: int = 1, requested: tuple[str, ...] | None = None, **who) -> str:
    return Subscription(MARKET, connection, version, frozenset(channels),
                        frozenset(channels if requested is None else requested), **who).encode()


def test_views_follow_the_journal_in_batches(setup):
    rng = random.Random(3)
    for _ in range(40):
        bodies = [nudge(setup.world.run(*setup.world.random_batch(rng, rng.randint(1, 12))))
                  for _ in range(rng.randint(1, 5))]
        setup.handle(*bodies)
        setup.assert_views_are_the_book()
        assert setup.views.book(MARKET, 1).bids == setup.world.book.levels(Side.BUY, 1)
        bid, ask, last = setup.views.best(MARKET)
        touch = [level[0] for side in (Side.BUY, Side.SELL) for level in setup.world.book.levels(side, 1) or [(None,)]]
        assert [bid, ask] == touch
    trades = setup.views.trades(MARKET)
    assert trades[0].trade_id == setup.world.book.last_trade_id and trades[0].price_ticks == last
    assert [trade.trade_id for trade in trades] == list(range(trades[0].trade_id, trades[-1].trade_id - 1, -1))
    ticker = setup.views.ticker(MARKET)
    assert ticker.figures.lots == sum(trade.lots for trade in trades)
    assert ticker.figures.open == trades[-1].price_ticks


@pytest.mark.parametrize("seed", range(3))
def test_views_of_every_kind_of_order_go_on_in_another_environment(seed, setup):
    """Each batch meets a publisher that reads what the one before wrote: waiting stops, hidden lots, the auction's mode."""
    rng, world = random.Random(seed), setup.world
    waited, modes = 0, set()
    for _ in range(40):
        entry = world.run(*world.random_batch_of_all(rng, rng.randint(1, 4)))
        setup.handle(nudge(entry), publisher=setup.new_publisher())
        setup.assert_views_are_the_book()
        state = RedisViewStore(setup.client).load(MARKET).state
        waiting = {order.order_id for order in state.orders.values() if not order.opened}
        assert waiting == {order_id for side in (3, 4) for order_id, *_ in world.book.orders(side)}
        waited += len(waiting)
        modes.add(state.mode)
        for level in (1, 2, 3):
            assert setup.views.book(MARKET, level).in_auction == (state.mode == Mode.AUCTION)
    assert waited and modes == set(Mode) - {Mode.UNCROSSING}


def test_views_of_another_format_are_rebuilt(setup):
    setup.handle(nudge(setup.world.run(setup.world.place("buy", "100.00", "1"))))
    before = setup.stored()
    for part, field, value in (("cursor", "format", "1"), ("live", b"i" * 16, b"an order of another length")):
        setup.client.hset(keys.key(MARKET, part), field, value)
    setup.handle(nudge(setup.world.run()), publisher=setup.new_publisher())
    after = setup.stored()
    assert after["live"] == before["live"] and after["cursor"][b"format"] == before["cursor"][b"format"]
    setup.assert_views_are_the_book()


@pytest.mark.parametrize("lossy", [False, True])
def test_a_level_2_client_keeps_the_book_whatever_the_nudges_do(setup, lossy):
    """Nudges lost, repeated, out of order, without their entry; a second environment takes over now and then."""
    rng = random.Random(9)
    publishers = [setup.publisher, setup.new_publisher()]
    book: dict[str, dict[str, str]] | None = None
    sequence = 0
    for step in range(120):
        if step == 20:
            setup.handle(subscribe("c", "level2"))
        entries = [setup.world.run(*setup.world.random_batch(rng, rng.randint(1, 6))) for _ in range(rng.randint(1, 4))]
        bodies = [nudge(entry, with_entry=rng.random() < 0.7) for entry in entries]
        if lossy:
            bodies = [body for body in bodies for _ in range(rng.choice((0, 1, 1, 2)))]
            rng.shuffle(bodies)
        setup.handle(*bodies, publisher=rng.choice(publishers))
        for message in setup.pushed().get("c", []):
            if message["type"] == "snapshot":
                book = {"buy": dict(message["bids"]), "sell": dict(message["asks"])}
            else:
                assert message["previous_sequence"] == sequence
                for side, price, size in message["changes"]:
                    book[side][price] = size
                    if not float(size):
                        del book[side][price]
            sequence = message["sequence"]
    setup.handle(nudge(setup.world.run(setup.world.place("buy", "1.00", "1"))))
    for message in setup.pushed()["c"]:
        for side, price, size in message["changes"]:
            book[side].pop(price, None) if not float(size) else book[side].update({price: size})
    for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        assert book[name] == dict(setup.world.core_levels(side))
    setup.assert_views_are_the_book()


def test_several_entries_of_a_batch_are_one_level_update_but_every_event(setup):
    setup.handle(subscribe("c", "level2", "full"))
    setup.pushed()
    world = setup.world
    first = world.run(world.place("sell", "100.00", "1"))
    second = world.run(world.place("sell", "100.00", "2", account=2))
    setup.handle(nudge(first), nudge(second))
    sent = setup.pushed()["c"]
    assert [message["type"] for message in sent] == ["received", "open", "received", "open", "l2update"]
    assert sent[-1]["changes"] == [["sell", "100.00", "3.00000000"]]
    assert (sent[-1]["previous_sequence"], sent[-1]["sequence"]) == (0, 4)
    assert setup.client.hlen(keys.key(MARKET, "outbox")) == 0


def test_a_subscription_stands_between_two_entries(setup):
    world = setup.world
    setup.handle(subscribe("old", "full", "level2"))  # also: views that do not exist are built up to the journal's head
    setup.pushed()
    first = world.run(world.place("sell", "100.00", "1"))
    second = world.run(world.place("sell", "101.00", "1"))
    setup.handle(nudge(first), subscribe("c", "level2"), nudge(second))
    sent = setup.pushed()
    snapshot, update = sent["c"]
    assert (snapshot["type"], snapshot["sequence"], snapshot["asks"]) == ("snapshot", 2, [["100.00", "1.00000000"]])
    assert (update["type"], update["previous_sequence"], update["changes"]) == (
        "l2update", 2, [["sell", "101.00", "1.00000000"]])
    # Who listened before misses nothing of what came before the newcomer.
    assert [(message["type"], message["sequence"]) for message in sent["old"]] == [
        ("received", 1), ("open", 2), ("l2update", 2), ("received", 3), ("open", 4), ("l2update", 4)]


def test_subscribing_again_greets_again_and_a_late_older_message_is_ignored(setup):
    setup.handle(subscribe("c", "level2", version=1))
    setup.handle(subscribe("c", "level2", "matches", version=3, requested=("level2",)))
    assert [message["type"] for message in setup.pushed()["c"]] == ["snapshot", "snapshot"]
    setup.handle(subscribe("c", "level2", version=2))
    assert setup.pushed() == {}
    world = setup.world
    setup.handle(nudge(world.run(world.place("sell", "1", "1"), world.place("buy", "1", "1", account=2))))
    assert [message["type"] for message in setup.pushed()["c"]] == ["match", "l2update"]
    setup.handle(subscribe("c", version=4, requested=()))
    setup.handle(nudge(world.run(world.place("sell", "1", "1"))))
    assert setup.pushed() == {}


def test_a_slow_one_is_sent_the_newest_state_in_its_place(setup):
    setup.handle(subscribe("c", "level2", "ticker", "heartbeat"), subscribe("d", "level2"))
    world = setup.world
    first = nudge(world.run(world.place("sell", "1", "1"), world.place("buy", "1", "0.5", account=2)))
    setup.pushed()
    body = json.dumps({"market": MARKET, "resync": {"connection": "c"}})
    setup.handle(first, body, json.dumps({"market": MARKET, "resync": {"connection": "unknown"}}),
                 nudge(world.run(world.place("sell", "2", "1"))))
    sent = setup.pushed()
    assert [message["type"] for message in sent["c"]] == ["ticker", "l2update", "ticker", "snapshot", "l2update"]
    assert sent["c"][3]["sequence"] == sent["c"][4]["previous_sequence"] == 5
    assert [message["type"] for message in sent["d"]] == ["l2update", "l2update"]


def test_the_pusher_is_told_who_takes_several_messages_in_one_frame(setup):
    world = setup.world

    def batched() -> set[str]:
        start = len(setup.queue.sent)
        setup.handle(nudge(world.run(world.place("sell", "1", "1"))))
        bodies = [json.loads(body) for _, _, _, body in setup.queue.sent[start:]]
        assert all(set(body["batch"]) <= {one for connections, _ in body["send"] for one in connections} for body in bodies)
        return {connection for body in bodies for connection in body["batch"]}

    setup.handle(*(subscribe(f"c{number}", "full", "batch") for number in range(8)), subscribe("d", "full"))
    many = {f"c{number}" for number in range(8)}
    assert batched() == many
    setup.publisher = setup.new_publisher()
    assert batched() == many, "another environment"
    setup.handle(subscribe("c0", "full", version=2), encode_drop(MARKET, "c1"), subscribe("d", "full", "batch", version=2))
    assert batched() == (many - {"c0", "c1"}) | {"d"}


def test_a_dropped_connection_gets_nothing_more_and_leaves_no_trace(setup):
    setup.handle(subscribe("c", "full"), subscribe("d", "full"))
    setup.handle(encode_drop(MARKET, "c"), encode_drop(MARKET, "never-there"))
    world = setup.world
    setup.handle(nudge(world.run(world.place("sell", "1", "1"))))
    assert set(setup.pushed()) == {"d"}
    assert setup.client.hkeys(keys.key(MARKET, "subscribers")) == [b"d"]


def test_a_drop_cancels_what_its_connection_said_whether_it_is_known_or_not(setup):
    setup.handle(subscribe("c", "user", account=7, user_id="u"), subscribe("d", "user", account=7, user_id="u"))
    setup.handle(encode_drop(MARKET, "d"))
    assert setup.canceled == []
    setup.handle(encode_drop(MARKET, "c", account=7, user_id="u", cancel=True),
                 encode_drop(MARKET, "unknown", user_id="by token", cancel=True))
    assert setup.canceled == [(7, MARKET, f"disconnect:c:{MARKET}"), (42, MARKET, f"disconnect:unknown:{MARKET}")]
    assert setup.client.hkeys(keys.key(MARKET, "subscribers")) == []


def test_a_drop_whose_cancels_could_not_be_sent_comes_again(setup):
    setup.handle(subscribe("c", "user", account=7, user_id="u"))
    body = encode_drop(MARKET, "c", account=7, user_id="u", cancel=True)

    def away(*what: object) -> None:
        raise ConnectionError("the queue is away")
    setup.publisher._cancel_all = away
    with pytest.raises(ConnectionError):
        setup.handle(body)
    assert setup.client.hkeys(keys.key(MARKET, "subscribers")) == [b"c"]
    setup.handle(body, publisher=setup.new_publisher())
    assert len(setup.canceled) == 1 and setup.client.hkeys(keys.key(MARKET, "subscribers")) == []


def test_a_token_user_is_looked_up(setup):
    setup.handle(subscribe("c", "user", user_id="sub-42"))
    world = setup.world
    setup.handle(nudge(world.run(world.place("sell", "1", "1", account=42), world.place("sell", "1", "1", account=41))))
    sent = setup.pushed()["c"]
    assert {(message["user_id"], message["profile_id"]) for message in sent} == {("sub-42", "profile-42")}
    assert [message["type"] for message in sent] == ["received", "open"]


def test_a_crash_between_saving_and_sending_loses_and_repeats_nothing(setup):
    """The push queue fails after 0, 1, ... sends; the batch comes again, to the same or to a new environment."""
    for count in range(12):
        setup.handle(subscribe(f"c{count}", "full"))
    setup.pushed()
    world = setup.world
    last = dict.fromkeys((f"c{count}" for count in range(12)), 0)
    for step in range(6):
        body = nudge(world.run(world.place("sell", "1", "1")))
        setup.queue.fail_after = step % 3
        try:
            setup.handle(body)
        except ConnectionError:
            assert setup.client.hlen(keys.key(MARKET, "outbox")) == 2  # a message for each shard
            setup.handle(body, publisher=setup.new_publisher() if step % 2 else None)
        setup.queue.fail_after = None
        sent = setup.pushed()
        for connection, messages in sent.items():
            assert [message["sequence"] for message in messages] == [last[connection] + 1, last[connection] + 2]
            last[connection] += 2
        assert set(sent) == set(last)
    assert setup.client.hlen(keys.key(MARKET, "outbox")) == 0


def test_a_stale_writer_is_refused_and_starts_over(setup):
    """Two environments: the first is paused with a state that the second has moved on from."""
    other = setup.new_publisher()
    setup.handle(subscribe("c", "full"))
    world = setup.world
    first = nudge(world.run(world.place("sell", "1", "1")))
    second = nudge(world.run(world.place("sell", "2", "1")))
    setup.handle(first, publisher=other)
    setup.handle(first, second)  # knows nothing of the other's save
    assert [message["sequence"] for message in setup.pushed()["c"]] == [1, 2, 3, 4]
    setup.assert_views_are_the_book()


def test_the_script_writes_nothing_on_another_revision(setup):
    world = setup.world
    setup.handle(nudge(world.run(world.place("sell", "1", "1"))))
    before = setup.stored()
    store = RedisViewStore(setup.client)
    for epoch, revision in (("other", 1), (None, 0), (None, 7)):
        room = store.load(MARKET)
        room.state.apply(world.run(world.place("sell", "3", "1")))
        from exchange.feed.publisher import Push, Save
        from exchange.follower import StaleCursor
        save = Save(epoch or room.epoch, revision, room.state.take_changes(), {}, [Push("a:1:0:b", "g", "x")])
        with pytest.raises(StaleCursor):
            store.save(room, save)
        assert setup.stored() == before
        world.journal.entries.pop()
        world = setup.world = _replayed(world.journal)


def _replayed(journal: MemoryJournal) -> World:
    from exchange.journal import decode_entry
    world = World()
    for raw in journal.entries:
        entry = decode_entry(raw)
        world.book.apply(entry.at_ms, entry.commands, 10**7)
        world._hash, world.at_ms = entry.hash, entry.at_ms
    world.journal.entries = list(journal.entries)
    return world


def test_lost_views_are_rebuilt_equal_and_their_listeners_disconnected(setup):
    rng = random.Random(1)
    for _ in range(30):
        setup.handle(nudge(setup.world.run(*setup.world.random_batch(rng, 10))))
    before = setup.stored()
    setup.handle(subscribe("c", "full"))
    setup.pushed()
    setup.client.flushall()
    setup.lost = ["c"]
    # The environment that lives on, and one that starts: both find out.
    setup.handle(nudge(setup.world.run(setup.world.place("buy", "1.00", "1"))), publisher=setup.new_publisher())
    sent = setup.pushed()
    assert [message["type"] for message in sent["c"]] == ["error", "close"] and sent["c"][0]["reason"]
    setup.assert_views_are_the_book()
    setup.handle(nudge(setup.world.run(setup.world.cancel(UUID(int=setup.world._orders)))))
    after = setup.stored()
    for part in ("bids", "asks", "live", "trades", "minutes", "hours"):
        assert after[part] == before[part], part
    assert setup.pushed() == {}
    setup.assert_views_are_the_book()


def test_a_new_market_disconnects_nobody(setup):
    setup.lost = ["early"]
    setup.handle(nudge(setup.world.run(setup.world.place("buy", "1.00", "1"))))
    assert setup.pushed() == {}


def test_an_empty_market_can_be_subscribed_to(setup):
    setup.handle(subscribe("c", "level2", "ticker", "matches"))
    (snapshot,) = setup.pushed()["c"]
    assert (snapshot["bids"], snapshot["asks"], snapshot["sequence"], snapshot["checksum"]) == ([], [], 0, 0)
    assert setup.views.book(MARKET, 2).bids == [] and setup.views.best(MARKET) == (None, None, None)


def test_a_long_rebuild_saves_as_it_goes_and_ends_when_time_is_up(setup):
    for number in range(600):
        setup.world.run(setup.world.place("buy", f"{number + 1}", "1"))
    head = json.loads(encode_nudge(setup.world.run(setup.world.place("buy", "900", "1"))))
    with pytest.raises(OutOfTime):
        setup.publisher.handle(MARKET, [head], lambda: 1.0)
    assert int(setup.client.hget(keys.key(MARKET, "cursor"), "seq")) == 250
    setup.publisher.handle(MARKET, [head], lambda: 100.0)
    setup.assert_views_are_the_book()


def test_a_nudge_for_an_entry_that_never_committed_is_ignored(setup):
    world = setup.world
    setup.handle(nudge(world.run(world.place("buy", "1", "1"))))
    setup.handle(f'{{"market":"{MARKET}","seq":2}}')
    setup.assert_views_are_the_book()


def test_a_broken_chain_raises_and_moves_nothing(setup):
    world = setup.world
    setup.handle(nudge(world.run(world.place("buy", "1", "1"))))
    before = setup.stored()
    world._hash = bytes(32)
    with pytest.raises(JournalBroken):
        setup.handle(nudge(world.run(world.place("buy", "1", "1"))))
    assert setup.stored() == before


def test_redis_out_of_reach_is_a_fault_to_be_retried(setup):
    publisher = FeedPublisher(
        markets={MARKET: setup.world.market}, views=RedisViewStore(connect("redis://127.0.0.1:1/0")),
        journal=setup.world.journal, queue=setup.queue, push_queue_url="push", shards=1,
        account_of=lambda user_id: (0, ""), connections_of=lambda market: [], status=str, cancel_all=None)
    with pytest.raises(ViewsUnavailable):
        setup.handle(subscribe("c", "full"), publisher=publisher)
    with pytest.raises(ViewsUnavailable):
        MarketViews(connect("redis://127.0.0.1:1/0")).best(MARKET)
    store = RedisViewStore(connect("redis://127.0.0.1:1/0"))
    for call in (lambda: store.load(MARKET), lambda: store.forget(MARKET),
                 lambda: store.save(Room(MarketState(MARKET)), Save("e", 0, ViewChanges(), {}, [])),
                 lambda: store.clear_sent(MARKET, [Push("e:0:0:0", MARKET, "{}")])):
        with pytest.raises(ViewsUnavailable):
            call()


def test_a_writer_that_is_overtaken_every_time_gives_up(setup, monkeypatch):
    from exchange.follower import StaleCursor

    def refuse(self, room, save):
        raise StaleCursor("moved")
    monkeypatch.setattr(RedisViewStore, "save", refuse)
    with pytest.raises(Overtaken):
        setup.handle(nudge(setup.world.run(setup.world.place("buy", "1", "1"))))


# --- what the clock moves

def beat(setup, *, batch: bool = False) -> str:
    return encode_beat(MARKET, setup.world.at_ms + 500, batch=batch)


def test_a_heartbeat_is_behind_all_that_it_names(setup):
    world = setup.world
    setup.handle(subscribe("c", "heartbeat", "full"), subscribe("h", "heartbeat"), subscribe("f", "full"))
    assert setup.pushed() == {}
    trade = world.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "0.4", account=2))
    setup.handle(nudge(trade), beat(setup), nudge(world.run(world.place("buy", "1.00", "1"))))
    sent = setup.pushed()
    assert [(message["type"], message["sequence"]) for message in sent["c"]] == [
        ("received", 1), ("open", 2), ("received", 3), ("match", 4), ("done", 5), ("heartbeat", 5), ("received", 6),
        ("open", 7)]
    (heartbeat,) = sent["h"]
    assert heartbeat == {"type": "heartbeat", "sequence": 5, "last_trade_id": 1, "product_id": MARKET,
                         "time": "2023-11-14T22:13:20.510000Z"}
    assert {message["type"] for message in sent["f"]} == {"received", "open", "match", "done"}
    assert setup.client.hlen(keys.key(MARKET, "outbox")) == 0


def test_a_market_without_trades_has_heartbeats(setup):
    setup.handle(subscribe("c", "heartbeat"), beat(setup))
    (heartbeat,) = setup.pushed()["c"]
    assert (heartbeat["sequence"], heartbeat["last_trade_id"]) == (0, 0)


def test_ticker_batch_is_the_newest_state_after_trades(setup):
    world = setup.world
    setup.handle(subscribe("c", "ticker_batch"), subscribe("t", "ticker", "ticker_batch"), beat(setup, batch=True))
    assert setup.pushed() == {}  # no trade yet
    for price in ("100.00", "101.00"):
        setup.handle(nudge(world.run(world.place("sell", price, "1"), world.place("buy", price, "1", account=2))))
    setup.handle(beat(setup))
    assert [message["price"] for message in setup.pushed()["t"]] == ["100.00", "101.00"]
    setup.handle(beat(setup, batch=True))
    sent = setup.pushed()
    assert [(message["type"], message["price"]) for message in sent["c"] + sent["t"]] == [("ticker", "101.00")] * 2
    setup.handle(nudge(world.run(world.place("buy", "1.00", "1"))), beat(setup, batch=True))
    assert setup.pushed() == {}  # no trade since
    setup.handle(subscribe("new", "ticker_batch"))
    assert [message["price"] for message in setup.pushed()["new"]] == ["101.00"]


def test_status_comes_on_subscribe_and_on_change(setup):
    setup.status = '{"type":"status","products":[1]}'
    setup.handle(subscribe("c", "status"))
    assert setup.pushed() == {"c": [{"type": "status", "products": [1]}]}
    setup.handle(beat(setup, batch=True), beat(setup))
    assert setup.pushed() == {}
    setup.status = '{"type":"status","products":[2]}'
    setup.handle(beat(setup))
    assert setup.pushed() == {}
    setup.handle(beat(setup, batch=True), beat(setup, batch=True))
    assert setup.pushed() == {"c": [{"type": "status", "products": [2]}]}
    setup.handle(subscribe("d", "status"))
    assert set(setup.pushed()) == {"d"}


def test_a_change_of_status_is_told_at_once(setup):
    told = encode_status(MARKET, "ETH-USD")
    setup.handle(subscribe("c", "status"), subscribe("d", "level2"))
    setup.pushed()
    setup.handle(told)
    assert setup.pushed() == {}  # as it was
    setup.stale_status, setup.status = setup.status, '{"type":"status","products":[2]}'
    setup.handle(told, told)
    assert setup.pushed() == {"c": [{"type": "status", "products": [2]}]}
    setup.stale_status = None
    setup.handle(beat(setup, batch=True))
    assert setup.pushed() == {}


def test_a_change_of_status_that_nobody_listens_to_reads_and_writes_nothing(setup):
    setup.handle(subscribe("a", "level2"))
    before = setup.client.hget(keys.key(MARKET, "cursor"), "revision")
    setup.status = None  # dumping it would fail
    setup.handle(encode_status(MARKET, MARKET))
    assert setup.client.hget(keys.key(MARKET, "cursor"), "revision") == before


def test_the_clock_is_told_who_listens_and_a_beat_for_nobody_writes_nothing(setup):
    def listening() -> dict:
        return setup.views.listening([MARKET, "ETH-USD"])

    setup.handle(subscribe("a", "level2", "full"))
    assert listening() == {}
    before = setup.client.hget(keys.key(MARKET, "cursor"), "revision")
    setup.handle(beat(setup, batch=True))
    assert setup.client.hget(keys.key(MARKET, "cursor"), "revision") == before and setup.pushed()["a"]
    setup.handle(subscribe("b", "heartbeat", "level2"), subscribe("c", "ticker_batch", "status"))
    assert listening() == {MARKET: {"heartbeat", "ticker_batch", "status"}}
    setup.handle(encode_drop(MARKET, "c"))
    setup.handle(nudge(setup.world.run(setup.world.place("buy", "1", "1"))), publisher=setup.new_publisher())
    assert listening() == {MARKET: {"heartbeat"}}
    setup.handle(subscribe("b", "level2", version=2), publisher=setup.new_publisher())
    assert listening() == {}
