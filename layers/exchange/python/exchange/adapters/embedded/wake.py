"""Waking a queue's consumer: an empty datagram to a unix socket that has the queue's name.

    sender                       consumer
    commit ── datagram ──>  [socket buffer]  ──> receive, which finds the message

It carries nothing and owes nothing: a lost one costs the consumer its next look (a second). It is sent after the commit, so
who is woken finds the message; one that comes between a look and the wait is kept by the socket. There is one for each group
that got a message, so a consumer that counts them knows when it need not look again. Why not LISTEN/NOTIFY: PostgreSQL lets
commits that notify wait for each other, and wakes a second backend for each (docs/adr/0005).

The names are abstract (Linux): no file, gone with the process. One consumer per queue gets the datagrams; another that waits
for the same queue looks every `POLL_S`.
"""

import errno
import hashlib
import select
import socket

POLL_S = 0.05
# The shortest a socket's buffer can be told to be is longer.
FULL = 8
# As many notices as nobody has counted: look until nothing is there.
UNCOUNTED = 1_000_000
_NOBODY = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.ENOBUFS)


def _name(dsn: str, queue: str) -> bytes:
    """Of this server's queue of that name; another server on the machine may have one, too."""
    return b"\0lambda-exchange-" + hashlib.blake2b(f"{dsn}\n{queue}".encode(), digest_size=16).hexdigest().encode()


class Waker:
    """The sender's side. May be used by several threads."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._names: dict[str, bytes] = {}

    def wake(self, queue: str) -> None:
        name = self._names.get(queue)
        if name is None:
            name = self._names[queue] = _name(self._dsn, queue)
        try:
            self._socket.sendto(b"", name)
        except OSError as error:
            if error.errno not in _NOBODY:  # nobody waits, or has been woken often enough
                raise

    def close(self) -> None:
        self._socket.close()


class Sleeper:
    """The consumer's side."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._sockets: dict[str, socket.socket | None] = {}  # None: another consumer has the name

    def wait(self, timeout_s: float, queues: list[str]) -> dict[str, int]:
        """Blocks until a datagram for one of these queues has come or time is up. How many came, by queue; without those that
        got none. UNCOUNTED for a queue's first call, which returns at once, because what was sent before it was bound woke
        nobody; and for one whose datagrams another consumer gets."""
        missing = [queue for queue in queues if queue not in self._sockets]
        if missing:
            self._sockets.update({queue: self._bind(queue) for queue in missing})
            return dict.fromkeys(missing, UNCOUNTED)
        own = {found: queue for queue in queues if (found := self._sockets[queue]) is not None}
        shared = [queue for queue in queues if self._sockets[queue] is None]
        ready, _, _ = select.select(own, [], [], min(timeout_s, POLL_S) if shared else timeout_s)
        return {own[found]: self._drain(found) for found in ready} | dict.fromkeys(shared, UNCOUNTED)

    def close(self) -> None:
        for found in self._sockets.values():
            if found is not None:
                found.close()
        self._sockets.clear()

    def _bind(self, queue: str) -> socket.socket | None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.setblocking(False)
        try:
            made.bind(_name(self._dsn, queue))
        except OSError as error:
            made.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return None
        return made

    @staticmethod
    def _drain(found: socket.socket) -> int:
        count = 0
        try:
            while True:
                found.recv(1)
                count += 1
        except BlockingIOError:
            # A full buffer drops what comes, and what it holds has filled it.
            return count if count < FULL else UNCOUNTED
