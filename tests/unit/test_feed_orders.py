"""What the feed says of stops, icebergs, amends and auctions; a book built from `full` as docs/FEED.md says is the core's."""

import json
import random
from decimal import Decimal
from uuid import UUID

import pytest

from exchange.commands import CommandKind, Side, Stp, TimeInForce
from exchange.events import Mode
from exchange.feed.orders import LiveOrder
from tests.seeds import seeds
from tests.unit.feed_world import MARKET, Listener, World, subscriber

FIRST, SECOND, THIRD = (str(UUID(int=number)) for number in (1, 2, 3))


class ClientBook:
    """The table of docs/FEED.md, "A book from `full`": queues by price, and sums per price kept up beside them."""

    def __init__(self) -> None:
        self.queues: dict[tuple[str, str], list[str]] = {}
        self.sizes: dict[str, Decimal] = {}
        self.places: dict[str, tuple[str, str]] = {}
        self.sums: dict[tuple[str, str], Decimal] = {}

    def take(self, message: dict) -> None:
        kind, order = message["type"], message.get("order_id")
        if kind == "open":
            self._leave(order)
            place = self.places[order] = (message["side"], message["price"])
            self.queues.setdefault(place, []).append(order)
            self.sizes[order] = Decimal(0)
            self._resize(order, Decimal(message["remaining_size"]))
        elif kind == "match":
            for party in (message["maker_order_id"], message["taker_order_id"]):
                if party in self.sizes:
                    self._resize(party, self.sizes[party] - Decimal(message["size"]))
        elif kind == "change" and order in self.sizes:
            self._resize(order, Decimal(message["new_size"]))
            if not self.sizes[order]:
                self._leave(order)
        elif kind == "done":
            self._leave(order)

    def _resize(self, order: str, size: Decimal) -> None:
        assert size >= 0
        place = self.places[order]
        self.sums[place] = self.sums.get(place, Decimal(0)) + size - self.sizes[order]
        self.sizes[order] = size

    def _leave(self, order: str) -> None:
        if order in self.sizes:
            self._resize(order, Decimal(0))
            self.queues[self.places.pop(order)].remove(order)
            del self.sizes[order]

    def orders(self, side: str) -> list[tuple[str, str, Decimal]]:
        """(id, price, size) in priority order."""
        places = sorted((place for place in self.queues if place[0] == side), key=lambda place: float(place[1]),
                        reverse=side == "buy")
        return [(order, place[1], self.sizes[order]) for place in places for order in self.queues[place]]


def core_orders(world: World, side: Side) -> list[tuple[str, str, Decimal]]:
    market = world.market
    return [(str(UUID(bytes=order_id)), market.format_price(price), Decimal(market.format_size(lots)))
            for order_id, _, price, lots in world.book.orders(side)]


@pytest.mark.parametrize("seed", seeds(6, quick=2))
def test_books_from_full_are_the_cores_for_the_public_and_for_owners(seed):
    rng, world = random.Random(seed), World()
    listener = Listener(world, subscriber("public", "full"), subscriber("one", "full", account=1),
                        subscriber("two", "full", "user", account=2), subscriber("level2", "level2"))
    books = {name: ClientBook() for name in ("public", "one", "two")}
    sequence, seen, modes = 0, set(), set()
    for _ in range(150):
        sent = listener.run_all(*(world.random_batch_of_all(rng, rng.randint(1, 3)) for _ in range(rng.randint(1, 3))))
        for name, book in books.items():
            numbers = [message["sequence"] for message in sent.get(name, []) if message["type"] != "amend_rejected"]
            assert numbers == list(range(sequence + 1, sequence + 1 + len(numbers))), "one message per number"
            for message in sent.get(name, []):
                book.take(message)
                refused = message["type"] == "done" and "reject_reason" in message
                seen.add((message["type"], message["cancel_reason"] if refused else message.get("reason")))
            for side in Side:
                assert book.orders(side.name.lower()) == core_orders(world, side)
                levels = {price: Decimal(size) for price, size in world.core_levels(side)}
                assert {place[1]: total for place, total in book.sums.items()
                        if place[0] == side.name.lower() and total} == levels
        sequence = world.book.sequence
        modes.add(listener.state.mode)
        if world.book.mode != Mode.UNCROSSING:
            assert listener.state.mode == world.book.mode
    assert seen >= {("activate", None), ("received", None), ("open", None), ("match", None), ("change", "modify_order"),
                    ("change", "STP"), ("done", "filled"), ("done", "canceled"), ("done", "rejected"), ("amend_rejected", None)}
    assert modes == {Mode.OPEN, Mode.HALTED, Mode.AUCTION}


# --- stops

def test_the_public_learns_of_a_waiting_stop_its_id_only():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1))
    sent = listener.run(world.place("sell", "95.00", "1.5", stop="96.00"))
    head = {"type": "activate", "product_id": MARKET, "sequence": 1, "order_id": FIRST, "time": "2023-11-14T22:13:20.010000Z"}
    assert sent["full"] == [head]
    assert sent["owner"] == [head | {
        "user_id": "user-1", "profile_id": "profile-1", "private": True, "side": "sell", "order_type": "limit",
        "size": "1.50000000", "price": "95.00", "stop_type": "loss", "stop_price": "96.00",
        "timestamp": "1700000000.010000"}]
    sent = listener.run(world.cancel(UUID(int=1)))
    head = {"type": "done", "product_id": MARKET, "sequence": 2, "order_id": FIRST, "time": "2023-11-14T22:13:20.020000Z",
            "reason": "canceled", "cancel_reason": "canceled"}
    assert sent["full"] == [head]
    assert sent["owner"] == [head | {"user_id": "user-1", "profile_id": "profile-1", "private": True, "side": "sell",
                                     "price": "95.00", "remaining_size": "1.50000000"}]
    assert listener.state.orders == {}


def test_a_stop_by_funds_is_received_when_its_price_is_met():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1))
    sent = listener.run(world.place("buy", None, None, funds="50", stop="100.00", entry=True))
    assert (sent["owner"][0]["funds"], sent["owner"][0]["stop_type"]) == ("50.00000000", "entry")
    assert "funds" not in sent["full"][0]
    listener.run(world.place("sell", "100.00", "2", account=2))
    sent = listener.run(world.place("buy", "100.00", "1", account=3))
    mine = [message for message in sent["full"] if FIRST in (message.get("order_id"), message.get("taker_order_id"))]
    assert [message["type"] for message in mine] == ["received", "match", "done"]
    assert (mine[0]["order_type"], mine[0]["funds"], mine[0]["side"]) == ("market", "50.00000000", "buy")
    assert [message["type"] for message in sent["owner"]] == ["received", "match", "done"]


def test_a_stop_that_is_refused_or_repeated_stays_private():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1))
    listener.run(world.command(CommandKind.HALT))
    sent = listener.run(world.place("sell", "95.00", "1.5", stop="96.00"))
    told = sent["full"][0]
    assert (told["reason"], told["cancel_reason"], told["reject_reason"]) == ("canceled", "rejected", "market_halted")
    assert not {"side", "price", "remaining_size"} & set(told)
    assert (sent["owner"][0]["price"], sent["owner"][0]["remaining_size"]) == ("95.00", "1.50000000")
    listener.run(world.command(CommandKind.RESUME))
    stop = world.place("sell", "95.00", "1.5", stop="96.00")
    listener.run(stop)
    sent = listener.run(stop)
    (repeat,) = sent["full"]
    assert (repeat["type"], repeat["duplicate"], "size" in repeat) == ("activate", True, False)
    assert "owner" not in sent and listener.state.orders.keys() == {stop.order_id.bytes}


# --- icebergs

def test_the_hidden_part_of_an_iceberg_stays_with_its_owner():
    """Placed, traded away part by part, reduced, amended, canceled: its whole size is in no public message."""
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1),
                        subscriber("level2", "level2"))
    ice = world.place("sell", "100.00", "7.777", display="2")
    batches = [[ice], [world.place("buy", "100.00", "2.5", account=2)],
               [world.place("buy", "100.00", "0.277", account=1, stp=Stp.DECREASE_AND_CANCEL)],
               [world.amend(ice.order_id, size="6.5")], [world.cancel(ice.order_id)]]
    sent = listener.run_all(*batches)
    mine = [message for message in sent["full"] if message.get("order_id") == FIRST]
    assert [(message["type"], message.get("remaining_size") or message.get("new_size") or message.get("size"))
            for message in mine] == [
        ("received", "2.00000000"), ("open", "2.00000000"), ("open", "2.00000000"), ("change", "1.50000000"),
        ("change", "1.50000000"), ("done", "1.50000000")]
    assert [message["old_size"] for message in mine if message["type"] == "change"] == ["1.50000000", "1.50000000"]
    public = json.dumps([sent["full"], sent["level2"]])
    assert "hidden" not in public
    owners = [message for message in sent["owner"] if message.get("order_id") == FIRST]
    assert [(message["type"], message.get("hidden_size") or message.get("remaining_size") or message.get("size"))
            for message in owners] == [
        ("received", "7.77700000"), ("open", "5.77700000"), ("open", "3.77700000"), ("change", "3.50000000"),
        ("change", "2.50000000"), ("done", "4.00000000")]
    for secret in ("7.777", "5.777", "3.777", "5.0000", "4.0000", "3.5000", "6.5000"):
        assert secret not in public


def test_an_iceberg_that_takes_shows_no_more_than_its_display():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    own = [world.place("sell", "100.00", "1", account=1), world.place("sell", "100.00", "1", account=2)]
    sent = listener.run(*own, world.place("buy", "100.00", "9", account=1, display="3"))
    mine = [message for message in sent["full"] if message.get("order_id") == THIRD]
    assert [(message["type"], message.get("old_size"), message.get("new_size") or message.get("remaining_size"))
            for message in mine] == [
        ("received", None, None), ("change", "3.00000000", "3.00000000"), ("open", None, "3.00000000")]


# --- amends

def test_an_amend_that_keeps_its_place_is_a_change():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    order = world.place("buy", "100.00", "2")
    listener.run(order)
    (change,) = listener.run(world.amend(order.order_id, size="0.5"))["full"]
    assert change == {
        "type": "change", "reason": "modify_order", "order_id": FIRST, "side": "buy", "price": "100.00",
        "old_size": "2.00000000", "new_size": "0.50000000", "old_price": "100.00", "new_price": "100.00",
        "product_id": MARKET, "sequence": 3, "time": "2023-11-14T22:13:20.020000Z"}
    refused = listener.run(world.amend(order.order_id, size="0.5"), world.amend(UUID(int=9), size="1"))
    assert [message["type"] for message in refused["full"]] == ["change"], "a refused amend is no message for the public"


def test_a_refused_amend_is_told_to_its_owner_only():
    """With what was asked for and why not; no number of the sequence is used."""
    world, client_oid = World(), UUID(int=77)
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1),
                        subscriber("owner's full", "full", account=1), subscriber("other", "user", "full", account=2))
    order = world.place("buy", "100.00", "2", post_only=True, client_oid=client_oid)
    sent = listener.run(order, world.place("sell", "101.00", "0.5", account=2))
    sequence = sent["full"][-1]["sequence"]
    refused = {"type": "amend_rejected", "time": "2023-11-14T22:13:20.020000Z", "product_id": MARKET, "order_id": FIRST,
               "reject_reason": "post_only_would_cross", "user_id": "user-1", "profile_id": "profile-1", "new_price": "101.00",
               "client_oid": str(client_oid)}
    assert listener.run(world.amend(order.order_id, price="101.00", account=1)) == {
        "owner": [refused], "owner's full": [refused]}
    sent = listener.run(world.amend(order.order_id, price="99.00", size="1", account=2), world.cancel(order.order_id),
                        world.amend(order.order_id, size="1", account=1))
    of_the_other = refused | {"reject_reason": "unknown_order", "user_id": "user-2", "profile_id": "profile-2",
                              "new_price": "99.00", "new_size": "1.00000000", "time": "2023-11-14T22:13:20.030000Z"}
    del of_the_other["client_oid"]  # nobody learns what is not theirs
    assert sent["other"][0] == of_the_other
    assert [message["type"] for message in sent["owner"]] == ["done", "amend_rejected"], "in the order of the events"
    assert sent["owner"][-1]["reject_reason"] == "unknown_order" and "client_oid" not in sent["owner"][-1]
    assert [(message["type"], message["sequence"]) for message in sent["full"]] == [("done", sequence + 1)]


def test_an_entry_with_nothing_but_a_refused_amend_moves_no_sequence():
    world = World()
    listener = Listener(world, subscriber("level2", "level2"), subscriber("owner", "user", account=1))
    listener.run(world.place("buy", "100.00", "2"))
    sent = listener.run(world.amend(UUID(int=9), size="1", account=1))
    assert list(sent) == ["owner"] and listener.state.sequence == 2


def test_an_amend_that_loses_its_place_leaves_by_a_change_to_nothing():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1))
    order = world.place("buy", "100.00", "2")
    listener.run(order, world.place("sell", "101.00", "0.5", account=2))
    sent = listener.run(world.amend(order.order_id, price="101.00", size="3"))
    assert [message["type"] for message in sent["full"]] == ["change", "match", "done", "open"]
    change, match, _, opened = sent["full"]
    assert [change[name] for name in ("old_size", "new_size", "old_price", "new_price", "price")] == [
        "2.00000000", "0.00000000", "100.00", "101.00", "100.00"]
    assert (match["taker_order_id"], match["side"]) == (FIRST, "sell")
    assert (opened["price"], opened["remaining_size"]) == ("101.00", "2.50000000")
    assert [message["type"] for message in sent["owner"]] == ["change", "match", "open"]
    assert all(message["new_size"] == "0.00000000" for message in sent["owner"] if message["type"] == "change")


def test_messages_are_of_their_event_though_they_are_made_later():
    """The order is placed, amended and canceled before anybody writes a message."""
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    order = world.place("buy", "100.00", "2")
    sent = listener.run_all([order], [world.amend(order.order_id, price="99.00", size="1")], [world.cancel(order.order_id)])
    assert [(message["type"], message.get("price"), message.get("size") or message.get("remaining_size"))
            for message in sent["full"]] == [
        ("received", "100.00", "2.00000000"), ("open", "100.00", "2.00000000"), ("change", "100.00", None),
        ("open", "99.00", "1.00000000"), ("done", "99.00", "1.00000000")]


# --- auctions and time

def test_an_auction_takes_off_both_orders():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("older", "user", account=1),
                        subscriber("younger", "user", account=2), subscriber("ticker", "ticker"))
    assert listener.run(world.command(CommandKind.AUCTION)) == {}
    assert listener.state.mode == Mode.AUCTION
    listener.run(world.place("sell", "99.00", "1", account=1), world.place("buy", "101.00", "3", account=2))
    sent = listener.run(world.command(CommandKind.UNCROSS))
    assert [message["type"] for message in sent["full"]] == ["match", "done"]
    match = sent["full"][0]
    assert (match["auction"], match["price"], match["maker_order_id"], match["taker_order_id"]) == (
        True, "100.00", FIRST, SECOND)
    assert (sent["older"][0]["maker_fee_rate"], sent["younger"][0]["taker_fee_rate"]) == ("0.004000", "0.006000")
    assert (sent["ticker"][0]["side"], sent["ticker"][0]["best_bid_size"]) == ("buy", "2.00000000")
    assert listener.state.mode == Mode.OPEN
    assert [order.lots for order in listener.state.orders.values()] == [world.market.size_lots("2")]


def test_an_expiry_comes_with_an_unrelated_command():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    listener.run(world.place("buy", "100.00", "2", tif=TimeInForce.GTT, expire_in_ms=15))
    sent = listener.run(world.place("buy", "50.00", "1", account=2), world.command(CommandKind.TICK))["full"]
    assert [(message["type"], message["order_id"]) for message in sent] == [
        ("done", FIRST), ("received", SECOND), ("open", SECOND)]
    assert (sent[0]["cancel_reason"], sent[0]["price"], sent[0]["remaining_size"]) == ("expired", "100.00", "2.00000000")


def test_a_live_order_survives_its_record():
    order = LiveOrder(b"i" * 16, 1, 3, True, 4000, 6000, 1002, 10_000, 5, 7, 5, 9, 9_900, 12, 1_700_000_000_000, b"c" * 16)
    copy = LiveOrder.unpack(order.order_id, order.pack())
    assert [getattr(copy, name) for name in LiveOrder.__slots__] == [getattr(order, name) for name in LiveOrder.__slots__]
