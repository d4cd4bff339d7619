"""The ledger's PostgreSQL connection: one per environment (and thread), autocommit, prepared statements, made anew if lost.

DATABASE_DSN says where (a libpq conninfo or URI). With DATABASE_IAM_AUTH=1 the password is an RDS IAM token, good for 15
minutes and asked for with each new connection only. A statement that loses its connection raises `DatabaseUnavailable`, a
retryable fault: whether it took effect is unknown, so only callers whose statement may be repeated do so (`repeatable`).

A server that is gone without a word (a failover, a network cut in two) is told by what it leaves unacknowledged for
UNACKNOWLEDGED_MS, not by the kernel's quarter of an hour; one that takes a statement and hangs, by the function's own time-out.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from exchange.adapters.pause import Pause
from exchange.api.errors import BadRequest
from exchange.faults import RetryableFault

# Each less than the 10 s of an operation of the API, so that it can still say what happened; the last two together as well, for
# a connection that is lost and cannot be made anew.
STATEMENT_TIMEOUT_MS = 8_000
UNACKNOWLEDGED_MS = 4_000
CONNECT_TIMEOUT_S = 3
# After a server that could not be connected to in time: who asks meanwhile is told at once.
_left_alone = Pause(2.0)

# ISO 8601 in UTC with six fraction digits, made by the database so that no row is parsed only to be printed again.
ISO_TIME = "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

T = TypeVar("T")
_local = threading.local()


class DatabaseUnavailable(RetryableFault):
    """The database is out of reach, or the connection was lost in the middle of a statement."""


class DatabaseTooSlow(DatabaseUnavailable):
    """It was waited for in vain; a second try would wait as long."""


class AccountFrozen(BadRequest):
    """A statement would have held money of a frozen account; the database refused it, whichever statement it was."""

    def __init__(self) -> None:
        super().__init__("account is frozen: no new orders and no withdrawals", "account_frozen")


def connection() -> psycopg.Connection:
    """This thread's open connection. Raises DatabaseUnavailable when none can be made."""
    current = getattr(_local, "connection", None)
    if current is None or current.closed:
        current = _local.connection = _connect()
    return current


def repeatable(work: Callable[[psycopg.Connection], T]) -> T:
    """`work` on the connection, once more on a new one if it was lost on the way, but not after a time-out. For reads and
    idempotent statements."""
    try:
        return _run(work)
    except DatabaseTooSlow:
        raise
    except DatabaseUnavailable:
        return _run(work)


def once(work: Callable[[psycopg.Connection], T]) -> T:
    """`work` on the connection, without a second try; raises DatabaseUnavailable if the connection is lost on the way."""
    return _run(work)


def close() -> None:
    """Closes this thread's connection, if there is one."""
    current = getattr(_local, "connection", None)
    if current is not None:
        current.close()
        _local.connection = None


def password() -> str | None:
    """The password to connect with: an RDS IAM token where DATABASE_IAM_AUTH=1, else what the DSN says."""
    if os.environ.get("DATABASE_IAM_AUTH") != "1":
        return None
    import boto3

    target = conninfo_to_dict(os.environ["DATABASE_DSN"])
    return boto3.client("rds").generate_db_auth_token(
        DBHostname=target["host"], Port=int(target.get("port") or 5432), DBUsername=target["user"])


def _run(work: Callable[[psycopg.Connection], T]) -> T:
    current = connection()
    try:
        return work(current)
    except psycopg.errors.InsufficientPrivilege as error:
        if error.diag.constraint_name == "account_is_frozen":
            raise AccountFrozen() from None
        raise
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        # A deadlock, a timeout or a serialization failure is an OperationalError too; the connection is good after those.
        if not current.closed and not isinstance(error, psycopg.InterfaceError):
            kind = DatabaseTooSlow if isinstance(error, psycopg.errors.QueryCanceled) else DatabaseUnavailable
            raise kind(f"the statement failed: {error}") from error
        close()
        raise DatabaseUnavailable(f"the connection was lost: {error}") from error


def _connect() -> psycopg.Connection:
    if _left_alone.lasts:
        raise DatabaseTooSlow("the database could not be connected to in time a moment ago")
    extra = {} if (secret := password()) is None else {"password": secret, "sslmode": "require"}
    try:
        made = psycopg.connect(os.environ["DATABASE_DSN"], autocommit=True, connect_timeout=CONNECT_TIMEOUT_S,
                               tcp_user_timeout=UNACKNOWLEDGED_MS, **extra)
        made.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT_MS)))
    except psycopg.errors.ConnectionTimeout as error:
        _left_alone.begin()
        raise DatabaseTooSlow(f"no connection to the database: {error}") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"no connection to the database: {error}") from error
    made.prepare_threshold = 1
    return made
