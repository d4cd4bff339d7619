"""Details that clients rely on and that the clients here do not all show: each as raw requests, as a client writes them.

Requests are sent as bytes over a socket of their own, so that nothing is tidied on the way.
"""

import base64
import hmac
import http.client
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from e2e.waiting import eventually
from websockets.sync.client import ClientConnection, connect

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

MARKET = "SOL-USD"
Answer = tuple[int, dict[str, str], object]


def signed(key: Key, method: str, path: str, body: str = "", timestamp: str | None = None) -> dict[str, str]:
    timestamp = timestamp or str(time.time())
    digest = hmac.digest(base64.b64decode(key.secret), f"{timestamp}{method}{path}{body}".encode(), "sha256")
    return {"CB-ACCESS-KEY": key.key, "CB-ACCESS-SIGN": base64.b64encode(digest).decode(), "CB-ACCESS-TIMESTAMP": timestamp,
            "CB-ACCESS-PASSPHRASE": key.passphrase}


def ask(exchange: Exchange, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    """Status, headers (lower case) and parsed body; no header is sent that is not given."""
    connection = http.client.HTTPConnection(urlsplit(exchange.trading).netloc, timeout=20)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body.encode())))
        connection.endheaders(body.encode() if body is not None else None)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(text)
    finally:
        connection.close()


def order(**more: object) -> dict[str, object]:
    return {"product_id": MARKET, "side": "buy", "type": "limit", "price": "50.00", "size": "1"} | more


def place(exchange: Exchange, key: Key, **more: object) -> Answer:
    body = json.dumps(order(**more))
    return ask(exchange, "POST", "/orders", body, signed(key, "POST", "/orders", body))


@pytest.mark.parametrize("timestamp", [lambda: str(int(time.time())), lambda: str(time.time()), lambda: f"{time.time():.3f}",
                                       lambda: repr(time.time())], ids=["whole", "float", "milliseconds", "repr"])
def test_timestamps_as_clients_write_them(exchange: Exchange, key: Key, timestamp) -> None:
    at = timestamp()
    status, _, rows = ask(exchange, "GET", "/accounts", headers=signed(key, "GET", "/accounts", timestamp=at))
    assert status == 200 and rows
    for wrong in ("", "yesterday", "1e400", str(int(time.time() * 1000))):
        status, _, answer = ask(exchange, "GET", "/accounts", headers=signed(key, "GET", "/accounts", timestamp=wrong or " "))
        assert status in (400, 401) and answer["message"]


def test_header_names_in_any_case_and_a_signature_over_the_path_as_sent(exchange: Exchange, key: Key) -> None:
    for path in ("/accounts", "/accounts/", "/orders?status=open&status=pending&product_id=SOL-USD",
                 "/orders?status=all&limit=5", "/fills?product_id=SOL-USD&no-cache=1.5", "/orders?status=open%2Cpending"):
        headers = signed(key, "GET", path)
        for variant in (headers, {name.lower(): value for name, value in headers.items()},
                        {name.title(): value for name, value in headers.items()}):
            status, _, rows = ask(exchange, "GET", path, headers=variant)
            assert status == 200 and isinstance(rows, list), (path, rows)


def test_content_types_and_bodies(exchange: Exchange, key: Key) -> None:
    for kind in (None, "application/json", "Application/JSON", "application/json; charset=utf-8", "text/plain",
                 "application/x-www-form-urlencoded"):
        body = json.dumps(order(price=50, size=0.5))  # numbers as numbers
        headers = signed(key, "POST", "/orders", body) | ({"Content-Type": kind} if kind else {})
        status, _, placed = ask(exchange, "POST", "/orders", body, headers)
        assert status == 200, placed
        assert "message" not in placed and "code" not in placed and None not in placed.values()
        assert (placed["price"], placed["size"], placed["status"]) == ("50.00", "0.50000000", "pending")
    # A GET with a body that is not signed, as some HTTP libraries send it.
    assert ask(exchange, "GET", "/time", "{}", {"Content-Type": "application/json"})[0] == 200
    # ccxt names the product in a signed body of DELETE, with a slash.
    body = '{"product_id":"SOL/USD"}'
    status, _, ids = ask(exchange, "DELETE", "/orders", body, signed(key, "DELETE", "/orders", body))
    assert status == 200 and len(ids) == 6


def test_numbers_times_and_ids(exchange: Exchange, key: Key) -> None:
    placed = place(exchange, key)[2]
    listed = eventually(lambda: (row := ask(exchange, "GET", f"/orders/{placed['id']}", headers=signed(
        key, "GET", f"/orders/{placed['id']}"))[2])["status"] == "open" and row)
    for name in ("price", "size", "fill_fees", "filled_size", "executed_value"):
        assert isinstance(listed[name], str) and "E" not in listed[name].upper()
        assert -Decimal(listed[name]).as_tuple().exponent <= 8
    assert listed["created_at"].endswith("Z") and None not in listed.values()
    epoch = ask(exchange, "GET", "/time")[2]["epoch"]
    assert isinstance(epoch, float) and abs(epoch - time.time()) < 60
    for level, width in ((1, 3), (2, 3), (3, 3)):
        book = ask(exchange, "GET", f"/products/{MARKET}/book?level={level}")[2]
        assert type(book["sequence"]) is int and all(len(row) == width for row in book["bids"])
        if level < 3:
            assert all(isinstance(row[2], int) for row in book["bids"])
    for row in ask(exchange, "GET", "/products")[2]:
        assert row["id"].count("-") == 1
        assert {"id", "base_currency", "quote_currency", "base_increment", "quote_increment", "min_market_funds",
                "display_name", "status", "status_message", "trading_disabled", "post_only", "limit_only", "cancel_only",
                "auction_mode"} <= set(row)
        assert all(isinstance(row[name], bool) for name in ("trading_disabled", "post_only", "limit_only", "cancel_only"))
    for row in ask(exchange, "GET", "/currencies")[2]:
        assert {"id", "name", "min_size", "max_precision", "status", "message", "details", "supported_networks"} <= set(row)
    ask(exchange, "DELETE", f"/orders/{placed['id']}?product_id={MARKET}", headers=signed(
        key, "DELETE", f"/orders/{placed['id']}?product_id={MARKET}"))


def test_every_refusal_has_a_message_in_json(exchange: Exchange, key: Key) -> None:
    calls = [("GET", "/no-such-route", None, {}), ("POST", "/accounts", "{}", signed(key, "POST", "/accounts", "{}")),
             ("GET", "/products/NO-SUCH", None, {}), ("GET", "/products/NO-SUCH/book", None, {}),
             ("GET", "/accounts", None, {}), ("PUT", "/orders", None, {}),
             ("POST", "/orders", "{", signed(key, "POST", "/orders", "{")),
             ("POST", "/orders", "[]", signed(key, "POST", "/orders", "[]")),
             ("POST", "/orders", "", signed(key, "POST", "/orders")), ("GET", f"/products/{MARKET}/book?level=9", None, {}),
             ("GET", f"/products/{MARKET}/trades?limit=x", None, {})]
    for method, path, body, headers in calls:
        status, _, answer = ask(exchange, method, path, body, headers)
        assert 400 <= status < 500 and isinstance(answer["message"], str) and answer["message"], (method, path, answer)


def test_pages(exchange: Exchange, key: Key) -> None:
    """`cb-after` is there until the last page, and both cursors work in both directions; a client may send both."""
    ids = [place(exchange, key, price=f"{40 + number}.00")[2]["id"] for number in range(5)]
    found, path = [], "/orders?limit=2&status=all&product_id=SOL-USD&status=open"
    after = None
    while len(found) < 100:
        asked = path + (f"&after={after}" if after else "")
        status, headers, rows = ask(exchange, "GET", asked, headers=signed(key, "GET", asked))
        assert status == 200
        found += [row["id"] for row in rows]
        after = headers.get("cb-after")
        if after is None:
            break
    assert after is None and found[:5] == ids[::-1] and len(found) == len(set(found))
    body = json.dumps({"product_id": MARKET})
    ask(exchange, "DELETE", "/orders", body, signed(key, "DELETE", "/orders", body))


# --- feed

@pytest.fixture
def feed(exchange: Exchange) -> Iterator[ClientConnection]:
    with connect(exchange.websocket + "/", max_size=None) as connection:  # some clients send the slash
        yield connection


def talk(connection: ClientConnection, **message: object) -> dict:
    """Sends a request and gives its answer; what channels begin with may come before it."""
    connection.send(json.dumps(message))
    while (answer := json.loads(connection.recv(timeout=20)))["type"] not in ("subscriptions", "error"):
        pass
    return answer


def login(key: Key, timestamp: object) -> dict[str, object]:
    headers = signed(key, "GET", "/users/self/verify", timestamp=str(timestamp))
    return {"key": key.key, "passphrase": key.passphrase, "timestamp": timestamp, "signature": headers["CB-ACCESS-SIGN"]}


def test_subscribing_in_every_form(feed: ClientConnection) -> None:
    def channels(answer: dict) -> dict[str, list[str]]:
        assert answer["type"] == "subscriptions", answer
        return {row["name"]: row["product_ids"] for row in answer["channels"]}

    assert channels(talk(feed, type="subscribe", product_id=MARKET)) == {"full": [MARKET]}  # the first API's form
    assert channels(talk(feed, type="subscribe", product_ids=["ETH-USD"])) == {"full": ["ETH-USD", MARKET]}
    assert channels(talk(feed, type="subscribe", product_ids=[MARKET], channels=["matches"]))["matches"] == [MARKET]
    assert channels(talk(feed, type="subscribe", channels=[{"name": "matches", "product_ids": ["BTC-USD"]}]))["matches"] == [
        "BTC-USD", MARKET]
    assert "full" not in channels(talk(feed, type="unsubscribe", channels=["full"]))
    assert channels(talk(feed, type="unsubscribe", channels=[{"name": "matches", "product_ids": ["BTC-USD"]}])) == {
        "matches": [MARKET]}
    assert channels(talk(feed, type="unsubscribe", channels=[{"name": "matches", "product_ids": []}])) == {}


@pytest.mark.parametrize("timestamp", [lambda: int(time.time()), time.time, lambda: str(int(time.time())),
                                       lambda: str(time.time())], ids=["int", "float", "text", "float text"])
def test_signing_in_with_any_form_of_timestamp(feed: ClientConnection, key: Key, timestamp) -> None:
    answer = talk(feed, type="subscribe", product_ids=[MARKET], channels=["user"], **login(key, timestamp()))
    assert answer == {"type": "subscriptions", "channels": [{"name": "user", "product_ids": [MARKET]}]}


def test_signing_in_that_fails_or_is_not_asked_for(feed: ClientConnection, key: Key) -> None:
    right = login(key, int(time.time()))
    for wrong in ({"signature": "d3Jvbmc="}, {"key": "f" * 32}, {"passphrase": "wrong"}, {"timestamp": 1}):
        answer = talk(feed, type="subscribe", product_ids=[MARKET], channels=["user"], **(right | wrong))
        assert (answer["type"], answer["message"]) == ("error", "Authentication Failed") and answer["reason"]
    empty = dict.fromkeys(right, "")
    assert talk(feed, type="subscribe", product_ids=[MARKET], channels=["full", "matches"], **empty)["type"] == "subscriptions"


def test_a_client_oid_is_seen_by_everybody(exchange: Exchange, feed: ClientConnection, key: Key) -> None:
    talk(feed, type="subscribe", product_ids=[MARKET], channels=["full"])
    time.sleep(0.5)  # the channel begins with nothing that would say it is on
    oid = "1822e338-8e16-4740-a998-fcc33dcfc443"
    placed = place(exchange, key, client_oid=oid)[2]
    while (message := json.loads(feed.recv(timeout=20))).get("order_id") != placed["id"]:
        pass
    assert (message["type"], message["client_oid"]) == ("received", oid) and "user_id" not in message
    ask(exchange, "DELETE", f"/orders/client:{oid}", headers=signed(key, "DELETE", f"/orders/client:{oid}"))
