"""A bounded pool of warm workers that Lambda functions are called in. One event loop owns it.

An invocation takes an idle worker or waits in line; the line is bounded too, beyond it `Overloaded`: a client that would wait
for seconds is better told at once, and the others' wait stays short. A worker that takes longer than its function's timeout
is killed and replaced; one that dies fails the invocation it had, and no other.

A function that clients call and that takes long to answer, or did not in time, hangs on something, and all the workers would
soon wait for it with it. Until it answers quickly again, those that hang have half of the workers at most, and who asks for
more of them is told at once: what does not need the thing goes on.
"""

import asyncio
import os
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from local.nursery import NoWorker, Nursery, Worker
from local.plan import FunctionPlan

_LENGTH = struct.Struct("<I")
# So many may always wait; more only as long as the wait to be expected is short.
LINE_ALWAYS = 250
LINE_WAIT_S = 1.5
# What has come this much too late for its time finds that this process itself was stopped: the answer may be there, unread.
_STOPPED_S = 1.0
_BACKOFF_S = (0.05, 0.2, 0.5, 1, 2, 5)


class InvocationFailed(Exception):
    """The function raised, or its answer was no JSON."""


class InvocationTimedOut(InvocationFailed):
    """It took longer than its timeout; its worker was killed."""


class WorkerDied(InvocationFailed):
    """Its process ended during the call."""


class Overloaded(Exception):
    """All workers are busy and the line is full, or does not move; or the function hangs."""


class _Channel(asyncio.Protocol):
    """Frames of one worker; at most one answer is awaited at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[bytes] | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        # An answer that comes whole, as most do, needs no copy.
        if not self._buffer and len(data) > _LENGTH.size and len(data) == _LENGTH.size + _LENGTH.unpack_from(data)[0]:
            self._take(data[_LENGTH.size:])
            return
        self._buffer += data
        if len(self._buffer) < _LENGTH.size:
            return
        end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
        if len(self._buffer) >= end:
            frame = bytes(self._buffer[_LENGTH.size:end])
            del self._buffer[:end]
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(frame)

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(WorkerDied("the worker's process ended"))


class _Worker:
    """One process and its channel."""

    def __init__(self, process: Worker, channel: _Channel) -> None:
        self.process = process
        self.channel = channel
        self.started = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    async def exchange(self, frame: bytes, timeout_s: float) -> bytes:
        """Sends a frame and waits for the answer. Raises InvocationTimedOut, WorkerDied."""
        answer = self.channel.answer = asyncio.get_running_loop().create_future()
        if self.channel.transport.is_closing():
            raise WorkerDied("the worker's process ended")
        self.channel.transport.write(_LENGTH.pack(len(frame)) + frame)
        self._time_out_after(timeout_s, answer)
        try:
            return await answer
        finally:
            self._timer.cancel()

    def _time_out_after(self, timeout_s: float, answer: asyncio.Future) -> None:
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._time_out, time.monotonic() + timeout_s, answer)

    def _time_out(self, due_s: float, answer: asyncio.Future) -> None:
        if answer.done():
            return
        if time.monotonic() - due_s > _STOPPED_S:
            self._time_out_after(_STOPPED_S, answer)
            return
        answer.set_exception(InvocationTimedOut("the function did not answer in time"))


def _turn_away(place: asyncio.Future) -> None:
    if not place.done():
        place.set_exception(Overloaded("the line does not move"))


class Invoker:
    """`invoke` calls a function. `start` fills the pool, `stop` lets running invocations end."""

    def __init__(self, functions: dict[str, FunctionPlan], *, plan_file: Path, log: Path, size: int, line: int = 1000,
                 patience_s: float | None = None, hangs_s: float | None = None, preload: Sequence[str] = (),
                 niceness: int = 0) -> None:
        """`line`, `patience_s`: how many may wait for a worker, and how long. `hangs_s`: what takes longer hangs; None: it may
        take its time, as a schedule's does."""
        self._functions = functions
        self._size = size
        self._line_limit = line
        self._patience_s = patience_s
        self._hangs_s = hangs_s
        self._nursery = Nursery(plan_file=plan_file, log=log, preload=",".join(preload), niceness=niceness)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._line: deque[asyncio.Future[_Worker]] = deque()
        self._tasks: set[asyncio.Task] = set()
        self._hanging: set[str] = set()
        self._waiting_for_hanging = 0
        self._stopping = False
        self._failures = 0
        self._call_s = 0.0  # what a call took, a moving average
        self._id_head = os.urandom(4).hex()
        self._id_next = 0

    async def start(self) -> None:
        """Returns when every worker has answered."""
        await asyncio.gather(*(self._start_worker() for _ in range(self._size)))

    async def stop(self, timeout_s: float = 5) -> None:
        self._stopping = True
        deadline = time.monotonic() + timeout_s
        while len(self._idle) < len(self._all) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._all:
            worker.channel.transport.abort()
        await self._nursery.stop()

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._all]

    async def invoke(self, name: str, event: Any) -> Any:
        """The function's answer. Raises InvocationFailed (or a kind of it), Overloaded."""
        function = self._functions[name]
        raw_event = orjson.Fragment(orjson.dumps(event))
        worker = self._idle.pop() if self._idle else await self._wait_in_line()
        hangs = name in self._hanging
        if hangs and self._waiting_for_hanging >= max(1, self._size // 2):
            self._free(worker)
            raise Overloaded(f"{name} does not answer in time")
        self._waiting_for_hanging += hangs
        self._id_next += 1
        frame = orjson.dumps({"function": name, "id": f"{self._id_head}-{self._id_next:08x}", "event": raw_event,
                              "deadline_ms": int((time.time() + function.timeout_s) * 1000)})
        started = time.monotonic()
        try:
            answer = orjson.loads(await worker.exchange(frame, function.timeout_s))
        except BaseException as error:
            # Whatever happened (also a caller that went away): the worker may still be at it, its state is unknown.
            if isinstance(error, InvocationTimedOut):
                if self._hangs_s is not None:
                    self._hanging.add(name)
                print(f"{name} took longer than {function.timeout_s} s; its worker is replaced", file=sys.stderr)
            self._replace(worker, was_alive=not isinstance(error, WorkerDied))
            raise
        finally:
            self._waiting_for_hanging -= hangs
        took_s = time.monotonic() - started
        if self._hangs_s is not None:
            (self._hanging.add if took_s > self._hangs_s else self._hanging.discard)(name)
        self._call_s += (took_s - self._call_s) / 50
        self._free(worker)
        if "ok" not in answer:
            raise InvocationFailed(f"{name}: {answer.get('type')}: {answer.get('error')}")
        return answer["ok"]

    async def _wait_in_line(self) -> _Worker:
        waiting = len(self._line)
        if waiting >= self._line_limit or self._stopping or (
                waiting >= LINE_ALWAYS and waiting * self._call_s / self._size > LINE_WAIT_S):
            raise Overloaded(f"{waiting} invocations are waiting")
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        timer = None if self._patience_s is None else asyncio.get_running_loop().call_later(self._patience_s, _turn_away, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._free(place.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _free(self, worker: _Worker) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(worker)
                return
        self._idle.append(worker)

    def _replace(self, worker: _Worker, *, was_alive: bool = False) -> None:
        if worker not in self._all:
            return
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        worker.process.kill()
        if not self._stopping:
            # One that lived for a while, or still did, did not die of starting.
            self._failures = 0 if was_alive or time.monotonic() - worker.started > 10 else self._failures + 1
            task = asyncio.ensure_future(self._start_again(_BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while not self._stopping:
            try:
                await self._start_worker()
                return
            except InvocationFailed as error:
                print(f"a worker did not start: {error}", file=sys.stderr)
                await asyncio.sleep(_BACKOFF_S[-1])

    async def _start_worker(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await self._nursery.fork(theirs)
        except BaseException as error:
            ours.close()
            if isinstance(error, NoWorker):
                raise InvocationFailed(str(error)) from None
            raise
        _, channel = await asyncio.get_running_loop().create_connection(_Channel, sock=ours)
        worker = _Worker(process, channel)
        self._all.add(worker)
        task = asyncio.ensure_future(self._watch(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._free(worker)

    async def _watch(self, worker: _Worker) -> None:
        """Replaces a worker that died while idle."""
        await worker.process.exited()
        self._replace(worker)
        worker.process.close()
