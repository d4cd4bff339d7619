"""A consumer process: the event source mappings of one function, as Lambda's pollers do it.

Receives from the embedded queues, builds the SQS event, calls the handler in this process, acknowledges what succeeded and
gives back the rest (FIFO: everything from the first failure on). With nothing to do it waits to be woken by a sender. A
batch that it held when it died is given back by the supervisor, by `--consumer`; at the latest its visibility ends.
"""

import argparse
import hashlib
import os
import signal
import sys
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

import psycopg

from exchange.adapters.embedded.queue import PostgresQueue
from exchange.ports import Message
from local.plan import MappingPlan, read_plan
from local.processes import freeze_memory, report_ready
from local.servers import REGION
from local.worker import Handlers

WAIT_S = 1.0
# After a failed delivery, by how often it was delivered. SQS would wait for the visibility timeout each time; here a fault
# that has passed costs little, and ten deliveries still outlast a fault of a minute or two before the dead letters.
RETRY_PAUSES_S = (0.05, 0.2, 0.5, 1, 2, 5, 10, 20, 30)
# Then the function's other queues get their turn.
BATCHES_A_TURN = 20
# Deduplication rows older than the window go at this interval, by the first consumer's hand.
PURGE_EVERY_S = 60


class Consumer:
    """Feeds one function from its queues, one batch at a time."""

    def __init__(self, identifier: str, mappings: list[MappingPlan], *, handlers: Handlers, queue: PostgresQueue,
                 timeout_s: int) -> None:
        self._id = identifier
        self._mappings = mappings
        self._handlers = handlers
        self._queue = queue
        self._timeout_s = timeout_s
        self._queues = [mapping.queue for mapping in mappings]
        self._retry_at = 0.0
        self.stopping = False

    def run(self, purge: bool) -> None:
        """Until `stopping`. A lost database connection is waited out."""
        purged_at = time.monotonic()
        lost_connection = False
        while not self.stopping:
            try:
                if lost_connection:
                    # The acknowledgement may have been lost with it: that batch comes again at once, not after its
                    # visibility timeout.
                    self._queue.release_consumer(self._id)
                    lost_connection = False
                if purge and time.monotonic() - purged_at > PURGE_EVERY_S:
                    purged_at = time.monotonic()
                    self._queue.purge_dedup()
                # Every mapping gets its turn, so that a busy queue does not starve another of the same function.
                if not any([self._turn(mapping) for mapping in self._mappings]) and not self.stopping:
                    self._queue.wait(self._wait_s(), self._queues)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                lost_connection = True
                print(f"the database is away: {str(error).strip()}", flush=True)
                time.sleep(0.2)

    def _turn(self, mapping: MappingPlan) -> bool:
        """Some batches of one queue; True if there may be more."""
        messages = self._queue.receive(queue=mapping.queue, max_messages=mapping.batch_size)
        for left in reversed(range(BATCHES_A_TURN)):
            if not messages:
                return False
            failed_from = self._call(mapping, messages)
            if failed_from < len(messages) or self.stopping or not left:
                break
            messages = self._queue.acknowledge_and_receive(messages, queue=mapping.queue, max_messages=mapping.batch_size)
        if failed_from > 0:
            self._queue.acknowledge(messages[:failed_from])
        if failed_from < len(messages):
            failed = messages[failed_from:]
            pause_s = RETRY_PAUSES_S[min(failed[0].receive_count, len(RETRY_PAUSES_S)) - 1]
            # Still in flight meanwhile: nothing of the group may overtake it, the other groups go on.
            self._queue.postpone(failed, pause_s)
            self._retry_at = time.monotonic() + pause_s
        return True

    def _wait_s(self) -> float:
        """Until the next look: a postponed batch gives no notice when its pause ends."""
        left_s = self._retry_at - time.monotonic()
        return min(WAIT_S, left_s) if left_s > 0 else WAIT_S

    def _call(self, mapping: MappingPlan, messages: list[Message]) -> int:
        """Calls the handler; the position of the first failed message, their number when none failed."""
        # Past its timeout the function is killed, as Lambda does it: SIGALRM ends this process, the supervisor gives the
        # batch back and starts another.
        signal.setitimer(signal.ITIMER_REAL, self._timeout_s)
        try:
            answer = self._handlers.call(mapping.function, sqs_event(mapping, messages), request_id=str(uuid.uuid4()),
                                         deadline_ms=int((time.time() + self._timeout_s) * 1000))
        except Exception:  # noqa: BLE001 (the outermost handler: the batch failed and will be delivered again)
            traceback.print_exc()
            return 0
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return first_failure(answer, messages) if mapping.partial_answers else len(messages)


def first_failure(answer: Any, messages: list[Message]) -> int:
    """Where a partial batch answer says that the failures begin. FIFO: what comes after a failure counts as failed."""
    failures = (answer or {}).get("batchItemFailures") or []
    if not failures:
        return len(messages)
    identifiers = [message_id(message) for message in messages]
    positions = []
    for failure in failures:
        identifier = failure.get("itemIdentifier")
        # As the service: an unknown or empty identifier fails the whole batch.
        positions.append(identifiers.index(identifier) if identifier in identifiers else 0)
    return min(positions)


def message_id(message: Message) -> str:
    """Stable over deliveries, as SQS's, and in its form."""
    name = f"{message.queue}/{message.group}/{message.sequence}"
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def sqs_event(mapping: MappingPlan, messages: list[Message]) -> dict[str, Any]:
    """The event as Lambda gets it from an SQS FIFO queue."""
    now_ms = str(int(time.time() * 1000))
    return {"Records": [{
        "messageId": message_id(message), "receiptHandle": message.receipt, "body": message.body,
        "attributes": {"SequenceNumber": str(message.sequence), "MessageGroupId": message.group,
                       "MessageDeduplicationId": message.dedup_id, "SentTimestamp": now_ms,
                       "ApproximateReceiveCount": str(message.receive_count),
                       "ApproximateFirstReceiveTimestamp": now_ms, "SenderId": "local"},
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": mapping.arn,
        "awsRegion": REGION} for message in messages]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--function", required=True)
    parser.add_argument("--consumer", required=True, help="the name its batches in flight go by")
    parser.add_argument("--purge", action="store_true", help="also forget old deduplication rows")
    parser.add_argument("--ready", type=int, required=True)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan)
    function = plan.functions[arguments.function]
    handlers = Handlers(plan)
    consumer = Consumer(arguments.consumer, [mapping for mapping in plan.mappings if mapping.function == function.name],
                        handlers=handlers, queue=PostgresQueue(os.environ["EMBEDDED_DSN"], arguments.consumer),
                        timeout_s=function.timeout_s)

    def stop(*_: object) -> None:
        consumer.stopping = handlers.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    handlers.load(function.name)
    freeze_memory()
    report_ready(arguments.ready)
    consumer.run(arguments.purge)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
