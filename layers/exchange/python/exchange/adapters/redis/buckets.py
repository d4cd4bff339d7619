"""Token buckets in Redis: one EVALSHA and nothing else, over a socket of its own.

Every request of a hot function takes a token, and the Redis client costs more to import than everything else that placing an
order needs. One command and one kind of answer do not need it. Whatever goes wrong is BucketsUnavailable: the caller counts
for itself then.

    key -> the time (µs of the server's clock) at which the bucket is full again; it is forgotten at that time
"""

import hashlib
import os
import socket
import ssl
import threading
from urllib.parse import urlsplit

TIMEOUT_S = 0.25

# KEYS[1]: the bucket. ARGV: µs per token, µs that the bucket holds, tokens wanted. Answers {allowed, µs until it is full}.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local after = full + ARGV[3] * ARGV[1]
if after - now > tonumber(ARGV[2]) then
  return {0, full - now}
end
redis.call('SET', KEYS[1], string.format('%d', after), 'PX', math.ceil((after - now) / 1000))
return {1, after - now}
"""
_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_local = threading.local()


class BucketsUnavailable(Exception):
    """Redis did not answer in time, or not what was asked."""


class _Refused(Exception):
    """An error of Redis: its words."""


def take_shared(key: str, interval_us: int, capacity_us: int, cost: int) -> tuple[bool, int]:
    """(allowed, µs until the bucket is full). Raises BucketsUnavailable."""
    numbers = (interval_us, capacity_us, cost)
    try:
        try:
            return _call("EVALSHA", _SHA, 1, key, *numbers)
        except (OSError, EOFError):
            close()  # the server may have closed an idle connection; a new one tells
            return _call("EVALSHA", _SHA, 1, key, *numbers)
        except _Refused as refused:
            if not str(refused).startswith("NOSCRIPT"):
                raise
            return _call("EVAL", SCRIPT, 1, key, *numbers)
    except (OSError, EOFError, ValueError, _Refused) as failure:
        close()
        raise BucketsUnavailable(str(failure)) from failure


def close() -> None:
    """Closes this thread's connection, if there is one."""
    connection = getattr(_local, "connection", None)
    _local.connection = None
    if connection is not None:
        connection.close()


def _call(*words: object) -> tuple[bool, int]:
    connection = getattr(_local, "connection", None) or _connect()
    connection.write(_encode(words))
    connection.flush()
    head = _line(connection)
    if head != b"*2":
        raise ValueError(f"answered {head[:40]!r}")
    allowed, full_in_us = (int(_line(connection)[1:]) for _ in range(2))
    return allowed == 1, full_in_us


def _connect():
    url = urlsplit(os.environ["REDIS_URL"])
    made = socket.create_connection((url.hostname, url.port or 6379), timeout=TIMEOUT_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if url.scheme == "rediss":
        made = ssl.create_default_context().wrap_socket(made, server_hostname=url.hostname)
    connection = _local.connection = made.makefile("rwb")
    made.close()  # the file keeps it open
    database = url.path.strip("/")
    for words in ([("AUTH", url.username or "default", url.password)] if url.password else []) + (
            [("SELECT", database)] if database not in ("", "0") else []):
        connection.write(_encode(words))
        connection.flush()
        _line(connection)
    return connection


def _encode(words: tuple[object, ...]) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"".join((b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)))


def _line(connection) -> bytes:
    line = connection.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError("the connection was closed")
    if line.startswith(b"-"):
        raise _Refused(line[1:-2].decode(errors="replace"))
    return line[:-2]
