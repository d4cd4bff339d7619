"""The embedded ports: queue and journal in PostgreSQL, snapshots in a folder. For one machine, durable."""

from dataclasses import dataclass
from importlib import resources

import psycopg

# All installers of one server take turns.
_INSTALL_LOCK = 7_301_001


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A FIFO queue to have. `dead_letter_queue`: another queue's name, or None; after `max_receives` deliveries."""

    name: str
    visibility_ms: int = 30_000
    dead_letter_queue: str | None = None
    max_receives: int = 5


def install(dsn: str, queues: list[QueueSpec]) -> None:
    """Creates or updates schema and queues; one transaction; may be repeated. Frees every batch left in flight.

    To be called before any consumer is started: nobody can be holding a batch then, so what a killed run had in flight
    is delivered again at once instead of after its visibility timeout.
    """
    schema = resources.files(__package__).joinpath("schema.sql").read_text()
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
        connection.execute(schema)
        for queue in queues:
            connection.execute(
                """INSERT INTO embedded.queues (queue, identity, visibility_ms, dead_letter_queue, max_receives)
                   VALUES (%s, ('x' || left(md5(gen_random_uuid()::text), 15))::bit(60)::bigint, %s, %s, %s)
                   ON CONFLICT (queue) DO UPDATE SET visibility_ms = EXCLUDED.visibility_ms,
                       dead_letter_queue = EXCLUDED.dead_letter_queue, max_receives = EXCLUDED.max_receives""",
                (queue.name, queue.visibility_ms, queue.dead_letter_queue, queue.max_receives))
        connection.execute("UPDATE embedded.queue_groups SET receipt = NULL, consumer = NULL, in_flight_until = NULL,"
                           " in_flight_last = NULL WHERE receipt IS NOT NULL")
