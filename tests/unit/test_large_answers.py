"""A book of any size through its door: compressed for who takes that, refused in words where Lambda could not hand it on."""

import base64
import json
import random
import socket
import struct
import threading
import zlib
from types import SimpleNamespace
from uuid import UUID

import pytest

from exchange.adapters.redis.market_views import BookView
from exchange.api.large import COMPRESS_FROM, MOST_BYTES
from exchange.commands import Side
from exchange.feed.orders import LiveOrder
from local.worker import MOST_RESULT_BYTES, serve
from tests.unit.handlers import http_event, load_handler

pytestmark = pytest.mark.slow

GZIP = {"accept-encoding": "deflate, gzip;q=0.8"}


def orders(count: int) -> list[LiveOrder]:
    rng = random.Random(1)
    fields = {"side": Side.BUY, "price_ticks": 5_000_000, "lots": 1000, "account": 1}
    return [LiveOrder(**{name: fields.get(name, 0) for name in LiveOrder.__dataclass_fields__} | {
        "order_id": UUID(int=rng.getrandbits(128)).bytes, "opened": number + 1}) for number in range(count)]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch):
    """What the operation answers about a book of so many orders, as Lambda would hand it on."""
    handler = load_handler("api_get_book")

    def asked(count: int, headers: dict[str, str]) -> dict:
        book = BookView(7, 1_795_000_000_000, False, orders(count), [])
        monkeypatch.setattr(handler.views, "book", lambda market, level: book)
        event = http_event("/products/BTC-USD/book", query="level=3", parameters={"product_id": "BTC-USD"}, headers=headers)
        answer = handler.lambda_handler(event, None)
        assert len(json.dumps(answer)) <= MOST_RESULT_BYTES
        return answer
    return asked


def book_in(answer: dict) -> dict:
    body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    return json.loads(zlib.decompress(body, wbits=31) if "content-encoding" in answer["headers"] else body)


@pytest.mark.parametrize(("count", "headers", "compressed"), [
    (0, GZIP, False), (1000, GZIP, False), (2000, GZIP, True), (2000, {}, False),
    (2000, {"accept-encoding": "gzip;q=0, br"}, False), (70_000, {}, False), (120_000, {"accept-encoding": "*"}, True)])
def test_a_book_is_answered_whole(ask, count: int, headers: dict, compressed: bool) -> None:
    answer = ask(count, headers)
    assert (answer["statusCode"], answer["headers"].get("content-encoding")) == (200, "gzip" if compressed else None)
    assert answer["isBase64Encoded"] == compressed and answer["headers"]["vary"] == "accept-encoding"
    book = book_in(answer)
    assert len(book["bids"]) == count and book["sequence"] == 7
    assert len({row[2] for row in book["bids"]}) == count
    assert (len(json.dumps(book, separators=(",", ":"))) >= COMPRESS_FROM) == (count >= 2000)


@pytest.mark.parametrize(("count", "headers", "words"), [(100_000, {}, "gzip, or for less"), (200_000, GZIP, "less")])
def test_one_that_cannot_be_sent_is_refused_in_words(ask, count: int, headers: dict, words: str) -> None:
    answer = ask(count, headers)
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["code"]) == (400, "answer_too_large")
    assert body["message"] == f"the answer is larger than can be sent: ask for {words}"


@pytest.mark.parametrize("over", [0, 1])
def test_a_worker_hands_on_what_lambda_would(over: int) -> None:
    ours, theirs = socket.socketpair()
    result = "x" * (MOST_RESULT_BYTES - 2 + over)
    serving = threading.Thread(target=serve, args=(theirs, SimpleNamespace(call=lambda *_, **__: result)), daemon=True)
    serving.start()
    with theirs, ours, ours.makefile("rb") as reader:
        request = json.dumps({"function": "f", "event": {}, "id": "1", "deadline_ms": 0}).encode()
        for _ in range(2):
            ours.sendall(struct.pack("<I", len(request)) + request)
            answer = json.loads(reader.read(struct.unpack("<I", reader.read(4))[0]))
            assert answer == {"ok": result} if not over else answer["type"] == "ResponseSizeTooLarge"
        ours.shutdown(socket.SHUT_WR)
        serving.join(5)
    assert MOST_BYTES < MOST_RESULT_BYTES
