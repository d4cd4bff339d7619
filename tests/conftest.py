"""The real servers that tests use: PostgreSQL, Valkey, MiniStack. Each starts once, at first use, and stops at the end.

The same classes start them as in `make run`: bound to 127.0.0.1 or a unix socket, on free ports, below a temporary folder,
tied to this process by the kernel, so that nothing is left behind however the tests end.
"""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from local.servers import Emulator, Postgres, Valkey

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


def _run(server: Postgres | Valkey | Emulator) -> Iterator[None]:
    child = asyncio.run(server.start())
    yield
    asyncio.run(child.stop())


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    """A running PostgreSQL server with durability on."""
    server = Postgres(server_folder, server_folder / "logs")
    for _ in _run(server):
        yield server


@pytest.fixture
def postgres_dsn(postgres_server: Postgres) -> Iterator[str]:
    """An empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER exchange")
    yield postgres_server.dsn.replace("dbname=exchange", f"dbname={name}")
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_server_url(server_folder: Path) -> Iterator[str]:
    server = Valkey(server_folder, server_folder / "logs")
    for _ in _run(server):
        yield server.url


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty Valkey server."""
    import redis

    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


@pytest.fixture(scope="session")
def ministack_endpoint(server_folder: Path) -> Iterator[str]:
    """The URL of a running MiniStack."""
    server = Emulator(server_folder, server_folder / "logs")
    for _ in _run(server):
        yield server.url


@pytest.fixture(scope="session", autouse=True)
def markets_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The listing of markets.yaml as the layer carries it; MARKETS_FILE points to it."""
    path = tmp_path_factory.mktemp("listing") / "markets.json"
    path.write_text(json.dumps(yaml.safe_load((REPOSITORY / "markets.yaml").read_text())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKETS_FILE", str(path))
        yield path
