"""Services that hang: they take a connection and say nothing. Nobody waits for them longer than there is time to say so."""

import importlib
import pkgutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import psycopg
import pytest
import redis
from botocore.exceptions import BotoCoreError, ReadTimeoutError
from pynamodb.exceptions import PynamoDBException, UpdateError

from cdk.operations import OPERATIONS
from exchange import adapters
from exchange.adapters import api_keys, connections, custody_secret, market_status, pause
from exchange.adapters.aws import answers, posts, tables
from exchange.adapters.aws.journal import DynamoJournal, journal_model
from exchange.adapters.aws.queue import SqsQueue
from exchange.adapters.aws.snapshots import S3Snapshots
from exchange.adapters.embedded import connection as embedded
from exchange.adapters.embedded.queue import PostgresQueue
from exchange.adapters.pause import Pause
from exchange.adapters.postgres import connection as database
from exchange.adapters.redis import buckets
from exchange.adapters.redis import connection as views
from exchange.adapters.redis.node import close
from exchange.api import placing
from exchange.market_modes import Status
from exchange.markets import listing

pytestmark = pytest.mark.slow

KEY = "0" * 32
ANSWERED_WITHIN_S = min(each.timeout_s for each in OPERATIONS if each.routes)


class Silent:
    """A server that takes every connection and never says a word. `connections`: how many there were."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._made: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._made.append(self._listener.accept()[0])
            except OSError:
                return

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def connections(self) -> int:
        return len(self._made)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for made in self._made:
            made.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.close()


def took_s(call: Callable[[], object], *raised: type[Exception]) -> float:
    started = time.monotonic()
    with pytest.raises(raised):
        call()
    return time.monotonic() - started


# --- AWS

def all_models() -> list[type[tables.Table]]:
    for module in pkgutil.walk_packages(adapters.__path__, f"{adapters.__name__}."):
        importlib.import_module(module.name)
    found = [journal_model("journal")]
    return found + [model for model in tables.Table.__subclasses__() if model.__module__ != found[0].__module__]


def test_every_client_of_aws_gives_up_while_its_function_can_still_answer() -> None:
    longest_s = answers.TRIES * (answers.CONNECT_TIMEOUT_S + answers.READ_TIMEOUT_S) + (answers.TRIES - 1)
    assert longest_s < ANSWERED_WITHIN_S
    models = all_models()
    assert {api_keys._Row, api_keys._Owner, market_status._Row, connections._Row, custody_secret._Row} <= {*models}
    for model in models:
        limits = model.Meta.connect_timeout_seconds, model.Meta.read_timeout_seconds, 1 + model.Meta.max_retry_attempts
        assert limits == (answers.CONNECT_TIMEOUT_S, answers.READ_TIMEOUT_S, answers.TRIES), model


@pytest.mark.parametrize("call", [
    lambda: SqsQueue().send(queue="http://q/a.fifo", group="a", dedup_id="1", body="x"),
    lambda: S3Snapshots("bucket").newest(market="BTC-USD"),
    lambda: api_keys.decrypt(KEY, b"blob"),
    lambda: api_keys.find_key(KEY),
    lambda: market_status.MarketStatus().get("BTC-USD"),
    lambda: connections.find_connection("a"),
    lambda: custody_secret.current_secret(),
    lambda: DynamoJournal("journal").append(market="BTC-USD", seq=1, entry=b"x"),
    lambda: market_status.MarketStatus().move("BTC-USD", Status(), to="online", reason="", by=""),
    lambda: connections.unsubscribe("a", []),
    lambda: api_keys.delete_key(1, KEY)],
    ids=["sqs", "s3", "kms", "keys", "status", "connections", "custody", "journal", "status-moved", "unsubscribed",
         "key-deleted"])
def test_a_service_of_aws_that_hangs(call: Callable[[], object], silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "API_KEY_KMS_KEY_ID": "key", "CUSTODY_SECRET_ROW": "custody",
                        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.port}"}.items():
        monkeypatch.setenv(name, value)
    for owner, name in ((answers, "READ_TIMEOUT_S"), *((model.Meta, "read_timeout_seconds") for model in all_models()),
                        (tables.TableMeta, "read_timeout_seconds")):
        monkeypatch.setattr(owner, name, 0.1)
    for model in all_models():
        monkeypatch.setattr(model.Meta, "table_name", "table")
        monkeypatch.setattr(model, "_connection", None)
    monkeypatch.setattr(custody_secret, "_kept", None)
    api_keys._kms.cache_clear()
    api_keys._found.clear()
    try:
        assert took_s(call, BotoCoreError, PynamoDBException) < 3
    finally:
        api_keys._kms.cache_clear()
    assert silent.connections == answers.TRIES


def test_the_use_of_a_key_is_noted_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to refuse a request; nor is that nobody answered."""
    def update(*_: object, **__: object) -> None:
        raise UpdateError("nobody answered", ReadTimeoutError(endpoint_url="http://x"))
    monkeypatch.setattr(api_keys._Row, "update", update)
    monkeypatch.setattr(api_keys, "_noted", {})
    api_keys.note_use(api_keys.ApiKey(KEY, 1000, "u", "p", "", frozenset(), "", b"", b"", ""), 1e9)


def test_a_post_that_is_not_taken_is_waited_for_once(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CONNECTIONS_ENDPOINT": f"http://127.0.0.1:{silent.port}", "AWS_ACCESS_KEY_ID": "x",
                        "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(posts, "TIMEOUT_S", 0.1)
    posts._forget_connection()
    assert took_s(lambda: posts.post("a", "x"), posts.PostFailed) < 2
    posts._forget_connection()
    assert silent.connections == 1


# --- who is left alone

def test_a_pause_lasts_from_its_latest_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now_s=0.5)
    monkeypatch.setattr(pause, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    made = Pause(2)
    assert not made.lasts, "nothing has failed yet"
    made.begin()
    for now_s, begins, lasts in ((2.4, False, True), (2.5, False, False), (3, True, True), (4, True, True), (5.9, False, True),
                                 (6, False, False)):
        clock.now_s = now_s
        if begins:
            made.begin()
        assert made.lasts is lasts, now_s


# --- Redis

@pytest.fixture
def hung_redis(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{silent.port}/0")
    monkeypatch.setattr(views, "_left_alone", Pause(2))
    close("views")
    buckets.close()
    yield silent
    close("views")
    buckets.close()


def test_a_hung_redis_is_waited_for_once_and_left_alone(hung_redis: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(views, "_left_alone", Pause(0.3))
    assert 0.1 < took_s(lambda: views.read([("LLEN", "a")]), views.ViewsUnavailable) < 1
    assert took_s(lambda: views.read([("LLEN", "a")]), views.ViewsUnavailable) < 0.1
    assert hung_redis.connections == 1
    time.sleep(0.3)
    assert took_s(lambda: views.read([("LLEN", "a")]), views.ViewsUnavailable) > 0.1, "asked again"


def test_a_hung_redis_delays_an_order_once(hung_redis: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is placed without the last trade's price, whichever its market is."""
    monkeypatch.setattr(placing, "_last_trades", {})
    started = time.monotonic()
    for market in listing().markets.values():
        placing.refuse_far_price(market, "buy", 1)
    assert time.monotonic() - started < views.READ_TIMEOUT_S + 1 < ANSWERED_WITHIN_S / 2


def test_the_complete_client_waits_for_a_hung_redis_once(hung_redis: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "CLIENT_TIMEOUT_S", 0.3)
    with views.connect(f"redis://127.0.0.1:{hung_redis.port}/0") as client:
        assert took_s(lambda: client.hget("a", "b"), redis.RedisError) < 0.9
    assert hung_redis.connections == 1


def test_a_hung_bucket_is_waited_for_once(hung_redis: Silent) -> None:
    assert took_s(lambda: buckets.take_shared("a", 1, 1, 1), buckets.BucketsUnavailable) < 2 * buckets.TIMEOUT_S
    assert hung_redis.connections == 1


# --- PostgreSQL

@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(database, "_left_alone", Pause(2))
    database.close()
    yield
    database.close()


def test_a_database_that_hangs_when_it_is_connected_to(silent: Silent, no_connection: None,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_DSN", f"host=127.0.0.1 port={silent.port} user=x dbname=x")
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 2)
    assert took_s(lambda: database.repeatable(lambda _: 1), database.DatabaseTooSlow) < 3.5
    assert took_s(lambda: database.once(lambda _: 1), database.DatabaseTooSlow) < 0.5
    assert silent.connections == 1, "a second try would wait as long"
    monkeypatch.setattr(database, "_left_alone", Pause(2))
    assert took_s(lambda: database.once(lambda _: 1), database.DatabaseTooSlow) > 1, "asked again"


def test_a_database_of_queues_that_hangs_when_it_is_connected_to(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CONNECT_TIMEOUT_S", 2)
    queue = PostgresQueue(f"host=127.0.0.1 port={silent.port} user=x dbname=x")
    assert took_s(lambda: queue.receive(queue="q"), psycopg.OperationalError) < 3.5


def test_a_statement_that_takes_too_long_is_not_repeated(postgres_dsn: str, no_connection: None,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_DSN", postgres_dsn)
    monkeypatch.setattr(database, "STATEMENT_TIMEOUT_MS", 100)
    asked = []

    def work(connection: psycopg.Connection) -> None:
        asked.append(connection)
        connection.execute("SELECT pg_sleep(20)")
    assert took_s(lambda: database.repeatable(work), database.DatabaseTooSlow) < 5
    assert len(asked) == 1


def test_the_databases_limits_leave_time_to_answer(postgres_dsn: str, no_connection: None,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_DSN", postgres_dsn)
    made = database.connection()
    assert made.info.get_parameters()["tcp_user_timeout"] == str(database.UNACKNOWLEDGED_MS)
    assert made.execute("SHOW statement_timeout").fetchone() == (f"{database.STATEMENT_TIMEOUT_MS // 1000}s",)
    assert database.STATEMENT_TIMEOUT_MS / 1000 < ANSWERED_WITHIN_S
    assert database.UNACKNOWLEDGED_MS / 1000 + database.CONNECT_TIMEOUT_S < ANSWERED_WITHIN_S
