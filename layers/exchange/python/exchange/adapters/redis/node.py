"""Commands to one node of Redis over a socket of our own: one write, the answers parsed in C, and nothing in between.

What nearly every request does, reading a view and taking a token, costs a complete client five times as much CPU as here, and
more to import than all else that placing an order needs. Connections belong to a thread and are made when first used. After any
failure a connection is closed, because what it brings next could be the answer to another question.

    redis://host:port/db      unix:///path?db=0      rediss://host:port      all with user:password@, where there is one
"""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from hiredis import Reader, ReplyError, pack_command

Command = tuple[str | bytes | int, ...]
_MULTI, _EXEC = pack_command(("MULTI",)), pack_command(("EXEC",))
_CHUNK = 1 << 16
_local = threading.local()


class Refused(Exception):
    """An error that the server answered: its words."""


class Node:
    """One connection. `timeout_s` bounds each wait, not a whole call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._reader = _reader()

    def run(self, commands: Sequence[Command], *, together: bool = False) -> list:
        """The answer of each, as bytes, int, list or None; a hash is a list of names and values. `together`: as of one moment.
        Raises OSError when the connection fails, TimeoutError or BlockingIOError among them when time is up; Refused."""
        request = b"".join([pack_command(command) for command in commands])
        count = len(commands)
        if together:
            request, count = b"".join((_MULTI, request, _EXEC)), count + 2
        try:
            if self._socket is None:
                self._connect()
            answers = self._exchange(request, count)
        except BaseException:
            self.close()
            raise
        found = answers[-1] if together and isinstance(answers[-1], list) else answers
        for answer in found:
            if isinstance(answer, ReplyError):
                raise Refused(str(answer))
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes, count: int) -> list:
        connection, reader = self._socket, self._reader
        connection.sendall(request)
        answers: list = []
        while len(answers) < count:
            answer = reader.gets()
            if answer is not False:  # which no answer is
                answers.append(answer)
                continue
            data = connection.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("Redis closed the connection")
            reader.feed(data)
        return answers

    def _connect(self) -> None:
        url = urlsplit(self.url)
        self._reader = _reader()
        if url.scheme == "unix":
            made = self._socket = socket.socket(socket.AF_UNIX)
            made.settimeout(self._timeout_s)
            made.connect(unquote(url.path))
            database = parse_qs(url.query).get("db", ["0"])[0]
        else:
            made = self._socket = socket.create_connection((url.hostname, url.port or 6379), timeout=self._timeout_s)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            database = url.path.strip("/") or "0"
        if url.scheme == "rediss":
            self._socket = ssl.create_default_context().wrap_socket(made, server_hostname=url.hostname)
        else:
            # Python's own timeout polls before each read; the kernel's needs no call of its own.
            made.settimeout(None)
            wait = struct.pack("@ll", int(self._timeout_s), int(self._timeout_s % 1 * 1_000_000))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        if url.password:
            self._greet(("AUTH", unquote(url.username or "default"), unquote(url.password)))
        if database != "0":
            self._greet(("SELECT", database))

    def _greet(self, command: Command) -> None:
        answer, = self._exchange(pack_command(command), 1)
        if isinstance(answer, ReplyError):
            raise Refused(str(answer))


def _reader() -> Reader:
    return Reader(protocolError=ConnectionError)


def node(purpose: str, timeout_s: float) -> Node:
    """This thread's connection to REDIS_URL for a purpose, which is what it has a timeout for."""
    kept = _local.__dict__.get(purpose)
    if kept is None or kept.url != os.environ["REDIS_URL"]:
        close(purpose)
        kept = _local.__dict__[purpose] = Node(os.environ["REDIS_URL"], timeout_s)
    return kept


def close(purpose: str) -> None:
    """Closes this thread's connection for a purpose, if there is one."""
    kept = _local.__dict__.pop(purpose, None)
    if kept is not None:
        kept.close()
