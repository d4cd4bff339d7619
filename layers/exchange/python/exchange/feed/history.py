"""Messages of `full` for events that are over: from the journal, without the book that was there.

    journal entries --HistoryTeller.tell--> the messages that were sent, byte for byte

An event says nearly all that its public message does. What it does not say comes from three places: an order that was placed
in the same entries from its command; an older one from its row in the ledger (`commands_of`); and what an iceberg showed, what
an amended or triggered order's price was then, from the few records that the publisher keeps of such events (`Told`).

`first_entry` finds where in the journal a sequence is, in a number of reads that grows with the logarithm of its length.
Called by `functions/api_list_events`.
"""

from collections.abc import Callable, Iterable

from exchange import commands
from exchange.commands import CommandKind, OrderType
from exchange.events import FLAG_BY_FUNDS, FLAG_RESTED, FLAG_STOP, Event, EventKind
from exchange.feed.messages import public_message
from exchange.feed.orders import LiveOrder
from exchange.feed.state import Published, Told
from exchange.journal import JournalEntry, decode_entry
from exchange.markets import Market
from exchange.ports import Journal
from exchange.times import iso

_SILENT = frozenset((EventKind.LEVEL, EventKind.HALTED, EventKind.RESUMED, EventKind.COLLECTING))
# Of these the event, and whether the order is a market order, say all; a market order never rests.
_RESTING = LiveOrder(bytes(16), 0, OrderType.LIMIT, False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, bytes(16))


class TooOld(LookupError):
    """What a message needs is not kept any more."""


def first_entry(journal: Journal, market: str, after: int) -> int | None:
    """The seq of the first entry with an event after the feed's sequence `after`, or None."""
    head = journal.head(market=market)
    if head is None:
        return None
    found = decode_entry(head)
    low, low_sequence, high, high_sequence = 0, 0, found.seq, found.feed_sequence
    if high_sequence <= after:
        return None
    by_guess = True
    while high - low > 1:
        share = (high - low) * (after - low_sequence) // (high_sequence - low_sequence) if by_guess else (high - low) // 2
        middle = min(max(low + share, low + 1), high - 1)
        by_guess = not by_guess  # entries differ in size: a guess that keeps being wrong must not make the search long
        sequence = decode_entry(journal.get(market=market, seq=middle)).feed_sequence
        if sequence > after:
            high, high_sequence = middle, sequence
        else:
            low, low_sequence = middle, sequence
    return high


class HistoryTeller:
    """Of one market and one run of entries. `commands_of(ids) -> {id: PLACE record}` of orders, from the ledger."""

    def __init__(self, market: Market, *, told: dict[int, Told],
                 commands_of: Callable[[list[bytes]], dict[bytes, bytes]]) -> None:
        self._market = market
        self._told = told
        self._commands_of = commands_of
        self._orders: dict[bytes, LiveOrder] = {}

    def tell(self, entries: Iterable[JournalEntry], *, after: int, up_to: int, limit: int) -> list[dict]:
        """The messages of the events with after < sequence <= up_to, at most `limit`. The entries start with one that has the
        first of them. TooOld where one cannot be told any more."""
        unpacked = [(entry, entry.unpack_events()) for entry in entries]
        self._look_up(unpacked)
        messages: list[dict] = []
        for entry, events in unpacked:
            time = iso(entry.at_ms)
            for event in events:
                if event.kind in _SILENT or (event.kind == EventKind.REJECTED and event.flags != CommandKind.PLACE):
                    continue
                item = self._published(event, entry)
                if event.sequence > up_to or len(messages) == limit:
                    return messages
                if event.sequence > after:
                    if item is None:
                        raise TooOld(f"what event {event.sequence} changed is not kept any more")
                    messages.append(public_message(self._market, item, time))
        return messages

    def _look_up(self, unpacked: list[tuple[JournalEntry, list[Event]]]) -> None:
        """Reads the orders that were placed before these entries and whose messages need more than their event."""
        placed: set[bytes] = set()
        wanted: dict[bytes, int] = {}
        for entry, events in unpacked:
            for event in events:
                if event.kind == EventKind.ACCEPTED:
                    placed.add(event.order_id)
                elif event.kind in (EventKind.TRIGGERED, EventKind.DONE, EventKind.REDUCED) \
                        and event.order_id not in placed and not (event.flags & FLAG_STOP and event.kind == EventKind.DONE):
                    wanted.setdefault(event.order_id, entry.at_ms)
        for order_id, record in (self._commands_of(list(wanted)) if wanted else {}).items():
            self._orders[order_id] = LiveOrder.placed(record, wanted[order_id])

    def _published(self, event: Event, entry: JournalEntry) -> Published | None:
        """None where what it takes is not kept."""
        kind, at_ms = event.kind, entry.at_ms
        if kind in (EventKind.ACCEPTED, EventKind.REJECTED):
            start = event.command_index * commands.SIZE
            order = LiveOrder.placed(entry.commands[start:start + commands.SIZE], at_ms)
            if kind == EventKind.ACCEPTED:
                self._orders[event.order_id] = order
            return Published(event, at_ms, order, new=order.shown(event.size_lots), price_ticks=order.price_ticks)
        order = self._orders.get(event.order_id)
        if kind == EventKind.TRADE:
            if order is not None and event.flags & FLAG_BY_FUNDS:
                order.funds -= event.size_lots * event.price_ticks
            return Published(event, at_ms, order or _RESTING)
        if kind == EventKind.OPENED or (kind == EventKind.DONE and event.flags & FLAG_STOP):
            return Published(event, at_ms, order or _RESTING)
        if event.sequence in self._told:
            told = self._told[event.sequence]
            return Published(event, at_ms, order or _RESTING, old=told.old, new=told.new, price_ticks=told.price_ticks)
        if order is None or kind == EventKind.AMENDED or (order.display and event.flags & FLAG_RESTED):
            return None
        return self._derived(event, order, at_ms)

    @staticmethod
    def _derived(event: Event, order: LiveOrder, at_ms: int) -> Published:
        """A DONE, REDUCED or TRIGGERED of an order that shows all it has, or does not rest."""
        if event.kind == EventKind.REDUCED:
            if event.flags & FLAG_BY_FUNDS:
                old, order.funds = order.funds, event.remaining
                return Published(event, at_ms, order, old=old, new=order.funds)
            return Published(event, at_ms, order, old=order.shown(event.remaining), new=order.shown(event.size_lots))
        return Published(event, at_ms, order, new=order.shown(event.size_lots), price_ticks=order.price_ticks)
