"""Where the runtime lives on this machine: the data folder, its lock, the listening sockets and `run.json`.

`run.json` is what other processes read (status, tests, benchmarks): addresses, process ids, pool ids, state. Everything
listens on 127.0.0.1 only.
"""

import fcntl
import json
import os
import shutil
import socket
import sys
import time
import warnings
from argparse import ArgumentTypeError
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"
DEFAULT_PORTS = {"application": 8080, "trading": 8081, "websocket": 8082}
CONTENT = ("postgres", "emulator", "snapshots", "valkey", "logs", "sockets", "plan.json", "markets.json", "resources.json",
           "demo.json", "demo.state.json", "run.json")


def find_domain() -> None:
    """For a program of its own: the domain package is a Lambda layer, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "layers" / "exchange" / "python"))
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")


class CannotStart(Exception):
    """The exchange cannot be started or go on; the message is for the person at the terminal."""


@dataclass
class Run:
    """The content of `run.json`."""

    state: str = "starting"  # starting, ready, stopping, stopped, failed
    supervisor_pid: int = 0
    application: str = ""
    trading: str = ""
    websocket: str = ""
    connections: str = ""
    emulator: str = ""
    redis: str = ""
    dsn: str = ""
    region: str = ""
    user_pool_id: str = ""
    user_pool_client_id: str = ""
    markets: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    demo_login: dict[str, str] = field(default_factory=dict)
    message: str = ""
    written_at: float = 0.0


class DataFolder:
    """The folder that holds everything that persists. One supervisor at a time, by a lock that dies with it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self._lock: int | None = None

    def lock(self) -> None:
        """Raises CannotStart when another supervisor holds the folder."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CannotStart(f"{self.path} cannot be the data folder: {error.strerror}.") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            run = self.read_run()
            owner = f" (process {run.supervisor_pid})" if run and run.supervisor_pid else ""
            raise CannotStart(
                f"Another exchange{owner} is running on {self.path}. Stop it, or give this one a folder of its own "
                "(make run DATA=folder).") from None
        self._lock = handle

    def empty(self) -> None:
        """Deletes what an exchange keeps here, and nothing else. Raises CannotStart where none has run."""
        found = [self.path / name for name in CONTENT if (self.path / name).exists()]
        if found and not (self.path / "run.json").exists():
            raise CannotStart(f"No exchange has run on {self.path}, but there is {found[0].name} in it. Give it a folder of "
                              "its own (make run DATA=folder).")
        # Its mark last: if this is interrupted, the next time goes on.
        for entry in sorted(found, key=lambda entry: entry.name == "run.json"):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()

    def locked_by_another(self) -> bool:
        """Whether a supervisor is alive on this folder."""
        if not (self.path / "lock").exists():
            return False
        with open(self.path / "lock") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write_run(self, run: Run) -> None:
        run.written_at = time.time()
        temporary = self.path / "run.json.new"
        temporary.write_text(json.dumps(asdict(run), indent=2) + "\n")
        os.replace(temporary, self.path / "run.json")

    def read_run(self) -> Run | None:
        try:
            return Run(**json.loads((self.path / "run.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


def listen(port: int, what: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. The supervisor keeps it, so that the gateway may die and come back
    while clients wait in the backlog instead of being refused. Raises CannotStart when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise CannotStart(f"Port {port} for {what} cannot be used: {error.strerror}. Stop what listens there, or choose "
                          'others: make run ARGS="--ports free", or ARGS="--ports 9080,9081,9082".') from None
    listener.setblocking(False)
    return listener


def free_port() -> int:
    """A port that was free just now; for servers that bind by number themselves."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def parse_ports(text: str) -> dict[str, int]:
    """`free`, or three numbers for application, trading and websocket; raises argparse.ArgumentTypeError."""
    if text == "free":
        return dict.fromkeys(DEFAULT_PORTS, 0)
    numbers = [int(part) if part.isascii() and part.isdigit() else -1 for part in text.split(",")]
    if len(numbers) != len(DEFAULT_PORTS) or not all(0 <= number < 65536 for number in numbers):
        raise ArgumentTypeError(f"wanted `free` or three port numbers (application,trading,websocket), not {text!r}")
    return dict(zip(DEFAULT_PORTS, numbers, strict=True))
