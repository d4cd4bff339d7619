"""A part that dies is started again, at once and as often as it takes. One that dies of its start ends the run:
`tests/e2e/test_local_runtime.py`."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

import local.supervisor
from local.addresses import CannotStart
from local.plan import FunctionPlan, Plan
from local.progress import Progress
from local.supervisor import MAX_SHORT_LIVES, Part, Settings, Supervisor


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


def test_nothing_is_given_up_while_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start fails as long as there is no room; with room it is counted again."""
    monkeypatch.setattr(local.supervisor, "SHORT_LIFE_S", 10)
    monkeypatch.setattr(local.supervisor.asyncio, "sleep", lambda _, sleep=asyncio.sleep: sleep(0.001))
    starts, full = Starts(0.001), True

    async def run() -> None:
        nonlocal full
        part = Part("postgres", starts)
        part.has_room = lambda: not full
        await watched(part, lambda: len(starts.children) > 3 * MAX_SHORT_LIVES)
        full = False
        with pytest.raises(CannotStart, match="postgres keeps dying"):
            await watched(part, lambda: False)
    asyncio.run(run())


def test_what_is_being_stopped_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture) -> None:
    """One part that keeps dying ends the run; the others end because they are told to, and stay ended."""
    monkeypatch.setattr(local.supervisor, "SHORT_LIFE_S", 10)
    dies, lives = Starts(0.001), Starts(1000)

    async def stop(self: Part, timeout_s: float) -> None:
        if not self.child.died.done():
            self.child.die()
        await asyncio.sleep(0.2)  # who would start it again has time to

    async def start(self: Supervisor) -> None:
        await self._add(Part("bad", dies))
        await self._add(Part("good", lives))
    monkeypatch.setattr(Part, "stop", stop)
    monkeypatch.setattr(Supervisor, "_start", start)
    monkeypatch.setattr(Supervisor, "_tell", lambda *_: None)
    monkeypatch.setattr(local.supervisor.asyncio, "sleep", lambda _, sleep=asyncio.sleep: sleep(0.01))
    with pytest.raises(CannotStart, match="bad keeps dying"):
        asyncio.run(Supervisor(Settings(tmp_path, {}), Progress(quiet=True)).run(asyncio.Event()))
    assert len(lives.children) == 1


def test_a_full_disk_is_told_once_and_its_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(local.supervisor, "ROOM_EVERY_S", 0.01)
    supervisor = Supervisor(Settings(tmp_path, {}), Progress(quiet=True))
    full, told = [False] * 2 + [True] * 3 + [False] * 3, []
    monkeypatch.setattr(supervisor, "_has_room", lambda: not (full.pop(0) if full else False))
    monkeypatch.setattr(supervisor, "_tell", lambda state, message="": told.append((state, message)))

    async def run() -> None:
        watching = asyncio.ensure_future(supervisor._watch_room())
        while full:
            await asyncio.sleep(0.01)
        watching.cancel()
    asyncio.run(run())
    message = f"the disk of {tmp_path} is full: what is written there is refused"
    assert told == [("ready", message), ("ready", "")]
    assert capsys.readouterr().err.splitlines() == [message, f"the disk of {tmp_path} has room again"]


def test_it_does_not_start_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.supervisor, "ROOM_TO_START_BYTES", 1 << 62)
    with pytest.raises(CannotStart, match=f"The disk of {tmp_path} has less than"):
        asyncio.run(Supervisor(Settings(tmp_path, {}), Progress(quiet=True)).run(asyncio.Event()))


def test_a_variable_that_the_template_gives_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a developer's shell has one of that name, too."""
    monkeypatch.setenv("DATABASE_DSN", "host=elsewhere")
    monkeypatch.setenv("MINE", "kept")
    supervisor = Supervisor(Settings(tmp_path, {}), Progress(quiet=True))
    supervisor._plan = Plan(functions={"f": FunctionPlan(
        name="f", operation="f", arn="", folder="", handler="", timeout_s=1, memory_mb=128, environment={"DATABASE_DSN": "x"})})
    environment = supervisor._function_environment()
    assert environment["MINE"] == "kept" and "DATABASE_DSN" not in environment
