"""The benchmark of the core measures what it says: shares, sizes, live targets, and the same trades in core and peers."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import core, core_peers
from bench.core_workloads import (
    CANCEL,
    COMMAND,
    EVENT,
    MIDDLE_TICKS,
    MOVE,
    NOW_MS,
    REST,
    TAKE,
    WALK_TICKS,
    WORKLOADS,
    Stream,
    draw,
    records,
)
from matching_core import COMMAND_BYTES, Book
from matching_core.records import COMMAND as COMMAND_RECORD
from matching_core.records import CommandKind, EventKind

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = 12_000
RESTING = {"mix10k": 1000, "mix1m": 3000, "moves": 1000, "wide": 1000}
# Loading obook starts the runtime of Go in this process, so it is left to the run in a process of its own below.
PEERS = [kind for kind in (*core_peers.IN_C, *core_peers.IN_PYTHON) if kind is not core_peers.ObookInC]


@pytest.fixture(scope="module")
def streams() -> dict[str, Stream]:
    workloads = {name: each._replace(jump_every=each.jump_every // 10) for name, each in WORKLOADS.items()}
    return {name: draw(workloads[name], OPERATIONS, resting) for name, resting in RESTING.items()}


def run(book: Book, operations: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(book.apply(NOW_MS, commands, core.ROOM) for commands in core.packed(operations, 1000)), EVENT)


def traded(operations: np.ndarray) -> int:
    return int(operations["lots"][operations["kind"] == TAKE].sum())


@pytest.mark.parametrize("name", WORKLOADS)
def test_shares_are_the_stated_ones(streams: dict[str, Stream], name: str) -> None:
    counts = np.bincount(streams[name].measured["kind"], minlength=4)
    assert abs(streams[name].resting_after - RESTING[name]) < 0.05 * RESTING[name]
    for kind, share in zip((REST, CANCEL, TAKE, MOVE), WORKLOADS[name].shares, strict=True):
        assert abs(100 * counts[kind] / OPERATIONS - share) < 1.5


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_command_hits_and_the_book_keeps_its_size(streams: dict[str, Stream], name: str) -> None:
    if name == "moves" and not core.amends():
        pytest.skip("this core does not support AMEND")
    stream = streams[name]
    book = Book.create()
    filling = run(book, stream.fill)
    assert book.order_count == len(stream.fill) == RESTING[name]
    assert not np.isin(filling["kind"], [EventKind.REJECTED, EventKind.TRADE]).any()
    for at in range(0, OPERATIONS, 1000):
        events = run(book, stream.measured[at:at + 1000])
        assert not (events["kind"] == EventKind.REJECTED).any()
        assert abs(book.order_count - RESTING[name]) < 0.15 * RESTING[name]
    assert book.order_count == stream.resting_after


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_rests_does_not_trade_and_what_takes_touches_its_makers(streams: dict[str, Stream], name: str) -> None:
    if name == "moves" and not core.amends():
        pytest.skip("this core does not support AMEND")
    stream = streams[name]
    book = Book.create()
    run(book, stream.fill)
    operations = stream.measured[:1000]
    events = run(book, operations)
    trades = events[events["kind"] == EventKind.TRADE]
    assert (np.bincount(trades["command_index"], minlength=1000) == operations["makers"]).all()
    takes = operations[operations["kind"] == TAKE]
    assert set(np.unique(takes["makers"])) <= {1, 2, 3, 4, 5} and not operations["makers"][operations["kind"] != TAKE].any()
    assert int(trades["size_lots"].sum()) == traded(operations)


def test_the_touch_walks_near_the_middle_and_jumps_in_wide(streams: dict[str, Stream]) -> None:
    def farthest(name: str) -> int:
        rests = streams[name].measured
        return int(np.abs(rests["price_ticks"][rests["kind"] == REST] - MIDDLE_TICKS).max())
    assert farthest("mix10k") < WALK_TICKS + 20 * WORKLOADS["mix10k"].mean_ticks
    assert MIDDLE_TICKS * 25 // 100 < farthest("wide") < MIDDLE_TICKS * 45 // 100


def test_a_wide_book_trades_where_the_touch_jumped_to(streams: dict[str, Stream]) -> None:
    book = Book.create()
    run(book, streams["wide"].fill)
    events = run(book, streams["wide"].measured)
    prices = events["price_ticks"][events["kind"] == EventKind.TRADE]
    assert (np.abs(prices - MIDDLE_TICKS) > MIDDLE_TICKS // 5).mean() > 0.1


def test_streams_are_seeded(streams: dict[str, Stream]) -> None:
    assert (draw(WORKLOADS["mix10k"], 500, 100).measured == draw(WORKLOADS["mix10k"], 500, 100).measured).all()


def test_records_are_the_cores(streams: dict[str, Stream]) -> None:
    assert COMMAND.itemsize == COMMAND_BYTES
    for operation in streams["moves"].measured[:200]:
        fields = COMMAND_RECORD.unpack(records(np.array([operation])).tobytes())
        placed = operation["kind"] in (REST, TAKE)
        assert fields[0] == {CANCEL: CommandKind.CANCEL, MOVE: CommandKind.AMEND}.get(operation["kind"], CommandKind.PLACE)
        assert (fields[1], fields[10], fields[15]) == (operation["side"] * placed, operation["lots"] * placed, NOW_MS)
        assert fields[8] == (1_000_000 if operation["kind"] == TAKE else 1 + operation["number"] % 1000)
        assert fields[9] == operation["price_ticks"] and (operation["kind"] == CANCEL) == (fields[9] == 0)


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)
def test_peers_trade_the_same_lots(streams: dict[str, Stream], kind: type[core_peers.Peer]) -> None:
    if not kind.installed():
        pytest.skip(f"{kind.package} is not installed")
    for name in ("mix10k", "moves") if kind.moves else ("mix10k",):
        fill, measured, _ = streams[name]
        book = kind(len(fill) + len(measured))
        assert book.play(book.prepare(fill)) == 0
        lots = book.play(book.prepare(measured))
        if kind.says_trades:
            assert lots == traded(measured)
        else:  # what went in, less what was canceled or traded, must rest
            rested = fill["lots"].sum() + measured["lots"][measured["kind"] == REST].sum()
            assert book.volume() == rested - measured["lots"][measured["kind"] == CANCEL].sum() - traded(measured)
        book.close()


def test_a_short_run_prints_every_row() -> None:
    command = [sys.executable, "-m", "bench.core", "--operations", "2000", "--repeats", "1", "--million", "2000"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    for title in ("core in C, batches of 1,000", "core in C, batches of 10 ", "bare sketch, no rules", "dict book",
                  "naive core", "events read by numpy", "events read as tuples", "snapshot of 2,000 orders",
                  "restore of 2,000 orders", "million commands/s"):
        assert title in result.stdout
    assert ("moves: SKIPPED" in result.stdout) != core.amends()
    if core_peers.ObookInC.installed():
        assert re.search(r"obook, in C +200 ", result.stdout)
