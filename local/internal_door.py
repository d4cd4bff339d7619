"""The port that functions and the supervisor use: `@connections`, Lambda's Invoke, health. 127.0.0.1 only.

A post to a connection is the most frequent request of all: one per message and listener. One in its usual form is answered
right where its bytes come in; with the first request that is anything else, aiohttp takes the connection over for good.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import orjson
from aiohttp import web

from local.http_door import MAX_HEADER_BYTES, HttpServer, error
from local.invoker import InvocationFailed, Invoker, Overloaded
from local.template import function_name

MAX_MESSAGE_BYTES = 128 * 1024
_LOCAL_HOSTS = ("127.0.0.1", "localhost")
_CONNECTIONS = "/@connections/"
_REQUEST_LINE = re.compile(rb"(POST|GET|DELETE) (/[^ ?\r]*)?/@connections/([^ /?\r]+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*(?:127\.0\.0\.1|localhost)(?::\d+)?[ \t]*\r\n")
# Any of these asks for more than is done here.
_UNUSUAL = re.compile(rb"\r\n(?:origin|transfer-encoding|expect|connection|upgrade)[ \t]*:")


class Answer(NamedTuple):
    """Of the `@connections` API. `kind`: of an error, its type."""

    status: int
    body: bytes = b""
    kind: str = ""

    @classmethod
    def refused(cls, status: int, kind: str, message: str) -> "Answer":
        return cls(status, orjson.dumps({"message": message}), kind)

    @property
    def headers(self) -> dict[str, str]:
        return ({"Content-Type": "application/json"} if self.body else {}) | (
            {"x-amzn-ErrorType": self.kind} if self.kind else {})

    def encode(self) -> bytes:
        """As it goes over the wire."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        length = "" if self.status == 204 else f"Content-Length: {len(self.body)}\r\n"
        return f"HTTP/1.1 {self.status} -\r\n{lines}{length}\r\n".encode("ascii") + self.body


class Connections(Protocol):
    """What `@connections` is asked of."""

    def manage(self, method: str, identifier: str, body: bytes) -> Answer:
        """Does what the method says with the connection of that name, as it stands in the path."""


class InternalDoor:
    """`handle` is an aiohttp low-level handler; called as a function it makes the protocol of a new connection, as
    `create_server` wants it."""

    def __init__(self, *, connections: Connections, invoker_of: Callable[[str], Invoker], health: Callable[[], Any]) -> None:
        self._connections = connections
        self._invoker_of = invoker_of
        self._health = health
        # A body a little too long is to be refused by its own words.
        self._server = HttpServer(self.handle, max_body_bytes=MAX_MESSAGE_BYTES * 64)

    def __call__(self) -> "_Posts":
        return _Posts(self._connections, self._server)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        # A page in the user's browser can reach this port too; nothing of ours comes from one.
        if "Origin" in request.headers or request.headers.get("Host", "").partition(":")[0] not in _LOCAL_HOSTS:
            return error(403, "Forbidden", "internal")
        path = request.path
        if _CONNECTIONS in path:
            answer = self._connections.manage(request.method, request.raw_path.partition(_CONNECTIONS)[2],
                                              await request.read())
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if path.startswith("/2015-03-31/functions/") and request.method == "POST":
            name = function_name(path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations"))
            try:
                event = orjson.loads(await request.read() or b"{}")
                return web.Response(body=orjson.dumps(await self._invoker_of(name).invoke(name, event)),
                                    content_type="application/json")
            except InvocationFailed as failed:
                return web.Response(body=orjson.dumps({"errorMessage": str(failed)}), content_type="application/json",
                                    headers={"X-Amz-Function-Error": "Unhandled"})
            except KeyError:
                return error(404, f"Function not found: {name}", "internal")
            except Overloaded:
                return error(503, "Service Unavailable", "internal")
        if path == "/health":
            return web.Response(body=orjson.dumps(self._health()), content_type="application/json")
        return error(404, "Not Found", "internal")


_TAKEN = Answer(200).encode()


class _Posts(asyncio.Protocol):
    """One connection to the port, as long as all it brings are posts in their usual form."""

    def __init__(self, connections: Connections, others: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._others = others
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        while self._received:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                if len(self._received) > MAX_HEADER_BYTES:
                    self._hand_over()
                return
            line = _REQUEST_LINE.match(self._received)
            head = self._received[:end + 2].lower()
            length = _body_length(head) if line is not None else None
            if length is None:
                self._hand_over()
                return
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4:end + 4 + length]
            self._received = self._received[end + 4 + length:]
            answer = self._connections.manage(line[1].decode(), line[3].decode("latin-1"), body)
            self._transport.write(_TAKEN if answer == (200, b"", "") else answer.encode())

    def _hand_over(self) -> None:
        handler, received, self._received = self._others(), self._received, b""
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(received)


def _body_length(head: bytes) -> int | None:
    """Of a request's head in lower case; None where the request is not of the usual form."""
    if _UNUSUAL.search(head) or head.count(b"\r\nhost:") != 1 or not _HOST.search(head):
        return None
    lengths = head.count(b"\r\ncontent-length:")
    if lengths == 0:
        return 0
    found = _LENGTH.search(head)
    return int(found[1]) if lengths == 1 and found is not None and int(found[1]) <= MAX_MESSAGE_BYTES else None
