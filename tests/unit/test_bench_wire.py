"""The load generator's HTTP: what it takes for an answer, and that nothing else is one."""

import asyncio
import base64

import pytest

import bench.wire
from bench.client import Key
from bench.wire import BadAnswer, QuickTrader, Wire
from exchange.api.auth import signature

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`: pieces that are sent one by one; None closes the connection."""

    def __init__(self, *answers: list[bytes | None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                for piece in self.answers.pop(0):
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def ask(server: Server, requests: int = 1) -> list[tuple[int, bytes]]:
    async def run() -> list[tuple[int, bytes]]:
        async with server:
            wire = Wire(server.base)
            try:
                return [await wire.request("GET", "/time") for _ in range(requests)]
            finally:
                wire.close()
    return asyncio.run(run())


@pytest.mark.parametrize("pieces", [
    [OK], [OK[:9], OK[9:60], OK[60:]], [OK[:-2], b"{", b"}"], [OK.replace(b"Length", b"length")]])
def test_an_answer_is_whole_however_it_comes(pieces: list[bytes]) -> None:
    server = Server(pieces, pieces)
    assert ask(server, 2) == [(200, b"{}")] * 2
    assert server.connections == 1


def test_without_a_body() -> None:
    assert ask(Server([b"HTTP/1.1 204 No Content\r\n\r\n"])) == [(204, b"")]


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    server = Server([closing], [OK])
    assert ask(server, 2) == [(200, b"{}")] * 2
    assert server.connections == 2


@pytest.mark.parametrize("answer", [
    b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
    OK + OK])
def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        ask(Server([answer]))


@pytest.mark.parametrize("pieces", [[None], [OK[:30], None], [OK[:-1], None]])
def test_a_connection_that_ends_before_the_answer_is_an_error(pieces: list[bytes | None]) -> None:
    with pytest.raises(ConnectionError):
        ask(Server(pieces))


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.wire, "TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError):
        ask(Server([OK[:30], *[b""] * 40]))


def test_as_many_connections_as_are_wanted_at_once() -> None:
    async def run() -> int:
        async with Server([OK], [OK], [OK]) as server:
            wire = Wire(server.base)
            await asyncio.gather(*(wire.request("GET", "/time") for _ in range(3)))
            wire.close()
            return server.connections
    assert asyncio.run(run()) == 3


def test_a_trader_signs_what_is_sent() -> None:
    key = Key("0" * 32, base64.b64encode(b"secret").decode(), "words")

    async def run() -> bytes:
        async with Server([OK]) as server:
            wire = Wire(server.base)
            assert await QuickTrader(wire, key).request("POST", "/orders?a=b", {"size": "1"}) == (200, b"{}")
            wire.close()
            return server.requests[0]
    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert body == b'{"size":"1"}'
    assert headers["CB-ACCESS-SIGN"] == signature(key.secret, headers["CB-ACCESS-TIMESTAMP"], "POST", "/orders?a=b", body)
    assert (headers["CB-ACCESS-KEY"], headers["CB-ACCESS-PASSPHRASE"]) == (key.key, key.passphrase)
