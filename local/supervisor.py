"""Starts every part in order, watches them, starts again what dies, and stops everything.

A part that dies comes back after a short pause, and so does a consumer that hangs; one that keeps dying as soon as it is
started ends the whole run with a message, so that the exchange is never half there. All children die with this process,
however it dies.
"""

import asyncio
import http.client
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cdk.screen import config_document
from exchange.adapters.embedded import QueueSpec, install
from local import assembly
from local.addresses import REGION, REPOSITORY, CannotStart, DataFolder, Run, listen
from local.demo.accounts import NEWCOMER, DemoAccounts
from local.plan import Plan
from local.processes import Child, Pulse, ReadyPipe, python
from local.progress import Progress, warn
from local.servers import Emulator, NotReady, Postgres, Valkey, socket_folder

# Lived shorter than this: it died of starting. So often in a row: it will not get better by itself.
SHORT_LIFE_S = 2.0
MAX_SHORT_LIVES = 6
FOLLOWERS_NICENESS = 5
# A consumer hangs that gives no sign of life for so much longer than its function may take.
SILENT_S = 20.0
LOOK_EVERY_S = 1.0
MAX_LOG_BYTES = 20_000_000
ROOM_TO_START_BYTES = 100 * 1024 * 1024
LEAST_ROOM_BYTES = 8 * 1024 * 1024
ROOM_EVERY_S = 2.0


@dataclass
class Settings:
    """What `python -m local run` was asked for. `functions`: another folder of handlers than functions/, for tests.
    `demo`: with the bots of the demo market."""

    data: Path
    ports: dict[str, int]
    fresh: bool = False
    workers: int = 0
    functions: Path | None = None
    demo: bool = False


class Part:
    """One child that is kept alive."""

    def __init__(self, name: str, start: Callable[[], Awaitable[Child]], *, stop_signal: int = signal.SIGTERM,
                 after_restart: Callable[[], None] | None = None, needed: bool = True, pulse: Pulse | None = None,
                 silent_s: float = 0.0) -> None:
        """`needed`: the run ends when the part keeps dying; one that is not is left out then. While `has_room` says no
        nothing is given up. `pulse`: one that is not felt for `silent_s` hangs."""
        self.name = name
        self.needed = needed
        self.child: Child | None = None
        self.restarts = 0
        self.stop_signal = stop_signal
        self.has_room: Callable[[], bool] = lambda: True
        self._start = start
        self._started_at = 0.0
        self._owed = False
        self._afterwards: asyncio.Task | None = None
        self._after_restart = after_restart
        self._pulse = pulse
        self._most_silent_looks = silent_s / LOOK_EVERY_S
        self._silent_looks = 0

    async def start(self) -> None:
        self.child = await self._start()
        self._started_at = time.monotonic()

    async def keep_alive(self, changed: Callable[[], None]) -> None:
        """Starts the part again whenever it dies; raises CannotStart when that does not help."""
        short_lives = 0
        while True:
            code = await self.child.exited()
            short_lives = short_lives + 1 if time.monotonic() - self._started_at < SHORT_LIFE_S else 0
            while True:
                if not self.has_room():
                    short_lives = min(short_lives, MAX_SHORT_LIVES - 1)
                if short_lives >= MAX_SHORT_LIVES and not self.needed:
                    warn(f"{self.name} keeps dying and is left out; its log is {self.child.log}")
                    return
                if short_lives >= MAX_SHORT_LIVES:
                    raise CannotStart(f"{self.name} keeps dying (last exit code {code}). The end of {self.child.log}:\n"
                                      f"{self.child.last_lines()}")
                await asyncio.sleep(min(2.0, 0.02 * 3**short_lives))
                try:
                    await self.start()
                    break
                except (NotReady, OSError) as error:
                    short_lives += 1
                    code = str(error).partition("\n")[0]
            self.restarts += 1
            changed()
            self._owed = self._after_restart is not None
            if self._owed and (self._afterwards is None or self._afterwards.done()):
                # Not awaited: it may wait long for other parts, and this one may die again meanwhile.
                self._afterwards = asyncio.ensure_future(self._do_afterwards())

    def look(self) -> None:
        """To be called each LOOK_EVERY_S; ends one that hangs. Looks are counted and no clock is read: while this process is
        stopped as well, as on a suspended machine, nobody is silent."""
        if self._pulse is None:
            return
        self._silent_looks = 0 if self._pulse.felt() or not self.child.alive else self._silent_looks + 1
        if self._silent_looks > self._most_silent_looks:
            warn(f"{self.name} hangs; it is ended and started again")
            self._silent_looks = 0
            self.child.kill()

    async def _do_afterwards(self) -> None:
        """Once for all restarts that came while it was being done."""
        while self._owed:
            self._owed = False
            await asyncio.to_thread(self._after_restart)

    async def stop(self, timeout_s: float) -> None:
        if self.child is not None:
            await self.child.stop(self.stop_signal, timeout_s)


class Supervisor:
    """One run of the exchange on one data folder."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._folder = DataFolder(settings.data)
        self._run = Run(supervisor_pid=os.getpid(), region=REGION)
        self._parts: list[Part] = []
        self._plan = Plan()
        self._plan_file = self._folder.path / "plan.json"

    async def run(self, stop: asyncio.Event) -> None:
        """From the lock to the last child's end. Raises CannotStart."""
        self._folder.lock()
        if self._settings.fresh:
            self._folder.empty()
        self._cut_logs()
        if shutil.disk_usage(self._folder.path).free < ROOM_TO_START_BYTES:
            raise CannotStart(f"The disk of {self._folder.path} has less than {ROOM_TO_START_BYTES >> 20} MB of room.")
        stopping = asyncio.ensure_future(stop.wait())
        work = asyncio.ensure_future(self._start_and_watch())
        try:
            await asyncio.wait({stopping, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            self._tell("stopping")
        except BaseException as error:
            self._tell("failed", str(error))
            raise
        finally:
            stopping.cancel()
            work.cancel()
            await asyncio.wait({work})
            await self._stop_all()
        self._tell("stopped")

    async def _start_and_watch(self) -> None:
        await self._start()
        self._tell("ready")
        self._progress.ready(self._run)
        keeping = [part.keep_alive(lambda: self._tell("ready", self._run.message)) for part in self._parts]
        watching = [asyncio.ensure_future(each) for each in (self._watch_room(), self._watch_pulses(), *keeping)]
        try:
            await asyncio.gather(*watching)
        finally:
            # Who would start again what is being stopped.
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)

    async def _watch_room(self) -> None:
        """Tells when the disk is full, and when it no longer is: all that needs it fails until then, and goes on by itself."""
        had_room = True
        while True:
            if self._has_room() != had_room:
                had_room = not had_room
                message = "" if had_room else f"the disk of {self._folder.path} is full: what is written there is refused"
                self._tell("ready", message)
                warn(message or f"the disk of {self._folder.path} has room again")
            await asyncio.sleep(ROOM_EVERY_S)

    async def _watch_pulses(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for part in self._parts:
                part.look()

    def _has_room(self) -> bool:
        return shutil.disk_usage(self._folder.path).free >= LEAST_ROOM_BYTES

    # --- starting

    async def _start(self) -> None:
        step = self._progress.step
        self._listeners = {door: listen(port, f"the {door} door") for door, port in self._settings.ports.items()}
        self._listeners["internal"] = listen(0, "the internal port")
        address = {door: "{}:{}".format(*listener.getsockname()) for door, listener in self._listeners.items()}
        run, data, logs = self._run, self._folder.path, self._folder.logs
        run.application, run.trading = f"http://{address['application']}", f"http://{address['trading']}"
        run.websocket, run.connections = f"ws://{address['websocket']}", f"http://{address['internal']}"
        self._tell("starting")
        postgres, valkey = Postgres(data, logs), Valkey(data, logs)
        emulator = Emulator(data, logs, invoke_url=run.connections)
        run.dsn, run.redis, run.emulator = postgres.dsn, valkey.url, emulator.url
        synthesis = asyncio.ensure_future(asyncio.to_thread(assembly.synthesise, self._settings.functions))
        await asyncio.gather(
            step("PostgreSQL", self._add(Part("postgres", postgres.start, stop_signal=signal.SIGINT)),
                 postgres.admin_dsn.split()[0]),
            step("Valkey", self._add(Part("valkey", valkey.start, after_restart=self._send_ticks)), valkey.url),
            step("AWS emulator", self._add(Part("emulator", emulator.start)), emulator.url),
            step("template", synthesis, "from cdk/"))
        self._redis_url = valkey.socket_url
        run.markets = assembly.write_markets(data / "markets.json")
        await step("resources", asyncio.to_thread(self._resolve, synthesis.result()), "users, tables, keys, queues")
        self._environment = self._function_environment()
        for name in assembly.deploy_functions(self._plan):
            await step(self._plan.functions[name].operation, self._call_once(name), "")
        consumers = sorted({mapping.function for mapping in self._plan.mappings})
        starting = [step("gateway", self._add(Part("gateway", self._start_gateway, after_restart=self._send_ticks)),
                         f"{self._worker_count} workers")]
        starting += [self._add(self._consumer(name, purge=name == consumers[0])) for name in consumers]
        await asyncio.gather(*starting)
        self._progress.note(f"{len(consumers)} consumers, {len(self._plan.schedules)} schedules")
        await asyncio.to_thread(self._send_ticks)
        await asyncio.to_thread(self._take_first_proof)
        if self._settings.demo:
            self._tell("starting")  # the bots read the addresses and the user pool from run.json
            login = DemoAccounts(data).login(NEWCOMER)
            run.demo_login = {"email": login.email, "password": login.password}
            await self._add(Part("demo", self._start_demo, needed=False))

    def _start_demo(self) -> Awaitable[Child]:
        return self._start_python("demo", ["local.demo", "--data", str(self._folder.path)], [])

    async def _add(self, part: Part) -> None:
        part.has_room = self._has_room
        self._parts.append(part)
        try:
            await part.start()
        except NotReady as error:
            raise CannotStart(str(error)) from None

    @property
    def _worker_count(self) -> int:
        return self._settings.workers or max(4, 2 * (os.cpu_count() or 2))

    def _resolve(self, folder: Path) -> None:
        run = self._run
        plan = self._plan = assembly.resolve(
            folder, data=self._folder.path, emulator_url=run.emulator, database_dsn=run.dsn, redis_url=self._redis_url,
            connections_url=run.connections,
            endpoints={"application": run.application, "trading": run.trading, "websocket": run.websocket})
        plan.screen = config_document(
            api="", feed=run.websocket, region=REGION, user_pool_id=plan.user_pool_id, stage="local", sandbox=True,
            user_pool_client_id=plan.user_pool_client_id, cognito_endpoint=run.emulator)
        plan.write(self._plan_file)
        run.user_pool_id, run.user_pool_client_id = plan.user_pool_id, plan.user_pool_client_id
        install(run.dsn, [QueueSpec(name=queue.name, visibility_ms=queue.visibility_s * 1000,
                                    dead_letter_queue=queue.dead_letter_queue, max_receives=queue.max_receives or 5)
                          for queue in plan.queues])

    def _function_environment(self) -> dict[str, str]:
        """What every function has besides its own variables. None is had by who is not given it: the template says by whom."""
        data = self._folder.path
        given = {name for function in self._plan.functions.values() for name in function.environment}
        kept = {name: value for name, value in os.environ.items() if name not in given and not name.startswith(("AWS_", "PG"))}
        return kept | {
            "PYTHONPATH": f"{REPOSITORY / 'layers' / 'exchange' / 'python'}:{REPOSITORY}", "TZ": "UTC",
            "AWS_ENDPOINT_URL": self._run.emulator, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
            "POWERTOOLS_TRACE_DISABLED": "1", "EMBEDDED_DSN": self._run.dsn, "SNAPSHOT_DIR": str(data / "snapshots"),
            "MARKETS_FILE": str(data / "markets.json")}

    async def _call_once(self, name: str) -> None:
        child = Child(name, python("local.once", "--plan", str(self._plan_file), "--function", name),
                      log=self._folder.logs / "deploy.log", environment=self._environment)
        if await child.exited() != 0:
            raise CannotStart(f"{name} failed:\n{child.last_lines()}")

    async def _start_gateway(self) -> Child:
        handles = {door: listener.fileno() for door, listener in self._listeners.items()}
        pairs = ",".join(f"{door}={handle}" for door, handle in handles.items())
        return await self._start_python(
            "gateway", ["local.gateway", "--plan", str(self._plan_file), "--logs", str(self._folder.logs), "--listen", pairs,
                        "--workers", str(self._worker_count)], list(handles.values()))

    def _consumer(self, function: str, *, purge: bool) -> Part:
        pulse, plan = Pulse(), self._plan.functions[function]
        arguments = ["local.consumer", "--plan", str(self._plan_file), "--function", function, "--consumer", function,
                     "--pulse", str(pulse.handle), *(["--purge"] if purge else [])]
        # Who follows the journal gives way to who answers clients: what has waited is done in larger, cheaper steps.
        niceness = FOLLOWERS_NICENESS if plan.operation.startswith(("ledger_", "feed_")) else 0
        return Part(function, lambda: self._start_python(function, arguments, [pulse.handle], niceness), pulse=pulse,
                    silent_s=plan.timeout_s + SILENT_S)

    async def _start_python(self, name: str, arguments: list[str], handles: list[int], niceness: int = 0) -> Child:
        pipe = ReadyPipe()
        child = Child(name, python(*arguments, "--ready", str(pipe.write)), log=self._folder.logs / f"{name}.log",
                      environment=self._environment, pass_fds=[*handles, pipe.write], niceness=niceness)
        if not await pipe.wait(child, 90):
            await child.stop(signal.SIGKILL)
            raise NotReady(f"{name} did not start:\n{child.last_lines()}")
        return child

    def _send_ticks(self) -> None:
        """Every market gets a tick: its entry's nudge lets the followers see what they missed, an empty Valkey included."""
        self._call("engine_send_ticks", "the ticks were not sent")  # the schedule will, within a minute

    def _take_first_proof(self) -> None:
        """The schedule takes a proof a day. A new exchange does not wait for it, one that has a proof does."""
        try:
            urllib.request.urlopen(f"{self._run.application}/proof", timeout=15).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                self._call("audit_prove_liabilities", "no proof of liabilities was taken")
        except (OSError, http.client.HTTPException) as error:
            self._progress.note(f"the proof of liabilities could not be looked at: {error}")

    def _call(self, operation: str, otherwise: str) -> None:
        """Calls an operation's functions through the gateway; tells it where that fails."""
        for function in self._plan.by_operation(operation):
            request = urllib.request.Request(f"{self._run.connections}/2015-03-31/functions/{function.name}/invocations",
                                             data=json.dumps({"source": "local"}).encode(), method="POST")
            try:
                urllib.request.urlopen(request, timeout=15).read()
            except (OSError, http.client.HTTPException) as error:
                self._progress.note(f"{otherwise}: {error}")

    # --- the folder

    def _cut_logs(self) -> None:
        for log in self._folder.logs.glob("*.log"):
            if log.stat().st_size > MAX_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def _tell(self, state: str, message: str = "") -> None:
        self._run.state, self._run.message = state, message
        self._run.pids = {part.name: part.child.pid for part in self._parts if part.child is not None and part.child.alive}
        self._run.restarts = {part.name: part.restarts for part in self._parts if part.restarts}
        try:
            self._folder.write_run(self._run)
        except OSError as error:
            if self._has_room():  # of a full disk `_watch_room` has told
                warn(f"cannot tell the state ({state}): {error}")

    # --- stopping

    async def _stop_all(self) -> None:
        """Clients first, then who works for them, then what they stand on."""
        servers = ("postgres", "valkey", "emulator")
        clients = [part for part in self._parts if part.name == "demo"]
        first = [part for part in self._parts if part.name == "gateway"]
        second = [part for part in self._parts if part.name not in (*servers, "gateway", "demo")]
        for group in (clients, first, second, [part for part in self._parts if part.name in servers]):
            await asyncio.gather(*(part.stop(15) for part in group))
        shutil.rmtree(socket_folder(self._folder.path), ignore_errors=True)  # it may stand in a folder of everybody's
