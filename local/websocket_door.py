"""The WebSocket API: connections, routes by `$request.body.type`, route responses, and the `@connections` API.

Messages to a connection arrive in the order they were posted: each is written to its socket where it is posted, and what
the socket does not take waits in a bounded buffer; for one that does not read posts are refused (429) once that is full. A
connection exists (can be posted to) from the end of its handshake; before and after, posting answers 410 Gone.
"""

import asyncio
import contextlib
import os
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import aiohttp
import orjson
from aiohttp import web

from local.addresses import ACCOUNT
from local.http_door import error
from local.internal_door import MAX_MESSAGE_BYTES, Answer
from local.invoker import InvocationFailed, Invoker, Overloaded
from local.plan import ApiPlan, RoutePlan

# What a client may send. The service takes messages of several frames up to 128 KB; no client of ours has any to say.
MAX_FRAME_BYTES = 32 * 1024
# A socket has more than enough with so much not yet taken by the kernel; what comes then waits in the connection's buffer.
SOCKET_BYTES = 64 * 1024
_SLOW_LOOK_S = 0.01


@dataclass(frozen=True)
class Limits:
    """The service's limits; tests shorten them."""

    idle_s: float = 600
    lifetime_s: float = 7200
    buffer_messages: int = 10_000
    buffer_bytes: int = 8 * 1024 * 1024

    @classmethod
    def from_environment(cls) -> "Limits":
        """Tests set LOCAL_WEBSOCKET_IDLE_S and LOCAL_WEBSOCKET_LIFETIME_S, LOCAL_WEBSOCKET_BUFFER_BYTES."""
        return cls(idle_s=float(os.environ.get("LOCAL_WEBSOCKET_IDLE_S", cls.idle_s)),
                   lifetime_s=float(os.environ.get("LOCAL_WEBSOCKET_LIFETIME_S", cls.lifetime_s)),
                   buffer_bytes=int(os.environ.get("LOCAL_WEBSOCKET_BUFFER_BYTES", cls.buffer_bytes)))


def text_frame(payload: bytes) -> bytes:
    """A text message as a server sends it: one frame, not masked (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + struct.pack(">H", size) + payload
    return b"\x81\x7f" + struct.pack(">Q", size) + payload


class Connection:
    """One listener: its socket, its buffer and its sender."""

    def __init__(self, identifier: str, socket: web.WebSocketResponse, request: web.BaseRequest, limits: Limits) -> None:
        self.id = identifier
        self.socket = socket
        self.transport = request.transport
        self.source_ip = request.remote
        self.user_agent = request.headers.get("User-Agent", "")
        self.connected_at = time.time()  # shown; what is measured takes a clock that nobody puts right
        self.opened_s = self.active_s = time.monotonic()
        self._limits = limits
        self._buffer: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def send(self, payload: bytes) -> bool:
        """Sends a text message after all that was sent before; False when there is no room."""
        if not self._buffer and self._write(payload):
            return True
        if (len(self._buffer) >= self._limits.buffer_messages
                or (self._bytes + len(payload) > self._limits.buffer_bytes and self._buffer)):
            return False
        self._buffer.append(payload)
        self._bytes += len(payload)
        self._wake.set()
        return True

    def _write(self, payload: bytes) -> bool:
        """Whether the socket has taken it. One that is closed takes everything: nobody will read it."""
        if self.transport is None or self.transport.is_closing() or self.socket.closed:
            return True
        if self.transport.get_write_buffer_size() > SOCKET_BYTES:
            return False
        self.transport.write(text_frame(payload))
        self.active_s = time.monotonic()
        return True

    @property
    def last_active(self) -> float:
        return time.time() - (time.monotonic() - self.active_s)

    @property
    def is_behind(self) -> bool:
        """Whether it has not read what it was sent for long: half of what may wait for it does."""
        return 2 * len(self._buffer) > self._limits.buffer_messages or 2 * self._bytes > self._limits.buffer_bytes

    def cut(self) -> None:
        """Ends the connection at once: what is still buffered could not be delivered."""
        if self.transport is not None:
            self.transport.abort()

    async def run_sender(self) -> None:
        """Writes what waits, as the socket takes it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._buffer:
                if self._write(self._buffer[0]):
                    self._bytes -= len(self._buffer.popleft())
                else:
                    await asyncio.sleep(_SLOW_LOOK_S)


class WebSocketDoor:
    """All connections of the WebSocket API. `handle` serves the public port, `manage` the `@connections` API."""

    def __init__(self, api: ApiPlan, *, invoker: Invoker, limits: Limits) -> None:
        self._api = api
        self._routes: dict[str, RoutePlan] = {route.key: route for route in api.routes}
        self._selector = api.selection.removeprefix("$request.body.")
        self._invoker = invoker
        self._limits = limits
        self._connections: dict[str, Connection] = {}
        self._closing: set[asyncio.Task] = set()

    @property
    def count(self) -> int:
        return len(self._connections)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return error(426, "Upgrade Required", os.urandom(8).hex(), {"Upgrade": "websocket"})
        identifier = os.urandom(11).hex() + "="
        refusal = await self._connect(identifier, request)
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME_BYTES, compress=False, timeout=2)
        await socket.prepare(request)
        connection = self._connections[identifier] = Connection(identifier, socket, request, self._limits)
        sender = asyncio.ensure_future(connection.run_sender())
        try:
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    connection.active_s = time.monotonic()
                    await self._message(connection, message.data)
        finally:
            sender.cancel()
            del self._connections[identifier]
            await self._disconnect(connection)
        return socket

    async def _connect(self, identifier: str, request: web.BaseRequest) -> web.Response | None:
        """Asks the `$connect` route; an answer other than 2xx refuses the handshake with it."""
        route = self._routes.get("$connect")
        if route is None:
            return None
        now = time.time()
        event = {"headers": {str(name): value for name, value in request.headers.items()}, "isBase64Encoded": False,
                 "queryStringParameters": {str(name): value for name, value in request.query.items()} or None,
                 "requestContext": self._context(identifier, "$connect", "CONNECT", now, request.remote,
                                                 request.headers.get("User-Agent", ""))}
        try:
            result = await self._invoker.invoke(route.function, event)
        except Overloaded:
            return error(503, "Service Unavailable", identifier)
        except InvocationFailed:
            return error(502, "Bad Gateway", identifier)
        status = int(result.get("statusCode", 200)) if isinstance(result, dict) else 200
        return None if 200 <= status < 300 else error(status, "Forbidden", identifier)

    async def _message(self, connection: Connection, data: str | bytes) -> None:
        """One message of a client: its route is called before the next message is read, so order is kept."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        try:
            document = orjson.loads(text)
            key = document.get(self._selector) if isinstance(document, dict) else None
        except orjson.JSONDecodeError:
            key = None
        route = self._routes.get(key) if isinstance(key, str) and not key.startswith("$") else None
        route = route or self._routes.get("$default")
        request_id = os.urandom(8).hex()
        if route is None:
            connection.send(_own_message("Forbidden", connection.id, request_id))
            return
        context = self._context(connection.id, route.key, "MESSAGE", connection.connected_at, connection.source_ip,
                                connection.user_agent)
        context |= {"messageId": request_id, "requestId": request_id, "messageDirection": "IN"}
        event = {"requestContext": context, "body": text, "isBase64Encoded": False}
        try:
            result = await self._invoker.invoke(route.function, event)
        except (InvocationFailed, Overloaded):
            connection.send(_own_message("Internal server error", connection.id, request_id))
            return
        if route.answers and isinstance(result, dict) and result.get("body"):
            connection.send(result["body"].encode())

    async def _disconnect(self, connection: Connection) -> None:
        route = self._routes.get("$disconnect")
        if route is None:
            return
        context = self._context(connection.id, "$disconnect", "DISCONNECT", connection.connected_at,
                                connection.source_ip, connection.user_agent)
        context |= {"disconnectStatusCode": connection.socket.close_code or 1006, "disconnectReason": ""}
        # At best once, as the service; a push to the gone connection answers 410 and cleans up.
        with contextlib.suppress(InvocationFailed, Overloaded, asyncio.CancelledError):
            await asyncio.shield(self._invoker.invoke(route.function, {"requestContext": context,
                                                                       "isBase64Encoded": False}))

    def _context(self, identifier: str, route_key: str, kind: str, connected_at: float, source_ip: str | None,
                 user_agent: str) -> dict[str, Any]:
        now = time.time()
        return {"routeKey": route_key, "eventType": kind, "connectionId": identifier, "apiId": self._api.id,
                "stage": "local", "domainName": "localhost", "accountId": ACCOUNT, "requestId": os.urandom(8).hex(),
                "connectedAt": int(connected_at * 1000), "requestTimeEpoch": int(now * 1000),
                "identity": {"sourceIp": source_ip, "userAgent": user_agent}}

    # --- the @connections API

    def manage(self, method: str, identifier: str, body: bytes) -> Answer:
        """POST sends a message, GET tells of the connection, DELETE closes it; 410 when it is not there."""
        connection = self._connections.get(identifier) or self._connections.get(unquote(identifier))
        if connection is None or connection.socket.closed:
            return Answer.refused(410, "GoneException", "the connection is gone")
        if method == "POST":
            if len(body) > MAX_MESSAGE_BYTES:
                return Answer.refused(413, "PayloadTooLargeException", f"more than {MAX_MESSAGE_BYTES} bytes")
            try:
                body.decode()
            except UnicodeDecodeError:
                return Answer.refused(400, "BadRequestException", "the message is no UTF-8 text")
            if not connection.send(body):
                return Answer.refused(429, "LimitExceededException", "the connection's buffer is full")
            return Answer(200)
        if method == "GET":
            return Answer(200, orjson.dumps({
                "connectedAt": _iso(connection.connected_at), "lastActiveAt": _iso(connection.last_active),
                "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent}}))
        if method == "DELETE":
            self._close(connection, b"closed by the server")
            return Answer(204)
        return Answer.refused(403, "ForbiddenException", f"{method} is not an operation")

    async def enforce_limits(self) -> None:
        """Closes what was idle or open too long; runs as long as the gateway."""
        step = min(1.0, self._limits.idle_s / 4, self._limits.lifetime_s / 4)
        while True:
            await asyncio.sleep(step)
            now_s = time.monotonic()
            for connection in list(self._connections.values()):
                idle_s, age_s = now_s - connection.active_s, now_s - connection.opened_s
                if idle_s > self._limits.idle_s or age_s > self._limits.lifetime_s:
                    self._close(connection, b"Going away")

    def _close(self, connection: Connection, reason: bytes) -> None:
        if connection.is_behind:
            connection.cut()  # a closing frame would wait behind what it does not read
            return
        task = asyncio.ensure_future(connection.socket.close(code=1001, message=reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close_all(self) -> None:
        await asyncio.gather(*(connection.socket.close(code=1001, message=b"Going away")
                               for connection in list(self._connections.values())), return_exceptions=True)


def _own_message(message: str, connection_id: str, request_id: str) -> bytes:
    return orjson.dumps({"message": message, "connectionId": connection_id, "requestId": request_id})


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03}Z"
