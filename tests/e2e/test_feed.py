"""The feed over real sockets: what a client is told, in which order, and what it sees after things went wrong."""

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable
from decimal import Decimal

import pytest
from e2e.waiting import eventually
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bench.client import Key
from bench.exchange import RunningExchange as Exchange
from exchange.api.auth import signature

pytestmark = pytest.mark.slow

BALANCES = {"USD": "100000", "SOL": "1000"}
MARKET = "SOL-USD"


class Listener:
    """One connection; `until` collects messages up to the first that a condition likes."""

    def __init__(self, url: str) -> None:
        self._opening = connect(url, max_size=None)
        self.socket: ClientConnection = self._opening.__enter__()

    def close(self) -> None:
        self._opening.__exit__(None, None, None)

    def send(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def next(self, within_s: float = 15) -> dict:
        return json.loads(self.socket.recv(timeout=within_s))

    def until(self, like: Callable[[dict], bool]) -> list[dict]:
        found = [self.next()]
        while not like(found[-1]):
            found.append(self.next())
        return found


@pytest.fixture
def listen(exchange: Exchange):
    opened: list[Listener] = []

    def listen(url: str | None = None) -> Listener:
        opened.append(Listener(url or exchange.websocket))
        return opened[-1]
    yield listen
    for listener in opened:
        listener.close()


def request(exchange: Exchange, key: Key, method: str, path: str, body: dict | None = None) -> object:
    text = json.dumps(body) if body is not None else ""
    asked = urllib.request.Request(exchange.trading + path, data=text.encode() or None, method=method,
                                   headers=key.headers(method, path, text))
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read())


def place(exchange: Exchange, key: Key, side: str, size: str, price: str) -> str:
    return request(exchange, key, "POST", "/orders", {
        "product_id": MARKET, "type": "limit", "side": side, "size": size, "price": price})["id"]


def credentials(key: Key) -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {"key": key.key, "passphrase": key.passphrase, "timestamp": timestamp,
            "signature": signature(key.secret, timestamp, "GET", "/users/self/verify", b"")}


def settled_book(exchange: Exchange, sequence: int) -> dict:
    """The REST book once it has reached `sequence`."""
    def read() -> dict | None:
        book = exchange.get(f"/products/{MARKET}/book?level=2")
        return book if book["sequence"] >= sequence else None
    return eventually(read)


def test_one_trade_as_everybody_sees_it(exchange, listen):
    token = exchange.new_user(balances=BALANCES)
    maker, taker = exchange.api_key(token), exchange.funded_key(BALANCES)
    public, by_token, by_key = listen(), listen(), listen()
    public.send(type="subscribe", product_ids=[MARKET], channels=["level2", "full", "ticker", "matches"])
    by_token.send(type="subscribe", product_ids=[MARKET], channels=["user"], token=token)
    by_key.send(type="subscribe", product_ids=[MARKET], channels=["user"], **credentials(taker))
    assert public.next()["type"] == "subscriptions"
    greeting = public.until(lambda message: message["type"] == "snapshot")
    assert {message["type"] for message in greeting} <= {"last_match", "ticker", "snapshot"}
    assert by_token.next()["type"] == by_key.next()["type"] == "subscriptions"
    time.sleep(0.5)  # the user channel has no greeting that would say it is on

    first = place(exchange, maker, "sell", "2", "150.00")
    second = place(exchange, taker, "buy", "0.5", "151.00")
    seen = _until_done(public, second)
    sequence = greeting[-1]["sequence"]
    for message in seen:
        if message["type"] in ("received", "open", "match", "done"):
            sequence += 1
            assert message["sequence"] == sequence
    match = next(message for message in seen if message["type"] == "match")
    assert (match["maker_order_id"], match["taker_order_id"], match["side"]) == (first, second, "sell")
    assert next(message for message in seen if message["type"] == "ticker")["side"] == "buy"

    mine = by_token.until(lambda message: message["type"] == "match")
    assert [message["type"] for message in mine] == ["received", "open", "match"]
    assert "maker_fee_rate" in mine[-1] and "taker_fee_rate" not in mine[-1]
    his = by_key.until(lambda message: message["type"] == "done")
    assert [message["type"] for message in his] == ["received", "match", "done"]
    assert "taker_fee_rate" in his[1] and "maker_fee_rate" not in his[1]
    assert mine[-1]["profile_id"] != his[1]["profile_id"]

    book = settled_book(exchange, sequence)
    assert book["asks"][0][:2] == ["150.00", "1.50000000"]
    assert exchange.get(f"/products/{MARKET}/trades?limit=1")[0]["trade_id"] == match["trade_id"]
    request(exchange, maker, "DELETE", f"/orders/{first}")
    assert by_token.until(lambda message: message["type"] == "done")[-1]["reason"] == "canceled"


def _until_done(listener: Listener, order: str) -> list[dict]:
    """Messages up to the level update that follows the order's `done`."""
    seen = listener.until(lambda message: message["type"] == "done" and message["order_id"] == order)
    return seen + listener.until(lambda message: message["type"] == "l2update")


def test_a_refused_amend_reaches_its_owner_and_nobody_else(exchange, listen):
    """The engine's word on an amend that the API had to take: it would have crossed, and is post-only."""
    owner, other = exchange.funded_key(BALANCES), exchange.funded_key(BALANCES)
    ask = place(exchange, other, "sell", "1", "152.00")
    bid = request(exchange, owner, "POST", "/orders", {
        "product_id": MARKET, "side": "buy", "size": "1", "price": "149.00", "post_only": True})["id"]
    eventually(lambda: request(exchange, owner, "GET", f"/orders/{bid}")["status"] == "open")
    mine, others, public = listen(), listen(), listen()
    mine.send(type="subscribe", product_ids=[MARKET], channels=["user"], **credentials(owner))
    others.send(type="subscribe", product_ids=[MARKET], channels=["user", "full"], **credentials(other))
    public.send(type="subscribe", product_ids=[MARKET], channels=["full"])
    for listener in (mine, others, public):
        assert listener.next()["type"] == "subscriptions"
    before = request(exchange, owner, "GET", f"/orders/{bid}")
    request(exchange, owner, "PUT", f"/orders/{bid}", {"price": "152.00"})
    told = mine.next()
    assert (told["type"], told["order_id"], told["reject_reason"], told["new_price"]) == (
        "amend_rejected", bid, "post_only_would_cross", "152.00")
    assert "sequence" not in told and told["user_id"]
    assert request(exchange, owner, "GET", f"/orders/{bid}") == before
    for key, order in ((owner, bid), (other, ask)):
        request(exchange, key, "DELETE", f"/orders/{order}")
    for listener in (others, public):
        seen = listener.until(lambda message: message["type"] == "done" and message["order_id"] == ask)
        assert {message["type"] for message in seen} == {"done"}
        assert [message["sequence"] for message in seen] == [seen[-1]["sequence"] - 1, seen[-1]["sequence"]]


def test_heartbeats_tickers_and_status_by_the_clock(exchange, listen):
    key = exchange.funded_key(BALANCES)
    listener = listen()
    listener.send(type="subscribe", product_ids=[MARKET, "BTC-USD"], channels=["heartbeat", "full", "status", "ticker_batch"])
    assert listener.next()["type"] == "subscriptions"
    order, sequences, beats, status = None, {}, {MARKET: [], "BTC-USD": []}, None
    while min(map(len, beats.values())) < 4 or order is None or MARKET not in sequences or status is None:
        message = listener.next(20)
        if message["type"] == "status":
            status = message
        elif message["type"] == "heartbeat":
            product = message["product_id"]
            assert message["sequence"] == sequences.get(product, message["sequence"])
            beats[product].append(message["time"])
        elif message["type"] != "ticker":
            sequences[message["product_id"]] = message["sequence"]
        if order is None and len(beats[MARKET]) == 1:
            order = place(exchange, key, "buy", "0.1", "11.00")
    for times in beats.values():
        assert len(set(times)) == len(times) and times == sorted(times)
    assert MARKET in [row["id"] for row in status["products"]] and status["currencies"]
    request(exchange, key, "DELETE", f"/orders/{order}")


def live(exchange: Exchange, key: Key, product: str) -> list:
    return request(exchange, key, "GET", f"/orders?product_id={product}")


def test_orders_end_with_the_connection_that_said_so(start_exchange):
    """It closes; and the gateway dies, so that nobody says that it is gone: the sweep finds out."""
    exchange = start_exchange()
    key = exchange.funded_key(BALANCES)
    for death in ("close", "gateway"):
        orders = [place(exchange, key, "buy", "0.1", f"1{number}.00") for number in range(3)]
        other = request(exchange, key, "POST", "/orders", {
            "product_id": "BTC-USD", "type": "limit", "side": "buy", "size": "0.01", "price": "100"})["id"]
        plain, listener = Listener(exchange.websocket), Listener(exchange.websocket)
        plain.send(type="subscribe", product_ids=["BTC-USD"], channels=["user"], **credentials(key))
        listener.send(type="subscribe", product_ids=[MARKET], channels=["user"], cancel_on_disconnect=True, **credentials(key))
        assert plain.next()["type"] == "subscriptions"
        assert listener.next()["cancel_on_disconnect"] == [MARKET]
        assert len(live(exchange, key, MARKET)) == 3
        if death == "gateway":
            exchange.kill_and_wait("gateway")
            assert exchange.invoke("feed_sweep_connections"), "as the schedule does every minute"
        else:
            plain.close()
            listener.close()
        eventually(lambda: live(exchange, key, MARKET) == [], 30)
        assert [row["id"] for row in live(exchange, key, "BTC-USD")] == [other]
        assert request(exchange, key, "GET", f"/orders/{orders[0]}")["done_reason"] == "canceled"
        request(exchange, key, "DELETE", f"/orders/{other}")
        eventually(lambda: live(exchange, key, "BTC-USD") == [], 30)


def test_a_connection_ends_after_its_lifetime_however_busy_it_is(start_exchange):
    """Two hours, here five seconds. Its end is any other's: what it signed for is canceled, and a new one goes on."""
    exchange = start_exchange(environment={"LOCAL_WEBSOCKET_LIFETIME_S": "5"})
    key = exchange.funded_key(BALANCES)
    order = place(exchange, key, "sell", "1", "99000")
    eventually(lambda: request(exchange, key, "GET", f"/orders/{order}")["status"] == "open")
    listener, began = Listener(exchange.websocket), time.monotonic()
    listener.send(type="subscribe", product_ids=[MARKET], channels=["user", "heartbeat"], cancel_on_disconnect=True,
                  **credentials(key))
    with pytest.raises(ConnectionClosed) as ended:
        while True:
            listener.next()
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1001, "Going away")
    assert time.monotonic() - began >= 4.5
    eventually(lambda: request(exchange, key, "GET", f"/orders/{order}")["status"] == "done", 30)
    again = Listener(exchange.websocket)
    again.send(type="subscribe", product_ids=[MARKET], channels=["level2"])
    assert [again.next()["type"], again.next()["type"]] == ["subscriptions", "snapshot"]
    again.close()


def test_refusals_over_the_socket(exchange, listen):
    listener = listen()
    for message in ('{"type":"subscribe"', '{"type":"hello"}', "[]", '{"type":"subscribe","product_ids":["NO-NO"]}',
                    '{"type":"subscribe","product_ids":["SOL-USD"],"channels":["user"]}',
                    '{"type":"unsubscribe","channels":7}'):
        listener.socket.send(message)
        answer = listener.next()
        assert answer["type"] == "error" and answer["reason"], message
    listener.send(type="subscribe", product_ids=[MARKET], channels=["level2"])
    assert [listener.next()["type"], listener.next()["type"]] == ["subscriptions", "snapshot"]


def test_unsubscribing_ends_the_stream(exchange, listen):
    key = exchange.funded_key(BALANCES)
    listener, witness = listen(), listen()
    for client in (listener, witness):
        client.send(type="subscribe", product_ids=[MARKET], channels=["full"])
        assert client.next()["type"] == "subscriptions"
    listener.send(type="unsubscribe", product_ids=[MARKET], channels=["full"])
    assert listener.next() == {"type": "subscriptions", "channels": []}
    time.sleep(0.5)
    order = place(exchange, key, "buy", "1", "10.00")
    witness.until(lambda message: message["type"] == "open" and message["order_id"] == order)
    with pytest.raises(TimeoutError):
        listener.next(0.5)
    request(exchange, key, "DELETE", f"/orders/{order}")


def test_a_listener_that_takes_arrays_learns_the_same_in_the_same_order(exchange, listen):
    key = exchange.funded_key(BALANCES)
    listener, witness = listen(), listen()
    listener.send(type="subscribe", product_ids=[MARKET], channels=["full", "level2"], batch=True)
    witness.send(type="subscribe", product_ids=[MARKET], channels=["full", "level2"])
    assert listener.next()["batch"] is True and "batch" not in witness.next()
    for client in (listener, witness):
        assert client.next()["type"] == "snapshot"
    orders = [place(exchange, key, "buy", "1", f"{20 + number}.00") for number in range(5)]
    request(exchange, key, "DELETE", f"/orders?product_id={MARKET}")
    frames, messages = [], []
    while sum(message["type"] == "done" and message["order_id"] in orders for message in messages) < len(orders):
        frames.append(listener.next())
        messages += frames[-1] if isinstance(frames[-1], list) else [frames[-1]]
    assert any(isinstance(frame, list) and len(frame) > 1 for frame in frames)
    kept = [message for message in messages if message["type"] != "l2update"]
    singles: list[dict] = []
    while len([one for one in singles if one["type"] != "l2update"]) < len(kept):
        singles.append(witness.next())
    assert [one for one in singles if one["type"] != "l2update"] == kept
    listener.send(type="subscribe", product_ids=[MARKET], channels=["full"], batch=False)
    assert "batch" not in listener.until(lambda frame: isinstance(frame, dict) and frame["type"] == "subscriptions")[-1]


def test_lost_views_come_back_and_no_listener_is_left_behind(start_exchange):
    """Valkey dies and its files are gone: books and trades come back from the journal, listeners are sent away."""
    exchange = start_exchange()
    key, other = exchange.funded_key(BALANCES), exchange.funded_key(BALANCES)
    for number in range(5):
        place(exchange, key, "sell", "1", f"{150 + number}.00")
    place(exchange, other, "buy", "1.5", "151.00")
    before = settled_book(exchange, 5 * 2 + 5)
    trades = exchange.get(f"/products/{MARKET}/trades")
    listener = Listener(exchange.websocket)
    listener.send(type="subscribe", product_ids=[MARKET], channels=["full"])
    assert listener.next()["type"] == "subscriptions"
    time.sleep(0.5)
    old = exchange.pids["valkey"]
    os.kill(old, signal.SIGSTOP)
    shutil.rmtree(exchange.data / "valkey")
    exchange.kill_and_wait("valkey")
    place(exchange, key, "sell", "1", "200.00")

    def rebuilt() -> dict | None:
        try:
            book = exchange.get(f"/products/{MARKET}/book?level=2")
        except OSError:
            return None
        return book if book["sequence"] > before["sequence"] else None
    after = eventually(rebuilt, 60)
    assert after["asks"] == [*before["asks"], ["200.00", "1.00000000", 1]]
    assert exchange.get(f"/products/{MARKET}/trades") == trades
    assert sum(Decimal(size) for _, size, _ in after["asks"]) == Decimal("4.5")
    with pytest.raises(ConnectionClosed):
        while True:
            message = listener.next(20)
    assert message["type"] == "error" and message["reason"]
