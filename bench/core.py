"""The matching core beside its peers, on the same operations in the same run, in one thread: `make bench-core`.

Workloads (bench/core_workloads.py draws them; 2,000,000 operations each unless said otherwise):

  mix10k   10,000 orders rest; 52 % of the operations are limit orders that rest, 38 % cancel a random live order, 10 % are
           marketable and touch 1-5 makers; prices geometric behind the touch, 40 ticks in the mean
  mix1m    the same with 1,000,000 resting orders and 200 ticks
  moves    1,000 orders rest; 9 resting orders, 3 marketable ones, 5 cancels and 82 moves (AMEND with a new price) in 99
  wide     mix10k, but the touch jumps 25-40 % and back every 20,000 operations
  python   mix10k through `Book.apply`: packed records in, events returned as bytes and then left alone, read by numpy or
           read as tuples of two fields or of all 14 (reading counts the kinds and adds up the lots traded)
  snapshot a book of 1,000,000 orders to bytes and back
  replay   a recorded command log from an empty book, events built as bytes

Rows "in C" time the work of the core with all its events written, and nothing else: one call of `mc_apply` per batch with
buffers that are allocated once. The command records of a batch are expanded by numpy and copied to the same place in memory
before the clock starts, as a server has a batch in its cache when it has just received it; the clock is read around each
call and the differences are added up. An empty call with the clock around it takes about 0.3 us: nothing beside the 20 us
and more of a batch of 1,000, a quarter of the figure with batches of 10.
Peers with a C interface are timed in the same way, 1,000 operations per reading, by a loop in C (bench/core_loop.c); the
others by a loop in Python that is a part of their figure. Peers do less: no accounts, no self-trade prevention, no state
hash, no taking back of a batch; the column "writes" says what they tell about what happened. The row "bare sketch" is no
engine: it is what the same commands and events cost without any rule (bench/core_sketch.c), timed as the core is.
Ratios are of floors, to the core in C in batches of 1,000 on the same workload. Repeats go in turns, so that a noisy minute
hits all. The column "floor" adds up, over readings of 1,000 operations, the fastest of all repeats: nearly what the machine
does when nobody else uses it. The column "thread" is the median of the time that the thread ran. Each book is filled anew, in
batches, before the clock starts. The lots that a peer traded are compared with the reference book's.
"""

import argparse
import gc
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bench import core_peers
from bench.core_workloads import EVENT, MOVE, NOW_MS, TAKE, WORKLOADS, Stream, draw, records
from matching_core import COMMAND_BYTES, CORE_VERSION, Book
from matching_core._core import ffi, lib
from matching_core.build import FLAGS
from matching_core.events import event_rows
from matching_core.naive import NaiveBook
from matching_core.records import EVENT as EVENT_RECORD
from matching_core.records import EventKind

ROOM = 1 << 21
BLOCK = 10_000
READING = 1000
TRADE = np.uint8(EventKind.TRADE)  # compared with a column of bytes as it is
SECTIONS = (*WORKLOADS, "python", "snapshot", "replay")
ELSEWHERE = ("Not measured here (mix10k on this kind of machine, as others report): exchange-core 84 ns/op, CppTrader 90, "
             "liquibook in C++ 695.")


class Row(NamedTuple):
    """`run` answers the ns of each reading, which are the same operations in every repeat; `operations` 0: of one thing."""

    section: str
    title: str
    operations: int
    writes: str
    run: Callable[[], list[float]]


def filled(fill: np.ndarray, core: type = Book) -> Book:
    """A book with the orders of `fill`, put there by commands as they come in life, with room for what is measured."""
    book = core.create(orders=max(65_536, len(fill) * 9 // 8 + 4096))
    for commands in packed(fill, 1000):
        book.apply(NOW_MS, commands, ROOM)
    return book


def packed(operations: np.ndarray, batch: int) -> Iterator[bytes]:
    for at in range(0, len(operations), batch):
        yield records(operations[at:at + batch]).tobytes()


def amends() -> bool:
    """Whether this core knows AMEND: it is tried on a book of one order."""
    stream = draw(WORKLOADS["moves"], operations=100, resting=1)
    book = filled(stream.fill)
    move = stream.fill.copy()
    move["kind"], move["price_ticks"] = MOVE, move["price_ticks"] - 1
    events = np.frombuffer(book.apply(NOW_MS, records(move).tobytes(), ROOM), EVENT)
    return not (events["kind"] == EventKind.REJECTED).any()


def in_c(stream: Stream, batch: int, apply: Callable[[object, int], int]) -> list[float]:
    """The time of `apply(command records, count)`, a call into C."""
    hot = ffi.new("uint64_t[]", batch * COMMAND_BYTES // 8)
    clock, readings, total = time.perf_counter_ns, [], 0
    step = max(batch, BLOCK // batch * batch)
    for start in range(0, len(stream.measured), step):
        block = records(stream.measured[start:start + step])
        source = ffi.from_buffer("unsigned char[]", block)
        for at in range(0, len(block), batch):
            count = min(batch, len(block) - at)
            ffi.memmove(hot, source + at * COMMAND_BYTES, count * COMMAND_BYTES)
            before = clock()
            answer = apply(hot, count)
            total += clock() - before
            if answer < 0:
                raise RuntimeError(f"a batch was answered {answer}")
            if (at + batch) % READING == 0:
                readings.append(total)
                total = 0
    return [*readings, total]


def core_in_c(stream: Stream, batch: int) -> list[float]:
    book = filled(stream.fill)
    capacity = most_events(batch)
    book._make_room_for_events(capacity)  # the facade knows how large the buffers must be; they are used without it
    block, events, work, apply = book._block, book._events, book._work, lib.mc_apply
    return in_c(stream, batch, lambda commands, count: apply(block, NOW_MS, commands, count, events, capacity, work))


def sketch_in_c(stream: Stream, batch: int) -> list[float]:
    sketch = core_peers.BareSketch(2 * len(stream.fill) + 4096, most_events(batch))
    run = ffi.cast("int64_t (*)(void *, const void *, int64_t)", sketch.batch_address)  # as cheap a call as the core's
    book = ffi.cast("void *", sketch.book)
    traded = 0

    def apply(commands: object, count: int) -> int:
        nonlocal traded
        lots = run(book, commands, count)
        traded += lots
        return lots
    try:
        for commands in packed(stream.fill, batch):
            apply(ffi.from_buffer(commands), len(commands) // COMMAND_BYTES)
        readings = in_c(stream, batch, apply)
    finally:
        sketch.close()
    check(sketch.title, traded, stream.measured)
    return readings


def most_events(batch: int) -> int:
    return 40 * batch + 2700


def leave(events: bytes, kinds: np.ndarray) -> int:
    return 0


def read_by_numpy(events: bytes, kinds: np.ndarray) -> int:
    rows = np.frombuffer(events, EVENT)
    kind = rows["kind"].copy()  # looked at twice, and side by side it is read several times as fast
    kinds += np.bincount(kind, minlength=len(kinds))
    return int(rows["size_lots"][(kind == TRADE).nonzero()[0]].sum())


def read_as_tuples(events: bytes, kinds: np.ndarray) -> int:
    traded, counts, trade = 0, [0] * len(kinds), int(EventKind.TRADE)
    for kind, lots in event_rows(events, "kind", "size_lots"):
        counts[kind] += 1
        if kind == trade:
            traded += lots
    kinds += counts
    return traded


def read_whole_tuples(events: bytes, kinds: np.ndarray) -> int:
    traded, counts, trade = 0, [0] * len(kinds), int(EventKind.TRADE)
    for event in EVENT_RECORD.iter_unpack(events):
        counts[event[0]] += 1
        if event[0] == trade:
            traded += event[12]
    kinds += counts
    return traded


READERS = {"bytes": leave, "read by numpy": read_by_numpy, "read as tuples": read_as_tuples,
           "read as whole tuples": read_whole_tuples}


def from_python(stream: Stream, batches: list[bytes], reader: str, core: type = Book) -> list[float]:
    """The time of `Book.apply` and of reading its events."""
    read, kinds, traded = READERS[reader], np.zeros(32, "i8"), 0
    book = filled(stream.fill, core)
    apply, clock, readings = book.apply, time.perf_counter_ns, []
    together = max(1, READING * COMMAND_BYTES // len(batches[0]))
    for at in range(0, len(batches), together):
        before = clock()
        for commands in batches[at:at + together]:
            traded += read(apply(NOW_MS, commands, ROOM), kinds)
        readings.append(clock() - before)
    count = sum(map(len, batches)) // COMMAND_BYTES
    if read is not leave:
        check(f"the core, {reader}", traded, stream.measured[:count])
        if kinds[EventKind.REJECTED]:
            raise RuntimeError(f"{kinds[EventKind.REJECTED]} commands were rejected")
    return readings


def peer(kind: type[core_peers.Peer], stream: Stream, operations: int) -> list[float]:
    book = kind(len(stream.fill) + len(stream.measured))
    try:
        book.play(book.prepare(stream.fill))
        clock, readings, traded = time.perf_counter_ns, [], 0
        for at in range(0, operations, READING):
            rows = book.prepare(stream.measured[at:min(at + READING, operations)])
            before = clock()
            traded += book.play(rows)
            readings.append(clock() - before)
    finally:
        book.close()
    if kind.says_trades:
        check(kind.title, traded, stream.measured[:operations])
    return readings


def check(who: str, traded: int, operations: np.ndarray) -> None:
    expected = int(operations["lots"][operations["kind"] == TAKE].sum())
    if traded != expected:
        raise RuntimeError(f"{who} traded {traded:,} lots, the reference book {expected:,}")


def timed(function: Callable[[], object]) -> list[float]:
    """ns on the wall, and ns that this thread ran."""
    ran, before = time.thread_time_ns(), time.perf_counter_ns()
    function()
    return [time.perf_counter_ns() - before, time.thread_time_ns() - ran]


def workload_rows(name: str, stream: Stream) -> Iterator[Row]:
    count = len(stream.measured)
    for batch in (1000, 100, 10) if name == "mix10k" else (1000,):
        yield Row(name, f"core in C, batches of {batch:,}", count, "all events", lambda batch=batch: core_in_c(stream, batch))
    sketch = core_peers.BareSketch
    yield Row(name, f"{sketch.title}, batches of 1,000", count, sketch.writes, lambda: sketch_in_c(stream, 1000))
    kinds = core_peers.IN_C + (core_peers.IN_PYTHON if name == "mix10k" else ())
    for kind in kinds:
        if kind.installed() and (name != "moves" or kind.moves):
            title = f"{kind.title}{' (cancel, place)' if name == 'moves' and kind is not core_peers.ObookInC else ''}"
            few = max(1, count // kind.share)
            yield Row(name, title, few, kind.writes, lambda kind=kind, few=few: peer(kind, stream, few))
    if name == "mix10k":
        few = max(1, count // 100)
        batches = list(packed(stream.measured[:few], 1000))
        yield Row(name, "naive core, Python", few, "all events", lambda: from_python(stream, batches, "bytes", NaiveBook))


def python_rows(stream: Stream, operations: int) -> Iterator[Row]:
    few = max(1, operations // 10)
    for batch in (1000, 10, 1):
        batches = list(packed(stream.measured[:few], batch))
        for reader in READERS:
            yield Row("python", f"batches of {batch:,}, events {'as ' if reader == 'bytes' else ''}{reader}", few, "all events",
                      lambda batches=batches, reader=reader: from_python(stream, batches, reader))


def snapshot_rows(fill: np.ndarray) -> Iterator[Row]:
    book = filled(fill)
    snapshot = book.snapshot()
    yield Row("snapshot", f"snapshot of {len(fill):,} orders", 0, "", lambda: timed(book.snapshot))
    yield Row("snapshot", f"restore of {len(fill):,} orders", 0, "", lambda: timed(lambda: Book.restore(snapshot)))


def replay_rows(stream: Stream, operations: int) -> Iterator[Row]:
    log = list(packed(np.concatenate([stream.fill, stream.measured[:max(1, operations // 4)]]), 100))
    count = sum(map(len, log)) // COMMAND_BYTES

    def replay() -> list[float]:
        book = Book.create()
        return [timed(lambda part=log[at:at + 10]: [len(book.apply(NOW_MS, commands, ROOM)) for commands in part])[0]
                for at in range(0, len(log), 10)]
    yield Row("replay", "log in batches of 100", count, "all events", replay)


def rows_of(sections: list[str], operations: int, million: int) -> Iterator[Row]:
    """Every row of the sections asked for. A note goes out where one is left out."""
    streams: dict[str, Stream] = {}

    def stream(name: str) -> Stream:
        if name not in streams:
            print(f"drawing {name} ...", file=sys.stderr, flush=True)
            streams[name] = draw(WORKLOADS[name], operations, million if name == "mix1m" else None)
        return streams[name]

    for name in sections:
        if name == "moves" and not amends():
            print(f"moves: SKIPPED, core version {CORE_VERSION} does not support AMEND")
        elif name in WORKLOADS:
            yield from workload_rows(name, stream(name))
        elif name == "python":
            yield from python_rows(stream("mix10k"), operations)
        elif name == "replay":
            yield from replay_rows(stream("mix10k"), operations)
        else:
            yield from snapshot_rows(stream("mix1m").fill)


def table(rows: list[Row], readings: list[list[list[float]]]) -> Iterator[str]:
    samples = [[sum(repeat) / (row.operations or 1) for repeat in repeats]
               for row, repeats in zip(rows, readings, strict=True)]
    floors = [sum(map(min, zip(*repeats, strict=True))) / (row.operations or 1)
              for row, repeats in zip(rows, readings, strict=True)]
    medians = [statistics.median(values) for values in samples]
    bases = {row.section: floor for row, floor in zip(reversed(rows), reversed(floors), strict=True) if row.operations}
    bases["python"] = bases["replay"] = bases.get("mix10k", 0)
    section = None
    for row, repeats, values, median, floor in zip(rows, readings, samples, medians, floors, strict=True):
        if row.section != section:
            section = row.section
            yield ""
            unit = "ns/op" if row.operations else "ms"
            heads = f"{section:45}{'operations':>11}{'median':>9}{'best':>9}"
            yield f"{heads}{'floor':>9} {unit:6}{'ratio':>7}  writes" if row.operations else f"{heads}{'thread':>9} {unit}"
        if not row.operations:
            walls, own = ([repeat[clock] / 1e6 for repeat in repeats] for clock in (0, 1))
            yield f"  {row.title:54}{statistics.median(walls):9.0f}{min(walls):9.0f}{statistics.median(own):9.0f}"
            continue
        base = bases[section]
        ratio = f"{floor / base:7.2f}" if base else f"{'-':>7}"
        rate = f", {1e9 / median / 1e6:.1f} million commands/s" if section == "replay" else ""
        yield (f"  {row.title:43}{row.operations:11,}{median:9.0f}{min(values):9.0f}{floor:9.0f} {'':6}{ratio}  "
               f"{row.writes}{rate}")


def conditions(options: argparse.Namespace, load: float) -> Iterator[str]:
    command = core_peers.compiler()
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
    flags = " ".join([*(flag for flag in FLAGS if flag.startswith(("-O", "-std"))), os.environ.get("CFLAGS", "")]).strip()
    yield (f"{processor()}, {os.cpu_count()} CPUs, load {load:.1f} when it began; "
           f"{said[0] if said else command[0]} {flags}; Python {platform.python_version()}, numpy {np.__version__}; "
           f"core version {CORE_VERSION}; {options.repeats} repeats in turns, seed 1, one thread. On a shared machine the "
           "figures are rough.")
    kinds = (*core_peers.IN_C, *core_peers.IN_PYTHON)
    found = sorted({kind.package for kind in kinds if kind.package and kind.installed()})
    yield "Peers: " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in found) + "."
    missing = sorted({kind.package for kind in kinds if not kind.installed()})
    if missing:
        yield f"Not installed here, left out: {', '.join(missing)}."


def processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=2_000_000, help="per workload; slow peers run a stated part")
    parser.add_argument("--workloads", default=",".join(SECTIONS), help="some of " + ",".join(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--million", type=int, default=1_000_000, help="resting orders of mix1m and of the snapshot")
    parser.add_argument("--only", default="", help="only the rows whose title has this text, as 'in C'")
    options = parser.parse_args(arguments)
    sections = [name for name in SECTIONS if name in options.workloads.split(",")]
    if unknown := set(options.workloads.split(",")) - set(SECTIONS):
        parser.error(f"unknown workloads: {', '.join(sorted(unknown))}")
    if min(options.operations, options.repeats, options.million) < 1:
        parser.error("--operations, --repeats and --million must be positive")
    load = os.getloadavg()[0]
    rows = [row for row in rows_of(sections, options.operations, options.million) if options.only in row.title]
    if not rows:
        parser.error(f"no row of these workloads has {options.only!r} in its title")
    readings: list[list[list[float]]] = [[] for _ in rows]
    gc.disable()
    for turn in range(options.repeats):
        print(f"repeat {turn + 1} of {options.repeats} ...", file=sys.stderr, flush=True)
        for row, repeats in zip(rows, readings, strict=True):
            gc.collect()
            repeats.append(row.run())
    for line in (*table(rows, readings), "", ELSEWHERE, "", *conditions(options, load)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
