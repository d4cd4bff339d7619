"""Posting a batch of the push queue: each connection's messages in order, and one connection's trouble its own.

    posted             on to the next
    gone (410)         dropped
    refused (413, 400) closed, dropped
    too slow (429)     has only states left to get (levels, tickers): they are skipped, the publisher sends the newest state
                       else: told, closed and dropped; an event is never skipped
    fails (5xx, lost)  tried again with pauses while the others go on; then closed and dropped, alone
    all of them fail   the service is away: the batch comes again, a connection may see a message twice

A connection that takes several messages in one frame gets what a batch has for it as JSON arrays of FRAME_BYTES at most: a
frame is posted whole or not at all, and what becomes of its messages is what becomes of one.

What was skipped leaves a mark on the connection until its snapshot comes, so that no update follows a gap. The mark is
this environment's memory, and a market's shard may be another environment's next time:

    here    skipped, marked, snapshot asked for      update, left out    ...GAP_S: the mark is old    update, posted
    there                            snapshot posted, or an update before it

So a mark is good for GAP_S only: by then the snapshot has been posted, here or there, and updates lead on from it. An update
that comes before the snapshot has a `previous_sequence` that says so, whichever environment posts it (docs/adr/0015).

Called by `functions/feed_push`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

import orjson

from exchange.adapters.aws.posts import Gone, PostFailed, PostRefused, TooSlow
from exchange.feed.conflation import conflate, is_of_levels, is_snapshot, is_state

# What the service counts as one message, and carries in one frame.
FRAME_BYTES = 32 * 1024
# Between the tries of those whose posts failed.
PAUSES_S = (1, 3)
# A batch that failed as a whole so often is no fault of the service: its connections go.
MAX_RECEIVES = 3
# For so long nothing of levels goes to a connection that waits for its snapshot, which takes a second or two.
GAP_S = 10
# Nor is it remembered for longer that it was slow; another environment may have dropped it.
SLOW_REMEMBERED_S = 60
# So often in a row a connection gets the newest state instead of all updates; then it is too slow for us.
MAX_RESYNCS = 5
TOO_SLOW = ('{"type":"error","message":"Connection too slow",'
            '"reason":"messages were not taken in time: connect and subscribe again"}')

logger = logging.getLogger("exchange.feed_push")


class Outcome(Enum):
    POSTED = "posted"
    GONE = "gone"
    REFUSED = "refused"
    SLOW = "slow"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Mark:
    """Of a connection in a market: how often in a row it was too slow, and when last."""

    times: int
    at_s: float


@dataclass(slots=True)
class Delivery:
    """One connection's messages of a batch. `left`: those that were not posted. `batch`: several may go in one frame."""

    connection: str
    batch: bool = False
    markets: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    outcome: Outcome = Outcome.POSTED


class Pusher:
    """`post`, `disconnect`: of `posts`. `drop(connection, markets)`: tells the publishers, forgets the connection.
    `resync(connection, market, name)`: asks a publisher for the newest state, once per name. `each(function, items)`: runs it
    for all, several at once."""

    def __init__(self, *, post: Callable[[str, str], None], disconnect: Callable[[str], None],
                 drop: Callable[[str, set[str]], None], resync: Callable[[str, str, str], None],
                 each: Callable[[Callable, Iterable], object], sleep_s: Callable[[float], None] = time.sleep,
                 now_s: Callable[[], float] = time.monotonic) -> None:
        self._post = post
        self._disconnect = disconnect
        self._drop = drop
        self._resync = resync
        self._each = each
        self._sleep_s = sleep_s
        self._now_s = now_s
        self._behind: dict[tuple[str, str], Mark] = {}  # (connection, market)

    def push(self, bodies: list[dict], *, name: str, receives: int = 1) -> None:
        """All of a batch; `name`: what it is called, `receives`: how often it has come. Raises PostFailed when the service is
        away."""
        deliveries, closing = self._gather(bodies)
        self._each(self._post_in_order, deliveries)
        failed = [delivery for delivery in deliveries if delivery.outcome is Outcome.FAILED]
        for pause_s in PAUSES_S if failed else ():
            self._sleep_s(pause_s)
            self._each(self._post_in_order, failed)
            failed = [delivery for delivery in failed if delivery.outcome is Outcome.FAILED]
            if not failed:
                break
        if failed and len(failed) == len(deliveries) and receives < MAX_RECEIVES:
            raise PostFailed(f"none of {len(failed)} connections could be posted to")
        for delivery in deliveries:
            self._see_to(delivery, name)
        for connection, markets in closing.items():
            self._close(connection)
            self._drop(connection, markets)

    def _gather(self, bodies: list[dict]) -> tuple[list[Delivery], dict[str, set[str]]]:
        """The deliveries, conflated, and the connections to be closed after them with their markets."""
        deliveries: dict[str, Delivery] = {}
        closing: dict[str, set[str]] = {}
        gaps = self._gaps() if self._behind else set()
        for body in bodies:
            market, texts = body["market"], body["texts"]
            for connections, indexes in body["send"]:
                parts = [texts[index] for index in indexes]
                for connection in connections:
                    delivery = deliveries.setdefault(connection, Delivery(connection))
                    delivery.markets.add(market)
                    delivery.left += _after_gap(gaps, connection, market, parts) if gaps else parts
            for connection in body.get("batch", ()):  # absent in bodies of before
                deliveries[connection].batch = True
            for connection in body["close"]:
                closing.setdefault(connection, set()).add(market)
        if len(bodies) > 1:
            done: dict[tuple[str, ...], list[str]] = {}  # listeners of the same channels get the same
            for delivery in deliveries.values():
                key = tuple(delivery.left)
                if key not in done:
                    done[key] = conflate(key)
                delivery.left = list(done[key])
        return list(deliveries.values()), closing

    def _gaps(self) -> set[tuple[str, str]]:
        """Who still waits for a snapshot; marks that are too old are taken off."""
        now_s = self._now_s()
        self._behind = {key: mark for key, mark in self._behind.items() if now_s - mark.at_s < SLOW_REMEMBERED_S}
        return {key for key, mark in self._behind.items() if now_s - mark.at_s < GAP_S}

    def _post_in_order(self, delivery: Delivery) -> None:
        """Posts what is left, up to the first that does not go."""
        posted = 0
        try:
            for text, messages in _frames(delivery.left) if delivery.batch else ((text, 1) for text in delivery.left):
                self._post(delivery.connection, text)
                posted += messages
            delivery.outcome = Outcome.POSTED
        except Gone:
            delivery.outcome = Outcome.GONE
        except TooSlow:
            delivery.outcome = Outcome.SLOW
        except PostRefused as refused:
            logger.warning("%s is cut: %s", delivery.connection, refused)
            delivery.outcome = Outcome.REFUSED
        except PostFailed as failed:
            logger.warning("%s: %s", delivery.connection, failed)
            delivery.outcome = Outcome.FAILED
        if self._behind:
            self._note_snapshots(delivery, posted)
        del delivery.left[:posted]

    def _note_snapshots(self, delivery: Delivery, posted: int) -> None:
        for text in delivery.left[:posted]:
            if is_snapshot(text):
                self._behind.pop((delivery.connection, orjson.loads(text)["product_id"]), None)

    def _see_to(self, delivery: Delivery, name: str) -> None:
        """What follows for a connection that was not posted all."""
        if delivery.outcome is Outcome.POSTED:
            return
        connection, markets = delivery.connection, delivery.markets
        if delivery.outcome is Outcome.SLOW:
            marks = [self._behind[connection, market] for market in markets if (connection, market) in self._behind]
            times = 1 + max((mark.times for mark in marks), default=0)
            if times <= MAX_RESYNCS and all(map(is_state, delivery.left)):
                for market in sorted(markets):
                    self._behind[connection, market] = Mark(times, self._now_s())
                    self._resync(connection, market, name)
                return
            self._tell(connection, TOO_SLOW)
        if delivery.outcome is not Outcome.GONE:
            self._close(connection)
        for market in markets:
            self._behind.pop((connection, market), None)
        self._drop(connection, markets)

    def _tell(self, connection: str, text: str) -> None:
        try:
            self._post(connection, text)
        except (Gone, PostRefused, PostFailed):
            return  # its buffer is full, of course; the closing says it too

    def _close(self, connection: str) -> None:
        """One that cannot even be closed ends when it has been idle for long enough: nobody posts to it any more."""
        try:
            self._disconnect(connection)
        except PostFailed as failed:
            logger.warning("%s could not be closed: %s", connection, failed)


def _frames(texts: list[str]) -> Iterator[tuple[str, int]]:
    """The texts as they go out together, and how many of them. One that goes alone is not put into an array."""
    frame: list[str] = []
    size = 2
    for text in texts:
        length = 1 + (len(text) if text.isascii() else len(text.encode()))
        if frame and size + length > FRAME_BYTES:
            yield _framed(frame), len(frame)
            frame, size = [], 2
        frame.append(text)
        size += length
    if frame:
        yield _framed(frame), len(frame)


def _framed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"


def _after_gap(gaps: set[tuple[str, str]], connection: str, market: str, texts: list[str]) -> list[str]:
    """The texts that the connection may be sent: no levels before the snapshot that closes its gap."""
    if (connection, market) not in gaps:
        return texts
    for index, text in enumerate(texts):
        if is_snapshot(text):
            gaps.discard((connection, market))
            return [early for early in texts[:index] if not is_of_levels(early)] + texts[index:]
    return [text for text in texts if not is_of_levels(text)]
