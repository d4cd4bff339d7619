"""Which implementation of the three ports this environment uses: EXCHANGE_PORTS = `aws` or `embedded`.

Imports are inside the functions: an environment loads the client libraries of the ports it uses, and of no others.
"""

import os
from functools import lru_cache

from exchange.ports import CommandQueue, Journal, SnapshotStore


class UnknownPorts(LookupError):
    """EXCHANGE_PORTS names neither `aws` nor `embedded`."""


def _embedded() -> bool:
    chosen = os.environ["EXCHANGE_PORTS"]
    if chosen not in ("aws", "embedded"):
        raise UnknownPorts(f"EXCHANGE_PORTS is {chosen!r}, wanted 'aws' or 'embedded'")
    return chosen == "embedded"


@lru_cache(maxsize=1)
def command_queue() -> CommandQueue:
    """The queues: SQS FIFO, or tables in the PostgreSQL server at EMBEDDED_DSN."""
    if _embedded():
        from exchange.adapters.embedded.queue import PostgresQueue
        return PostgresQueue(os.environ["EMBEDDED_DSN"])
    from exchange.adapters.aws.queue import SqsQueue
    return SqsQueue()


@lru_cache(maxsize=1)
def journal() -> Journal:
    """The journal: the DynamoDB table JOURNAL_TABLE, or a table at EMBEDDED_DSN."""
    if _embedded():
        from exchange.adapters.embedded.journal import PostgresJournal
        return PostgresJournal(os.environ["EMBEDDED_DSN"])
    from exchange.adapters.aws.journal import DynamoJournal
    return DynamoJournal(os.environ["JOURNAL_TABLE"])


@lru_cache(maxsize=1)
def snapshot_store() -> SnapshotStore:
    """The snapshots: the S3 bucket SNAPSHOT_BUCKET, or the folder SNAPSHOT_DIR."""
    if _embedded():
        from exchange.adapters.embedded.snapshots import FolderSnapshots
        return FolderSnapshots(os.environ["SNAPSHOT_DIR"])
    from exchange.adapters.aws.snapshots import S3Snapshots
    return S3Snapshots(os.environ["SNAPSHOT_BUCKET"])
