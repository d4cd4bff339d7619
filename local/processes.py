"""Child processes that never outlive the process that started them.

Owns how a child is started (its log, its death signal), watched and stopped. The kernel delivers the death signal when
the parent is gone, however it went, so that SIGKILL of the supervisor leaves nothing behind.
"""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MOST_OPEN_FILES = 65_536
BEAT_EVERY_S = 1.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int, parent_pid: int) -> None:
    """Called in the child: the kernel sends it `signal_number` when its parent dies. Exits if the parent is gone by now.

    A change of user clears the setting, so it comes after one.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        os._exit(1)


def allow_many_connections() -> None:
    """Lifts the limit of open files as far as it may. The usual 1,024 are used up by as many clients that say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def on_fork(signal_number: int, niceness: int = 0) -> Callable[[], None]:
    """A `preexec_fn` for Popen that ties the child to the calling process and takes it out of the terminal's group.

    In a group of its own the child does not get the terminal's Ctrl-C: the supervisor stops the parts, in order.
    """
    parent_pid = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        if niceness:
            os.nice(niceness)
        die_with_parent(signal_number, parent_pid)

    return prepare


class Child:
    """A running child with its output in a log file. To be started from the main thread (the death signal is tied to
    the thread that forked)."""

    def __init__(self, name: str, arguments: Sequence[str | Path], *, log: Path, environment: Mapping[str, str],
                 death_signal: int = signal.SIGKILL, user: int | None = None, group: int | None = None,
                 pass_fds: Sequence[int] = (), folder: Path | None = None, niceness: int = 0) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                [str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=dict(environment), cwd=folder, pass_fds=tuple(pass_fds),
                user=user, group=group, extra_groups=[] if user is not None else None,
                preexec_fn=on_fork(death_signal, niceness))

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    async def exited(self) -> int:
        """Waits for the end and returns the exit code, negative for a signal."""
        if self.popen.poll() is not None:
            return self.popen.returncode
        loop = asyncio.get_running_loop()
        handle = os.pidfd_open(self.pid)
        gone = loop.create_future()
        loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
        try:
            await gone
        finally:
            loop.remove_reader(handle)
            os.close(handle)
        return self.popen.wait()

    def kill(self) -> None:
        """At once, also one that is stopped."""
        self.popen.kill()

    async def stop(self, signal_number: int = signal.SIGTERM, timeout_s: float = 10) -> None:
        """Asks with `signal_number`, waits `timeout_s`, then kills."""
        if not self.alive:
            return
        self.popen.send_signal(signal_number)
        try:
            await asyncio.wait_for(self.exited(), timeout_s)
        except TimeoutError:
            self.kill()
            await self.exited()

    def last_lines(self, count: int = 12) -> str:
        """The end of its log, for a message about its death."""
        try:
            text = self.log.read_bytes()[-8000:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-count:])


class ReadyPipe:
    """How a child tells that it is ready: it writes one byte to the inherited end."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()

    async def wait(self, child: Child, timeout_s: float) -> bool:
        """True when the child reported; False when it died or time was up. Uses up the pipe."""
        os.close(self.write)
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        loop.add_reader(self._read, lambda: told.done() or told.set_result(None))
        try:
            await asyncio.wait_for(told, timeout_s)
            return os.read(self._read, 1) != b""
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._read)
            os.close(self._read)


class Pulse:
    """How a child tells that it does not hang: it adds to a counter, which its parent empties when it looks. For one child
    after another."""

    def __init__(self) -> None:
        self.handle = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def felt(self) -> bool:
        """Whether the child has told since the last call."""
        try:
            os.eventfd_read(self.handle)
        except BlockingIOError:
            return False
        return True


def beating(handle: int) -> Callable[[], None]:
    """Called in the child. What it gets is to be called over and over, and tells the parent so each BEAT_EVERY_S."""
    due_s = 0.0

    def beat() -> None:
        nonlocal due_s
        now_s = time.monotonic()
        if now_s >= due_s:
            due_s = now_s + BEAT_EVERY_S
            os.eventfd_write(handle, 1)
    return beat


def freeze_memory() -> None:
    """Takes what is loaded out of the garbage collector's rounds: modules stay for good, and walking through them again
    and again was a sixth of all CPU under load."""
    gc.collect()
    gc.freeze()


def report_ready(handle: int) -> None:
    """Called in the child."""
    os.write(handle, b"1")
    os.close(handle)


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs one of our modules with this interpreter."""
    return [sys.executable, "-m", module, *arguments]
