"""The pure part: views and messages from journal entries (I9)."""

import random
from uuid import UUID

import pytest

from exchange.commands import NIL, Command, CommandKind, Side, Stp, TimeInForce
from exchange.faults import BrokenInvariant
from exchange.feed import messages
from exchange.feed.levels import Levels, checksum
from exchange.feed.routing import greeting
from exchange.feed.state import MarketState
from exchange.feed.statistics import DAY_MINUTES, MINUTE_MS, Statistics
from tests.seeds import seeds
from tests.unit.feed_world import MARKET, Listener, World, subscriber


@pytest.mark.parametrize("seed", seeds(8, quick=2))
def test_views_equal_the_book_and_sequences_have_no_gap(seed):
    rng = random.Random(seed)
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("level2", "level2"),
                        subscriber("matches", "matches"), subscriber("ticker", "ticker"))
    sequence, level_sequence = 0, 0
    books: dict[str, dict[str, str]] = {"buy": {}, "sell": {}}
    trades = 0
    for _ in range(150):
        sent = listener.run(*world.random_batch(rng, rng.randint(1, 12)))
        for message in sent.get("full", []):
            sequence += 1
            assert message["sequence"] == sequence
        assert sequence == world.book.sequence == listener.state.sequence
        for update in sent.get("level2", []):
            assert update["previous_sequence"] == level_sequence
            level_sequence = update["sequence"]
            for side, price, size in update["changes"]:
                if float(size):
                    books[side][price] = size
                else:
                    del books[side][price]  # KeyError: removing what was not there is a mistake, too
            assert update["checksum"] == checksum(world.market, listener.state.bids, listener.state.asks)
        assert level_sequence == sequence
        matches = [message for message in sent.get("matches", []) if message["type"] == "match"]
        assert matches == [message for message in sent.get("full", []) if message["type"] == "match"]
        trades += len(matches)
        assert len(sent.get("ticker", [])) == (1 if matches else 0)
        for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
            core = world.core_levels(side)
            assert dict(core) == books[name]
            assert [[world.market.format_price(price), world.market.format_size(lots)]
                    for price, lots, _ in listener.state.side(side).best()] == core
            live = {order.order_id: order.lots for order in listener.state.orders.values() if order.side == side}
            assert live == {order_id: lots for order_id, _, _, lots in world.book.orders(side)}
    assert trades > 50


def test_level_3_from_the_full_channel_equals_the_core():
    """A client that starts from an empty book and knows only `full` messages."""
    rng = random.Random(5)
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    book: dict[str, str] = {}
    for _ in range(200):
        for message in listener.run(*world.random_batch(rng, 8)).get("full", []):
            if message["type"] == "open":
                book[message["order_id"]] = message["remaining_size"]
            elif message["type"] == "done":
                book.pop(message["order_id"], None)
            elif message["type"] == "match":
                left = round((float(book[message["maker_order_id"]]) - float(message["size"])) * 1e6)
                book[message["maker_order_id"]] = f"{left / 1e6:.8f}"
            elif message["type"] == "change" and message["order_id"] in book:
                book[message["order_id"]] = message["new_size"]
    core = {str(UUID(bytes=order_id)): world.market.format_size(lots)
            for side in (Side.BUY, Side.SELL) for order_id, _, _, lots in world.book.orders(side)}
    assert book == core


def test_wording_of_a_trade():
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("maker", "user", account=1),
                        subscriber("taker", "user", "full", "matches", account=2), subscriber("ticker", "ticker"),
                        subscriber("stranger", "user", account=3))
    oid = UUID("12345678-1234-4234-8234-123456789abc")
    received = listener.run(world.place("sell", "100.00", "0.5", account=1, client_oid=oid))["full"][0]
    assert received["type"] == "received" and received["client_oid"] == str(oid) and "user_id" not in received
    sent = listener.run(world.place("buy", "101.00", "0.2", account=2))
    match = {"type": "match", "trade_id": 1, "maker_order_id": str(UUID(int=1)), "taker_order_id": str(UUID(int=2)),
             "side": "sell", "size": "0.20000000", "price": "100.00", "product_id": MARKET, "sequence": 4,
             "time": "2023-11-14T22:13:20.020000Z"}
    assert [message["type"] for message in sent["full"]] == ["received", "match", "done"]
    assert sent["full"][1] == match
    assert sent["full"][2]["reason"] == "filled" and sent["full"][2]["remaining_size"] == "0.00000000"
    assert sent["maker"] == [match | {"user_id": "user-1", "profile_id": "profile-1", "maker_user_id": "user-1",
                                      "maker_profile_id": "profile-1", "maker_fee_rate": "0.004000",
                                      "client_oid": str(oid)}]
    assert [message["sequence"] for message in sent["taker"]] == [3, 4, 5]  # once each, though three channels want them
    assert sent["taker"][1] == match | {"user_id": "user-2", "profile_id": "profile-2", "taker_user_id": "user-2",
                                        "taker_profile_id": "profile-2", "taker_fee_rate": "0.006000"}
    assert "stranger" not in sent
    ticker = sent["ticker"][0]
    assert (ticker["side"], ticker["price"], ticker["last_size"]) == ("buy", "100.00", "0.20000000")
    assert (ticker["best_ask"], ticker["best_ask_size"]) == ("100.00", "0.30000000")
    assert "best_bid" not in ticker and ticker["volume_24h"] == "0.20000000"


def test_wording_of_orders_that_do_not_rest():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    assert listener.run(world.place("buy", None, None, funds="1000.5"))["full"] == [
        {"type": "received", "time": "2023-11-14T22:13:20.010000Z", "product_id": MARKET, "sequence": 1,
         "order_id": str(UUID(int=1)), "side": "buy", "order_type": "market", "funds": "1000.50000000"},
        {"type": "done", "time": "2023-11-14T22:13:20.010000Z", "product_id": MARKET, "sequence": 2,
         "order_id": str(UUID(int=1)), "side": "buy", "reason": "canceled", "cancel_reason": "no liquidity"}]
    ioc = listener.run(world.place("buy", "9.00", "1", tif=TimeInForce.IOC))["full"][-1]
    assert (ioc["reason"], ioc["remaining_size"], ioc["price"]) == ("canceled", "1.00000000", "9.00")


def test_self_trade_is_a_change_and_a_done():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    listener.run(world.place("sell", "100.00", "0.5", account=1))
    kinds = listener.run(world.place("buy", "100.00", "0.2", account=1, stp=Stp.DECREASE_AND_CANCEL))["full"]
    change = next(message for message in kinds if message["type"] == "change")
    assert (change["old_size"], change["new_size"], change["reason"]) == ("0.50000000", "0.30000000", "STP")
    done = next(message for message in kinds if message["type"] == "done")
    assert (done["reason"], done["cancel_reason"]) == ("canceled", "self trade prevention")


def test_rejections():
    """A refused place is done at once and takes a number; a refused cancel is nobody's business."""
    world = World()
    listener = Listener(world, subscriber("full", "full"), subscriber("owner", "user", account=1))
    refused = listener.run(world.place("buy", "0", "1"))["full"]
    assert [tuple(message[name] for name in ("type", "reason", "cancel_reason", "reject_reason")) for message in refused] == [
        ("done", "canceled", "rejected", "malformed")]
    assert listener.run(world.cancel(UUID(int=99))) == {}
    order = UUID(int=77)
    listener.run(world.place("buy", "50", "1", order=order))
    repeat = listener.run(world.place("buy", "50", "1", order=order))
    assert [(message["type"], message.get("duplicate")) for message in repeat["full"]] == [("received", True)]
    assert "owner" not in repeat  # the order rests as before
    assert listener.state.orders[order.bytes].lots == world.market.size_lots("1")


def test_an_odd_side_in_a_malformed_order_breaks_nothing():
    world = World()
    listener = Listener(world, subscriber("full", "full"))
    odd = Command(kind=CommandKind.PLACE, issued_at_ms=world.at_ms, side=9, order_type=200, order_id=UUID(int=4))
    assert listener.run(odd)["full"][0]["cancel_reason"] == "rejected"
    assert odd.client_oid == NIL


def test_events_that_skip_a_number_are_a_broken_invariant():
    world = World()
    state = MarketState(MARKET)
    first = world.run(world.place("buy", "1.00", "1"))
    second = world.run(world.place("buy", "2.00", "1"))
    with pytest.raises(BrokenInvariant, match="was given 2"):
        state.apply(second)
    state.apply(first)
    state.sequence = 1
    with pytest.raises(BrokenInvariant, match="I9"):
        state.apply(second)


def test_a_long_snapshot_is_cut_and_loses_nothing():
    world = World()
    state = MarketState(MARKET)
    for number in range(6000):
        state.bids.set(number + 1, 5, 1)
        state.asks.set(number + 10_000, 7, 1)
    cut = messages.snapshot_messages(world.market, state)
    assert [message["type"] for message in cut] == ["snapshot", *["l2update"] * (len(cut) - 1)]
    assert len(cut) > 2 and all(len(messages.dump(message)) < 128 * 1024 for message in cut)
    bids = [tuple(level) for level in cut[0]["bids"]]
    asks = [tuple(level) for level in cut[0]["asks"]]
    for message in cut[1:]:
        bids += [(price, size) for side, price, size in message["changes"] if side == "buy"]
        asks += [(price, size) for side, price, size in message["changes"] if side == "sell"]
    assert len(set(bids)) == len(set(asks)) == 6000
    assert cut[0]["bids"][0] == ["60.00", "0.00000500"] and cut[0]["asks"][0] == ["100.00", "0.00000700"]


def test_greeting_of_an_empty_market_and_after_a_trade():
    world = World()
    listener = Listener(world)
    everything = ("level2", "matches", "ticker", "user", "full")
    assert len(greeting(world.market, listener.state, everything)) == 1  # an empty snapshot
    listener.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "1", account=2))
    kinds = [text.split('"', 4)[3] for text in greeting(world.market, listener.state, everything)]
    assert kinds == ["last_match", "ticker", "snapshot"]


def test_checksum_is_the_documented_text():
    from zlib import crc32
    world = World()
    bids, asks = Levels(Side.BUY, {10_000: (1, 1), 9_999: (2, 1)}), Levels(Side.SELL, {10_001: (3, 1)})
    assert checksum(world.market, bids, asks) == crc32(b"100.00:0.00000100:99.99:0.00000200:100.01:0.00000300")
    assert checksum(world.market, Levels(Side.BUY), Levels(Side.SELL)) == 0


def test_statistics_move_with_time():
    statistics = Statistics()
    start = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS
    statistics.add(start, 100, 5)
    statistics.add(start + 1, 90, 5)
    statistics.add(start + MINUTE_MS, 120, 1)
    now = statistics.figures(start + MINUTE_MS)
    assert (now.open, now.high, now.low, now.lots, now.lots_30d) == (100, 120, 90, 11, 11)
    later = statistics.figures(start + DAY_MINUTES * MINUTE_MS)
    assert (later.open, later.high, later.low, later.lots, later.lots_30d) == (120, 120, 120, 1, 11)
    gone = statistics.figures(start + (DAY_MINUTES + 1) * MINUTE_MS)
    assert (gone.open, gone.high, gone.low, gone.lots) == (None, None, None, 0)
    statistics.add(start + 31 * DAY_MINUTES * MINUTE_MS, 7, 2)
    assert next(iter(statistics.minutes.values())).close == 7 and len(statistics.expired_minutes) == 2
    assert statistics.figures(start + 31 * DAY_MINUTES * MINUTE_MS).lots_30d == 2
