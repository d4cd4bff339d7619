"""The C core against the naive core on generated streams: the same events, levels, orders, snapshot and state hash.

The snapshot's bytes hold every order in priority order and the state hash, so comparing them compares the whole book.
Each profile reports which named states it reached; a state that none reached fails the run.
"""

import struct
from collections import Counter

import pytest

from matching_core import Book, EventsFull
from matching_core.naive import NaiveBook
from matching_core.records import COMMAND, EVENT, FLAG_BY_FUNDS, FLAG_RESTED, DoneReason, EventKind, RejectCode, Side
from tests.core.streams import PROFILES, Profile, Stream

SEEDS = (1, 2)

# Rare states that the streams must come to, in all. A new rule adds its own.
WANTED = (
    *(f"rejected {code.name}" for code in RejectCode),
    *(f"taker done {reason.name}" for reason in DoneReason if reason not in (DoneReason.CANCELED, DoneReason.EXPIRED)),
    "maker done FILLED", "maker done CANCELED", "maker done SELF_TRADE",
    "maker reduced", "taker reduced", "by-funds taker reduced", "by-funds taker done with a rest",
    "halted", "resumed",
    "taker walked five levels", "level went and came back in one batch", "level changed in a batch and ended as before",
    "level emptied", "book emptied", "events full", "events fit exactly", "events full by one record",
    "book grew", "book grew while events were full", "two prices share a near slot", "100 levels on a side",
    "30 orders on a level", "empty batch",
)
_reached: Counter[str] = Counter()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_c_core_and_naive_core_agree(profile: Profile, seed: int) -> None:
    fast, naive = Book.create(orders=4), NaiveBook.create()
    stream = Stream(profile, seed, naive)
    for number, (at_ms, commands, max_event_bytes) in enumerate(stream.batches()):
        where = f"profile {profile.name}, seed {seed}, batch {number}"
        capacity_before = fast.capacity
        events = _apply(naive, at_ms, commands, max_event_bytes)
        assert _apply(fast, at_ms, commands, max_event_bytes) == events, where
        if fast.capacity > capacity_before:
            _reached["book grew while events were full" if events is None else "book grew"] += 1
        _same_book(fast, naive, where)
        if events is None:
            _reached["events full"] += 1
            _split(fast, naive, at_ms, commands, where)
        else:
            _note_states(naive, commands, events)
            if max_event_bytes // 96 == len(events) // 96 and events:
                _reached["events fit exactly"] += 1


def test_every_named_state_was_reached() -> None:
    if not _reached:
        pytest.skip("runs after the differential test")
    missing = [name for name in WANTED if not _reached[name]]
    assert not missing, f"never reached: {missing}; reached: {dict(_reached)}"


def _apply(book, at_ms: int, commands: bytes, max_event_bytes: int) -> bytes | None:
    try:
        return book.apply(at_ms, commands, max_event_bytes)
    except EventsFull:
        return None


def _split(fast, naive, at_ms: int, commands: bytes, where: str) -> None:
    """After EventsFull: the batch with room for one record too few is refused too, with exactly enough it runs."""
    probe = NaiveBook.restore(naive.snapshot())
    room = len(probe.apply(at_ms, commands, 10**9))
    if room:
        assert _apply(fast, at_ms, commands, room - 1) is None, where
        _same_book(fast, naive, where)
        _reached["events full by one record"] += 1
    assert fast.apply(at_ms, commands, room) == naive.apply(at_ms, commands, room), where
    _same_book(fast, naive, where)
    _reached["events fit exactly"] += 1


def _same_book(fast, naive, where: str) -> None:
    assert fast.snapshot() == naive.snapshot(), where
    for name in ("sequence", "last_trade_id", "halted", "at_ms", "order_count"):
        assert getattr(fast, name) == getattr(naive, name), (where, name)
    assert fast.state_hash() == naive.state_hash(), where
    for side in (Side.BUY, Side.SELL):
        levels = naive.levels(side, 10_000)
        assert fast.levels(side, 10_000) == levels, where
        assert fast.levels(side, 3) == levels[:3], where
        if len(levels) >= 100:
            _reached["100 levels on a side"] += 1
        if any(orders >= 30 for _, _, orders in levels):
            _reached["30 orders on a level"] += 1
        if len({price_ticks % 16_384 for price_ticks, _, _ in levels}) < len(levels):
            _reached["two prices share a near slot"] += 1
    assert fast.orders(Side.SELL) == naive.orders(Side.SELL), where


def _note_states(naive, commands: bytes, events: bytes) -> None:
    emptied, walked, levels = Counter(), {}, set()
    touched: dict[tuple[int, int], int] = {}
    for kind, side, code, flags, command, _, _, _, _, _, _, price_ticks, size_lots, remaining in EVENT.iter_unpack(events):
        who = "maker" if flags & FLAG_RESTED else "taker"
        if kind == EventKind.REJECTED:
            _reached[f"rejected {RejectCode(code).name}"] += 1
        elif kind == EventKind.DONE:
            _reached[f"{who} done {DoneReason(code).name}"] += 1
            if flags & FLAG_BY_FUNDS and code == DoneReason.FILLED and remaining:
                _reached["by-funds taker done with a rest"] += 1
        elif kind == EventKind.REDUCED:
            _reached["by-funds taker reduced" if flags & FLAG_BY_FUNDS else f"{who} reduced"] += 1
        elif kind == EventKind.TRADE:
            walked.setdefault(command, set()).add(price_ticks)
        elif kind in (EventKind.HALTED, EventKind.RESUMED):
            _reached[EventKind(kind).name.lower()] += 1
        elif kind == EventKind.LEVEL:
            levels.add((side, price_ticks))
            _reached["level emptied"] += size_lots == 0
        if kind in (EventKind.OPENED, EventKind.TRADE) or (kind == EventKind.DONE and who == "maker"):
            change = {EventKind.OPENED: 1, EventKind.DONE: -1}.get(kind, 0)
            touched[side, price_ticks] = touched.get((side, price_ticks), 0) + change
            emptied[side, price_ticks] += change < 0
    _reached["taker walked five levels"] += any(len(prices) >= 5 for prices in walked.values())
    _reached["level changed in a batch and ended as before"] += bool(touched.keys() - levels)
    _reached["level went and came back in one batch"] += any(
        emptied[at] and touched[at] == 0 and at in levels for at in touched)
    _reached["book emptied"] += naive.order_count == 0 and bool(touched)
    _reached["empty batch"] += not commands


def test_the_stream_is_the_same_for_the_same_seed() -> None:
    first, second = ([*Stream(PROFILES[0], 7, NaiveBook.create()).batches()] for _ in range(2))
    assert first == second
    assert struct.calcsize(COMMAND.format) == COMMAND.size
