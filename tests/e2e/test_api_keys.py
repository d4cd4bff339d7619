"""A deleted key over real sockets: how soon it is refused, and what happens to the listener that it has signed in."""

import json
import time
import urllib.request

import pytest
from e2e.asking import answer_to
from e2e.test_feed import credentials
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bench.client import Key
from bench.exchange import RunningExchange as Exchange
from exchange.adapters.api_keys import MAX_AGE_S
from local.user import call

pytestmark = pytest.mark.slow


def status(exchange: Exchange, key: Key) -> tuple[int, dict]:
    request = urllib.request.Request(exchange.trading + "/accounts", headers=key.headers("GET", "/accounts"))
    code, _, body = answer_to(request, 15)
    return code, json.loads(body)


def signed_subscribe(key: Key) -> str:
    return json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["user"], **credentials(key)})


def test_a_deleted_key_is_refused_and_its_listener_closed(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    token = exchange.new_user()
    key = exchange.api_key(token)
    for _ in range(12):  # so that every worker has it in its memory
        assert status(exchange, key)[0] == 200
    with connect(exchange.websocket) as socket:
        socket.send(signed_subscribe(key))
        assert json.loads(socket.recv(timeout=30))["type"] == "subscriptions"
        deleted_at = time.monotonic()
        call(f"{exchange.application}/api-keys/{key.key}", token=token, method="DELETE")
        with pytest.raises(ConnectionClosed):
            while True:
                message = json.loads(socket.recv(timeout=30))
        closed_s = time.monotonic() - deleted_at
        assert (message["type"], message["reason"]) == ("error", "the API key was deleted")
    # Refused by every worker: twelve times in a row.
    refused, deadline = 0, time.monotonic() + 60
    while refused < 12:
        code, answer = status(exchange, key)
        refused = refused + 1 if code == 401 else 0
        if refused == 1:
            refused_s = time.monotonic() - deleted_at
            assert answer["code"] == "invalid_api_key"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with connect(exchange.websocket) as socket:
        socket.send(signed_subscribe(key))
        assert json.loads(socket.recv(timeout=30))["reason"] == "Invalid API Key"
    with capsys.disabled():
        print(f"\nrevocation: listener closed after {closed_s:.2f} s, REST refused after {refused_s:.2f} s"
              f" (kept for {MAX_AGE_S:.0f} s at most)")


def test_a_key_works_from_its_addresses_only(exchange: Exchange) -> None:
    token = exchange.new_user()
    for ranges, allowed in ((["127.0.0.0/8"], True), (["192.0.2.0/24"], False)):
        made = call(f"{exchange.application}/api-keys", token=token, method="POST", body={"allowed_addresses": ranges})
        key = Key(key=made["key"], secret=made["secret"], passphrase=made["passphrase"])
        code, answer = status(exchange, key)
        assert code == (200 if allowed else 401), answer
        with connect(exchange.websocket) as socket:
            socket.send(signed_subscribe(key))
            message = json.loads(socket.recv(timeout=30))
        assert message["type"] == ("subscriptions" if allowed else "error"), message
        assert allowed or message["reason"] == answer["message"] == "IP does not match IP whitelist"
