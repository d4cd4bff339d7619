"""The WebSocket functions and the pusher: DynamoDB by moto, queue and posts in memory, signatures and tokens real."""

import base64
import json
import time
from types import SimpleNamespace

import boto3
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto import mock_aws

from exchange.adapters import access_tokens, api_keys, connections, leaving
from exchange.adapters.aws import posts
from exchange.api.auth import signature
from exchange.feed.bodies import Subscription
from exchange.feed.requests import MAX_REQUEST_BYTES
from exchange.markets import listing
from tests.unit.feed_world import MemoryQueue
from tests.unit.handlers import load_handler, queue_event, socket_event

POOL = "us-east-1_Test"
SECRET = base64.b64encode(b"k" * 64).decode()


class Posted:
    """Stands in for @connections. `gone` and `refused` connections answer so; `order` is what arrived."""

    def __init__(self) -> None:
        self.order: list[tuple[str, dict]] = []
        self.gone: set[str] = set()
        self.refused: set[str] = set()
        self.slow: set[str] = set()
        self.closed: list[str] = []

    def post(self, connection: str, text: str) -> None:
        if connection in self.gone:
            raise posts.Gone(connection)
        if connection in self.refused:
            raise posts.PostRefused(connection)
        if connection in self.slow:
            raise posts.TooSlow(connection)
        self.order.append((connection, orjson.loads(text)))

    def to(self, connection: str) -> list[dict]:
        return [message for receiver, message in self.order if receiver == connection]


@pytest.fixture(scope="module")
def table():
    """The connections table, in moto, for all tests of the module: making it takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                            "CONNECTIONS_TABLE": "connections", "FEED_QUEUE_URL": "feed.fifo", "BEAT_QUEUE_URL": "beat.fifo",
                            "PUSH_QUEUE_URL": "push.fifo", "FEED_SHARDS": "2", "USER_POOL_ID": POOL,
                            "USER_POOL_CLIENT_ID": "client-1"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setattr(connections._Row.Meta, "table_name", "connections")
        patch.setattr(connections._Row, "_connection", None, raising=False)
        with mock_aws():
            boto3.client("dynamodb").create_table(
                TableName="connections", BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "connection_id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "connection_id", "KeyType": "HASH"}])
            yield


@pytest.fixture
def world(table, monkeypatch):
    for row in connections._Row.scan():
        row.delete()
    return World(monkeypatch)


class World:
    def __init__(self, monkeypatch) -> None:
        self.queue = MemoryQueue()
        self.posted = Posted()
        self._monkeypatch = monkeypatch
        self.connect = self.load("ws_connect")
        self.connect.lambda_handler(socket_event("c1"), None)

    def load(self, name: str):
        handler = load_handler(name)
        self._monkeypatch.setattr(leaving, "command_queue", lambda: self.queue)
        for attribute, value in (("command_queue", lambda: self.queue), ("post", self.posted.post),
                                 ("disconnect", self.posted.closed.append),
                                 ("is_there", lambda connection: connection not in self.posted.gone)):
            if hasattr(handler, attribute):
                self._monkeypatch.setattr(handler, attribute, value)
        return handler

    def send(self, name: str, message: object, connection: str = "c1") -> list[dict]:
        """What the client gets in answer to a message."""
        before = len(self.posted.order)
        body = message if isinstance(message, str) else json.dumps(message)
        assert self.load(name).lambda_handler(socket_event(connection, body), None) == {"statusCode": 200}
        return [message for receiver, message in self.posted.order[before:] if receiver == connection]

    def subscriptions(self) -> list[Subscription]:
        return [Subscription.decode(json.loads(body)) for _, _, _, body in self.queue.sent if "subscription" in body]


def subscribe(*channels: object, products: object = ("BTC-USD",), **more: object) -> dict:
    return {"type": "subscribe", "product_ids": list(products) if isinstance(products, tuple) else products,
            "channels": list(channels), **more}


# --- subscribe and unsubscribe

def test_subscribe_answers_before_it_enqueues(world):
    order = []
    handler = world.load("ws_subscribe")
    world._monkeypatch.setattr(handler, "post", lambda connection, text: order.append(json.loads(text)["type"]))
    world._monkeypatch.setattr(handler, "command_queue", lambda: SimpleNamespace(
        send=lambda **message: order.append(message["group"])))
    handler.lambda_handler(socket_event("c1", json.dumps(subscribe("level2", products=("BTC-USD", "ETH-USD")))), None)
    assert order == ["subscriptions", "BTC-USD", "ETH-USD"]


def test_a_subscription_that_cannot_be_enqueued_closes_the_connection(world):
    handler = world.load("ws_subscribe")

    def fails(**message: object) -> None:
        raise OSError("the queue is away")

    world._monkeypatch.setattr(handler, "command_queue", lambda: SimpleNamespace(send=fails))
    with pytest.raises(OSError, match="the queue is away"):
        handler.lambda_handler(socket_event("c1", json.dumps(subscribe("level2"))), None)
    assert [message["type"] for _, message in world.posted.order] == ["subscriptions", "error"]
    assert world.posted.closed == ["c1"]


def test_subscribing_adds_and_unsubscribing_takes_away(world):
    assert world.send("ws_subscribe", subscribe("level2", {"name": "matches", "product_ids": ["ETH-USD"]})) == [
        {"type": "subscriptions", "channels": [{"name": "level2", "product_ids": ["BTC-USD"]},
                                               {"name": "matches", "product_ids": ["ETH-USD"]}]}]
    assert world.send("ws_subscribe", subscribe("ticker"))[0]["channels"] == [
        {"name": "level2", "product_ids": ["BTC-USD"]}, {"name": "matches", "product_ids": ["ETH-USD"]},
        {"name": "ticker", "product_ids": ["BTC-USD"]}]
    last = world.subscriptions()[-1]
    assert (last.market, last.channels, last.requested) == ("BTC-USD", {"level2", "ticker"}, {"ticker"})
    left = world.send("ws_unsubscribe", {"type": "unsubscribe", "channels": [{"name": "level2", "product_ids": []}]})
    assert [channel["name"] for channel in left[0]["channels"]] == ["matches", "ticker"]
    assert world.send("ws_unsubscribe", {"type": "unsubscribe"}) == [{"type": "subscriptions", "channels": []}]
    assert [(s.market, s.channels, s.version) for s in world.subscriptions()[-3:]] == [
        ("BTC-USD", {"ticker"}, 3), ("BTC-USD", set(), 4), ("ETH-USD", set(), 4)]
    assert connections.find_connection("c1").subscriptions == frozenset()


def test_no_channels_means_full(world):
    answer = world.send("ws_subscribe", {"type": "subscribe", "product_ids": ["BTC-USD"]})
    assert answer[0]["channels"] == [{"name": "full", "product_ids": ["BTC-USD"]}]


def test_the_first_form_names_one_product(world):
    answer = world.send("ws_subscribe", {"type": "subscribe", "product_id": "BTC-USD"})
    assert answer[0]["channels"] == [{"name": "full", "product_ids": ["BTC-USD"]}]
    refused = world.send("ws_subscribe", {"type": "subscribe", "product_id": "XRP-USD"})
    assert refused[0]["reason"] == "XRP-USD is not a valid product"
    assert world.send("ws_unsubscribe", {"type": "unsubscribe", "product_id": "BTC-USD"})[0]["channels"] == []


@pytest.mark.parametrize("message", [
    "", "{", "[]", "5", "null", '"text"', "{" * 3000, '{"type":"subscribe","x":' + "[" * 5000 + "]" * 5000 + "}",
    json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"] * 9000}),
    subscribe("level2", products=("XRP-USD",)), subscribe("level2", products=()), subscribe("level2", products=None),
    subscribe("level2", products="BTC-USD"), subscribe("level2", products={"a": 1}), subscribe("level2", products=[5]),
    subscribe("level2", products=[None]), subscribe("level2", products=[["BTC-USD"]]),
    subscribe("level2", products=("btc-usd",)),
    subscribe("level3"), subscribe(5), subscribe(None), subscribe({}), subscribe({"name": 7}), subscribe(["level2"]),
    subscribe({"name": "level2", "product_ids": "BTC-USD"}), subscribe({"name": "level2", "product_ids": ["NO-NO"]}),
    subscribe("heartbeat", products=()), subscribe("ticker_batch", products=None), subscribe(),
    {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": "level2"},
    {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": {"name": "level2"}},
    {"type": "subscribe"}, subscribe("level2", "nonsense"),
    subscribe("level2", batch="yes"), subscribe("level2", batch=1), subscribe("level2", batch=[]), subscribe(batch=True),
    subscribe("user", key=["k"]), subscribe("user", key=True, signature="s"), subscribe("user", timestamp={}),
    subscribe("\ud800"),
])
def test_a_bad_subscribe_changes_nothing_and_says_why(world, message):
    (answer,) = world.send("ws_subscribe", message)
    assert answer["type"] == "error"
    assert isinstance(answer["reason"], str) and answer["reason"] and len(answer["reason"]) < 200
    assert world.queue.sent == []
    assert connections.find_connection("c1").version == 0


def test_status_is_of_no_product(world):
    for message in ({"type": "subscribe", "channels": ["status"]}, subscribe({"name": "status"}, products=("ETH-USD",))):
        assert world.send("ws_subscribe", message) == [
            {"type": "subscriptions", "channels": [{"name": "status", "product_ids": []}]}]
    assert {(s.market, s.channels, s.requested) for s in world.subscriptions()} == {
        (next(iter(listing().markets)), frozenset(("status",)), frozenset(("status",)))}
    left = world.send("ws_unsubscribe", {"type": "unsubscribe", "channels": ["status"], "product_ids": ["SOL-USD"]})
    assert left == [{"type": "subscriptions", "channels": []}]


def test_what_the_clock_moves_starts_the_clock(world):
    world.send("ws_subscribe", subscribe("level2", "ticker", "full"))
    assert [queue for queue, *_ in world.queue.sent] == ["feed.fifo"]
    for channel in ("heartbeat", "ticker_batch", "status"):
        world.queue.sent.clear()
        world.queue._seen.clear()
        world.send("ws_subscribe", subscribe(channel))
        (_, feed), (group, beat) = [(queue, group) if queue == "beat.fifo" else (group, queue)
                                    for queue, group, _, _ in world.queue.sent]
        assert (feed, group) == ("feed.fifo", "beat.fifo") and beat.startswith("minute:")


@pytest.mark.parametrize("message", ["{", "[]", {"type": "unsubscribe", "channels": 5},
                                     {"type": "unsubscribe", "channels": ["nonsense"]},
                                     {"type": "unsubscribe", "product_ids": "BTC-USD"},
                                     {"type": "unsubscribe", "product_ids": ["NO-NO"], "channels": ["level2"]}])
def test_a_bad_unsubscribe_changes_nothing(world, message):
    world.send("ws_subscribe", subscribe("level2"))
    (answer,) = world.send("ws_unsubscribe", message)
    assert answer["type"] == "error" and answer["reason"]
    assert connections.find_connection("c1").subscriptions == {("level2", "BTC-USD")}


@pytest.mark.parametrize("message", ["", "{", "ping", {"type": "ping"}, {"type": 5}, {"type": None}, {}, [], "x" * 40_000,
                                     {"type": "x" * 1000}, {"op": "subscribe"}])
def test_anything_else_is_answered_with_an_error(world, message):
    (answer,) = world.send("ws_default", message)
    assert answer["type"] == "error" and answer["message"] == "Malformed message" and answer["reason"]
    assert len(answer["reason"]) < 200


@pytest.mark.parametrize("body", ['{"type": "subscribe", "product_ids": [NaN]}', r'{"type": "unsubscribe", "key": "\ud800"}'])
def test_a_subscribe_that_the_gateway_cannot_read(world, body):
    """It is not told that `subscribe` is no type."""
    (answer,) = world.send("ws_default", body)
    assert answer["reason"] == "the message is not valid JSON"


def test_a_binary_frame_is_an_error(world):
    world.load("ws_default").lambda_handler(socket_event("c1", "eyJ0eXBlIjoicGluZyJ9", base64=True), None)
    assert world.posted.to("c1")[0]["type"] == "error"


def test_a_long_message_is_refused_by_its_length(world):
    (answer,) = world.send("ws_subscribe", json.dumps(subscribe("level2", padding="x" * MAX_REQUEST_BYTES)))
    assert "at most 32768" in answer["reason"]


@pytest.mark.parametrize("name", ["ws_subscribe", "ws_unsubscribe", "ws_default"])
def test_a_client_that_is_gone_is_no_failure(world, name):
    world.posted.gone.add("c1")
    for message in (subscribe("level2"), {"type": "unsubscribe"}, "{"):
        world.send(name, message)
    assert world.queue.sent == []


def test_a_connection_that_the_table_does_not_know_gets_no_subscription(world):
    world.send("ws_subscribe", subscribe("level2"), connection="unknown")
    assert world.queue.sent == [] and connections.find_connection("unknown") is None


# --- orders that end with the connection

@pytest.mark.parametrize("message", [
    subscribe("user", cancel_on_disconnect="yes"), subscribe("user", cancel_on_disconnect=1),
    subscribe("level2", cancel_on_disconnect=True), subscribe("full", cancel_on_disconnect=True),
    subscribe("level2", cancel_on_disconnect=True, key="k", signature="s", passphrase="p", timestamp="1")])
def test_cancel_on_disconnect_is_for_who_has_signed(world, message):
    (answer,) = world.send("ws_subscribe", message)
    assert answer["type"] == "error" and "cancel_on_disconnect" in answer["reason"]
    assert connections.find_connection("c1").version == 0


def trading(key) -> None:
    object.__setattr__(key, "scopes", frozenset(("view", "trade")))


def test_cancel_on_disconnect_comes_and_goes(world, key):
    assert "trade" in world.send("ws_subscribe", subscribe("user", cancel_on_disconnect=True, **signed(key)))[0]["reason"]
    trading(key)
    both = ("BTC-USD", "ETH-USD")
    on = subscribe("user", {"name": "level2", "product_ids": ["SOL-USD"]}, products=both, cancel_on_disconnect=True,
                   **signed(key))
    (answer,) = world.send("ws_subscribe", on)
    assert answer["cancel_on_disconnect"] == list(both)
    assert [channel["name"] for channel in answer["channels"]] == ["level2", "user"]
    assert connections.find_connection("c1").cancels == set(both)
    assert "cancel_on_disconnect" not in {channel for s in world.subscriptions() for channel in s.channels}
    (answer,) = world.send("ws_subscribe", subscribe("user", cancel_on_disconnect=False, **signed(key)))
    assert answer["cancel_on_disconnect"] == ["ETH-USD"]
    (answer,) = world.send("ws_unsubscribe", {"type": "unsubscribe", "channels": ["user"]})
    assert "cancel_on_disconnect" not in answer and connections.find_connection("c1").cancels == set()
    world.send("ws_subscribe", on)
    world.send("ws_subscribe", subscribe("full", products=both, **signed(key)))
    world.send("ws_unsubscribe", {"type": "unsubscribe", "channels": ["user"]})
    assert connections.find_connection("c1").cancels == set(both)  # `full` is signed as well
    world.send("ws_unsubscribe", {"type": "unsubscribe"})
    assert connections.find_connection("c1").subscriptions == frozenset()


def test_batch_is_of_the_connection_and_every_market_of_it_is_told(world):
    assert "batch" not in world.send("ws_subscribe", subscribe("level2"))[0]
    assert {s.market: s.channels for s in world.subscriptions()} == {"BTC-USD": {"level2"}}
    (answer,) = world.send("ws_subscribe", subscribe("ticker", products=("ETH-USD",), batch=True))
    assert answer == {"type": "subscriptions", "batch": True, "channels": [
        {"name": "level2", "product_ids": ["BTC-USD"]}, {"name": "ticker", "product_ids": ["ETH-USD"]}]}
    assert [(s.market, s.channels, s.requested) for s in world.subscriptions()[1:]] == [
        ("BTC-USD", {"level2", "batch"}, set()), ("ETH-USD", {"ticker", "batch"}, {"ticker"})]
    told = len(world.subscriptions())
    assert world.send("ws_subscribe", subscribe("matches"))[0]["batch"] is True, "without a word it stays"
    assert [(s.market, s.channels) for s in world.subscriptions()[told:]] == [("BTC-USD", {"level2", "matches", "batch"})]
    assert world.send("ws_unsubscribe", {"type": "unsubscribe"}) == [
        {"type": "subscriptions", "batch": True, "channels": []}]
    assert [(s.market, s.channels) for s in world.subscriptions()[-2:]] == [("BTC-USD", set()), ("ETH-USD", set())]
    world.send("ws_subscribe", subscribe("level2", products=("BTC-USD", "ETH-USD")))
    (answer,) = world.send("ws_subscribe", subscribe("level2", batch=False))
    assert "batch" not in answer
    assert [(s.market, s.channels) for s in world.subscriptions()[-2:]] == [("BTC-USD", {"level2"}), ("ETH-USD", {"level2"})]
    assert connections.find_connection("c1").products == {"BTC-USD", "ETH-USD"}
    world.send("ws_unsubscribe", {"type": "unsubscribe"})
    assert connections.find_connection("c1").subscriptions == frozenset()


def drops(world) -> dict[str, dict]:
    return {group: json.loads(body)["drop"] for _, group, _, body in world.queue.sent if '"drop"' in body}


def test_whoever_notices_tells_the_market_to_cancel(world, key):
    trading(key)
    for notices in ("ws_disconnect", "feed_push", "feed_sweep_connections"):
        world.queue.sent.clear()
        world.queue._seen.clear()
        world.connect.lambda_handler(socket_event("c1"), None)
        world.connect.lambda_handler(socket_event("alive"), None)
        world.send("ws_subscribe", subscribe("user", {"name": "level2", "product_ids": ["SOL-USD"]},
                                             cancel_on_disconnect=True, **signed(key)))
        world.send("ws_subscribe", subscribe("user", cancel_on_disconnect=True, **signed(key)), connection="alive")
        handler = world.load(notices)
        world.posted.gone = {"c1"}
        if notices == "feed_push":
            handler.lambda_handler(queue_event(("SOL-USD:0", push_body("SOL-USD", ["{}"], [[["c1"], [0]]]))), None)
        elif notices == "feed_sweep_connections":
            assert handler.lambda_handler({}, None) == {"forgotten": 1} and handler.lambda_handler({}, None) == {"forgotten": 0}
        else:
            handler.lambda_handler(socket_event("c1"), None)
        assert drops(world) == {
            "BTC-USD": {"connection": "c1", "account": 7, "user_id": "user-7", "cancel": True},
            "SOL-USD": {"connection": "c1"}}, notices
        assert connections.find_connection("c1") is None and connections.find_connection("alive")


def test_the_sweep_forgets_what_is_older_than_connections_get(world, monkeypatch):
    world.send("ws_subscribe", subscribe("level2"))
    sweep = world.load("feed_sweep_connections")
    assert sweep.lambda_handler({}, None) == {"forgotten": 0}  # not asked for: nothing hangs on it
    now = time.time()
    monkeypatch.setattr(sweep.time, "time", lambda: now + 2 * 3600 + 301)
    assert sweep.lambda_handler({}, None) == {"forgotten": 1} and drops(world) == {"BTC-USD": {"connection": "c1"}}


def test_the_sweep_forgets_nobody_while_the_service_is_away(world, key):
    trading(key)
    world.send("ws_subscribe", subscribe("user", cancel_on_disconnect=True, **signed(key)))
    sweep = world.load("feed_sweep_connections")

    def away(connection: str) -> bool:
        raise posts.PostFailed("500")
    world._monkeypatch.setattr(sweep, "is_there", away)
    assert sweep.lambda_handler({}, None) == {"forgotten": 0}
    assert connections.find_connection("c1")


# --- signing in

@pytest.fixture
def key(monkeypatch):
    """An API key of account 7."""
    salt = b"0" * 16
    known = api_keys.ApiKey(
        key="a" * 32, account=7, user_id="user-7", profile_id="profile-7", label="", scopes=frozenset(("view",)),
        secret=SECRET, passphrase_salt=salt, passphrase_hash=api_keys._hash(salt, b"pass"), created_at="")
    monkeypatch.setattr(api_keys, "find_key", lambda name: known if name == known.key else None)
    monkeypatch.setattr(api_keys, "key_exists", lambda name: name == known.key)
    return known


def signed(key, *, timestamp: object = None, secret: str = SECRET, passphrase: str = "pass", **changes: object) -> dict:
    timestamp = timestamp if timestamp is not None else str(int(time.time()))
    return {"key": key.key, "passphrase": passphrase, "timestamp": timestamp,
            "signature": signature(secret, str(timestamp), "GET", "/users/self/verify", b""), **changes}


@pytest.mark.parametrize("timestamp", [lambda: str(int(time.time())), lambda: int(time.time()), lambda: round(time.time(), 3),
                                       lambda: f"{time.time():.6f}"])
def test_user_channel_by_api_key(world, key, timestamp):
    (answer,) = world.send("ws_subscribe", subscribe("user", **signed(key, timestamp=timestamp())))
    assert answer["type"] == "subscriptions", answer
    (subscription,) = world.subscriptions()
    assert (subscription.account, subscription.user_id, subscription.profile_id) == (7, "user-7", "profile-7")


@pytest.mark.parametrize(("changes", "reason"), [
    ({"key": "b" * 32}, "Invalid API Key"),
    ({"signature": "AAAA"}, "invalid signature"), ({"signature": ""}, "invalid signature"),
    ({"passphrase": "wrong"}, "Invalid Passphrase"), ({"passphrase": ""}, "Invalid Passphrase"),
    ({"timestamp": "1"}, "request timestamp expired"), ({"timestamp": "soon"}, "invalid timestamp"),
    ({"timestamp": ""}, "invalid timestamp"), ({"timestamp": "NaN"}, "request timestamp expired"),
    ({"key": ""}, "the user channel requires authentication")])
def test_bad_credentials(world, key, changes, reason):
    (answer,) = world.send("ws_subscribe", subscribe("user", **(signed(key) | changes)))
    assert (answer["type"], answer["message"], answer["reason"]) == ("error", "Authentication Failed", reason)
    assert world.queue.sent == []


def test_a_key_without_view_sees_nothing(world, key, monkeypatch):
    object.__setattr__(key, "scopes", frozenset(("trade",)))
    assert world.send("ws_subscribe", subscribe("user", **signed(key)))[0]["message"] == "Authentication Failed"


def test_a_connection_is_noted_with_its_key(world, key):
    world.send("ws_subscribe", subscribe("user", **signed(key)))
    assert [connection.id for connection in connections.connections_by_key(key.key)] == ["c1"]
    assert connections.connections_by_key("b" * 32) == []


@pytest.mark.parametrize(("address", "allowed"), [("192.0.2.9", True), ("203.0.113.5", False)])
def test_a_key_signs_in_from_its_addresses_only(world, key, address, allowed):
    object.__setattr__(key, "allowed_addresses", ("192.0.2.0/24",))
    event = socket_event("c1", json.dumps(subscribe("user", **signed(key))))
    event["requestContext"]["identity"] = {"sourceIp": address}
    world.load("ws_subscribe").lambda_handler(event, None)
    answer = world.posted.to("c1")[-1]
    assert answer["type"] == ("subscriptions" if allowed else "error")
    assert allowed or answer["reason"] == "IP does not match IP whitelist"


def test_a_key_that_is_deleted_while_it_signs_in_gets_nothing(world, key, monkeypatch):
    """Found in this environment's memory, and gone."""
    monkeypatch.setattr(api_keys, "key_exists", lambda name: False)
    (answer,) = world.send("ws_subscribe", subscribe("user", **signed(key)))
    assert (answer["type"], answer["reason"]) == ("error", "Invalid API Key")
    assert world.queue.sent == [] and world.posted.closed == ["c1"]


def test_public_channels_do_not_look_at_credentials(world, key):
    (answer,) = world.send("ws_subscribe", subscribe("level2", key="nonsense", signature="", passphrase="", timestamp=""))
    assert answer["type"] == "subscriptions"


def test_one_connection_has_one_user(world, key):
    world.send("ws_subscribe", subscribe("user", **signed(key)))
    object.__setattr__(key, "user_id", "somebody-else")
    assert world.send("ws_subscribe", subscribe("user", **signed(key)))[0]["message"] == "Authentication Failed"


@pytest.fixture
def pool(monkeypatch):
    """A Cognito pool's key; `token(**claims)` signs with it."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "k1"}
    monkeypatch.setattr(access_tokens, "_keys", {})
    monkeypatch.setattr(access_tokens, "_fetched_at", -1e9)
    monkeypatch.setattr(access_tokens, "_fetch", lambda: {"k1": jwt.PyJWK(public, "RS256")})

    def token(*, kid: str = "k1", signer=private, algorithm: str = "RS256", **claims: object) -> str:
        now = int(time.time())
        content = {"sub": "sub-1", "iss": f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}", "token_use": "access",
                   "client_id": "client-1", "exp": now + 60, "iat": now} | claims
        return jwt.encode({name: value for name, value in content.items() if value is not None}, signer, algorithm,
                          headers={"kid": kid})
    return token


def test_user_channel_by_token(world, pool):
    assert world.send("ws_subscribe", subscribe("user", token=pool()))[0]["type"] == "subscriptions"
    (subscription,) = world.subscriptions()
    assert (subscription.user_id, subscription.account) == ("sub-1", 0)  # the publisher looks the account up


def test_bad_tokens(world, pool):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = pool()
    bad = [pool(exp=1), pool(iss="https://evil"), pool(token_use="id"), pool(client_id="other"), pool(kid="k2"),
           pool(signer=stranger), pool(sub=None), pool(exp=None), good[:-4] + "AAAA", "a.b.c", "x", "." * 9,
           "\ud800", pool(signer="s" * 64, algorithm="HS256"), pool(signer=None, algorithm="none")]
    for token in bad:
        (answer,) = world.send("ws_subscribe", subscribe("user", token=token))
        assert (answer["type"], answer["message"]) == ("error", "Authentication Failed"), token
    assert world.queue.sent == []


def test_keys_are_fetched_once_and_a_service_out_of_reach_is_told(world, pool, monkeypatch):
    calls = []
    fetch = access_tokens._fetch
    monkeypatch.setattr(access_tokens, "_fetch", lambda: calls.append(1) or fetch())
    for _ in range(3):
        access_tokens.user_of(pool())
        with pytest.raises(access_tokens.BadToken):
            access_tokens.user_of(pool(kid="never-seen"))
    assert calls == [1]

    def away() -> dict:
        raise access_tokens.KeysUnavailable("no network")
    monkeypatch.setattr(access_tokens, "_keys", {})
    monkeypatch.setattr(access_tokens, "_fetched_at", -1e9)
    monkeypatch.setattr(access_tokens, "_fetch", away)
    with pytest.raises(access_tokens.KeysUnavailable):
        world.send("ws_subscribe", subscribe("user", token=pool()))
    assert world.posted.to("c1")[-1]["reason"] == "a service is unavailable, try again"


# --- leaving, and being pushed to

def push_body(market: str, texts: list[str], send: list, close: list[str] | None = None) -> str:
    return json.dumps({"market": market, "texts": texts, "send": send, "close": close or []})


def test_disconnect_tells_every_market_and_forgets(world):
    world.send("ws_subscribe", subscribe("level2", products=("BTC-USD", "SOL-USD")))
    world.queue.sent.clear()
    handler = world.load("ws_disconnect")
    for _ in range(2):  # at least once
        assert handler.lambda_handler(socket_event("c1"), None) == {"statusCode": 200}
    assert [(group, json.loads(body)) for _, group, _, body in world.queue.sent] == [
        ("BTC-USD", {"market": "BTC-USD", "drop": {"connection": "c1"}}),
        ("SOL-USD", {"market": "SOL-USD", "drop": {"connection": "c1"}})]
    assert connections.find_connection("c1") is None


def test_push_keeps_the_order_of_each_connection(world):
    handler = world.load("feed_push")
    bodies = [push_body("BTC-USD", [f'{{"n":{number}}}', f'{{"n":{number}.5}}'],
                        [[["a", "b"], [0, 1]], [["c"], [1]]]) for number in range(5)]
    assert handler.lambda_handler(queue_event(*(("BTC-USD:0", body) for body in bodies)), None) == {"batchItemFailures": []}
    assert [message["n"] for message in world.posted.to("a")] == [n + half for n in range(5) for half in (0, .5)]
    assert [message["n"] for message in world.posted.to("c")] == [n + .5 for n in range(5)]


def test_push_drops_who_is_gone_or_will_not_take_it(world):
    world.send("ws_subscribe", subscribe("level2", products=("BTC-USD", "ETH-USD")))
    world.queue.sent.clear()
    world.posted.gone.add("c1")
    world.posted.refused.add("slow")
    body = push_body("BTC-USD", ['{"n":1}'], [[["c1", "slow", "well"], [0]]])
    world.load("feed_push").lambda_handler(queue_event(("BTC-USD:0", body)), None)
    assert world.posted.to("well") == [{"n": 1}]
    assert world.posted.closed == ["slow"]
    assert sorted((group, json.loads(body)["drop"]["connection"]) for _, group, _, body in world.queue.sent) == [
        ("BTC-USD", "c1"), ("BTC-USD", "slow"), ("ETH-USD", "c1")]
    assert connections.find_connection("c1") is None


def test_push_closes_after_the_last_message(world):
    body = push_body("BTC-USD", ['{"type":"error"}'], [[["c1"], [0]]], close=["c1"])
    world.load("feed_push").lambda_handler(queue_event(("BTC-USD:0", body)), None)
    assert world.posted.to("c1") == [{"type": "error"}] and world.posted.closed == ["c1"]


def test_push_fails_as_a_whole_when_the_service_is_away(world):
    handler = world.load("feed_push")
    handler.pusher._sleep_s = lambda seconds: None

    def away(connection: str, text: str) -> None:
        raise posts.PostFailed("no endpoint")
    world._monkeypatch.setattr(handler, "post", away)
    with pytest.raises(posts.PostFailed):
        handler.lambda_handler(queue_event(("BTC-USD:0", push_body("BTC-USD", ["{}"], [[["a", "b"], [0]]]))), None)
    assert world.queue.sent == []


def test_one_that_is_too_slow_asks_for_the_newest_state(world):
    handler = world.load("feed_push")
    world.posted.slow.add("c1")
    body = push_body("BTC-USD", ['{"type":"l2update"}'], [[["c1"], [0]]])
    handler.lambda_handler(queue_event(("BTC-USD:0", body)), None)
    ((queue, group, _, sent),) = world.queue.sent
    assert (queue, group, json.loads(sent)) == (
        "feed.fifo", "BTC-USD", {"market": "BTC-USD", "resync": {"connection": "c1"}})


def test_connections_of_a_product(world):
    world.connect.lambda_handler(socket_event("c2"), None)
    world.send("ws_subscribe", subscribe("level2"))
    world.send("ws_subscribe", subscribe("level2", products=("ETH-USD",)), connection="c2")
    assert connections.connections_of("BTC-USD") == ["c1"] and connections.connections_of("SOL-USD") == []


# --- feed_publish as SQS calls it

@pytest.fixture
def publish(world, redis_url, monkeypatch):
    from exchange.adapters import ports
    monkeypatch.setenv("COMMAND_QUEUE_URL_PREFIX", "commands-")
    from tests.unit.feed_world import World as Market
    market = Market()
    monkeypatch.setattr(ports, "command_queue", lambda: world.queue)
    monkeypatch.setattr(ports, "journal", lambda: market.journal)
    handler = load_handler("feed_publish")
    handler.market = market
    return handler


def test_a_batch_of_two_markets_fails_one_market_only(world, publish, monkeypatch):
    from tests.unit.feed_world import nudge
    halted = []
    monkeypatch.setattr(publish, "halt_market", lambda market, reason: halted.append(market))
    entry = publish.market.run(publish.market.place("sell", "1", "1"))
    publish.lambda_handler(queue_event(("BTC-USD", nudge(entry))), None)
    publish.market._hash = bytes(32)
    broken = publish.market.run(publish.market.place("sell", "1", "1"))
    eth = Subscription("ETH-USD", "c1", 1, frozenset(("full",)), frozenset()).encode()
    answer = publish.lambda_handler(queue_event(
        ("BTC-USD", nudge(broken)), ("ETH-USD", eth), ("BTC-USD", nudge(entry)), ("BTC-USD", "not json"),
        ("X", '{"market":"XRP-USD"}')), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]}
    assert halted == ["BTC-USD"]


def test_a_fault_returns_the_batch(world, publish, monkeypatch):
    from exchange.adapters.redis import connection, view_store
    monkeypatch.setattr(publish, "publisher", publish.FeedPublisher(
        markets=publish.listing().markets, views=view_store.RedisViewStore(connection.connect("redis://127.0.0.1:1/0")),
        journal=publish.market.journal, queue=world.queue, push_queue_url="push", shards=1, account_of=None,
        connections_of=None, status=str, cancel_all=None))
    body = Subscription("ETH-USD", "c1", 1, frozenset(("full",)), frozenset()).encode()
    assert publish.lambda_handler(queue_event(("ETH-USD", body)), None) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
