"""Requests straight over kept connections: what a load generator needs of HTTP, and no more.

The generator stands on the machine that it measures, so what it spends is missing there: with a complete client a fifth of all.
Here a request is one write, one read and a look for the answer's length. Only answers of a gateway are understood: HTTP/1.1
with a Content-Length, or 204. Whatever else comes is an error, and never taken for an answer.
"""

import asyncio
import base64
import hmac
import re
import time
from urllib.parse import urlsplit

import orjson

from bench.client import Key

TIMEOUT_S = 20
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)\r\n", re.IGNORECASE)
_CLOSING = re.compile(rb"\r\nconnection: ?close\r\n", re.IGNORECASE)


class BadAnswer(ConnectionError):
    """No answer that is understood here."""


class _Connection(asyncio.Protocol):
    """One exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = b""
        self._ends = 0  # where the answer ends, once its head is there
        self._head = 0
        self._status = 0

    def exchange(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """(status, body), to come."""
        self._answer = asyncio.get_running_loop().create_future()
        self._received, self._ends = b"", 0
        self.transport.write(request)
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        try:
            if not self._ends and not self._read_head():
                return
        except BadAnswer as error:
            self._fail(error)
            self.transport.abort()
            return
        if len(self._received) >= self._ends and not self._answer.done():
            self._answer.set_result((self._status, self._received[self._head:self._ends]))

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionResetError("the connection was closed before the answer"))

    def _read_head(self) -> bool:
        head = self._received.find(b"\r\n\r\n") + 4
        if head < 4:
            return False
        status, length = _STATUS.match(self._received), _LENGTH.search(self._received, 0, head - 2)
        if status is None or (length is None and status[1] != b"204"):
            raise BadAnswer(f"the answer begins {self._received[:100]!r}")
        self._status, self._head = int(status[1]), head
        self._ends = head + (int(length[1]) if length is not None else 0)
        if len(self._received) > self._ends:
            raise BadAnswer("more than one answer")
        if _CLOSING.search(self._received, 0, head - 2):
            self.transport.close()
        return True

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Wire:
    """Connections to the host of a base URL: as many as are wanted at once, each used again. `close` at the end."""

    def __init__(self, base: str) -> None:
        url = urlsplit(base)
        self._address = url.hostname, url.port
        self._host = f"Host: {url.netloc}\r\n"
        self._idle: list[_Connection] = []

    async def request(self, method: str, path: str, headers: str = "", body: bytes = b"") -> tuple[int, bytes]:
        """(status, body). `headers`: lines that end with CR LF. OSError if it fails, TimeoutError after TIMEOUT_S."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        request = f"{method} {path} HTTP/1.1\r\n{self._host}{headers}{length}\r\n".encode() + body
        loop = asyncio.get_running_loop()
        connection = None
        while self._idle and (connection is None or connection.transport.is_closing()):
            connection = self._idle.pop()
        if connection is None or connection.transport.is_closing():
            _, connection = await loop.create_connection(_Connection, *self._address)
        answer = connection.exchange(request)
        late = loop.call_later(TIMEOUT_S, connection._fail, TimeoutError(f"{method} {path}: no answer within {TIMEOUT_S} s"))
        try:
            found = await answer
        except BaseException:
            connection.transport.abort()
            raise
        finally:
            late.cancel()
        self._idle.append(connection)
        return found

    def close(self) -> None:
        for connection in self._idle:
            connection.transport.abort()
        self._idle.clear()


class QuickTrader:
    """One account behind a Wire: signs as `bench.client.Trader`. Answers are (status, JSON as bytes)."""

    def __init__(self, wire: Wire, key: Key) -> None:
        self._wire = wire
        self._secret = base64.b64decode(key.secret)
        self._headers = (f"CB-ACCESS-KEY: {key.key}\r\nCB-ACCESS-PASSPHRASE: {key.passphrase}\r\n"
                         "Content-Type: application/json\r\nCB-ACCESS-TIMESTAMP: ")

    async def request(self, method: str, path: str, body: dict | None = None) -> tuple[int, bytes]:
        content = orjson.dumps(body) if body is not None else b""
        timestamp = f"{time.time():.3f}"
        signed = hmac.digest(self._secret, f"{timestamp}{method}{path}".encode() + content, "sha256")
        headers = f"{self._headers}{timestamp}\r\nCB-ACCESS-SIGN: {base64.b64encode(signed).decode()}\r\n"
        return await self._wire.request(method, path, headers, content)
