"""The contract of the three ports, on every implementation: embedded, moto, MiniStack."""

import threading
import time
import uuid

import pytest
from contract.conftest import VISIBILITY_MS, World

from exchange.ports import Fenced, Message, QueueDepth, Send


def send(world: World, body: str, group: str = "BTC-USD", dedup_id: str | None = None) -> int:
    return world.queue.send(queue=world.queue_url, group=group, dedup_id=dedup_id or uuid.uuid4().hex, body=body)


def receive(world: World, max_messages: int = 10, within_s: float = 8) -> list[Message]:
    """The next batch; a queue may answer nothing for a while after a change of visibility."""
    deadline = time.monotonic() + within_s
    while True:
        messages = world.queue.receive(queue=world.queue_url, max_messages=max_messages, wait_s=1)
        if messages or time.monotonic() > deadline:
            return messages


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


class TestCommandQueue:
    def test_delivers_in_order_with_growing_sequence_numbers(self, world: World) -> None:
        sent = [send(world, f"body {number}") for number in range(7)]
        messages = receive(world)
        assert bodies(messages) == [f"body {number}" for number in range(7)]
        assert [message.sequence for message in messages] == sent == sorted(set(sent))
        assert {message.group for message in messages} == {"BTC-USD"}
        assert {message.receive_count for message in messages} == {1}

    def test_a_batch_holds_at_most_what_was_asked_for(self, world: World) -> None:
        for number in range(12):
            send(world, str(number))
        first = receive(world)
        assert bodies(first) == [str(number) for number in range(10)]
        world.queue.acknowledge(first)
        assert bodies(receive(world)) == ["10", "11"]

    def test_a_depth_counts_what_waits_and_what_is_in_flight(self, world: World) -> None:
        assert world.queue.depth(world.queue_url) == QueueDepth(0, 0, 0 if world.name == "embedded" else None)
        for number in range(3):
            send(world, str(number))
        first = receive(world, max_messages=1)
        depth = world.queue.depth(world.queue_url)
        assert depth.waiting + depth.in_flight == 3 and depth.in_flight == 1
        assert depth.oldest_age_s is None or 0 <= depth.oldest_age_s < 60
        world.queue.acknowledge(first)
        assert (world.queue.depth(world.queue_url).waiting, world.queue.depth(world.queue_url).in_flight) == (2, 0)

    def test_none_of_a_group_while_one_of_it_is_in_flight(self, world: World) -> None:
        send(world, "one")
        first = receive(world)
        send(world, "two")
        assert world.queue.receive(queue=world.queue_url) == []
        world.queue.acknowledge(first)
        assert bodies(receive(world)) == ["two"]

    def test_groups_do_not_wait_for_each_other(self, world: World) -> None:
        send(world, "one", group="A")
        send(world, "two", group="B")
        received = receive(world, max_messages=1) + receive(world, max_messages=1)
        assert sorted(bodies(received)) == ["one", "two"]

    def test_unacknowledged_comes_again_after_the_visibility_timeout(self, world: World) -> None:
        send(world, "one")
        send(world, "two")
        first = receive(world)
        assert world.queue.receive(queue=world.queue_url) == []
        time.sleep(VISIBILITY_MS / 1000 + 0.3)
        again = receive(world)
        assert bodies(again) == bodies(first) == ["one", "two"]
        assert [message.sequence for message in again] == [message.sequence for message in first]
        assert again[0].receive_count == 2

    def test_released_comes_again_at_once_in_order(self, world: World) -> None:
        for number in range(3):
            send(world, str(number))
        first = receive(world)
        world.queue.acknowledge(first[:1])
        started = time.monotonic()
        world.queue.release(first[1:])
        assert bodies(receive(world)) == ["1", "2"]
        assert time.monotonic() - started < VISIBILITY_MS / 1000

    def test_acknowledged_never_comes_again(self, world: World) -> None:
        send(world, "one")
        world.queue.acknowledge(receive(world))
        time.sleep(VISIBILITY_MS / 1000 + 0.3)
        assert world.queue.receive(queue=world.queue_url) == []

    def test_a_repeated_send_is_dropped_also_after_delivery(self, world: World) -> None:
        first = send(world, "one", dedup_id="same")
        assert send(world, "one", dedup_id="same") == first
        world.queue.acknowledge(receive(world))
        send(world, "one", dedup_id="same")
        second = send(world, "two", dedup_id="other")
        messages = receive(world)
        assert bodies(messages) == ["two"]
        assert messages[0].sequence == second > first

    def test_several_sent_at_once_keep_their_order_and_wake_who_waits(self, world: World) -> None:
        waiting = threading.Timer(0.3, lambda: world.new_queue().send_all(
            [Send(world.queue_url, group, f"{group}{number}", f"{group}{number}")
             for number in range(3) for group in ("A", "B")]))
        waiting.start()
        got = receive(world)
        world.queue.acknowledge(got)
        while len(got) < 6:
            more = receive(world)
            assert more, bodies(got)
            world.queue.acknowledge(more)
            got += more
        waiting.join()
        for group in ("A", "B"):
            assert bodies([message for message in got if message.group == group]) == [f"{group}{n}" for n in range(3)]

    def test_what_need_not_be_on_disk_is_delivered_alike(self, world: World) -> None:
        for _ in range(2):
            world.queue.send(queue=world.queue_url, group="A", dedup_id="1", body="1", resent=True)
        assert bodies(receive(world)) == ["1"]

    def test_a_hint_reaches_who_waits_and_is_nothing_to_wait_for(self, world: World) -> None:
        """In SQS it is a message like others. The embedded queue hands it over, taken or not, and keeps nothing."""
        hint = Send(world.queue_url, "A", "1", '{"any": "text"}')
        if world.name != "embedded":
            world.queue.send_hints([hint])
            assert bodies(receive(world)) == [hint.body]
            return
        receiver, name = world.new_queue(), world.queue_url.rsplit("/", 1)[-1]
        world.queue.send_hints([hint])
        receiver.wait(0, [name])
        assert receiver.wait(0, [name]) == {}, "nobody waited when it was sent"
        world.queue.send_hints([hint, hint])
        assert receiver.wait(1, [name])[name].hints == (hint.body, hint.body)
        assert world.queue.depth(world.queue_url) == QueueDepth(0, 0, 0)

    def test_given_up_after_the_stated_number_of_deliveries(self, world: World) -> None:
        send(world, "poison")
        send(world, "after it")
        for _ in range(3):
            batch = receive(world)
            assert bodies(batch)[0] == "poison"
            world.queue.release(batch)
        rest = receive(world)
        dead = world.queue.receive(queue=world.dead_letter_url, wait_s=1)
        assert {message.group for message in dead} == {"BTC-USD"}
        # SQS counts the deliveries of each message of the batch; the embedded queue those of the group's head.
        if world.name == "embedded":
            assert (bodies(dead), bodies(rest)) == (["poison"], ["after it"])
        else:
            assert (bodies(dead), bodies(rest)) == (["poison", "after it"], [])

    def test_sixteen_senders_give_numbers_in_commit_order(self, world: World) -> None:
        """The trap of a sequence object: a number can become visible after a larger one. The reader here would see it."""
        each = 25 if world.name == "embedded" else 5
        failures: list[Exception] = []

        def sender() -> None:
            try:
                queue = world.new_queue()
                for _ in range(each):
                    queue.send(queue=world.queue_url, group="G", dedup_id=uuid.uuid4().hex, body="x")
                getattr(queue, "close", lambda: None)()
            except Exception as error:  # noqa: BLE001 (the test asserts there was none)
                failures.append(error)

        threads = [threading.Thread(target=sender) for _ in range(16)]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        deadline = time.monotonic() + 60
        while len(seen) < 16 * each and time.monotonic() < deadline:
            batch = world.queue.receive(queue=world.queue_url)
            seen += [message.sequence for message in batch]
            world.queue.acknowledge(batch)
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(seen) == 16 * each
        assert seen == sorted(set(seen))

    def test_identity_is_stable_and_fits_63_bits(self, world: World) -> None:
        identity = world.queue.identity(world.queue_url)
        assert identity == world.new_queue().identity(world.queue_url)
        assert identity != world.queue.identity(world.dead_letter_url)
        assert 0 < identity < 2**63


class TestJournal:
    def test_append_get_after_head(self, world: World) -> None:
        journal, market = world.journal, world.market
        assert journal.head(market=market) is None
        assert journal.get(market=market, seq=1) is None
        for seq in range(1, 13):
            journal.append(market=market, seq=seq, entry=bytes([seq]) * seq)
        assert journal.get(market=market, seq=9) == bytes([9]) * 9
        assert journal.get(market=market, seq=13) is None
        assert journal.after(market=market, seq=10) == [bytes([11]) * 11, bytes([12]) * 12]
        assert journal.after(market=market, seq=2, limit=3) == [bytes([seq]) * seq for seq in (3, 4, 5)]
        assert journal.after(market=market, seq=12) == []
        assert journal.head(market=market) == bytes([12]) * 12

    def test_a_taken_seq_is_fenced_and_keeps_its_entry(self, world: World) -> None:
        world.journal.append(market=world.market, seq=1, entry=b"first")
        with pytest.raises(Fenced):
            world.journal.append(market=world.market, seq=1, entry=b"second")
        with pytest.raises(Fenced):
            world.journal.append(market=world.market, seq=1, entry=b"first")
        assert world.journal.get(market=world.market, seq=1) == b"first"

    def test_markets_are_apart(self, world: World) -> None:
        world.journal.append(market=world.market, seq=1, entry=b"one")
        world.journal.append(market=world.market + "x", seq=1, entry=b"two")
        assert world.journal.head(market=world.market) == b"one"
        assert world.journal.after(market=world.market, seq=0) == [b"one"]

    def test_an_entry_of_the_largest_size_any_bytes(self, world: World) -> None:
        from exchange.journal import MAX_ENTRY_BYTES
        entry = (bytes(range(256)) * (MAX_ENTRY_BYTES // 256 + 1))[:MAX_ENTRY_BYTES]
        world.journal.append(market=world.market, seq=1, entry=entry)
        assert world.journal.get(market=world.market, seq=1) == entry

    def test_pages_past_one_megabyte(self, world: World) -> None:
        entries = [bytes([seq]) * 300_000 for seq in range(1, 8)]
        for seq, entry in enumerate(entries, 1):
            world.journal.append(market=world.market, seq=seq, entry=entry)
        assert world.journal.after(market=world.market, seq=0) == entries

    def test_one_of_eight_writers_wins(self, world: World) -> None:
        outcomes: list[str] = []

        def write(number: int) -> None:
            try:
                world.journal.append(market=world.market, seq=1, entry=b"%d" % number)
                outcomes.append(f"won {number}")
            except Fenced:
                outcomes.append("fenced")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [outcome for outcome in outcomes if outcome.startswith("won")]
        assert len(outcomes) == 8 and len(winners) == 1
        assert world.journal.head(market=world.market) == winners[0].removeprefix("won ").encode()


class TestSnapshotStore:
    def test_newest_and_get(self, world: World) -> None:
        store, market = world.snapshots, world.market
        assert store.newest(market=market) is None
        assert store.get(market=market, seq=1) is None
        for seq in (5, 1000, 70):
            store.put(market=market, seq=seq, blob=b"blob %d" % seq)
        assert store.newest(market=market) == (1000, b"blob 1000")
        assert store.get(market=market, seq=70) == b"blob 70"
        store.put(market=market, seq=1000, blob=b"again")
        assert store.newest(market=market) == (1000, b"again")
        assert store.newest(market=market + "x") is None
