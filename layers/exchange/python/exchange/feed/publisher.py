"""The publisher: moves a market's views along the journal and tells the listeners.

    batch -> follow the journal -> make messages -> SAVE (views, cursor, subscribers, outbox) -> send outbox -> clear it
                                                      |
    a crash left of it: nothing happened, the batch   | right of it: the views stand; the outbox still holds, byte for
    comes again                                       | byte and under the same ids, what may not have been sent

A save is one atomic step that succeeds only on the revision it was computed from: a second environment, or one that was
paused, gets StaleCursor, drops its state and reads it anew. Several entries of one batch are one save and one level
update (conflation); events are never conflated. Keeps I9.

Called by `functions/feed_publish`, one market's messages at a time, in order.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from exchange.faults import RetryableFault
from exchange.feed import messages, routing
from exchange.feed.bodies import Subscription
from exchange.feed.requests import BATCH
from exchange.feed.routing import BEAT_CHANNELS, Buffered, Outgoing, Subscriber
from exchange.feed.state import MarketState, ViewChanges
from exchange.follower import JournalFollower, StaleCursor
from exchange.journal import JournalEntry, decode_entry
from exchange.markets import Market
from exchange.nudges import decode_nudge
from exchange.ports import CommandQueue, Journal, Send

# Entries between two saves while catching up with a long journal.
ENTRIES_PER_SAVE = 250


class OutOfTime(RetryableFault):
    """The journal is longer than this invocation. What was done is saved; the batch comes again."""


class Overtaken(RetryableFault):
    """Another environment saved this market meanwhile; what we computed is void. `handle` starts over."""


@dataclass(frozen=True, slots=True)
class Push:
    """A message to the push queue, with the id that makes sending it twice harmless."""

    id: str
    group: str
    body: str


@dataclass(slots=True)
class Room:
    """A market as the publisher holds it: the views' state, its subscribers, and what the last writer left unsent.
    (`epoch`, `revision`): the save that this is; epoch "" for views that do not exist."""

    state: MarketState
    epoch: str = ""
    revision: int = 0
    subscribers: dict[str, Subscriber] = field(default_factory=dict)
    unsent: list[Push] = field(default_factory=list)


@dataclass(slots=True)
class Save:
    """One atomic step from `revision` to `revision + 1`."""

    epoch: str
    revision: int
    changes: ViewChanges
    subscribers: dict[str, Subscriber | None]
    pushes: list[Push]
    listening: frozenset[str] | None = None  # the channels moved by the clock that anybody has; None: as before


class ViewStore(Protocol):
    """Where the views live."""

    def load(self, market: str) -> Room:
        """All of a market, as of one moment."""

    def save(self, room: Room, save: Save) -> None:
        """Writes `room.state`'s cursor and the save's changes, all or nothing; StaleCursor if another wrote meanwhile."""

    def clear_sent(self, market: str, pushes: list[Push]) -> None:
        """Forgets pushes that have been sent."""

    def forget(self, market: str) -> None:
        """Views, subscribers, outbox: all of a market goes."""

    def new_epoch(self) -> str:
        """A name for views that are built anew, never used before."""


class FeedPublisher:
    """`handle` is called by one thread. `account_of(user_id) -> (account, profile_id)`; `connections_of(market)`: the
    connections that the connection table says listen, asked only after the views were lost. `shards`: groups per market
    of the push queue. `status(newest)`: the `status` message of the moment; with `newest`, by what stands in the rows now.
    `cancel_all(account, market, name)`: asks the market to cancel the account's orders there; under one name once."""

    def __init__(self, *, markets: dict[str, Market], views: ViewStore, journal: Journal, queue: CommandQueue,
                 push_queue_url: str, shards: int, account_of: Callable[[str], tuple[int, str]],
                 connections_of: Callable[[str], Iterable[str]], status: Callable[[bool], str],
                 cancel_all: Callable[[int, str, str], None]) -> None:
        self._markets = markets
        self._views = views
        self._journal = journal
        self._queue = queue
        self._push_queue_url = push_queue_url
        self._shards = shards
        self._account_of = account_of
        self._connections_of = connections_of
        self._status = status
        self._cancel_all = cancel_all
        self._follower = JournalFollower(journal, self)
        self._rooms: dict[str, _OpenRoom] = {}
        self._epochs: dict[str, str] = {}  # of views that are to be made anew
        self._time_left_s: Callable[[], float] = lambda: 3600

    def handle(self, market: str, bodies: list[dict], time_left_s: Callable[[], float] | None = None) -> None:
        """Takes one market's messages, in order. Raises and has done nothing, or has done all that was saved: after any
        error the messages must come again. JournalBroken and BrokenInvariant ask for a halt of the market."""
        self._time_left_s = time_left_s or (lambda: 3600)
        for attempt in (1, 2, 3):
            try:
                return self._handle(market, bodies)
            except Overtaken:
                # Starting over is safe: entries at or below the cursor and versions already known are skipped.
                self._forget(market)
                if attempt == 3:
                    raise
            except BaseException:
                self._forget(market)
                raise

    def _handle(self, market: str, bodies: list[dict]) -> None:
        self._open(market)
        for body in bodies:
            if "subscription" in body:
                self._subscribe(market, Subscription.decode(body))
            elif "drop" in body:
                self._drop(market, **body["drop"])
            elif "rebuild" in body:
                self._rebuild(market, body["rebuild"]["epoch"])
            elif "resync" in body:
                self._open(market).resync(body["resync"]["connection"])
            elif "status" in body:
                self._open(market).tell_status(lambda: self._status(True))
            elif "beat" in body:
                self._open(market).beat(body["beat"]["at_ms"], batch=body["beat"]["batch"], status=lambda: self._status(False))
            else:
                nudge = decode_nudge(body)
                self._follow(market, nudge.seq, {nudge.seq: nudge.entry} if nudge.entry is not None else {})
        self._save(market)
        room = self._open(market)
        room.clear(self._views)

    # --- the sink of the follower

    def cursor(self, market: str) -> tuple[int, bytes]:
        state = self._open(market).room.state
        return state.seq, state.hash

    def apply_run(self, entries: Sequence[JournalEntry]) -> None:
        """Moves the state in memory; `_save` makes it last. Raises Overtaken when saving finds another writer."""
        room = self._open(entries[0].market)
        for entry in entries:
            room.take(entry)
        if room.entries_buffered >= ENTRIES_PER_SAVE:
            self._save(entry.market)
            if self._time_left_s() < 3:
                raise OutOfTime(f"{entry.market}: caught up to entry {entry.seq}, no time for more")

    def _follow(self, market: str, seq: int, nudges: dict[int, bytes]) -> None:
        """Up to `seq`, in steps, so that a rebuild does not hold the whole journal in memory."""
        while (at := self.cursor(market)[0]) < seq:
            step = min(seq, at + ENTRIES_PER_SAVE)
            if not self._follower.follow(market, step, nudges):
                break  # the entry that the nudge speaks of never committed

    # --- rooms

    def _open(self, market: str) -> "_OpenRoom":
        room = self._rooms.get(market)
        if room is None:
            self._follower.forget(market)
            room = self._rooms[market] = _OpenRoom(self._markets[market], self._views.load(market))
            if room.room.unsent:
                self._send(room.room.unsent)
                self._views.clear_sent(market, room.room.unsent)
                room.room.unsent = []
            if not room.room.epoch:
                self._build(market, room)
        return room

    def _build(self, market: str, room: "_OpenRoom") -> None:
        """The views do not exist: from the first entry to the head of the journal. Listeners of views that were lost
        missed what came between, so they are told and disconnected. They are told first: it is part of the first save,
        and a rebuild that takes several invocations does not come here again."""
        room.room.epoch = self._epochs.pop(market, None) or self._views.new_epoch()
        room.is_new = True
        head = self._journal.head(market=market)
        if head is None:
            return
        seq = decode_entry(head).seq
        if seq > 1:  # else a new market, not a lost one
            for connection in self._connections_of(market):
                room.outgoing.send([connection], [messages.dump(messages.error_message(
                    "Feed restarted", "messages were missed: connect and subscribe again"))])
                room.outgoing.close(connection)
        self._follow(market, seq, {seq: head})

    def _rebuild(self, market: str, epoch: str) -> None:
        """From nothing, once per epoch: a rebuild that takes several invocations goes on where it was."""
        if self._open(market).room.epoch != epoch:
            self._save(market)  # what was taken up before this message in its batch
            self._views.forget(market)
            self._forget(market)
            self._epochs[market] = epoch
            self._open(market)
        elif (head := self._journal.head(market=market)) is not None:
            seq = decode_entry(head).seq
            self._follow(market, seq, {seq: head})

    def _forget(self, market: str) -> None:
        self._rooms.pop(market, None)
        self._follower.forget(market)

    def _subscribe(self, market: str, wanted: Subscription) -> None:
        room = self._open(market)
        account, profile_id = wanted.account, wanted.profile_id
        if wanted.user_id and not account:
            account, profile_id = self._account_of(wanted.user_id)
        room.subscribe(wanted, account, profile_id, lambda: self._status(False))

    def _drop(self, market: str, connection: str, account: int = 0, user_id: str = "", cancel: bool = False) -> None:
        """The cancels first: should this fail, the message comes again, known subscriber or not."""
        if cancel:
            self._cancel_all(account or self._account_of(user_id)[0], market, f"disconnect:{connection}:{market}")
        self._open(market).drop(connection)

    # --- saving and sending

    def _save(self, market: str) -> None:
        room = self._open(market)
        save = room.make_save(self._shards)
        if save is None:
            return
        try:
            self._views.save(room.room, save)
        except StaleCursor as stale:
            raise Overtaken(str(stale)) from None
        room.saved(save)
        self._send(save.pushes)

    def _send(self, pushes: list[Push]) -> None:
        if pushes:
            self._queue.send_all([Send(self._push_queue_url, push.group, push.id, push.body) for push in pushes])


class _OpenRoom:
    """A room with what has happened since its last save."""

    def __init__(self, market: Market, room: Room) -> None:
        self.market = market
        self.room = room
        self.outgoing = Outgoing()
        self.entries_buffered = 0
        self.is_new = False
        self._buffered = Buffered(room.state.sequence)
        self._changed_subscribers: dict[str, Subscriber | None] = {}
        self._sent: list[Push] = []
        # What `ticker_batch` and `status` said last; None in a new environment, which says it once more.
        self._batched_trade: int | None = None
        self._told_status: str | None = None
        self._listens: frozenset[str] | None = None
        self._batched: frozenset[str] | None = None

    def take(self, entry: JournalEntry) -> None:
        step = self.room.state.apply(entry)
        self.entries_buffered += 1
        if self.room.subscribers:
            self._buffered.add(step.events, step.levels)

    def subscribe(self, wanted: Subscription, account: int, profile_id: str, status: Callable[[], str]) -> None:
        """Those who listen get what happened so far, then the newcomer is greeted and added."""
        known = self.room.subscribers.get(wanted.connection)
        if known is not None and known.version >= wanted.version:
            return
        self._route()
        before = known.channels if known is not None else frozenset()
        subscriber = Subscriber(wanted.connection, wanted.version, wanted.channels, account, wanted.user_id, profile_id)
        asked = (wanted.requested | (wanted.channels - before)) & wanted.channels
        self.outgoing.send([wanted.connection], routing.greeting(self.market, self.room.state, asked))
        if "status" in asked:
            text = status()
            self.outgoing.send([wanted.connection], [text])
            if "status" not in self._listening():
                self._told_status = text
        self.room.subscribers[wanted.connection] = self._changed_subscribers[wanted.connection] = subscriber
        self._listens = self._batched = None

    def resync(self, connection: str) -> None:
        """The newest state, for one that was too slow for the updates; it never has channels of events."""
        known = self.room.subscribers.get(connection)
        if known is not None:
            self._route()
            self.outgoing.send([connection], routing.greeting(self.market, self.room.state, known.channels - {"matches"}))

    def drop(self, connection: str) -> None:
        if self.room.subscribers.pop(connection, None) is not None:
            self._changed_subscribers[connection] = None
            self._listens = self._batched = None

    def beat(self, at_ms: int, *, batch: bool, status: Callable[[], str]) -> None:
        """What the clock moves: a `heartbeat` behind all that it may name; with `batch` the newest ticker, if there was a
        trade, and the status, if it is another."""
        listening = self._listening()
        if not listening:
            return
        self._route()
        state = self.room.state
        if "heartbeat" in listening:
            self._send_all("heartbeat", messages.dump(messages.heartbeat(self.market, state, at_ms)))
        trade = state.last_trade
        if batch and "ticker_batch" in listening and trade is not None and trade.trade_id != self._batched_trade:
            self._batched_trade = trade.trade_id
            self._send_all("ticker_batch", messages.dump(messages.ticker(self.market, state)))
        if batch:
            self.tell_status(status)

    def tell_status(self, status: Callable[[], str]) -> None:
        """The status, if it is another, to those who want it."""
        if "status" in self._listening() and (text := status()) != self._told_status:
            self._told_status = text
            self._send_all("status", text)

    def _listening(self) -> frozenset[str]:
        """The channels moved by the clock that anybody has."""
        if self._listens is None:
            self._listens = BEAT_CHANNELS.intersection(
                channel for subscriber in self.room.subscribers.values() for channel in subscriber.channels)
        return self._listens

    def _in_batches(self) -> frozenset[str]:
        """The connections that take several messages in one frame."""
        if self._batched is None:
            self._batched = frozenset(subscriber.connection for subscriber in self.room.subscribers.values()
                                      if BATCH in subscriber.channels)
        return self._batched

    def _send_all(self, channel: str, text: str) -> None:
        self.outgoing.send([subscriber.connection for subscriber in self.room.subscribers.values()
                            if channel in subscriber.channels], [text])

    def make_save(self, shards: int) -> Save | None:
        """The next step, or None where nothing changed."""
        self._route()
        if not (self.entries_buffered or self._changed_subscribers or self.outgoing or self.is_new):
            return None
        revision = self.room.revision + 1
        # The digest: should Redis come back a second older, other bodies may be made under the same revision.
        pushes = [Push(f"{self.room.epoch}:{revision}:{part}:{_digest(body)}", f"{self.market.id}:{shard}", body)
                  for part, (shard, body) in enumerate(self.outgoing.bodies(self.market.id, shards, self._in_batches()))]
        return Save(self.room.epoch, self.room.revision, self.room.state.take_changes(), self._changed_subscribers, pushes,
                    self._listening() if self._changed_subscribers or self.is_new else None)

    def saved(self, save: Save) -> None:
        self.room.revision += 1
        self.entries_buffered = 0
        self.is_new = False
        self._changed_subscribers = {}
        self._sent += save.pushes

    def clear(self, views: ViewStore) -> None:
        if self._sent:
            views.clear_sent(self.market.id, self._sent)
            self._sent = []

    def _route(self) -> None:
        if self.room.subscribers:
            routing.route(self.market, self.room.state, self._buffered, self.room.subscribers.values(), self.outgoing)
        self._buffered = Buffered(self.room.state.sequence)


def _digest(body: str) -> str:
    return hashlib.blake2b(body.encode(), digest_size=8).hexdigest()


def parse_body(text: str) -> dict | None:
    """The JSON object of a feed message that names a market, or None for a message that is not ours."""
    try:
        body = orjson.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("market"), str) else None
