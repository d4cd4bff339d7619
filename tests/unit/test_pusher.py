"""The pusher: one connection's trouble is its own; what a slow one may miss, and what is left out in a batch."""

import json
import random
from collections import defaultdict

import pytest

from exchange.adapters.aws.posts import Gone, PostFailed, PostRefused, TooSlow
from exchange.adapters.aws.pusher import (
    FRAME_BYTES,
    GAP_S,
    MAX_RECEIVES,
    MAX_RESYNCS,
    PAUSES_S,
    SLOW_REMEMBERED_S,
    Pusher,
)
from exchange.feed.conflation import conflate

MARKET = "BTC-USD"


def update(previous: int, sequence: int, *changes: tuple[str, str, str], product: str = MARKET, **more: object) -> str:
    return dump({"type": "l2update", "product_id": product, "previous_sequence": previous, "sequence": sequence,
                 "changes": list(map(list, changes)), "checksum": sequence} | more)


def dump(message: dict) -> str:
    return json.dumps(message, separators=(",", ":"))


def snapshot(sequence: int) -> str:
    return dump({"type": "snapshot", "product_id": MARKET, "sequence": sequence})


def event(sequence: int, kind: str = "match") -> str:
    return dump({"type": kind, "product_id": MARKET, "sequence": sequence})


class World:
    """`trouble[connection]`: a function of the text that may raise."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: dict[str, list[str]] = defaultdict(list)
        self.trouble: dict[str, object] = {}
        self.closed: list[str] = []
        self.dropped: list[tuple[str, set[str]]] = []
        self.resyncs: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.pusher, self.another = self.environment(), self.environment()

    def environment(self) -> Pusher:
        """What one environment of the function has in its memory."""
        return Pusher(
            post=self.post, disconnect=self.closed.append, drop=lambda *what: self.dropped.append(what),
            resync=lambda connection, market, name: self.resyncs.append((connection, market)),
            each=lambda function, items: [function(item) for item in items], sleep_s=self.pauses.append,
            now_s=lambda: self.now_s)

    def post(self, connection: str, text: str) -> None:
        if connection in self.trouble:
            self.trouble[connection](text)
        self.sent[connection].append(text)

    def push(self, *parts: tuple[str, list[str]], market: str = MARKET, receives: int = 1, by: Pusher | None = None,
             batch: str = "") -> None:
        """Each part a queue message: (connections separated by spaces, texts)."""
        (by or self.pusher).push([{"market": market, "texts": texts, "close": [],
                           "batch": [one for one in connections.split() if one in batch.split()],
                           "send": [[connections.split(), list(range(len(texts)))]]} for connections, texts in parts],
                         name="n", receives=receives)


def raises(error: Exception, times: int = 10**9):
    left = [times]

    def act(text: str) -> None:
        if left[0]:
            left[0] -= 1
            raise error
    return act


@pytest.fixture
def world():
    return World()


def test_one_whose_posts_keep_failing_is_dropped_alone(world):
    world.trouble["bad"] = raises(PostFailed("500"))
    world.push(("a bad b", [event(1), event(2)]))
    assert world.sent == {"a": [event(1), event(2)], "b": [event(1), event(2)]}
    assert world.closed == ["bad"] and world.dropped == [("bad", {MARKET})]
    assert world.pauses == list(PAUSES_S)


def test_one_that_fails_for_a_while_goes_on_where_it_stood(world):
    world.trouble["c"] = lambda text: raises(PostFailed("500"), 1)(text) if "2" in text and not world.pauses else None
    world.push(("a c", [event(1), event(2), event(3)]))
    assert world.sent["a"] == world.sent["c"] == [event(1), event(2), event(3)]
    assert world.closed == [] == world.dropped and world.pauses == [PAUSES_S[0]]


def test_when_all_fail_the_batch_comes_again_and_then_not_for_ever(world):
    for connection in "ab":
        world.trouble[connection] = raises(PostFailed("500"))
    for receives in range(1, MAX_RECEIVES):
        with pytest.raises(PostFailed):
            world.push(("a b", [event(1)]), receives=receives)
        assert world.dropped == []
    world.push(("a b", [event(1)]), receives=MAX_RECEIVES)
    assert world.closed == ["a", "b"]


def test_gone_and_refused(world):
    world.trouble["gone"] = raises(Gone("x"))
    world.trouble["long"] = raises(PostRefused("413"))
    world.push(("gone long well", [event(1)]))
    assert world.closed == ["long"] and [name for name, _ in world.dropped] == ["gone", "long"]
    assert world.sent == {"well": [event(1)]}


def test_one_that_cannot_even_be_closed_is_dropped(world):
    world.trouble["bad"] = raises(PostRefused("400"))

    def away(connection: str) -> None:
        raise PostFailed("500")
    world.pusher._disconnect = away
    world.push(("bad well", [event(1)]))
    assert [name for name, _ in world.dropped] == ["bad"]


def test_a_slow_one_with_events_is_told_and_closed_never_skipped(world):
    def slow(text: str) -> None:
        if '"error"' not in text:
            raise TooSlow("c")
    world.trouble["c"] = slow
    world.push(("c well", [update(0, 1), event(2)]))
    (told,) = map(json.loads, world.sent["c"])
    assert told["type"] == "error" and told["reason"]
    assert world.closed == ["c"] and world.dropped == [("c", {MARKET})] and world.resyncs == []


def test_a_slow_one_of_levels_gets_the_newest_state_and_nothing_before_it(world):
    world.trouble["c"] = raises(TooSlow("c"), 1)
    world.push(("c well", [update(0, 1)]))
    assert world.resyncs == [("c", MARKET)] and world.closed == [] == world.dropped
    world.push(("c well", [update(1, 2), dump({"type": "ticker", "product_id": MARKET})]))  # was on its way already
    world.push(("c", [snapshot(3)]), ("c well", [update(3, 4)]))
    assert [json.loads(text)["type"] for text in world.sent["c"]] == ["ticker", "snapshot", "l2update"]
    world.push(("c well", [update(4, 5)]))
    assert world.sent["c"][-1] == update(4, 5) and len(world.sent["well"]) == 5
    assert world.pusher._behind == {}


def test_one_that_is_always_too_slow_goes(world):
    world.trouble["c"] = raises(TooSlow("c"))
    for number in range(MAX_RESYNCS):
        world.push(("c", [snapshot(number)]))
        assert world.dropped == []
    world.push(("c", [snapshot(99)]))
    assert world.closed == ["c"] and len(world.resyncs) == MAX_RESYNCS and world.pusher._behind == {}


def test_a_snapshot_that_another_environment_posted_ends_the_gap_here_too(world):
    """Otherwise this environment would keep every later update back, and the listener's book would stand still for good."""
    world.trouble["slow"] = raises(TooSlow("429"), times=1)
    world.push(("slow", [update(1, 2)]))
    assert world.resyncs == [("slow", MARKET)]
    world.push(("slow", [snapshot(5), update(5, 6)]), by=world.another)
    world.now_s = GAP_S - 1
    world.push(("slow", [update(6, 7)]))
    assert world.sent["slow"] == [snapshot(5), update(5, 6)], "for all this environment knows, no snapshot has come"
    world.now_s = GAP_S
    world.push(("slow", [update(7, 8)]))
    assert world.sent["slow"][-1] == update(7, 8) and not world.closed


def test_one_that_is_always_too_slow_goes_though_two_environments_take_turns(world):
    world.trouble["slow"] = raises(TooSlow("429"))
    for number in range(4 * MAX_RESYNCS):
        if world.closed:
            break
        world.push(("slow", [snapshot(number)]), by=(world.pusher, world.another)[number % 2])
    assert world.closed == ["slow"] and number <= 2 * MAX_RESYNCS + 1


def test_that_one_was_slow_is_not_remembered_for_ever(world):
    """A connection that is slow once in a while stays; and a mark of one that is gone does not stay in memory."""
    for number in range(3 * MAX_RESYNCS):
        world.trouble["slow"] = raises(TooSlow("429"), times=1)
        world.push(("slow", [update(number, number + 1)]))
        world.now_s += SLOW_REMEMBERED_S
    assert not world.closed and len(world.resyncs) == 3 * MAX_RESYNCS
    world.push(("other", [event(1)]))
    assert world.pusher._behind == {}


def test_a_batch_is_conflated_for_each_connection_by_what_it_has(world):
    world.push(("levels both", [update(0, 1, ("buy", "1", "1"))]), ("both", [event(2)]),
               ("levels both", [update(1, 2, ("buy", "1", "2"), ("sell", "9", "1"))]))
    assert [json.loads(text) for text in world.sent["levels"]] == [json.loads(
        update(0, 2, ("buy", "1", "2"), ("sell", "9", "1")))]
    assert [json.loads(text)["type"] for text in world.sent["both"]] == ["match", "l2update"]


# --- several messages in one frame

def test_who_asked_for_it_gets_what_goes_together_as_arrays(world):
    texts = [event(number) for number in range(5)]
    world.push(("one many", texts), batch="many")
    assert world.sent["one"] == texts
    assert [json.loads(frame) for frame in world.sent["many"]] == [[json.loads(text) for text in texts]]
    world.push(("one many", [event(9)]), batch="many")
    assert world.sent["many"][-1] == event(9), "one alone is no array"
    world.pusher.push([{"market": MARKET, "texts": texts, "close": [], "send": [[["many"], [0, 1]]]}], name="n")
    assert world.sent["many"][-2:] == texts[:2], "a body of before says nothing of it"


def test_arrays_of_several_markets_and_messages_keep_the_order_and_are_conflated(world):
    world.pusher.push([
        {"market": MARKET, "texts": [event(1), update(0, 1, ("buy", "1", "1"))], "close": [], "batch": ["c"],
         "send": [[["c"], [0, 1]]]},
        {"market": "ETH-USD", "texts": [event(7)], "close": [], "batch": ["c"], "send": [[["c"], [0]]]},
        {"market": MARKET, "texts": [update(1, 2, ("buy", "1", "2"))], "close": [], "batch": ["c"], "send": [[["c"], [0]]]}],
        name="n")
    (frame,) = world.sent["c"]
    assert json.loads(frame) == [json.loads(text) for text in (event(1), event(7), update(0, 2, ("buy", "1", "2")))]


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_no_frame_is_longer_than_a_frame_unless_one_message_is(world, letter):
    rng = random.Random(letter)
    texts = [json.dumps({"n": number, "text": letter * rng.randint(0, 3000)}, ensure_ascii=False) for number in range(120)]
    texts.insert(60, json.dumps({"n": "long", "text": letter * 40_000}, ensure_ascii=False))
    world.push(("c", texts), batch="c")
    frames = [json.loads(frame) for frame in world.sent["c"]]
    assert [message for frame in frames for message in (frame if isinstance(frame, list) else [frame])] == [
        json.loads(text) for text in texts]
    sizes = [len(frame.encode()) for frame in world.sent["c"]]
    assert sorted(sizes)[-2] <= FRAME_BYTES < max(sizes)
    assert len(frames) < 3 + sum(len(text.encode()) for text in texts) / 20_000


def test_frames_that_were_not_posted_are_posted_again_and_no_other(world):
    texts = [json.dumps({"type": "match", "n": number, "text": "x" * 20_000}) for number in range(4)]
    world.trouble["c"] = lambda text: raises(PostFailed("500"), 1)(text) if '"n": 2' in text and not world.pauses else None
    world.push(("c d", texts), batch="c")
    assert world.sent["c"] == world.sent["d"] == texts and world.pauses == [PAUSES_S[0]]


def test_a_slow_one_with_events_in_its_frames_is_closed_one_of_levels_gets_the_newest_state(world):
    for connection, texts in (("events", [event(1), update(0, 1)]), ("levels", [update(0, 1), update(2, 3)])):
        world.trouble[connection] = raises(TooSlow("429"), 1)
        world.push((connection, texts), batch=connection)
    assert world.closed == ["events"] and world.resyncs == [("levels", MARKET)]
    world.push(("levels", [update(1, 2), event(3), snapshot(4), update(4, 5)]), batch="levels")
    (frame,) = world.sent["levels"]
    assert [message["type"] for message in json.loads(frame)] == ["match", "snapshot", "l2update"]
    assert world.pusher._behind == {}, "the snapshot in the array ended the gap"


# --- conflation

def test_updates_of_one_product_become_one_in_the_place_of_the_last():
    texts = [update(0, 2, ("buy", "1", "1"), ("sell", "5", "1")), update(0, 9, ("buy", "7", "7"), product="ETH-USD"),
             event(3), update(2, 3, ("buy", "1", "0"))]
    assert [json.loads(text) for text in conflate(texts)] == [json.loads(text) for text in (
        texts[1], texts[2], update(0, 3, ("buy", "1", "0"), ("sell", "5", "1")))]


def test_only_the_newest_ticker_of_each_product():
    tickers = [dump({"type": "ticker", "product_id": product, "n": n}) for n, product in enumerate("ABAB")]
    assert conflate([tickers[0], event(1), *tickers[1:], event(2)]) == [event(1), tickers[2], tickers[3], event(2)]


@pytest.mark.parametrize("between", [snapshot(1), dump({"type": "heartbeat", "sequence": 1})])
def test_no_update_passes_a_snapshot_or_a_heartbeat(between):
    texts = [update(0, 1, ("buy", "1", "1")), between, update(1, 2, ("buy", "1", "2"))]
    assert [json.loads(text) for text in conflate(texts)] == [json.loads(text) for text in texts]


def test_parts_of_a_cut_message_and_gaps_stay_as_they_are():
    for texts in ([update(5, 5), update(5, 6)],  # the rest of a cut snapshot
                  [dump({key: value for key, value in json.loads(update(5, 6)).items() if key != "checksum"}), update(6, 6)],
                  [update(5, 6), update(7, 8)]):
        assert [json.loads(text) for text in conflate(texts)] == [json.loads(text) for text in texts]


def test_a_conflated_stream_gives_the_same_book_and_keeps_every_event():
    rng = random.Random(7)
    for _ in range(200):
        texts, sequence = [], 0
        for _ in range(rng.randint(1, 20)):
            draw = rng.random()
            if draw < 0.6:
                step = rng.randint(1, 3)
                texts.append(update(sequence, sequence + step, *[(rng.choice(("buy", "sell")), str(rng.randint(1, 4)),
                                                                  str(rng.randint(0, 3))) for _ in range(rng.randint(0, 3))]))
                sequence += step
            elif draw < 0.7:
                texts.append(dump({"type": "heartbeat", "sequence": sequence}))
            else:
                texts.append(event(sequence) if draw < 0.85 else dump({"type": "ticker", "product_id": MARKET, "n": draw}))
        short = conflate(texts)
        assert followed(short) == followed(texts)
        assert [text for text in short if "match" in text or "heartbeat" in text] == [
            text for text in texts if "match" in text or "heartbeat" in text]


def followed(texts: list[str]) -> tuple:
    """The book at the end, the newest ticker, and the checks that no client may see fail."""
    book, sequence, ticker = {}, 0, None
    for message in map(json.loads, texts):
        if message["type"] == "l2update":
            assert message["previous_sequence"] == sequence
            sequence = message["sequence"]
            book |= {(side, price): size for side, price, size in message["changes"]}
        elif message["type"] == "heartbeat":
            assert message["sequence"] <= sequence
        elif message["type"] == "ticker":
            ticker = message
    return book, sequence, ticker
