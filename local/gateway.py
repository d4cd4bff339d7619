"""The gateway process: the three doors, the internal port, the pools of workers, and the schedules; one event loop.

The supervisor opens the listening sockets and hands them down, so that this process may die and come back without a client
being refused. The workers are its children and die with it.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from local.http_door import HttpDoor, HttpServer
from local.internal_door import InternalDoor
from local.invoker import Invoker
from local.jwt_check import JwtAuthorizer
from local.plain_requests import PlainRequests
from local.plan import Plan, read_plan
from local.processes import allow_many_connections, freeze_memory, report_ready
from local.schedules import Schedules
from local.screen import Screen
from local.websocket_door import Limits, WebSocketDoor

BACKGROUND_NICENESS = 19
# With the time that its function has, less than the 30 s in which API Gateway answers every request.
PATIENCE_S = 15
# A service that does not answer is given up within 8 s at most, in most cases sooner (docs/FAULT_MODEL.md).
HANGS_S = 5


class Gateway:
    """Everything of this process."""

    def __init__(self, plan: Plan, *, plan_file: Path, logs: Path, workers: int, emulator_url: str) -> None:
        self._plan = plan
        called = sorted({route.function for api in plan.apis for route in api.routes} | {*plan.triggers})
        self._invoker = Invoker(plan.functions, plan_file=plan_file, log=logs / "workers.log", size=workers,
                                patience_s=PATIENCE_S, hangs_s=HANGS_S, preload=called)
        # Scheduled functions, some of them long, must never stand before a client's request, nor take its processor.
        self._background = Invoker(plan.functions, plan_file=plan_file, log=logs / "background.log", size=4,
                                   niceness=BACKGROUND_NICENESS, preload=sorted({each.function for each in plan.schedules}))
        self._jwt = JwtAuthorizer(emulator_url)
        self._websocket: WebSocketDoor | None = None
        self._servers: list[asyncio.Server] = []

    async def start(self, listeners: dict[str, socket.socket]) -> None:
        await self._invoker.start()
        for api in self._plan.apis:
            listener = listeners[api.door]
            if api.door == "websocket":
                self._websocket = WebSocketDoor(api, invoker=self._invoker, limits=Limits.from_environment())
                await self._listen(HttpServer(self._websocket.handle), listener)
            else:
                host = "{}:{}".format(*listener.getsockname())
                screen = Screen.read(self._plan.screen) if api.door == "application" else None
                door = HttpDoor(api, invoker=self._invoker, jwt=self._jwt, host=host, screen=screen)
                await self._listen(partial(PlainRequests, door, HttpServer(door.handle)), listener)
        internal = InternalDoor(connections=self._websocket, invoker_of=self._invoker_of, health=self._health)
        await self._listen(internal, listeners["internal"])

    def _invoker_of(self, function: str) -> Invoker:
        """For a function that is invoked by its name: who signs up waits for the pool's triggers, nobody for the others."""
        return self._invoker if function in self._plan.triggers else self._background

    async def _listen(self, server: Callable[[], asyncio.Protocol], listener: socket.socket) -> None:
        self._servers.append(await asyncio.get_running_loop().create_server(server, sock=listener, backlog=1024))

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`, then lets what runs come to its end."""
        tasks = [asyncio.ensure_future(self._run_schedules(stop))]
        if self._websocket is not None:
            tasks.append(asyncio.ensure_future(self._websocket.enforce_limits()))
        await stop.wait()
        for server in self._servers:
            server.close()
        for task in tasks:
            task.cancel()
        if self._websocket is not None:
            await self._websocket.close_all()
        await asyncio.gather(self._invoker.stop(), self._background.stop(1))

    async def _run_schedules(self, stop: asyncio.Event) -> None:
        """Nobody waits for them at the start. If they end by themselves so does this process; the supervisor starts another."""
        try:
            await self._background.start()
            await Schedules(self._plan.schedules, self._background).run()
        except Exception:  # noqa: BLE001 (whatever it is, an exchange without its audits must not go on)
            traceback.print_exc()
            stop.set()

    def _health(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "workers": self._invoker.pids, "background": self._background.pids,
                "connections": self._websocket.count if self._websocket else 0}


async def serve(arguments: argparse.Namespace) -> None:
    listeners = {}
    for pair in arguments.listen.split(","):
        name, _, handle = pair.partition("=")
        listeners[name] = socket.socket(fileno=int(handle))
    gateway = Gateway(read_plan(arguments.plan), plan_file=arguments.plan, logs=arguments.logs,
                      workers=arguments.workers, emulator_url=os.environ["AWS_ENDPOINT_URL"])
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await gateway.start(listeners)
    freeze_memory()
    report_ready(arguments.ready)
    await gateway.run(stop)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--listen", required=True, help="door=file descriptor, comma-separated")
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--ready", type=int, required=True)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    allow_many_connections()
    uvloop.run(serve(arguments))


if __name__ == "__main__":
    main()
