"""CommandQueue on PostgreSQL tables (see schema.sql); datagrams wake the consumers and carry the hints (see wake.py).

Keeps what the engine relies on: within a group, sequence numbers become visible in their order, one batch is in flight at
a time, a send is durable when it returns.
"""

import os
import time
import uuid

from exchange.adapters.embedded.connection import Connection
from exchange.adapters.embedded.wake import Noticed, Sleeper, Waker
from exchange.adapters.prepared import Prepared, array
from exchange.ports import Message, QueueDepth, Send

DEDUP_WINDOW = "5 minutes"
_COLUMNS = "group_id, sequence, dedup_id, body, receives"
_SEND = Prepared("SELECT embedded.queue_send(%s, %s, %s, %s)")
_SEND_ALL = Prepared("""SELECT embedded.queue_send(queue, group_id, dedup_id, body)
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS m (queue, group_id, dedup_id, body)""")
_RECEIVE = Prepared(f"SELECT {_COLUMNS} FROM embedded.queue_receive(%s, %s, %s, %s)")
_NEXT = Prepared(f"SELECT {_COLUMNS} FROM embedded.queue_next(%s, %s, %s, %s, %s, %s, %s)")
_ACKNOWLEDGE = Prepared("SELECT embedded.queue_acknowledge(%s, %s, %s, %s)")


def queue_name(url: str) -> str:
    """The queue's name: the last part of its URL, or the name itself."""
    return url.rsplit("/", 1)[-1]


class PostgresQueue:
    """See `ports.CommandQueue`. `consumer_id` names this process, and its successor, which gives back what it holds if it dies.
    """

    def __init__(self, dsn: str, consumer_id: str | None = None) -> None:
        self._connection = Connection(dsn)
        # What is forgotten of a delivery is delivered again, which at-least-once allows; what was sent is on disk.
        self._deliveries = Connection(dsn, flush=False)
        self._waker = Waker(dsn)
        self._sleeper = Sleeper(dsn)
        self._consumer_id = consumer_id or f"{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def send(self, *, queue: str, group: str, dedup_id: str, body: str, resent: bool = False) -> int:
        name = queue_name(queue)
        connection = self._deliveries if resent else self._connection
        rows = connection.run(_SEND, name, group, dedup_id, body)
        self._waker.wake(name)
        return int(rows[0][0])

    def send_all(self, messages: list[Send]) -> None:
        """One transaction. Groups are locked in the order of their names, so two calls never wait for each other."""
        ordered = sorted(messages, key=lambda message: (queue_name(message.queue), message.group))
        names, groups = [queue_name(message.queue) for message in ordered], [message.group for message in ordered]
        self._connection.run(_SEND_ALL, array(names), array(groups), array([message.dedup_id for message in ordered]),
                             array([message.body for message in ordered]))
        for name, _ in dict.fromkeys(zip(names, groups, strict=True)):
            self._waker.wake(name)

    def send_hints(self, messages: list[Send]) -> None:
        """Handed to whoever waits for the queue, which `wait` tells it; nothing of them is stored."""
        for message in messages:
            self._waker.hint(queue_name(message.queue), message.body)

    def receive(self, *, queue: str, max_messages: int = 10, wait_s: float = 0) -> list[Message]:
        """At most one group's messages a call, which the contract allows."""
        name = queue_name(queue)
        messages = self._receive(name, max_messages)
        deadline = time.monotonic() + wait_s
        while not messages and (left_s := deadline - time.monotonic()) > 0:
            self.wait(left_s, [name])
            messages = self._receive(name, max_messages)
        return messages

    def _receive(self, name: str, max_messages: int) -> list[Message]:
        receipt = uuid.uuid4().hex
        return _messages(name, receipt, self._deliveries.run(_RECEIVE, name, max_messages, self._consumer_id, receipt))

    def acknowledge_and_receive(self, done: list[Message], *, queue: str, max_messages: int) -> list[Message]:
        """Both in one round trip; `done`: a whole batch."""
        (_, group, old_receipt), sequences = next(iter(_batches(done).items()))
        name, receipt = queue_name(queue), uuid.uuid4().hex
        return _messages(name, receipt, self._deliveries.run(
            _NEXT, name, group, old_receipt, array(sequences), max_messages, self._consumer_id, receipt))

    def wait(self, timeout_s: float, queues: list[str]) -> dict[str, Noticed]:
        """Blocks until one of these queues may have got a message or a hint or time is up; as `wake.Sleeper.wait`."""
        return self._sleeper.wait(timeout_s, queues)

    def acknowledge(self, messages: list[Message]) -> None:
        for (queue, group, receipt), sequences in _batches(messages).items():
            self._deliveries.run(_ACKNOWLEDGE, queue, group, receipt, array(sequences))

    def release(self, messages: list[Message]) -> None:
        for queue, group, receipt in _batches(messages):
            self._deliveries.execute(
                "UPDATE embedded.queue_groups SET receipt = NULL, consumer = NULL, in_flight_until = NULL,"
                " in_flight_last = NULL WHERE queue = %s AND group_id = %s AND receipt = %s", (queue, group, receipt))

    def postpone(self, messages: list[Message], pause_s: float) -> None:
        """Received messages are delivered again after `pause_s` instead of after the visibility timeout."""
        for queue, group, receipt in _batches(messages):
            self._deliveries.execute(
                "UPDATE embedded.queue_groups SET in_flight_until = clock_timestamp() + make_interval(secs => %s)"
                " WHERE queue = %s AND group_id = %s AND receipt = %s", (pause_s, queue, group, receipt))

    def release_consumer(self, consumer_id: str) -> None:
        """Gives back whatever a consumer that has died had in flight."""
        self._deliveries.execute(
            "UPDATE embedded.queue_groups SET receipt = NULL, consumer = NULL, in_flight_until = NULL,"
            " in_flight_last = NULL WHERE consumer = %s", (consumer_id,))

    def depth(self, queue: str) -> QueueDepth:
        waiting, in_flight, age_s = self._connection.fetch(
            """SELECT count(*) FILTER (WHERE NOT flying), count(*) FILTER (WHERE flying),
                      coalesce(extract(epoch FROM clock_timestamp() - min(sent_at)), 0)::float8
                 FROM (SELECT m.sent_at, g.in_flight_until > clock_timestamp() AND m.sequence <= g.in_flight_last
                              AND g.in_flight_last IS NOT NULL AS flying
                         FROM embedded.queue_messages m JOIN embedded.queue_groups g USING (queue, group_id)
                        WHERE m.queue = %s) AS there""", (queue_name(queue),))[0]
        return QueueDepth(waiting, in_flight, max(0.0, age_s))

    def identity(self, queue: str) -> int:
        rows = self._connection.fetch("SELECT identity FROM embedded.queues WHERE queue = %s", (queue_name(queue),))
        if not rows:
            raise LookupError(f"the queue {queue_name(queue)} does not exist")
        return rows[0][0]

    def purge_dedup(self) -> int:
        """Forgets sends older than the window; the number forgotten. The local runtime calls it every minute."""
        return self._connection.get().execute(
            f"DELETE FROM embedded.queue_dedup WHERE sent_at < clock_timestamp() - interval '{DEDUP_WINDOW}'").rowcount

    def close(self) -> None:
        self._connection.close()
        self._deliveries.close()
        self._waker.close()
        self._sleeper.close()


def _messages(queue: str, receipt: str, rows: list[tuple]) -> list[Message]:
    return [Message(queue=queue, group=group.decode(), sequence=int(sequence), dedup_id=dedup_id.decode(), body=body.decode(),
                    receive_count=int(receives), receipt=receipt) for group, sequence, dedup_id, body, receives in rows]


def _batches(messages: list[Message]) -> dict[tuple[str, str, str], list[int]]:
    batches: dict[tuple[str, str, str], list[int]] = {}
    for message in messages:
        batches.setdefault((message.queue, message.group, message.receipt), []).append(message.sequence)
    return batches
