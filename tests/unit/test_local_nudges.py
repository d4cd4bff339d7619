"""What a consumer of nudges hands on, whatever is lost between it and the engine. The clock and the journal are the test's."""

import json
import random

import pytest

from exchange.nudges import encode_bare_nudge
from exchange.ports import Message
from local.nudges import LOOK_EVERY_S, MAX_KEPT, Nudges

A, B = "BTC-USD", "ETH-USD"
PAUSES_S = (0.5, 3)


class World:
    def __init__(self, **heads: int) -> None:
        self.now = 100.0
        self.heads = {name.replace("_", "-"): seq for name, seq in heads.items()}
        self.looks = 0
        self.nudges = self.new_consumer()

    def new_consumer(self) -> Nudges:
        return Nudges("settle.fifo", self._look, batch_size=10, pauses_s=PAUSES_S)

    def _look(self) -> dict[str, int]:
        self.looks += 1
        return dict(self.heads)

    def appended(self, market: str, *, heard: bool = True, entries: int = 1) -> None:
        """The engine appends entries; whether their nudges arrive."""
        for _ in range(entries):
            self.heads[market] = self.heads.get(market, 0) + 1
            if heard:
                self.nudges.heard((hint(market, self.heads[market]),))

    def next(self) -> list[Message]:
        self.nudges.look(self.now)
        return self.nudges.next(self.now)

    def take(self) -> tuple[str, list[int]]:
        """The next batch, which succeeds: its market and the seqs it names."""
        batch = self.next()
        self.nudges.done(batch)
        return batch[0].group, [message.sequence for message in batch]

    def fail(self) -> list[Message]:
        batch = self.next()
        self.nudges.failed(batch, self.now)
        return batch

    def pass_s(self, seconds: float) -> None:
        self.now += seconds


def hint(market: str, seq: int) -> str:
    """As the engine sends it, with an entry that stands for one."""
    return json.dumps({"market": market, "seq": seq, "entry": f"entry {seq}"})


def entries(batch: list[Message]) -> list[str | None]:
    return [json.loads(message.body).get("entry") for message in batch]


def test_at_its_start_it_hands_on_where_the_journal_stands() -> None:
    world = World(BTC_USD=7, ETH_USD=1)
    [nudge] = world.next()
    assert (nudge.queue, nudge.group, nudge.sequence, nudge.dedup_id, nudge.body, nudge.receive_count) == (
        "settle.fifo", A, 7, "BTC-USD:7", encode_bare_nudge(A, 7), 1)
    assert [world.take(), world.take(), world.next()] == [(A, [7]), (B, [1]), []]
    assert world.looks == 1


def test_what_is_heard_is_handed_on_as_it_came_one_market_at_a_time() -> None:
    world = World(BTC_USD=1, ETH_USD=1)
    world.take(), world.take()
    world.appended(A, entries=3)
    world.appended(B)
    world.appended(A, entries=9)
    batch = world.next()
    assert entries(batch) == [f"entry {seq}" for seq in range(2, 12)]
    # In turn, so that a busy market does not keep the other.
    assert [world.take(), world.take(), world.take()] == [(A, [*range(2, 12)]), (B, [2]), (A, [12, 13])]
    assert world.next() == [] and world.looks == 1


def test_a_lost_nudge_shows_with_the_next_one_or_at_the_next_look() -> None:
    world = World(BTC_USD=1)
    world.take()
    world.appended(A, heard=False)
    world.appended(A)
    assert world.take() == (A, [3]), "the follower reads 2 from the journal"
    world.appended(A, heard=False)
    assert world.next() == [] and world.nudges.due_in_s(world.now) == LOOK_EVERY_S
    world.pass_s(LOOK_EVERY_S)
    assert world.nudges.due_in_s(world.now) == 0
    [nudge] = world.next()
    assert nudge.body == encode_bare_nudge(A, 4)


def test_a_hint_that_is_known_to_be_missing_is_looked_for_at_once() -> None:
    world = World(BTC_USD=1)
    world.take()
    world.appended(A, heard=False)
    world.nudges.look_soon()
    assert world.nudges.due_in_s(world.now) == 0 and world.take() == (A, [2])


def test_what_was_taken_is_not_handed_on_again() -> None:
    world = World(BTC_USD=5)
    world.take()
    world.nudges.heard((hint(A, 5), hint(A, 3)))
    assert world.next() == []
    world.appended(A)
    world.nudges.heard((hint(A, 6), hint(A, 6)))
    assert world.take() == (A, [6]) and world.next() == []


def test_a_new_market_is_followed_from_its_first_entry() -> None:
    world = World(BTC_USD=0, ETH_USD=0)
    assert world.next() == []
    world.appended(A)
    assert entries(world.next()) == ["entry 1"] and world.take() == (A, [1])
    world.appended(B, heard=False)
    world.pass_s(LOOK_EVERY_S)
    assert world.take() == (B, [1])


def test_one_that_fails_comes_again_after_a_pause_and_keeps_no_other_market() -> None:
    world = World(BTC_USD=1, ETH_USD=1)
    world.take(), world.take()
    world.appended(A, entries=2)
    failed = world.fail()
    assert entries(failed) == ["entry 2", "entry 3"] and [message.receive_count for message in failed] == [1, 1]
    world.appended(A)
    world.appended(B)
    assert world.take() == (B, [2])
    assert world.next() == [] and world.nudges.due_in_s(world.now) == PAUSES_S[0]
    world.pass_s(PAUSES_S[0])
    [again] = world.fail()
    assert (again.body, again.receive_count) == (encode_bare_nudge(A, 4), 2), "the rest is in the journal"
    # It is never given up.
    for failures in range(3, 20):
        world.pass_s(PAUSES_S[1] - 0.01)
        assert world.next() == []
        world.pass_s(0.01)
        [again] = world.fail()
        assert again.receive_count == failures
    world.pass_s(PAUSES_S[1])
    assert world.take() == (A, [4])
    world.appended(A)
    assert [message.receive_count for message in world.next()] == [1] and entries(world.next()) == ["entry 5"]


def test_more_than_there_is_room_for_is_left_to_the_journal() -> None:
    world = World(BTC_USD=1)
    world.take()
    world.appended(A, entries=2 * MAX_KEPT)
    carried = 0
    while batch := world.next():
        carried += sum(entry is not None for entry in entries(batch))
        world.nudges.done(batch)
    assert carried == MAX_KEPT and batch == []
    assert world.nudges._markets[A].taken == 1 + 2 * MAX_KEPT


def test_when_the_database_was_away_everything_is_offered_again() -> None:
    world = World(BTC_USD=3, ETH_USD=2)
    world.take(), world.take()
    world.appended(A)
    world.nudges.forget()
    assert world.nudges.due_in_s(world.now) == 0
    assert sorted([world.take(), world.take()]) == [(A, [4]), (B, [2])] and world.next() == []


@pytest.mark.parametrize("text", ["", "no json", "[]", "7", "null", "{}", "{" * 9999, "\x00",
                                  '{"market": "BTC-USD"}', '{"market": "BTC-USD", "seq": "x"}',
                                  '{"market": ["BTC-USD"], "seq": 2}', '{"market": "BTC-USD", "seq": null}'])
def test_what_is_no_nudge_is_ignored(text: str) -> None:
    world = World(BTC_USD=1)
    world.take()
    world.nudges.heard((text, hint("NO-SUCH", 9)))
    assert world.next() == []
    world.appended(A)
    assert world.take() == (A, [2])


def test_a_journal_that_cannot_be_read_is_looked_at_again() -> None:
    world = World(BTC_USD=1)
    answers = iter([ConnectionError("away")])

    def away() -> dict[str, int]:
        if error := next(answers, None):
            raise error
        return {A: 1}

    world.nudges = Nudges("settle.fifo", away, batch_size=10, pauses_s=PAUSES_S)
    with pytest.raises(ConnectionError):
        world.next()
    assert world.nudges.due_in_s(world.now) == 0 and world.take() == (A, [1])


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_left_whatever_is_lost(seed: int) -> None:
    """Nudges lost, repeated, late; handlers that fail; consumers that die with a batch; a database that forgets what was
    settled. Once the faults stop the follower's cursor stands at the head within a look."""
    rng = random.Random(seed)
    world, cursors = World(BTC_USD=0, ETH_USD=0), {A: 0, B: 0}

    def handle(batch: list[Message]) -> bool:
        assert len({message.group for message in batch}) == 1 and len(batch) <= 10
        sequences = [message.sequence for message in batch]
        assert sequences == sorted(set(sequences)) and sequences[-1] <= world.heads[batch[0].group]
        if rng.random() < 0.2:
            return False
        cursors[batch[0].group] = max(cursors[batch[0].group], sequences[-1])
        return True

    for _ in range(400):
        draw, market = rng.random(), rng.choice((A, B))
        if draw < 0.4:
            world.appended(market, heard=rng.random() < 0.7, entries=rng.choice((1, 1, 2, 30)))
        elif draw < 0.5 and world.heads.get(market):
            world.nudges.heard((hint(market, rng.randint(1, world.heads[market])),))
        elif draw < 0.55:
            world.nudges = world.new_consumer()
        elif draw < 0.6:
            cursors[market] = rng.randint(0, cursors[market])
            world.nudges.forget()
        elif batch := world.next():
            if handle(batch):
                world.nudges.done(batch)
            else:
                world.nudges.failed(batch, world.now)
        world.pass_s(rng.choice((0, 0.1, 1)))
    world.pass_s(PAUSES_S[-1] + LOOK_EVERY_S)
    while batch := world.next():
        cursors[batch[0].group] = max(cursors[batch[0].group], batch[-1].sequence)
        world.nudges.done(batch)
    assert cursors == world.heads
