"""The processes of an exchange: all of them, those that run, and some that are stopped by SIGSTOP and let go on."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil


def children_of(pid: int) -> set[int]:
    """All descendants of a process."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def running(pids: set[int]) -> set[int]:
    """Those of `pids` that run; what only waits to be reaped does not."""
    alive = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.add(pid)
        except OSError:
            pass
    return alive


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process and all its descendants."""
    pids = [pid, *children_of(pid)]
    for each in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
