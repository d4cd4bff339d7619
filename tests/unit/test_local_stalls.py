"""What hangs on one machine: functions that do not answer, the gateway itself that was stopped, a clock that is put right."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

import local.nursery
import local.plain_requests
import local.supervisor
import local.websocket_door
from local.addresses import REPOSITORY
from local.http_door import HttpDoor, HttpServer
from local.invoker import InvocationTimedOut, Invoker, Overloaded
from local.jwt_check import JwtAuthorizer, Unauthorized
from local.plain_requests import PlainRequests
from local.plan import ApiPlan, FunctionPlan, Plan, RoutePlan, SchedulePlan
from local.processes import Child, Pulse
from local.progress import Progress
from local.schedules import Schedules
from local.supervisor import Part, Settings, Supervisor
from local.websocket_door import Limits, WebSocketDoor

pytestmark = pytest.mark.slow

# `hang` waits for as long as its file is there.
HANDLER = """
import os, time

def handler(event, context):
    while os.path.exists(event.get("while", "")):
        time.sleep(0.01)
    time.sleep(event.get("s", 0))
    return event
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'layers' / 'exchange' / 'python'}:{REPOSITORY}")
    return tmp_path


def in_a_pool(tmp_path: Path, talk: Callable[[Invoker], Awaitable[None]], *, size: int, **options: object) -> None:
    """Runs `talk` with a pool of real workers; two functions, each with 1 s."""
    (tmp_path / "handler.py").write_text(HANDLER)
    plan = Plan(functions={name: FunctionPlan(
        name=name, operation=name, arn=f"arn:{name}", folder=str(tmp_path), handler="handler.handler", timeout_s=1,
        memory_mb=128, environment={}) for name in ("hang", "other")})
    plan.write(tmp_path / "plan.json")

    async def run() -> None:
        invoker = Invoker(plan.functions, plan_file=tmp_path / "plan.json", log=tmp_path / "log", size=size, **options)
        try:
            await invoker.start()
            await talk(invoker)
        finally:
            await invoker.stop(0)
            await asyncio.sleep(0.01)  # connections close in the loop's next turn
    uvloop.run(run())


async def outcome(call: Awaitable[object]) -> tuple[str, float]:
    started = time.monotonic()
    try:
        await call
        how = "answered"
    except (InvocationTimedOut, Overloaded) as error:
        how = type(error).__name__
    return how, time.monotonic() - started


def test_a_function_that_hangs_leaves_workers_to_the_others(folder: Path) -> None:
    blocker = folder / "blocked"
    blocker.touch()

    async def talk(invoker: Invoker) -> None:
        hanging = [asyncio.ensure_future(outcome(invoker.invoke("hang", {"while": str(blocker)}))) for _ in range(12)]
        how = [how for how, _ in await asyncio.gather(*hanging)]
        assert how.count("InvocationTimedOut") in (4, 5, 6) and how.count("Overloaded") >= 6, "known after the first"
        until = time.monotonic() + 1.5
        more = []
        while time.monotonic() < until:
            more.append(asyncio.ensure_future(outcome(invoker.invoke("hang", {"while": str(blocker)}))))
            answered, took_s = await outcome(invoker.invoke("other", {}))
            assert answered == "answered" and took_s < 0.9, "nobody else waits for what hangs"
            await asyncio.sleep(0.02)
        found = await asyncio.gather(*more)
        assert {how for how, _ in found} == {"InvocationTimedOut", "Overloaded"}
        assert max(took_s for how, took_s in found if how == "Overloaded") < 0.9
        blocker.unlink()
        assert (await outcome(invoker.invoke("hang", {})))[0] == "answered"
        assert [how for how, _ in await asyncio.gather(*(outcome(invoker.invoke("hang", {})) for _ in range(12)))] == [
            "answered"] * 12, "all the workers again"
    in_a_pool(folder, talk, size=4, hangs_s=5)


def test_one_that_answers_late_hangs_too(folder: Path) -> None:
    """As one does whose every call waits for a service in vain."""
    async def talk(invoker: Invoker) -> None:
        calls = [outcome(invoker.invoke("hang", {"s": s})) for s in (0.5, 0, 0, 0)]
        assert [how for how, _ in await asyncio.gather(*calls)] == ["answered"] * 4
        calls = [outcome(invoker.invoke("hang", {"s": 0.5})) for _ in range(4)]
        assert sorted(how for how, _ in await asyncio.gather(*calls)) == ["Overloaded"] * 2 + ["answered"] * 2
        assert (await outcome(invoker.invoke("hang", {})))[0] == "answered"
        calls = [outcome(invoker.invoke("hang", {})) for _ in range(4)]
        assert [how for how, _ in await asyncio.gather(*calls)] == ["answered"] * 4
    in_a_pool(folder, talk, size=4, hangs_s=0.2)


def test_what_may_take_its_time_never_hangs(folder: Path) -> None:
    """A schedule's turn is not left out because two others take long."""
    async def talk(invoker: Invoker) -> None:
        for _ in range(2):
            calls = [outcome(invoker.invoke("hang", {"s": 1.5})) for _ in range(4)]
            assert [how for how, _ in await asyncio.gather(*calls)] == ["InvocationTimedOut"] * 4
        calls = [outcome(invoker.invoke("hang", {"s": 0.8})) for _ in range(4)]
        assert [how for how, _ in await asyncio.gather(*calls)] == ["answered"] * 4
    in_a_pool(folder, talk, size=4)


def test_nobody_waits_in_line_for_long(folder: Path) -> None:
    async def talk(invoker: Invoker) -> None:
        first = asyncio.ensure_future(outcome(invoker.invoke("hang", {"s": 0.8})))
        await asyncio.sleep(0.1)
        how, took_s = await outcome(invoker.invoke("other", {}))
        assert how == "Overloaded" and 0.2 < took_s < 0.6
        assert (await first)[0] == "answered"
        assert (await outcome(invoker.invoke("other", {})))[0] == "answered", "its place in the line is nobody's"
    in_a_pool(folder, talk, size=1, patience_s=0.3)


def test_an_answer_that_came_while_the_gateway_was_stopped_counts(folder: Path) -> None:
    async def talk(invoker: Invoker) -> None:
        before = invoker.pids
        call = asyncio.ensure_future(outcome(invoker.invoke("other", {"s": 0.3})))
        await asyncio.sleep(0.1)
        time.sleep(2.5)  # as a process that is stopped, or that gets no processor
        assert (await call)[0] == "answered"
        assert invoker.pids == before
        hung = await outcome(invoker.invoke("other", {"s": 30}))
        assert hung[0] == "InvocationTimedOut" and hung[1] < 2
    in_a_pool(folder, talk, size=1)


def test_a_worker_that_is_stopped_is_replaced(folder: Path) -> None:
    async def talk(invoker: Invoker) -> None:
        stopped, = invoker.pids
        os.kill(stopped, signal.SIGSTOP)
        how, took_s = await outcome(invoker.invoke("other", {}))
        assert how == "InvocationTimedOut" and took_s < 2
        assert (await outcome(invoker.invoke("other", {})))[0] == "answered"
        assert invoker.pids != [stopped]
    in_a_pool(folder, talk, size=1)


def test_a_nursery_that_is_stopped_is_replaced_once_it_is_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.nursery, "FORK_WITHIN_S", 1)

    async def talk(invoker: Invoker) -> None:
        first, second = invoker.pids
        os.kill(parent_of(first), signal.SIGSTOP)
        assert (await outcome(invoker.invoke("other", {})))[0] == "answered", "the workers work on"
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(0.3)
        assert (await outcome(invoker.invoke("other", {})))[0] == "answered", "the other one does"
        until = time.monotonic() + 20
        while len(invoker.pids) < 2 or {first, second} & {*invoker.pids}:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        assert (await outcome(invoker.invoke("other", {})))[0] == "answered"
    in_a_pool(folder, talk, size=2)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_request_that_came_while_the_gateway_was_stopped_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.plain_requests, "IDLE_S", 1.0)

    class Functions:
        async def invoke(self, name: str, event: dict) -> object:
            return {"statusCode": 200, "body": "{}"}

    async def run() -> None:
        api = ApiPlan(id="api", door="trading", routes=[RoutePlan("GET /time", "f")])
        door = HttpDoor(api, invoker=Functions(), jwt=None, host="h")
        server = await asyncio.get_running_loop().create_server(lambda: PlainRequests(door, HttpServer(door.handle)),
                                                                "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await asyncio.sleep(0.1)
        writer.write(b"GET /time HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(4)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
        await asyncio.wait_for(reader.read(), 8)  # and an idle one is still closed
        writer.close()
        server.close()
    uvloop.run(run())


# --- consumers

CHILD = """
import sys, time
import local.processes
local.processes.BEAT_EVERY_S = 0.05
beat = local.processes.beating(int(sys.argv[1]))
while True:
    beat()
    time.sleep(0.01)
"""


def test_one_that_gives_no_sign_of_life_is_started_again(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                         capsys: pytest.CaptureFixture) -> None:
    """For as long as this process goes on: what is stopped together with it has not hung."""
    monkeypatch.setattr(local.supervisor, "LOOK_EVERY_S", 0.1)

    async def run() -> None:
        pulse = Pulse()

        async def start() -> Child:
            command = [sys.executable, "-c", CHILD, str(pulse.handle)]
            return Child("consumer", command, log=folder / "log", environment=os.environ, pass_fds=[pulse.handle])
        part = Part("consumer", start, pulse=pulse, silent_s=1)
        supervisor = Supervisor(Settings(folder, {}), Progress(quiet=True))
        await supervisor._add(part)
        first = part.child.pid
        watching = [asyncio.ensure_future(each) for each in (supervisor._watch_pulses(), part.keep_alive(lambda: None))]
        await asyncio.sleep(2)
        os.kill(first, signal.SIGSTOP)
        time.sleep(2)
        os.kill(first, signal.SIGCONT)
        await asyncio.sleep(1)
        assert part.child.pid == first and part.restarts == 0
        os.kill(first, signal.SIGSTOP)
        stopped_at = time.monotonic()
        while not part.restarts and time.monotonic() < stopped_at + 10:
            await asyncio.sleep(0.05)
        assert time.monotonic() - stopped_at > 1 and part.child.pid != first
        await asyncio.sleep(2)
        assert part.child.alive and part.restarts == 1, "its successor has the same pulse"
        for task in watching:
            task.cancel()
        await part.stop(5)
        os.close(pulse.handle)
    asyncio.run(run())
    assert capsys.readouterr().err == "consumer hangs; it is ended and started again\n"


# --- keys of the pool

@pytest.mark.parametrize("door", ["plain", "aiohttp"])
def test_a_pool_that_does_not_answer_makes_no_token_bad(door: str) -> None:
    """A screen that is told 401 signs its user out."""
    async def run() -> None:
        api = ApiPlan(id="api", door="application", routes=[RoutePlan("GET /accounts", "f", authorizer={
            "issuer": "https://pool/p", "audience": ["c"]})])
        made = HttpDoor(api, invoker=None, jwt=JwtAuthorizer("http://127.0.0.1:1"), host="h")
        others = HttpServer(made.handle)
        server = await asyncio.get_running_loop().create_server(
            (lambda: PlainRequests(made, others)) if door == "plain" else others, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/accounts"
        token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln"
        async with aiohttp.ClientSession() as session:
            for given, status, code in ((token, 503, "service_unavailable"), (token, 503, "service_unavailable"),
                                        ("nonsense", 401, "unauthorized")):
                async with session.get(url, headers={"Authorization": f"Bearer {given}"}) as answer:
                    assert (answer.status, (await answer.json())["code"]) == (status, code)
        server.close()
    asyncio.run(run())


def test_a_key_that_the_pool_does_not_have_makes_a_token_bad() -> None:
    async def run() -> None:
        async def keys(_: web.BaseRequest) -> web.Response:
            return web.json_response({"keys": []})
        server = await asyncio.get_running_loop().create_server(HttpServer(keys), "127.0.0.1", 0)
        authorizer = JwtAuthorizer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(Unauthorized):
            await authorizer.claims("Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln",
                                    {"issuer": "https://pool/p", "audience": ["c"]})
        server.close()
    asyncio.run(run())


# --- clocks

class World:
    """A clock that is put right, and sleep that takes no time."""

    def __init__(self, steps: dict[int, timedelta]) -> None:
        self.now = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
        self.slept_s = 0.0
        self._steps = steps
        self.called: list[float] = []

    async def sleep(self, wait_s: float) -> None:
        """Up to the next change of the clock at once: nobody is woken by it."""
        for _ in range(round(wait_s * 10)):
            self.slept_s = round(self.slept_s + 0.1, 1)
            self.now += timedelta(seconds=0.1) + self._steps.pop(self.slept_s, timedelta())
        if self.slept_s > 900:
            raise TimeoutError

    async def invoke(self, name: str, event: dict) -> None:
        self.called.append(self.slept_s)


@pytest.mark.parametrize("expression", ["rate(1 minute)", "cron(* * * * ? *)"])
@pytest.mark.parametrize("step", [timedelta(seconds=-10), timedelta(hours=-1), timedelta(hours=1), timedelta(days=-2)])
def test_a_clock_that_is_put_right_leaves_no_schedule_out(expression: str, step: timedelta) -> None:
    world = World({200.0: step})
    schedules = Schedules([SchedulePlan("s", expression, "f", {})], world, now=lambda: world.now, sleep=world.sleep)
    with pytest.raises(TimeoutError):
        asyncio.run(schedules.run())
    gaps = [later - sooner for sooner, later in zip([0.0, *world.called], world.called, strict=False)]
    assert max(gaps) <= 121, "not for longer than a look"
    assert len([gap for gap in gaps if gap < 29]) <= 1, "no burst of what was missed"
    assert len(world.called) >= 13


def test_a_listener_is_not_idle_because_the_clock_was_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        door = WebSocketDoor(ApiPlan("api", "websocket", selection="$request.body.type"), invoker=None,
                             limits=Limits(idle_s=1.0, lifetime_s=100))
        server = await asyncio.get_running_loop().create_server(HttpServer(door.handle), "127.0.0.1", 0)
        enforcing = asyncio.ensure_future(door.enforce_limits())
        async with (aiohttp.ClientSession() as session,
                    session.ws_connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as socket):
            while not door._connections:
                await asyncio.sleep(0.01)
            real = time.time
            monkeypatch.setattr(local.websocket_door.time, "time", lambda: real() + 3600)
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=0.6)
            assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE, "one that is idle is closed"
        enforcing.cancel()
        server.close()
    asyncio.run(run())
