"""A consumer process: the event source mappings of one function, as Lambda's pollers do it.

Receives from the embedded queues, builds the SQS event, calls the handler in this process, acknowledges what succeeded and
gives back the rest (FIFO: everything from the first failure on). With nothing to do it waits to be woken by a sender. A
batch that it held when it died is given back by its successor, which has its name. While it does not hang it says so to the
supervisor, which ends one that is silent for long.

    woken -> [acknowledge the batch before, receive: one call] -> handler -> no more notices? -> wait a little
    hinted -> [nudges, see local/nudges.py] -> handler

A batch that succeeded is acknowledged with the call that receives the next one, and a queue is not asked for more than its
senders gave notice of: a message costs one call of the server and not two. A crash in between delivers the batch once more,
which at-least-once allows (docs/adr/0018).
"""

import argparse
import contextlib
import hashlib
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from exchange.adapters.embedded.journal import PostgresJournal
from exchange.adapters.embedded.queue import PostgresQueue
from exchange.adapters.embedded.wake import UNCOUNTED, Noticed
from exchange.markets import listing
from exchange.ports import Message
from local.addresses import REGION
from local.nudges import Nudges
from local.plan import MappingPlan, read_plan
from local.processes import beating, freeze_memory, report_ready
from local.worker import Handlers, bounded_handlers

# A queue is looked through at this interval, whatever notice was given: one may have been lost.
WAIT_S = 1.0
ACKNOWLEDGE_WITHIN_S = 0.2
# After a failed delivery, by how often it was delivered. SQS would wait for the visibility timeout each time; here a fault
# that has passed costs little, and ten deliveries still outlast a fault of a minute or two before the dead letters.
RETRY_PAUSES_S = (0.05, 0.2, 0.5, 1, 2, 5, 10, 20, 30)
# Then the function's other queues get their turn.
BATCHES_A_TURN = 20
# Whose queues `engine_match_orders` nudges.
FOLLOWERS = ("ledger_settle_fills", "feed_publish")
# Deduplication rows older than the window go at this interval, by the first consumer's hand.
PURGE_EVERY_S = 60


class Consumer:
    """Feeds one function from its queues, one batch at a time. `nudges`: of the first queue, where it follows the journal.
    `beat`: called at least as often as the function is."""

    def __init__(self, identifier: str, mappings: list[MappingPlan], *, handlers: Handlers, queue: PostgresQueue,
                 timeout_s: int, nudges: Nudges | None = None, beat: Callable[[], None] = lambda: None) -> None:
        self._id = identifier
        self._mappings = mappings
        self._handlers = handlers
        self._queue = queue
        self._timeout_s = timeout_s
        self._nudges = nudges
        self._beat = beat
        self._queues = [mapping.queue for mapping in mappings]
        # By queue: how often a look may still find a batch, when it was last looked through, and the batch that succeeded and
        # is not acknowledged yet.
        self._notices = dict.fromkeys(self._queues, UNCOUNTED)
        self._looked_through_at = dict.fromkeys(self._queues, 0.0)
        self._done: dict[str, list[Message]] = {}
        self._retry_at = 0.0
        self.stopping = False

    def run(self, purge: bool) -> None:
        """Until `stopping`. A lost database connection is waited out."""
        purged_at = time.monotonic()
        begins_anew = True
        while not self.stopping:
            self._beat()
            try:
                if begins_anew:
                    # A predecessor that died held a batch, or the acknowledgement was lost with the connection: it comes
                    # again at once, not after its visibility timeout.
                    self._done.clear()
                    self._queue.release_consumer(self._id)
                    self._notices = dict.fromkeys(self._queues, UNCOUNTED)
                    if self._nudges is not None:
                        self._nudges.forget()
                    begins_anew = False
                if purge and time.monotonic() - purged_at > PURGE_EVERY_S:
                    purged_at = time.monotonic()
                    self._queue.purge_dedup()
                self._round()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                begins_anew = True
                print(f"the database is away: {str(error).strip()}", flush=True)
                time.sleep(0.2)
        with contextlib.suppress(psycopg.OperationalError, psycopg.InterfaceError):  # then it is delivered once more
            self._acknowledge_all()

    def _round(self) -> None:
        """Waits unless there is something to do. Every queue with a notice gets its turn, so that a busy one does not starve
        another of the same function, and one that is hinted at a batch of nudges."""
        pause_s = self._pause_s()
        found = self._queue.wait(pause_s, self._queues)
        self._note(found, time.monotonic())
        if pause_s and not found:
            self._acknowledge_all()
        for mapping in self._mappings:
            if self._notices[mapping.queue] and not self.stopping:
                self._turn(mapping)
        if self._nudges is not None and not self.stopping:
            self._hand_on(self._mappings[0], self._nudges)

    def _pause_s(self) -> float:
        """How long nothing need be done but what a datagram asks for: a postponed batch gives no notice when its pause ends."""
        if any(self._notices.values()):
            return 0.0
        now = time.monotonic()
        pauses_s = [WAIT_S]
        if self._done:
            pauses_s.append(ACKNOWLEDGE_WITHIN_S)
        if self._retry_at:
            pauses_s.append(max(0.0, self._retry_at - now))
        if self._nudges is not None:
            pauses_s.append(self._nudges.due_in_s(now))
        return min(pauses_s)

    def _note(self, found: dict[str, Noticed], now: float) -> None:
        for queue in self._queues:
            if now - self._looked_through_at[queue] >= WAIT_S or 0 < self._retry_at <= now:
                self._notices[queue] = UNCOUNTED
            elif queue in found:
                self._notices[queue] = min(UNCOUNTED, self._notices[queue] + found[queue].groups)
        if self._retry_at <= now:
            self._retry_at = 0.0
        if self._nudges is not None and (of_nudges := found.get(self._queues[0])) is not None:
            self._nudges.heard(of_nudges.hints)
            if not of_nudges.all_of_them:
                self._nudges.look_soon()

    def _hand_on(self, mapping: MappingPlan, nudges: Nudges) -> None:
        """One batch of nudges, for more may have come meanwhile, and one call for several costs less."""
        nudges.look(time.monotonic())
        if batch := nudges.next(time.monotonic()):
            if self._call(mapping, batch) == len(batch):
                nudges.done(batch)
            else:
                nudges.failed(batch, time.monotonic())

    def _turn(self, mapping: MappingPlan) -> None:
        """Some batches of one queue."""
        queue = mapping.queue
        for _ in range(BATCHES_A_TURN):
            messages = self._next(mapping)
            if not messages:
                self._notices[queue] = 0
                self._looked_through_at[queue] = time.monotonic()
                return
            # Each notice was of one group, and a batch is of one group; one that is full may have left some behind.
            if len(messages) < mapping.batch_size and self._notices[queue] != UNCOUNTED:
                self._notices[queue] -= 1
            failed_from = self._call(mapping, messages)
            if failed_from < len(messages):
                self._give_back(messages, failed_from)
                self._notices[queue] = UNCOUNTED
                return
            self._done[queue] = messages
            if self.stopping or not self._notices[queue]:
                return

    def _next(self, mapping: MappingPlan) -> list[Message]:
        """The next batch of a queue, none if there is none; acknowledges the one before."""
        if done := self._done.pop(mapping.queue, None):
            return self._queue.acknowledge_and_receive(done, queue=mapping.queue, max_messages=mapping.batch_size)
        return self._queue.receive(queue=mapping.queue, max_messages=mapping.batch_size)

    def _give_back(self, messages: list[Message], failed_from: int) -> None:
        if failed_from > 0:
            self._queue.acknowledge(messages[:failed_from])
        failed = messages[failed_from:]
        pause_s = RETRY_PAUSES_S[min(failed[0].receive_count, len(RETRY_PAUSES_S)) - 1]
        # Still in flight meanwhile: nothing of the group may overtake it, the other groups go on.
        self._queue.postpone(failed, pause_s)
        self._retry_at = time.monotonic() + pause_s

    def _acknowledge_all(self) -> None:
        while self._done:
            _, messages = self._done.popitem()
            self._queue.acknowledge(messages)

    def _call(self, mapping: MappingPlan, messages: list[Message]) -> int:
        """Calls the handler; the position of the first failed message, their number when none failed."""
        self._beat()
        # Past its timeout the function is killed, as Lambda does it: SIGALRM ends this process, the supervisor starts another,
        # which gives the batch back.
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
    name = f"{message.queue}/{message.group}/{message.sequence}/{message.dedup_id}"
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


def _nudges(dsn: str, mapping: MappingPlan) -> Nudges:
    journal, markets = PostgresJournal(dsn), sorted(listing().markets)
    return Nudges(mapping.queue, lambda: journal.heads(markets), batch_size=mapping.batch_size, pauses_s=RETRY_PAUSES_S)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--function", required=True)
    parser.add_argument("--consumer", required=True, help="the name its batches in flight go by")
    parser.add_argument("--purge", action="store_true", help="also forget old deduplication rows")
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--pulse", type=int, required=True)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan)
    function = plan.functions[arguments.function]
    handlers = bounded_handlers(plan)
    mappings = [mapping for mapping in plan.mappings if mapping.function == function.name]
    dsn = os.environ["EMBEDDED_DSN"]
    consumer = Consumer(arguments.consumer, mappings, handlers=handlers, queue=PostgresQueue(dsn, arguments.consumer),
                        timeout_s=function.timeout_s, beat=beating(arguments.pulse),
                        nudges=_nudges(dsn, mappings[0]) if function.operation in FOLLOWERS else None)

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
