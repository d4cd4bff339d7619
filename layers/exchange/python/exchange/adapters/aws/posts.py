"""Posting to WebSocket connections: API Gateway's @connections at CONNECTIONS_ENDPOINT, over kept-alive connections.

Written out down to the socket, because a listener of `full` costs a post per event: `http.client` sends head and body apart,
which wakes the other side twice, and parses an answer of which only the status is wanted as if it were an e-mail. The
signature is AWS's version 4 (service `execute-api`) with the environment's credentials, which Lambda keeps in variables;
`tests/unit/test_posts.py` compares it with botocore's.
"""

import hashlib
import hmac
import os
import re
import socket
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from exchange.faults import RetryableFault

if TYPE_CHECKING:
    import ssl

# Posts run in this many threads at once; each has a connection of its own.
POSTS_AT_ONCE = 16
ATTEMPTS = 3
FIRST_PAUSE_S = 0.05
TIMEOUT_S = 3

_MAX_HEAD_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.(\d) (\d{3})[ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n")
_CLOSES = re.compile(rb"\r\n(connection:[ \t]*close|transfer-encoding:)")

_local = threading.local()


class Gone(Exception):
    """The connection does not exist any more."""


class PostRefused(Exception):
    """The service will not take this message for this connection: it is too large, or none."""


class TooSlow(PostRefused):
    """The connection has not taken what it was sent before: nothing more fits into its buffer."""


class PostFailed(RetryableFault):
    """The service failed or is out of reach; the message may or may not have arrived."""


def post(connection_id: str, text: str) -> None:
    """Hands one message over. Raises Gone, TooSlow, PostRefused or PostFailed."""
    status = _call("POST", connection_id, text.encode())
    if status == 410:
        raise Gone(connection_id)
    if status == 429:
        raise TooSlow(connection_id)
    if status in (400, 413):
        raise PostRefused(f"{connection_id}: status {status}")
    if status != 200:
        raise PostFailed(f"{connection_id}: status {status}")


def disconnect(connection_id: str) -> None:
    """Ends a connection; one that is gone already is no error. Raises PostFailed."""
    status = _call("DELETE", connection_id, b"")
    if status not in (200, 204, 410):
        raise PostFailed(f"{connection_id}: status {status}")


def is_there(connection_id: str) -> bool:
    """Whether the connection exists. Raises PostFailed where the service does not say."""
    status = _call("GET", connection_id, b"")
    if status not in (200, 410):
        raise PostFailed(f"{connection_id}: status {status}")
    return status == 200


def _call(method: str, connection_id: str, body: bytes) -> int:
    """The status; what may pass by itself (throttling, a fault, a lost connection) is tried again, but nothing that was waited
    for in vain: who posts has more to try."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            status = _once(method, connection_id, body)
            if status != 429 and status < 500:
                return status
        except OSError as error:
            _forget_connection()
            if attempt == ATTEMPTS or isinstance(error, TimeoutError):
                raise PostFailed(f"{connection_id}: {error!r}") from error
        if attempt < ATTEMPTS:
            time.sleep(FIRST_PAUSE_S * 4 ** (attempt - 1))
    return status


def _once(method: str, connection_id: str, body: bytes) -> int:
    endpoint = _endpoint(os.environ["CONNECTIONS_ENDPOINT"])
    path, signed_path = _paths(endpoint.prefix, connection_id)
    signed = signed_lines(method, endpoint.host, signed_path, body, int(time.time()))
    head = f"{method} {path} HTTP/1.1\r\n{signed}content-length: {len(body)}\r\n\r\n"
    wire = _connection(endpoint)
    wire.sendall(head.encode("ascii") + body)
    status, reusable = _read_answer(wire)
    if not reusable:
        _forget_connection()
    return status


def _read_answer(wire: socket.socket) -> tuple[int, bool]:
    """The status, and whether the connection is good for another request. Raises OSError for what is no answer. The body is
    not wanted: one whose end would be hard to find ends the connection instead."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(wire)
        if len(received) > _MAX_HEAD_BYTES:
            raise ConnectionError(f"the answer's head has more than {_MAX_HEAD_BYTES} bytes")
    found = _STATUS.match(received)
    if found is None:
        raise ConnectionError(f"answered {received[:40]!r}")
    status = int(found[2])
    head = received[:end + 2].lower()
    length = _LENGTH.search(head)
    if found[1] == b"0" or _CLOSES.search(head) or (length is None and status != 204) or status < 200:
        return status, False
    left = int(length[1]) - (len(received) - end - 4) if length is not None else 0
    while left > 0:
        left -= len(_more(wire))
    return status, left == 0


def _more(wire: socket.socket) -> bytes:
    received = wire.recv(_MAX_HEAD_BYTES)
    if not received:
        raise ConnectionError("the connection was closed before the answer")
    return received


# --- connections, one per thread

class _Endpoint(NamedTuple):
    """`host`: with its port, as the header has it. `prefix`: the path before `/@connections`."""

    host: str
    address: tuple[str, int]
    prefix: str
    secure: bool


@lru_cache(maxsize=4)
def _endpoint(url: str) -> _Endpoint:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    address = parts.hostname or "", parts.port or (443 if secure else 80)
    return _Endpoint(parts.netloc, address, parts.path.rstrip("/"), secure)


def _connection(endpoint: _Endpoint) -> socket.socket:
    if getattr(_local, "endpoint", None) != endpoint:
        _forget_connection()
        made = socket.create_connection(endpoint.address, timeout=TIMEOUT_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.secure:
            made = _tls_context().wrap_socket(made, server_hostname=endpoint.address[0])
        _local.connection, _local.endpoint = made, endpoint
    return _local.connection


@lru_cache(maxsize=1)
def _tls_context() -> "ssl.SSLContext":
    import ssl

    return ssl.create_default_context()


def _forget_connection() -> None:
    connection = getattr(_local, "connection", None)
    if connection is not None:
        connection.close()
    _local.connection = _local.endpoint = None


# --- signature version 4; what is the same for many requests is kept

@lru_cache(maxsize=4096)
def _paths(prefix: str, connection_id: str) -> tuple[str, str]:
    """The connection's path as it goes over the wire, and as it is signed: encoded once more."""
    path = f"{prefix}/@connections/{quote(connection_id, safe='')}"
    return path, quote(path, safe="/~")


def signed_lines(method: str, host: str, signed_path: str, body: bytes, now_s: int) -> str:
    """The header lines of a request signed at `now_s`, `host` among them."""
    moment = _moment(now_s, host, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"],
                     os.environ.get("AWS_SESSION_TOKEN", ""), os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"])
    request = f"{method}\n{signed_path}{moment.request}{hashlib.sha256(body).hexdigest()}"
    text = moment.text + hashlib.sha256(request.encode()).hexdigest()
    return f"{moment.lines}{hmac.digest(moment.key, text.encode(), 'sha256').hex()}\r\n"


class _Moment(NamedTuple):
    """What the requests of one second share: between path and body of the canonical request, before its hash in the text
    that is signed, the key, and the header lines up to the signature."""

    request: str
    text: str
    key: bytes
    lines: str


@lru_cache(maxsize=4)
def _moment(now_s: int, host: str, key_id: str, secret: str, token: str, region: str) -> _Moment:
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    headers = {"host": host, "x-amz-date": at} | ({"x-amz-security-token": token} if token else {})
    names, scope = ";".join(headers), f"{at[:8]}/{region}/execute-api/aws4_request"
    canonical = "".join([f"{name}:{value}\n" for name, value in headers.items()])
    sent = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return _Moment(f"\n\n{canonical}\n{names}\n", f"AWS4-HMAC-SHA256\n{at}\n{scope}\n", _signing_key(secret, at[:8], region),
                   f"{sent}authorization: AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature=")


@lru_cache(maxsize=4)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, "execute-api", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
