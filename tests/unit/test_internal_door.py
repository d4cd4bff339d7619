"""The internal port and the WebSocket door over real sockets: what is posted arrives, in order, whichever way it was asked."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import aiohttp
import pytest

from exchange.adapters.aws import posts
from local.http_door import HttpServer
from local.internal_door import MAX_MESSAGE_BYTES, Answer, InternalDoor
from local.plan import ApiPlan
from local.websocket_door import Limits, WebSocketDoor, text_frame


class Asked:
    """Stands for the connections: notes what is asked, answers with the status that the connection is called."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    def manage(self, method: str, identifier: str, body: bytes) -> Answer:
        self.requests.append((method, identifier, body))
        return Answer(200) if not identifier.isdigit() else Answer.refused(int(identifier), "AnException", "no")


@contextlib.asynccontextmanager
async def listening(server):
    made = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


def on_the_port(talk):
    """Runs `talk(port, asked)` on an internal door."""
    async def run() -> None:
        asked = Asked()
        door = InternalDoor(connections=asked, invoker_of=None, health=lambda: {"pid": 1})
        async with listening(door) as port:
            await talk(port, asked)
    asyncio.run(run())


async def raw(port: int, *parts: bytes, answers: int = 1) -> list[int]:
    """The statuses of the answers to what is sent in these parts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    statuses = []
    for _ in range(answers):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        statuses.append(int(head.split()[1]))
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
    writer.close()
    return statuses


def request(body: bytes = b"hi", *, path: str = "/x/@connections/a%3D", method: str = "POST", more: str = "",
            host: str = "127.0.0.1:99") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_requests_in_one_piece_in_many_and_several_in_one():
    async def talk(port, asked):
        whole = request(b"one")
        assert await raw(port, whole) == [200]
        assert await raw(port, *[whole[index:index + 7] for index in range(0, len(whole), 7)]) == [200]
        three = request(b"two") + request(b"", method="GET") + request(b"three")
        assert await raw(port, three[:-2], three[-2:], answers=3) == [200] * 3
        assert [body for _, _, body in asked.requests] == [b"one", b"one", b"two", b"", b"three"]
        assert {name for _, name, _ in asked.requests} == {"a%3D"}
    on_the_port(talk)


def test_every_status_comes_with_its_words():
    async def talk(port, asked):
        async with aiohttp.ClientSession() as session:
            for status in (410, 413, 429):
                async with session.post(f"http://127.0.0.1:{port}/@connections/{status}", data=b"x") as answer:
                    assert answer.status == status and answer.headers["x-amzn-ErrorType"] == "AnException"
                    assert await answer.json() == {"message": "no"}
    on_the_port(talk)


@pytest.mark.parametrize("unusual", [
    request(more="Origin: http://evil.example\r\n"), request(host="evil.example"), request(host="localhost.evil.example"),
    request(more="ORIGIN:null\r\n"),
])
def test_nothing_comes_from_a_page_in_a_browser(unusual):
    async def talk(port, asked):
        assert await raw(port, unusual) == [403]
        assert await raw(port, request() + unusual, answers=2) == [200, 403], "nor on a connection that was good before"
        assert len(asked.requests) == 1
    on_the_port(talk)


@pytest.mark.parametrize("unusual", [
    b"POST /@connections/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"POST /@connections/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    b"POST http://127.0.0.1/@connections/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
])
def test_what_is_unusual_is_done_all_the_same(unusual):
    async def talk(port, asked):
        assert await raw(port, unusual) == [200]
        assert asked.requests == [("POST", "a", b"hi")]
    on_the_port(talk)


@pytest.mark.parametrize("wrong", [
    request(more="Host: 127.0.0.1\r\n", host="evil.example"), request(more="Host: evil.example\r\n"),
    b"\x00\xff\x00\r\n\r\n", b"POST\r\n\r\n",
    b"POST /@connections/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: -2\r\n\r\nhi",
    b"POST /@connections/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    b"POST /@connections/a HTTP/1.1\r\n" + b"x: y\r\n" * 5000,
])
def test_what_is_no_request_is_refused(wrong):
    async def talk(port, asked):
        (status,) = await raw(port, wrong)
        assert 400 <= status < 500 and asked.requests == []
    on_the_port(talk)


def test_other_paths_are_there_too_on_the_same_connection():
    async def talk(port, asked):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            for path, status in (("/@connections/a", 200), ("/health", 200), ("/nothing", 404), ("/@connections/b", 200)):
                async with session.post(f"http://127.0.0.1:{port}{path}", data=b"x") as answer:
                    assert answer.status == status, path
        assert [name for _, name, _ in asked.requests] == ["a", "b"]
    on_the_port(talk)


# --- through to the listener

def in_the_exchange(talk, monkeypatch, **limits):
    """Runs `talk(door, session, url)` with both doors up; posts go to them."""
    async def run() -> None:
        door = WebSocketDoor(ApiPlan("api", "websocket", selection="$request.body.type"), invoker=None, limits=Limits(**limits))
        internal = InternalDoor(connections=door, invoker_of=None, health=dict)
        async with (listening(HttpServer(door.handle)) as public, listening(internal) as port,
                    aiohttp.ClientSession() as session):
            for name, value in {"CONNECTIONS_ENDPOINT": f"http://127.0.0.1:{port}/feed", "AWS_ACCESS_KEY_ID": "x",
                                "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
                monkeypatch.setenv(name, value)
            try:
                await talk(door, session, f"ws://127.0.0.1:{public}")
            finally:
                posts._forget_connection()
    monkeypatch.setattr(posts, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(posts, "_local", SimpleNamespace())
    asyncio.run(run())


async def connected(door, session, url):
    """A new connection and its name."""
    before = set(door._connections)
    socket = await session.ws_connect(url, max_msg_size=0)
    while not set(door._connections) - before:
        await asyncio.sleep(0.001)
    return socket, (set(door._connections) - before).pop()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, MAX_MESSAGE_BYTES])
def test_messages_of_every_length_of_a_frames_head(monkeypatch, size):
    async def talk(door, session, url):
        socket, name = await connected(door, session, url)
        await asyncio.to_thread(posts.post, name, "x" * size)
        await asyncio.to_thread(posts.post, name, "é")
        assert [await socket.receive_str(timeout=5) for _ in range(2)] == ["x" * size, "é"]
        await socket.close()
    in_the_exchange(talk, monkeypatch)
    assert len(text_frame(b"x" * size)) - size in (2, 4, 10)


def test_a_message_that_is_too_long_or_no_text_is_refused(monkeypatch):
    async def talk(door, session, url):
        socket, name = await connected(door, session, url)
        with pytest.raises(posts.PostRefused, match="413"):
            await asyncio.to_thread(posts.post, name, "x" * (MAX_MESSAGE_BYTES + 1))
        assert door.manage("POST", name, b"\xff").status == 400
        assert door.manage("PATCH", name, b"").status == 403
        await asyncio.to_thread(posts.post, name, "on")
        assert await socket.receive_str(timeout=5) == "on"
        await socket.close()
    in_the_exchange(talk, monkeypatch)


def test_thousands_arrive_in_order_also_when_the_reader_pauses(monkeypatch):
    async def talk(door, session, url):
        socket, name = await connected(door, session, url)
        texts = [json.dumps([number, "x" * 2000]) for number in range(3000)]
        socket._response.connection.transport.pause_reading()
        for text in texts:
            assert door.manage("POST", name, text.encode()).status == 200
            if len(door._connections[name]._buffer) % 100 == 0:
                await asyncio.sleep(0)
        assert door._connections[name]._buffer, "the socket has taken all: the test shows nothing"
        socket._response.connection.transport.resume_reading()
        assert [await socket.receive_str(timeout=10) for _ in texts] == texts
        await socket.close()
    in_the_exchange(talk, monkeypatch)


def test_one_that_does_not_read_is_refused_then_cut(monkeypatch):
    async def talk(door, session, url):
        socket, name = await connected(door, session, url)
        socket._response.connection.transport.pause_reading()
        with pytest.raises(posts.TooSlow):
            for _ in range(2000):
                await asyncio.to_thread(posts.post, name, "x" * 100_000)
        await asyncio.to_thread(posts.disconnect, name)
        with pytest.raises(posts.Gone):
            for _ in range(100):
                await asyncio.sleep(0.01)
                await asyncio.to_thread(posts.post, name, "late")
        assert not await asyncio.to_thread(posts.is_there, name)
    in_the_exchange(talk, monkeypatch, buffer_bytes=1_000_000)


def test_closing_comes_after_what_was_posted(monkeypatch):
    async def talk(door, session, url):
        socket, name = await connected(door, session, url)
        assert await asyncio.to_thread(posts.is_there, name)
        for text in ("1", "2"):
            await asyncio.to_thread(posts.post, name, text)
        await asyncio.to_thread(posts.disconnect, name)
        assert [await socket.receive_str(timeout=5) for _ in range(2)] == ["1", "2"]
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        with pytest.raises(posts.Gone):
            await asyncio.to_thread(posts.post, name, "3")
    in_the_exchange(talk, monkeypatch)
