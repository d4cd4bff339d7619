"""The public ports over real sockets: every request is understood and answered as by aiohttp's server, whoever takes it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

import local.http_door
import local.plain_requests
from local.http_door import HttpDoor, HttpServer
from local.invoker import InvocationFailed, InvocationTimedOut, Overloaded, WorkerDied
from local.jwt_check import Unauthorized
from local.plain_requests import MAX_BODY_BYTES, PlainRequests
from local.plan import ApiPlan, RoutePlan

ROUTES = ["GET /time", "POST /orders", "GET /orders/{order_id}", "DELETE /orders/{order_id}", "PUT /orders/{order_id}"]
FAULTS = {"overloaded": Overloaded("full"), "late": InvocationTimedOut("late"), "died": WorkerDied("gone"),
          "failed": InvocationFailed("no"), "bug": KeyError("a bug of the gateway")}
ANSWER = {"statusCode": 200, "headers": {"content-type": "application/json", "cb-after": "7"}, "body": '{"a":"é"}',
          "isBase64Encoded": False}
ANSWERS = {
    "empty": {"statusCode": 204, "headers": {}}, "cookies": ANSWER | {"cookies": ["a=1", "b=2"]}, "plain": {"any": "thing"},
    "binary": {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}, "large": ANSWER | {"body": "x" * 300_000},
    "own": ANSWER | {"headers": {"Connection": "close", "Content-Length": "3", "date": "never", "X-A": "ü"}},
    "unchanged": {"statusCode": 304, "headers": {"ETag": "x"}}, "teapot": {"statusCode": 418, "body": "text"},
    "bad": {"statusCode": "x"}}


class Functions:
    """Stands for the invoker: notes events; the path's last word says what is answered."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.most = self.running = 0

    async def invoke(self, name: str, event: dict) -> object:
        self.events.append({key: value for key, value in event.items() if key != "requestContext"} | {
            key: value for key, value in event["requestContext"].items() if key not in ("requestId", "time", "timeEpoch")})
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.002)
        self.running -= 1
        word = event["rawPath"].rpartition("/")[2]
        if word in FAULTS:
            raise FAULTS[word]
        return ANSWERS.get(word, ANSWER)


class Tokens:
    async def claims(self, authorization: str | None, authorizer: dict) -> dict:
        if authorization != "Bearer good":
            raise Unauthorized("no")
        return {"sub": "ann"}


@contextlib.asynccontextmanager
async def door(kind: str, *, authorizer: dict | None = None, cors: dict | None = None) -> AsyncIterator[tuple[int, Functions]]:
    functions = Functions()
    api = ApiPlan(id="api", door="trading", cors=cors,
                  routes=[RoutePlan(key, "f", authorizer=authorizer) for key in ROUTES])
    made = HttpDoor(api, invoker=functions, jwt=Tokens(), host="h")
    others = HttpServer(made.handle)
    connections: list[PlainRequests] = []

    def connect() -> asyncio.Protocol:
        if kind != "plain":
            return others()
        connections.append(PlainRequests(made, others))
        return connections[-1]
    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], functions
    finally:
        server.close()
        await others.shutdown(0.1)
        for connection in connections:
            connection._transport.abort()
        await asyncio.sleep(0.01)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, list[str], bytes]:
    head, *lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
    status = int(head.split()[1])
    headers = sorted(line.lower().partition(":")[0] + ":" + line.partition(":")[2] for line in lines if line)
    length = next((int(line.partition(":")[2]) for line in headers if line.startswith("content-length:")), 0)
    return status, headers, await reader.readexactly(length if status not in (204, 304) else 0)


async def exchange(port: int, parts: list[bytes], answers: int = 1) -> list[tuple[int, list[str], object]]:
    """What comes back, without what differs from request to request and from server to server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005 if len(parts) > 1 else 0)
        return [_comparable(*await read_answer(reader)) for _ in range(answers)]
    finally:
        writer.transport.abort()


def _comparable(status: int, headers: list[str], body: bytes) -> tuple[int, list[str], bytes]:
    kept = [line for line in headers if not line.startswith(("date:", "server:", "apigw-requestid:", "x-request-id:"))]
    kept += ["dated"] * any(line.startswith("date:") for line in headers)
    if b"request_id" in body:
        body = json.dumps(json.loads(body) | {"request_id": ""}).encode()
        kept = [line for line in kept if not line.startswith("content-length:")]
    return status, kept, body


def both(parts: list[bytes], answers: int = 1, **options: object) -> tuple[list, list[dict]]:
    """Answers and events of the plain door, which are those of aiohttp."""
    async def run(kind: str) -> tuple[list, list[dict]]:
        async with door(kind, **options) as (port, functions):
            return await exchange(port, parts, answers), functions.events
    plain, framework = asyncio.run(run("plain")), asyncio.run(run("aiohttp"))
    assert plain == framework
    return plain


def request(line: str = "GET /time", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: h:1", *headers, *([f"Content-Length: {len(body)}"] if body else []), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


USUAL = [
    request(), request("GET /time?a=%20b&a=c&empty="),
    request("POST /orders", "Content-Type: application/json", body=b'{"a":1}'),
    request("GET /orders/client%3Aa%2Fb?x", "X-Twice: 1", "x-twice:2", "Cookie: a=1; b=2", "Cookie: c=3"),
    request("DELETE /orders/1", "User-Agent:  curl/8 \t", "Connection: Keep-Alive"), request("POST /orders", body=b"\xff\x00"),
    request("PUT /orders/a", "Content-Type: application/x-www-form-urlencoded", body=b"a=1"), request("GET /time", "X-Empty:"),
    request("GET /time", "Content-Length: 0"),
    request("GET /time", "CB-ACCESS-SIGN: a/b+c==", "Accept: */*", "Accept-Encoding: gzip")]


@pytest.mark.parametrize("usual", USUAL)
def test_a_request_makes_the_same_event(usual: bytes) -> None:
    (answer,), (event,) = both([usual])
    assert answer[0] == 200 and event["rawPath"] == usual.split()[1].decode().partition("?")[0]


@pytest.mark.parametrize("usual", USUAL)
def test_in_pieces(usual: bytes) -> None:
    answers, _ = both([usual[at:at + 9] for at in range(0, len(usual), 9)])
    assert answers[0][0] == 200


def test_a_usual_request_needs_no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainRequests, "_hand_over", lambda self: pytest.fail("handed over"))

    async def run() -> None:
        async with door("plain") as (port, functions):
            await exchange(port, USUAL, len(USUAL))
            assert len(functions.events) == len(USUAL)
    asyncio.run(run())


@pytest.mark.parametrize("word", [*ANSWERS, *(word for word in FAULTS if word != "bug")])
def test_an_answer_is_the_same(word: str) -> None:
    both([request(f"GET /orders/{word}")] * 2, 2)


UNUSUAL = [
    request("POST /orders", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n", request("GET /time", "Connection: close"),
    request("OPTIONS /time", "Origin: https://a"), request("GET http://h:1/time?a=b"), request("GET /nowhere"),
    request("POST /orders", "Expect: nothing", body=b"{}"), request("GET /time", "X-Name: \xe9"),
    request("POST /orders", body=b"x" * (MAX_BODY_BYTES + 1)),
    b"GET /time HTTP/1.0\r\nHost: h:1\r\nConnection: keep-alive\r\n\r\n",
    request("GET /time", "Upgrade: h2c"), request("GET /time?q=<>\"")]
WRONG = [
    request("POST /orders", "Content-Length: 2", body=b"abc"), request("POST /orders", "Content-Length: -1"),
    request("POST /orders", "Content-Length: 1x"), request("POST /orders", "Content-Length: +1") + b"a",
    request("GET /time", " folded: 1"), request("GET /time", "no colon"), request("GET /time", "na me: 1"),
    request("GET /time", "X-Nul: a\0b"), b"nonsense\r\n\r\n", b"\r\n\r\n\xff\xff\r\n\r\n", request("GET /ti me"),
    request("POST /orders", "Transfer-Encoding: chunked", "Content-Length: 2") + b"{}",
    request("GET /time", *(f"X-{number}: {'x' * 90}" for number in range(150))),
    request("GET /time", "X-Long: " + "x" * 20_000),
    request("GET /" + "x" * 20_000), b"GET /time HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("unusual", UNUSUAL + WRONG, ids=range(len(UNUSUAL) + len(WRONG)))
def test_what_is_unusual_or_wrong_is_answered_as_before(unusual: bytes) -> None:
    both([unusual])


@pytest.mark.parametrize("unusual", UNUSUAL, ids=range(len(UNUSUAL)))
def test_a_usual_request_before_and_what_comes_behind(unusual: bytes) -> None:
    answers, _ = both([request() + unusual], 2)
    assert answers[0][0] == 200


def test_a_bug_of_the_gateway_is_answered_and_the_connection_lives_on(capsys: pytest.CaptureFixture) -> None:
    async def run() -> list:
        async with door("plain") as (port, _):
            return await exchange(port, [request("GET /orders/bug") + request()], 2)
    bug, after = asyncio.run(run())
    assert bug[0] == 500 and json.loads(bug[2])["code"] == "internal_server_error" and after[0] == 200
    assert "a bug of the gateway" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\ud800"])
def test_a_function_cannot_write_past_its_header(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "evil", ANSWER | {"headers": {"X-A": header}})

    async def run() -> list:
        async with door("plain") as (port, _):
            return await exchange(port, [request("GET /orders/evil")])
    (status, headers, _), = asyncio.run(run())
    assert status == 500 and not any("evil" in line for line in headers)


def test_one_after_the_other_on_a_connection_and_many_at_once_on_several() -> None:
    async def run() -> None:
        async with door("plain") as (port, functions):
            await exchange(port, [request() * 20], 20)
            assert functions.most == 1
            await asyncio.gather(*(exchange(port, [request()]) for _ in range(10)))
            assert functions.most > 1
    asyncio.run(run())


def test_tokens_and_browsers() -> None:
    cors = {"AllowOrigins": ["https://a"], "AllowMethods": ["GET"], "AllowHeaders": ["authorization"]}
    good, bad, ours, other = "Authorization: Bearer good", "authorization: Bearer bad", "Origin: https://a", "Origin: https://b"
    for headers, status in ([], 401), ([bad], 401), ([good], 200), ([good, bad], 200), ([good, ours], 200), ([ours], 401), (
            [other, good], 200):
        answers, events = both([request("GET /time", *headers)], authorizer={"issuer": "i"}, cors=cors)
        assert answers[0][0] == status
        assert [event["authorizer"]["jwt"]["claims"] for event in events] == [{"sub": "ann"}] * (status == 200)
        assert ("access-control-allow-origin: https://a" in answers[0][1]) == ("Origin: https://a" in headers)


def test_who_has_sent_the_last_is_answered_and_then_closed() -> None:
    async def run() -> None:
        async with door("plain") as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request() * 3)
            writer.write_eof()
            assert [(await read_answer(reader))[0] for _ in range(3)] == [200] * 3
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request()[:20])
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 5) == b"", "half a request is none"
            writer.close()
    asyncio.run(run())


def test_an_idle_connection_is_closed_and_a_slow_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.plain_requests, "IDLE_S", 0.2)

    async def run() -> None:
        async with door("plain") as (port, functions):
            async def slow(name: str, event: dict) -> object:
                await asyncio.sleep(1.5)
                return ANSWER
            functions.invoke = slow
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request())
            assert (await read_answer(reader))[0] == 200
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
    asyncio.run(run())


@pytest.mark.parametrize(("head", "drops"), [(b"GET /time HTTP/1.1\r\nX: ", b"x"), (b"", b""),
                                             (request("POST /orders", body=b"x" * 500)[:-500], b"x")])
def test_a_request_that_comes_in_drops_is_not_waited_for_without_end(head: bytes, drops: bytes,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.plain_requests, "IDLE_S", 0.3)

    async def run() -> None:
        async with door("plain") as (port, functions):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            closed = asyncio.ensure_future(reader.read())
            for _ in range(60):
                writer.write(drops)
                await asyncio.wait({closed}, timeout=0.05)
                if closed.done():
                    break
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(closed, 0) == b""
            assert functions.events == []
            writer.transport.abort()
    asyncio.run(run())


@pytest.mark.parametrize(("length", "status"), [(local.http_door.MAX_BODY_BYTES, 408),
                                                (local.http_door.MAX_BODY_BYTES + 1, 413), (10**11, 413)])
def test_a_large_body_is_waited_for_some_time_and_one_too_large_not_at_all(length: int, status: int,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.http_door, "BODY_WITHIN_S", 0.3)

    async def run() -> tuple[int, list[str], bytes]:
        async with door("plain") as (port, functions):
            answer, = await exchange(port, [request("POST /orders", f"Content-Length: {length}") + b"a"])
            assert functions.events == []
            return answer
    found, _, body = asyncio.run(run())
    assert found == status and json.loads(body)["code"] == {408: "request_timeout", 413: "request_entity_too_large"}[status]


def test_who_does_not_read_is_not_answered_without_end() -> None:
    async def run() -> None:
        async with door("plain") as (port, functions):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 14)
            one = request("GET /orders/large")
            with contextlib.suppress(TimeoutError):
                for _ in range(2000):
                    writer.write(one * 50)
                    await asyncio.wait_for(writer.drain(), 0.3)
            await asyncio.sleep(0.3)
            before = len(functions.events)
            assert 0 < before < 500
            await asyncio.sleep(0.3)
            assert len(functions.events) == before, "the door waits for its client"
            for _ in range(before + 20):
                assert (await read_answer(reader))[0] == 200
            assert len(functions.events) >= before + 20
            writer.transport.abort()
    asyncio.run(run())
