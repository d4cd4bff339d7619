"""Waking a queue's consumer: a datagram to a unix socket that has the queue's name.

    sender                       consumer
    commit ── notice ───>  [socket buffer]  ──> receive, which finds the message
    hint ────────────────────────^          ──> is what it says; or only that there was one

A notice is empty and owes nothing: a lost one costs the consumer its next look (a second). It is sent after the commit, so
who is woken finds the message; one that comes between a look and the wait is kept by the socket. There is one for each group
that got a message, so a consumer that counts them knows when it need not look again. Why not LISTEN/NOTIFY: PostgreSQL lets
commits that notify wait for each other, and wakes a second backend for each (docs/adr/0005).

A hint is carried as it is, and nowhere else (docs/adr/0020): it is lost with a full buffer, and with its consumer. A consumer
is told when the buffer was full. Everybody on the machine can write to such a socket, so a datagram brings its sender's user,
and what is another's counts for nothing.

The names are abstract (Linux): no file, gone with the process. One consumer per queue gets the datagrams; another that waits
for the same queue looks every `POLL_S`, and takes the name once it is free.
"""

import errno
import hashlib
import os
import select
import socket
import struct
from dataclasses import dataclass

POLL_S = 0.05
# The shortest a socket's buffer can be told to be is longer.
FULL = 8
# What a socket may have under way (212,992 bytes) holds more than FULL of these, so that of two limits the number is met first.
MAX_HINT_BYTES = 15_000
_LARGE = b"\0"  # in place of a hint that is larger
# As many notices as nobody has counted: look until nothing is there.
UNCOUNTED = 1_000_000
_CREDENTIALS = struct.Struct("3i")  # process, user, group
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)
_USER = os.geteuid()
_NOBODY = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.ENOBUFS)


def _name(dsn: str, queue: str) -> bytes:
    """Of this server's queue of that name; another server on the machine may have one, too."""
    return b"\0lambda-exchange-" + hashlib.blake2b(f"{dsn}\n{queue}".encode(), digest_size=16).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Noticed:
    """What came for a queue: in how many groups messages were stored, at most, and the hints, in order. `all_of_them`: since
    the last time no hint was too large or found the buffer full."""

    groups: int
    hints: tuple[str, ...] = ()
    all_of_them: bool = True


UNKNOWN = Noticed(UNCOUNTED, (), False)


class Waker:
    """The sender's side. May be used by several threads."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # One for each queue: what waits to be read counts against its sender's socket.
        self._sockets: dict[str, tuple[socket.socket, bytes]] = {}

    def wake(self, queue: str) -> None:
        self._send(queue, b"")

    def hint(self, queue: str, body: str) -> None:
        """Hands it over, whether anybody takes it or not."""
        encoded = body.encode()
        self._send(queue, encoded if len(encoded) <= MAX_HINT_BYTES else _LARGE)

    def _send(self, queue: str, datagram: bytes) -> None:
        to = self._sockets.get(queue)
        if to is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.setblocking(False)
            to = self._sockets.setdefault(queue, (made, _name(self._dsn, queue)))
            if to[0] is not made:
                made.close()
        try:
            to[0].sendto(datagram, to[1])
        except OSError as error:
            if error.errno not in _NOBODY:  # nobody waits, or has been woken often enough
                raise

    def close(self) -> None:
        for made, _ in self._sockets.values():
            made.close()
        self._sockets.clear()


class Sleeper:
    """The consumer's side."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._sockets: dict[str, socket.socket | None] = {}  # None: another consumer has the name

    def wait(self, timeout_s: float, queues: list[str]) -> dict[str, Noticed]:
        """Blocks until a datagram for one of these queues has come or time is up. What came, by queue; without those that
        got none. UNKNOWN for a queue's first call and for the one that finds its name free at last, which return at once,
        because what was sent before it was bound woke nobody; and for one whose datagrams another consumer gets."""
        unbound = [queue for queue in queues if self._sockets.get(queue) is None]
        if unbound:
            bound = {queue: self._bind(queue) for queue in unbound}
            changed = [queue for queue, found in bound.items() if found is not None or queue not in self._sockets]
            self._sockets.update(bound)
            if changed:
                return dict.fromkeys(changed, UNKNOWN)
        own = {found: queue for queue in queues if (found := self._sockets[queue]) is not None}
        shared = [queue for queue in queues if self._sockets[queue] is None]
        ready, _, _ = select.select(own, [], [], min(timeout_s, POLL_S) if shared else timeout_s)
        return {own[found]: self._drain(found) for found in ready} | dict.fromkeys(shared, UNKNOWN)

    def close(self) -> None:
        for found in self._sockets.values():
            if found is not None:
                found.close()
        self._sockets.clear()

    def _bind(self, queue: str) -> socket.socket | None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            made.bind(_name(self._dsn, queue))
        except OSError as error:
            made.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return None
        return made

    @staticmethod
    def _drain(found: socket.socket) -> Noticed:
        count, own = 0, []
        try:
            while True:
                datagram, ancillary, _, _ = found.recvmsg(MAX_HINT_BYTES, _ANCILLARY_BYTES)
                count += 1
                if [_CREDENTIALS.unpack(data)[1] for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS] == [_USER]:
                    own.append(datagram)
        except BlockingIOError:
            pass
        hints = tuple(datagram.decode() for datagram in own if datagram not in (b"", _LARGE))
        # A full buffer drops what comes, and what it holds has filled it.
        if count >= FULL:
            return Noticed(UNCOUNTED, hints, False)
        return Noticed(own.count(b""), hints, _LARGE not in own)
