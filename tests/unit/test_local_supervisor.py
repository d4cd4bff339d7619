"""A part that dies is started again, at once and as often as it takes. One that dies of its start ends the run:
`tests/e2e/test_local_runtime.py`."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

import local.supervisor
from local.supervisor import MAX_SHORT_LIVES, Part


class Child:
    """Stands for a process: dies when it is told to."""

    log = Path("part.log")

    def __init__(self) -> None:
        self.died = asyncio.get_running_loop().create_future()

    async def exited(self) -> int:
        return await self.died

    def last_lines(self) -> str:
        return "its last words"

    def die(self) -> None:
        self.died.set_result(-9)


class Starts:
    def __init__(self, life_s: float) -> None:
        self.children: list[Child] = []
        self._life_s = life_s

    async def __call__(self) -> Child:
        self.children.append(Child())
        asyncio.get_running_loop().call_later(self._life_s, self.children[-1].die)
        return self.children[-1]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.supervisor, "SHORT_LIFE_S", 0.05)


async def watched(part: Part, until) -> None:
    """Keeps the part alive until the condition holds, a second at most."""
    await part.start()
    watching = asyncio.ensure_future(part.keep_alive(lambda: None))
    deadline = time.monotonic() + 5
    while not until() and not watching.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    if watching.done():
        watching.result()
    watching.cancel()
    assert until()


def test_what_is_done_after_a_restart_holds_nothing_up() -> None:
    """The ticks after Valkey's restart wait for a gateway that is away: meanwhile Valkey dies again, many times, and none of
    its lives was short."""
    starts, let_go, called = Starts(0.1), threading.Event(), []

    def after_restart() -> None:
        called.append(1)
        let_go.wait(5)

    async def run() -> None:
        await watched(Part("valkey", starts, after_restart=after_restart), lambda: len(starts.children) > MAX_SHORT_LIVES + 2)
        let_go.set()
    asyncio.run(run())
    assert 1 <= len(called) <= 2, "and it is done once more, not once for each"
