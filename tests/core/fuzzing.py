"""The fuzzers of matching_core/fuzz: how they are built and run, and the corpus that they start from.

    python -m tests.core.fuzzing --seconds 60            fuzz each for so long; a finding is kept and told
    python -m tests.core.fuzzing --seconds 60 --keep     and the corpus anew, of what reached something new
    python -m tests.core.fuzzing --seconds 60 --seeds    begin with the recorded streams too, not only with the corpus

What was reached is played on the naive core too, and both cores must agree. A finding is a file in .local/fuzz: in a test,
`run_on(build_harness(folder, name), [file])` plays it again.
"""

import argparse
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tests.core.commands import Fields
from tests.core.streams import PROFILES, Stream
from tests.core.variants import CLANG, CORE, ROOT, damaged_snapshots

HARNESSES = ("apply", "restore")
CORPUS = CORE / "fuzz" / "corpus"
SANITIZED = ["-O1", "-g", "-DLOOK_FURTHER_FROM=15", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
LONGEST = {"apply": 1200, "restore": 1800}  # bytes of an input: longer ones only cost time
MOST_FILES, MOST_BYTES = 250, 140_000  # of the corpus of one harness
OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def build_harness(folder: Path, name: str, flags: list[str] = SANITIZED, sources: Path = CORE) -> Path:
    """The fuzzer `name` into `folder`."""
    binary = folder / f"fuzz_{name}"
    subprocess.run([CLANG, "-std=gnu11", "-Wall", "-Wextra", *flags, "-I", str(sources / "src"),
                    str(sources / "fuzz" / f"fuzz_{name}.c"), "-o", str(binary)], check=True)
    return binary


def run_on(harness: Path, inputs: list[Path], **environment: str) -> None:
    """Plays the inputs, one after the other. Raises AssertionError with what the harness says of the first bad one."""
    assert inputs, "no inputs"
    run = subprocess.run([str(harness), *map(str, inputs)], capture_output=True, text=True, errors="replace", timeout=250,
                         cwd=harness.parent, env={**os.environ, **OPTIONS, **environment})
    assert run.returncode == 0, run.stderr[-6000:]


def fuzz(harness: Path, name: str, corpus: Path, seconds: int, findings: Path) -> bool:
    """Fuzzes for so many seconds; new inputs go to `corpus`. Whether nothing was found."""
    findings.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([str(harness), str(corpus), f"-max_total_time={seconds}", f"-max_len={LONGEST[name]}",
                          f"-artifact_prefix={findings}/{name}-", "-timeout=10", "-print_final_stats=1"],
                         env={**os.environ, **OPTIONS}, capture_output=True, text=True, errors="replace")
    lines = run.stderr.splitlines()
    print("\n".join(line for line in lines if line.startswith(("stat::number", "stat::average", "stat::new"))))
    if run.returncode:
        print("\n".join(lines[-60:]))
    return run.returncode == 0


def play_on_both(name: str, inputs: list[Path], folder: Path) -> int:
    """The harness writes down what it makes of the inputs; the C core and the naive core then play it side by side. How many
    batches that were; AssertionError where they differ."""
    recorder = build_harness(folder, name, ["-O1", "-DMC_RECORD", "-fsanitize=fuzzer"])
    batches = 0
    for first in range(0, len(inputs), 100):
        some = inputs[first:first + 100]
        try:
            batches += _play_on_both(_recorded(recorder, some))
        except AssertionError:  # which one was it?
            for path in some:
                try:
                    _play_on_both(_recorded(recorder, [path]))
                except AssertionError as difference:
                    raise AssertionError(f"{path}: {difference}") from difference
            raise
    return batches


def _recorded(recorder: Path, inputs: list[Path]) -> bytes:
    file = recorder.parent / "recorded"
    file.write_bytes(b"")
    run_on(recorder, inputs, MC_RECORD=str(file))
    return file.read_bytes()


def _play_on_both(content: bytes) -> int:
    from matching_core import Book
    from matching_core.naive import NaiveBook

    at = batches = 0
    fast = naive = None
    while at < len(content):
        at_ms, count = struct.unpack_from("<2q", content, at)
        records = content[at + 16:at + 16 + (count if at_ms < 0 else 112 * count)]
        at += 16 + len(records)
        if at_ms < 0:  # a book begins, empty or with a snapshot
            fast, naive = (core.restore(records) if records else core.create() for core in (Book, NaiveBook))
            continue
        batches += 1
        where = f"batch {batches}"
        assert fast.apply(at_ms, records, 10**8) == naive.apply(at_ms, records, 10**8), where
        assert fast.snapshot() == naive.snapshot(), where
        assert (fast.indicative(), fast.work_waits) == (naive.indicative(), naive.work_waits), where
    return batches


def minimise(harness: Path, name: str, sources: list[Path]) -> None:
    """The corpus anew: the smallest inputs of `sources` that reach every branch that they reach together, then, as long as
    there is room, those that reach one more often than others."""
    chosen: dict[str, bytes] = {}
    for counters in (0, 1):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([str(harness), "-merge=1", f"-use_counters={counters}", f"-max_len={LONGEST[name]}", scratch,
                            *map(str, sources)],
                           check=True, env={**os.environ, **OPTIONS}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            inputs = {path.name[:16]: path.read_bytes() for path in Path(scratch).iterdir()}
        print(f"{name}: {len(inputs)} inputs, {sum(map(len, inputs.values()))} bytes", "with counts" if counters else "")
        for key in sorted(inputs):  # names are hashes: as good as drawn by lot
            if len(chosen) < MOST_FILES and sum(map(len, chosen.values())) + len(inputs[key]) <= MOST_BYTES:
                chosen[key] = inputs[key]
    target = CORPUS / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for key, content in chosen.items():
        (target / key).write_bytes(content)
    print(f"{name}: {len(chosen)} kept, {sum(map(len, chosen.values()))} bytes")


# --- seeds

WHAT = {1: 0, 2: 6, 7: 7, 6: 8}  # command kind -> the instruction's low nibble (play.h)
MODE, END, TWIN, SELL, ENDS_BATCH = 9, 13, 14, 16, 128
MODES = {3: 0, 4: 1, 5: 2, 8: 3, 9: 4}
INSTRUCTIONS = 90  # of one seed


def seeds(name: str, folder: Path) -> None:
    """The streams' beginnings as inputs of a harness: commands near enough to the recorded ones, and their snapshots."""
    from matching_core import Book, EventsFull

    if name == "apply":
        for content in _by_hand():
            _seed(folder, b"\3" + content)
    else:
        for snapshot in damaged_snapshots():
            _seed(folder, bytes((0, 0)) + snapshot)
    for profile in PROFILES:
        book = Book.create()
        instructions = bytearray()
        ids: dict[bytes, int] = {}
        snapshot = book.snapshot()
        for at_ms, records, room in islice(Stream(profile, 4, book).batches(), 60):
            fields = [Fields.unpack(records[at:at + 112]) for at in range(0, len(records), 112)]
            instructions += b"".join(_instruction(command, ids, at_ms, command is fields[-1]) for command in fields[:40])
            instructions += bytes((END, *bytes(10), max(0, min(199, at_ms - book.at_ms))))
            try:
                book.apply(at_ms, records, room)
            except EventsFull:
                continue
            if len(instructions) < 12 * INSTRUCTIONS // 2:
                continue
            if name == "apply":
                _seed(folder, bytes((at_ms & 3,)) + instructions[:12 * INSTRUCTIONS])
            elif len(snapshot) < 1_200:
                few = instructions[:min(20 * 12, (LONGEST[name] - len(snapshot) - 2) // 12 * 12)]
                _seed(folder, bytes((2, len(few) // 12)) + few + snapshot)
            instructions.clear()
            snapshot = book.snapshot()


def _by_hand() -> Iterator[bytes]:
    """What takes hundreds of orders or numbers at their limit, which neither streams nor chance bring in a few bytes."""
    def code(what: int, *, side: int = 0, kind: int = 1, time: int = 1, stp: int = 0, order: int = 0,
             account: int = 1, price: int = 100, lots: int = 1, stop: int = 0, display: int = 0, end: int = 0,
             more: int = 0) -> bytes:
        return bytes((what | side << 4 | ENDS_BATCH, kind - 1 | time << 2 | stp << 5, order, account, price, lots, 0, stop,
                      display, end, 0, more))

    many, place, amend, modes, wait = 11, 0, 7, MODE, code(END, more=50)
    due = code(many, side=1, time=2, end=40, more=60)
    auction, uncross, tick = code(modes, kind=4, time=0), code(modes, kind=1, time=1), code(modes, kind=1, time=0)
    hides = code(many, side=1, account=2, lots=9, display=2, time=2, end=40, more=40)
    for taker in (code(place, order=9, account=3, lots=30, time=time, stp=2) for time in (1, 3, 4)):
        yield due + hides + code(place, side=1, order=8, account=4, lots=90) + wait + taker
        yield (due + wait + code(many, side=1, account=2, more=220) + taker
               + code(place, order=7, account=3, lots=199, time=4) * 3)
    yield code(many, side=1, more=220) + code(many, side=1, more=10) + code(place, order=9, account=3, lots=217, time=4)
    for side in (0, 1):
        due = code(many, side=side, price=100, time=2, end=40, more=90)
        yield auction + due + code(place, side=1 - side, order=9, account=3, lots=40) + wait + uncross + tick * 4
        yield due + wait + b"".join(code(amend, order=order, account=128 | 1, lots=5) for order in (0, 2, 20, 70))
        crossing = code(many, side=1 - side, account=3, price=100, more=200)
        yield auction + code(many, side=side, more=200) + crossing + uncross + code(12, more=30) + uncross + tick
    full = [code(place, order=2, account=2, price=200 + 10, lots=200 + 3, display=display) for display in (0, 5)]
    last = code(place, side=1, order=3, account=4) + code(place, order=4, account=5)
    for stop in (code(place, kind=3, order=5, account=3, price=200 + 10, lots=1, stop=100),
                 code(place, kind=4, order=5, account=3, price=0, lots=200 + 3, stop=100, time=0) * 2,
                 code(many, kind=4, account=3, price=0, lots=1, stop=100, time=0, more=40, side=1)):
        for level in full:
            yield level + stop + last + tick * 2
            yield (level + code(many, side=1, account=6, price=150) + stop
                   + code(place, side=1, order=6, account=7, price=200 + 10))


def _seed(folder: Path, content: bytes) -> None:
    (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def _instruction(command: Fields, ids: dict[bytes, int], at_ms: int, last: bool) -> bytes:
    kind = MODES.get(command.kind, 0)
    op = WHAT.get(command.kind, MODE) | (command.flags & 3) << 5 & 96 | (ENDS_BATCH if last else 0)
    op |= SELL if command.side == 2 else 0
    kinds = (command.order_type - 1 & 3 | min(command.time_in_force, 4) << 2 | min(command.stp, 4) << 5
             if op & 15 != MODE else kind)
    order = ids.setdefault(command.order_id, len(ids) % 255 + 1)
    return bytes((op, kinds, order, command.account & 7, _price(command.price_ticks), _amount(command.size_lots, 1),
                  _amount(command.funds, 500), _price(command.stop_price_ticks), _amount(command.display_lots, 1),
                  _amount(command.expire_at_ms and command.expire_at_ms - at_ms + 20, 1),
                  min(command.collar_bp + 39, 10_000) // 40, 0))


def _price(price_ticks: int) -> int:
    return price_ticks - 900 if 900 < price_ticks < 1_100 else 0 if price_ticks == 0 else 200 + price_ticks % 34


def _amount(amount: int, step: int) -> int:
    return min(max(amount // step, 0), 199) if amount < 10**6 else 200 + amount % 34


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=60, help="for each fuzzer")
    arguments.add_argument("--keep", action="store_true", help="minimise what was reached into the corpus")
    arguments.add_argument("--seeds", action="store_true", help="add the recorded streams to the inputs to begin with")
    arguments.add_argument("--only", choices=HARNESSES)
    asked = arguments.parse_args()
    findings = ROOT / ".local" / "fuzz"
    sound = True
    with tempfile.TemporaryDirectory() as scratch:
        for name in [asked.only] if asked.only else HARNESSES:
            harness = build_harness(Path(scratch), name)
            reached = Path(scratch) / name
            (CORPUS / name).mkdir(parents=True, exist_ok=True)
            shutil.copytree(CORPUS / name, reached)
            if asked.seeds:
                seeds(name, reached)
            print(f"fuzz_{name}: {asked.seconds} s from {len(list(reached.iterdir()))} inputs", flush=True)
            sound &= fuzz(harness, name, reached, asked.seconds, findings)
            try:
                print(f"both cores answer {play_on_both(name, sorted(reached.iterdir()), Path(scratch))} batches alike")
            except AssertionError as difference:
                sound = False
                print(difference)
                for path in filter(Path.is_file, [Path(str(difference).partition(":")[0])]):
                    shutil.copy(path, findings)
            if asked.keep:
                minimise(harness, name, [CORPUS / name, reached])
    print("nothing found" if sound else f"findings are in {findings}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
