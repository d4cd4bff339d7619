"""A running exchange for benchmarks and end-to-end tests, started as a new user would start it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from bench.client import Key
from local.addresses import REPOSITORY, DataFolder, Run
from local.servers import socket_folder
from local.user import call, draw, make_key, make_operator, sign_in, sign_up

PASSWORD = "Correct-horse-1-battery"


class RunningExchange:
    """`python -m local run` on a folder and free ports of its own. `exchange.trading` etc. are those of `run.json`."""

    def __init__(self, data: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self._arguments = arguments
        self._environment = environment or {}
        self.process: subprocess.Popen[str] | None = None
        self._tokens: dict[str, str] = {}

    def start(self, within_s: float = 240) -> None:
        """Returns when it is ready; fails with its words when it ends instead."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "run", "--data", str(self.data), "--ports", "free", "--quiet", "--until-eof",
             *self._arguments],
            cwd=REPOSITORY, env={**os.environ, **self._environment}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + within_s
        while self.process.poll() is None and time.monotonic() < deadline:
            run = DataFolder(self.data).read_run()
            if run is not None and run.state == "ready" and run.supervisor_pid == self.process.pid:
                return
            time.sleep(0.05)
        state = self.process.poll()
        self.process.kill()
        raise RuntimeError(f"the exchange did not start (exit code {state}): {self.process.communicate()[1]}")

    def stop(self, signal_number: int = signal.SIGTERM, within_s: float = 40) -> int:
        """Its exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(within_s)

    @property
    def run(self) -> Run:
        return DataFolder(self.data).read_run()

    def __getattr__(self, name: str) -> str:
        if name in Run.__dataclass_fields__:
            return getattr(self.run, name)
        raise AttributeError(name)

    def kill_all(self) -> None:
        """SIGKILL of the supervisor; the kernel takes its children along."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stderr.close()
            shutil.rmtree(socket_folder(self.data.resolve()), ignore_errors=True)

    # --- processes

    def parts(self) -> dict[str, int]:
        """Name and process id of each part, the supervisor's own included."""
        run = self.run
        return {"supervisor": run.supervisor_pid, **run.pids}

    def health(self) -> dict:
        with urllib.request.urlopen(f"{self.connections}/health", timeout=5) as answer:
            return json.loads(answer.read())

    def kill(self, part: str, signal_number: int = signal.SIGKILL) -> int:
        """Kills a part by its name in `run.json` (`postgres`, `gateway`, a consumer's function ...); its process id."""
        pid = self.pids[part]
        os.kill(pid, signal_number)
        return pid

    def kill_and_wait(self, part: str, within_s: float = 30) -> None:
        """Kills a part and returns when another process stands in its place."""
        old = self.kill(part)
        deadline = time.monotonic() + within_s
        while self.pids.get(part, old) == old:
            assert time.monotonic() < deadline, f"{part} was not started again within {within_s} s"
            time.sleep(0.03)

    def consumer(self, operation: str, market: str = "") -> str:
        """The part that consumes for an operation."""
        wanted = operation + (f"-{market}" if market else "")
        return next(name for name in self.pids if name.endswith(wanted))

    # --- the public APIs

    def get(self, path: str, token: str | None = None) -> object:
        """A public (or, with a token, private) GET on the application API that must succeed."""
        return call(self.application + path, token=token)

    def post(self, path: str, body: object, token: str | None = None) -> object:
        return call(self.application + path, token=token, method="POST", body=body)

    def new_user(self, email: str | None = None, *, balances: dict[str, str] | None = None) -> str:
        """A new signed-in user's access token. `balances`: what the user owns."""
        email = email or f"{uuid4().hex[:12]}@example.com"
        sign_up(self.run, email=email, password=PASSWORD)
        token = sign_in(self.run, email=email, password=PASSWORD)
        for currency, amount in (balances or {}).items():
            draw(self.run, token, currency=currency, amount=amount)
        return token

    def new_operator(self) -> str:
        """A new operator's access token."""
        email = f"{uuid4().hex[:12]}@example.com"
        return sign_in(self.run, email=email, password=make_operator(self.run, email=email)["password"])

    def api_key(self, token: str, scopes: tuple[str, ...] = ("view", "trade", "transfer")) -> Key:
        """A key of the user with this token."""
        made = make_key(self.run, token, scopes)
        return Key(key=made["key"], secret=made["secret"], passphrase=made["passphrase"])

    def funded_key(self, balances: dict[str, str]) -> Key:
        """A key of a new user who owns these balances."""
        return self.api_key(self.new_user(balances=balances))

    def invoke(self, operation: str) -> bool:
        """Runs an operation's function now; whether it succeeded."""
        functions = f"{self.connections}/2015-03-31/functions"
        answer = call(f"{functions}/exchange-sandbox-{operation}/invocations", method="POST", body={})
        return not (isinstance(answer, dict) and "errorMessage" in answer)

    def wait_until_settled(self, within_s: float = 60) -> None:
        """Until no order is pending."""
        deadline = time.monotonic() + within_s
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while connection.execute("SELECT count(*) FROM orders WHERE status = 'pending'").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError("orders are still pending")
                time.sleep(0.05)


@contextmanager
def exchange_for_a_run() -> Iterator[RunningExchange]:
    """One in a folder of its own, with its durability on, that leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="lambda-exchange-bench-", ignore_cleanup_errors=True) as folder:
        exchange = RunningExchange(Path(folder))
        exchange.start()
        try:
            yield exchange
        finally:
            exchange.stop()
