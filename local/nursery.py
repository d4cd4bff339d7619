"""Where warm workers come from: one process has imported every handler and made the clients of AWS services that they use, and
forks a worker whenever one is asked for.

    gateway ── "fork", a socket ──> nursery process (local.worker --control) ── fork ──> worker, serving that socket
            <── pid, pidfd ───────

That costs seconds of CPU; forking costs milliseconds and shares the memory. A worker that was killed is
replaced at once. The workers die with the nursery's process and it dies with the gateway; a nursery that died is started
again by the next fork. Nothing may open a connection or start a thread before it: Lambda's own freezing of environments wants
the same.
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
from pathlib import Path

from local.processes import Child, ReadyPipe, python

PID = struct.Struct("<i")
START_WITHIN_S = 180
FORK_WITHIN_S = 30  # then it hangs, and another one is started


class NoWorker(Exception):
    """The nursery did not start or did not fork."""


class Worker:
    """A forked worker: not our child, so it is watched and killed by its pidfd, which no other process ever gets."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def exited(self) -> None:
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(self._handle, lambda: gone.done() or gone.set_result(None))
        try:
            await gone
        finally:
            loop.remove_reader(self._handle)

    def close(self) -> None:
        os.close(self._handle)


class Nursery:
    """`preload`: the functions whose handlers every worker has imported when it starts. `niceness`: of the workers."""

    def __init__(self, *, plan_file: Path, log: Path, preload: str, niceness: int = 0) -> None:
        self._arguments = ["local.worker", "--plan", str(plan_file), "--load", preload]
        self._log = log
        self._niceness = niceness
        self._child: Child | None = None
        self._control: socket.socket | None = None
        self._turn = asyncio.Lock()

    async def fork(self, channel: socket.socket) -> Worker:
        """A worker that serves `channel`. Raises NoWorker."""
        async with self._turn:
            if self._child is None or not self._child.alive:
                await self._start()
            try:
                return await asyncio.to_thread(self._fork, channel)
            except (OSError, struct.error, ValueError) as error:
                await self._end()
                raise NoWorker(f"the nursery did not fork: {error}\n{self._child.last_lines()}") from None

    async def stop(self) -> None:
        await self._end()

    async def _start(self) -> None:
        await self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(FORK_WITHIN_S)
        ready = ReadyPipe()
        command = python(*self._arguments, "--control", str(theirs.fileno()), "--ready", str(ready.write))
        self._child = Child("nursery", command, log=self._log, environment=os.environ,
                            pass_fds=[theirs.fileno(), ready.write], niceness=self._niceness)
        theirs.close()
        self._control = ours
        if not await ready.wait(self._child, START_WITHIN_S):
            await self._end()
            raise NoWorker(f"the nursery did not start:\n{self._child.last_lines()}")

    def _fork(self, channel: socket.socket) -> Worker:
        socket.send_fds(self._control, [b"f"], [channel.fileno()])
        answer, handles, _, _ = socket.recv_fds(self._control, PID.size, 1)
        (handle,) = handles
        return Worker(PID.unpack(answer)[0], handle)

    async def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._child is not None:
            await self._child.stop(signal.SIGKILL)
