"""Brings the ledger's schema up to date: numbered SQL files, forward only, each in a transaction of its own.

Runs at every deploy (`functions/ledger_migrate_schema`) and at every start of the local runtime; a schema that is up to
date costs one query. Runners take turns by an advisory lock. A file that has been applied may not change any more: its
checksum is kept in `schema_migrations` and compared.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import psycopg

from exchange.faults import BrokenInvariant

_LOCK = 7_301_002
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `checksum` is the SHA-256 of its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations in order. Raises BrokenInvariant where the numbers are not 1, 2, 3 ..."""
    found = []
    for file in resources.files(__package__).joinpath("migrations").iterdir():
        match = _NAME.match(file.name)
        if match:
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise BrokenInvariant(f"migrations are not numbered 1..{len(found)}: {[m.name for m in found]}")
    return found


def migrate(dsn: str, *, password: str | None = None, up_to: int | None = None, newer_is_fine: bool = False) -> list[str]:
    """Applies what is missing, up to a version if one is given; answers the names of the files applied by this call.

    Each file and its row are one transaction. Raises BrokenInvariant when an applied file was changed, or is missing here; with
    `newer_is_fine` a schema of a later version is left as it is instead. psycopg errors pass through, and leave everything
    before the failed file in place.
    """
    applied_now = []
    extra = {} if password is None else {"password": password}
    with psycopg.connect(dsn, autocommit=True, **extra) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute("""CREATE TABLE IF NOT EXISTS schema_migrations (
            version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now())""")
        rows = connection.execute("SELECT version, name, checksum FROM schema_migrations ORDER BY version").fetchall()
        wanted = migrations()
        for version, name, checksum in rows:
            if version > len(wanted) and newer_is_fine:
                continue
            if version > len(wanted) or wanted[version - 1].checksum != checksum:
                raise BrokenInvariant(f"the database has applied {name}, which is not the file of that number here")
        for migration in wanted[len(rows):up_to]:
            with connection.transaction():
                connection.execute(migration.sql)
                connection.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
                                   (migration.version, migration.name, migration.checksum))
            applied_now.append(migration.name)
    return applied_now
