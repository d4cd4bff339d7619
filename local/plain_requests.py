"""The public HTTP ports, as long as what comes is a request in its usual form: parsed where its bytes come in.

A framework was half of what the gateway spent on a request. Here a request is one read, a few matches and one write. Less is
taken than HTTP/1.1 allows, so that nothing is guessed: whatever is not certainly understood (chunked or large bodies, bytes
beyond ASCII, `Expect`, `Upgrade`, a connection that is to be closed, HEAD and OPTIONS, every error of form) and what is no
route's (the screen, unknown paths) goes to aiohttp with its bytes untouched, and the connection stays there.

One request of a connection is answered after the other. A client that sends on without reading waits, not we.
"""

import asyncio
import re
import sys
import traceback
from collections.abc import Callable

from local.http_door import MAX_HEADER_BYTES, Asked, HttpDoor, collect, refusal
from local.routes import Match

MAX_BODY_BYTES = 256 * 1024
IDLE_S = 75
_STOPPED_S = 2.0
# So much may lie here unread before the client has to wait.
_READ_AHEAD = 2 * MAX_BODY_BYTES
_REQUEST_LINE = re.compile(r"(GET|POST|DELETE|PUT|PATCH) (/[!-~]*) HTTP/1\.1\r\n")
_HEADERS = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+")
# Any of these asks for more than is done here; so does a header twice that may be there once.
_UNUSUAL = ("transfer-encoding", "expect", "upgrade")
_ONCE = ("host", "content-length", "connection", "authorization")


class PlainRequests(asyncio.Protocol):
    """One connection. `others` makes the protocol that takes over."""

    def __init__(self, door: HttpDoor, others: Callable[[], asyncio.Protocol]) -> None:
        self._door = door
        self._others = others
        self._transport: asyncio.Transport | None = None
        self._source_ip: str | None = None
        self._received = b""
        self._parsed: tuple[Asked, Match, int, int] | None = None  # the last two: where its body begins and ends
        self._running: asyncio.Task | None = None
        self._is_full = False
        self._is_paused = False
        self._has_ended = False
        self._idle: asyncio.TimerHandle | None = None
        self._moved_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._source_ip = peer[0] if peer else None
        self._moved_at = asyncio.get_running_loop().time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._received:
            self._received += data
        else:
            self._received = data
            self._moved_at = asyncio.get_running_loop().time()
        if self._running is None:
            self._next()
        if len(self._received) > _READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        # Who has sent its last may still read.
        self._has_ended = True
        return self._running is not None

    def connection_lost(self, error: Exception | None) -> None:
        # What was asked for is done all the same.
        self._idle.cancel()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._running is None and not self._transport.is_closing():
            self._next()

    def _watch(self) -> None:
        """Closes a connection that neither brings a whole request in time nor waits for an answer."""
        loop = asyncio.get_running_loop()
        left_s = self._moved_at + IDLE_S - loop.time()
        if left_s <= -_STOPPED_S:
            # This process itself was stopped: what has come meanwhile is yet to be read.
            self._moved_at, left_s = loop.time() - IDLE_S + _STOPPED_S, _STOPPED_S
        if left_s <= 0 and self._running is None:
            self._transport.abort()
            return
        self._idle = loop.call_later(max(left_s, 1), self._watch)

    def _next(self) -> None:
        """Begins with the request that has come, if it is whole."""
        if not self._received or self._is_full:
            return
        if self._parsed is None and not self._read_head():
            return
        asked, match, start, end = self._parsed
        if len(self._received) < end:
            return
        asked.body = self._received[start:end]
        self._received, self._parsed = self._received[end:], None
        self._running = asyncio.get_running_loop().create_task(self._answer(asked, match))

    async def _answer(self, asked: Asked, match: Match) -> None:
        try:
            answer = await self._door.answer(asked, match)
        except Exception:  # noqa: BLE001 (the outermost: the client is owed an answer)
            traceback.print_exc(file=sys.stderr)
            answer = refusal(500, "Internal Server Error", "").encode({})
        self._running = None
        self._moved_at = asyncio.get_running_loop().time()
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if self._is_paused and len(self._received) <= _READ_AHEAD:
            self._is_paused = False
            self._transport.resume_reading()
        self._next()
        if self._has_ended and self._running is None and self._transport.get_protocol() is self:
            self._transport.close()

    def _read_head(self) -> bool:
        """Whether the head of a usual request is there; hands over what is none."""
        end = self._received.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
        if end < 0:
            if len(self._received) >= MAX_HEADER_BYTES or not self._received.isascii():
                self._hand_over()
            return False
        head = self._received[:end + 2]
        found = self._parse(head.decode("ascii")) if head.isascii() else None
        if found is None:
            self._hand_over()
            return False
        asked, match, length = found
        self._parsed = asked, match, end + 4, end + 4 + length
        return True

    def _parse(self, head: str) -> tuple[Asked, Match, int] | None:
        """(the request, its route, the length of its body); None where it is not certainly understood."""
        line = _REQUEST_LINE.match(head)
        if line is None or _HEADERS.fullmatch(head, line.end()) is None:
            return None
        method, target = line.groups()
        names: list[str] = []
        values: list[str] = []
        for text in head[line.end():-2].split("\r\n"):
            name, _, value = text.partition(":")
            names.append(name.lower())
            values.append(value.strip(" \t"))
        headers, cookies = collect(zip(names, values, strict=True))
        if len(headers) != len(names) and any(names.count(name) > 1 for name in _ONCE):
            return None
        length = headers.get("content-length", "0")
        if ("host" not in headers or any(name in headers for name in _UNUSUAL) or not length.isdigit() or len(length) > 9
                or int(length) > MAX_BODY_BYTES or headers.get("connection", "keep-alive").lower() != "keep-alive"):
            return None
        path, _, query = target.partition("?")
        match = self._door.route(method, path)
        if match is None:
            return None
        return Asked(method, path, query, headers, cookies, self._source_ip), match, int(length)

    def _hand_over(self) -> None:
        self._idle.cancel()
        handler, received, self._received = self._others(), self._received, b""
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(received)
        if self._has_ended:
            handler.eof_received()
        if self._is_paused:
            self._transport.resume_reading()
