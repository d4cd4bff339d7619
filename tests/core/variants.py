"""The C core built in other ways, without Python around it: other compilers and flags, another machine, a bug planted.

`recording` is the beginning of every stream, with what the core that is built in place answers to it. Each variant is the
driver matching_core/fuzz/replay.c, compiled from a copy of the sources; fed the same commands it must give the same bytes.
"""

import functools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from matching_core.records import NIL
from tests.core.books import BOOKS, book_of
from tests.core.commands import MAX
from tests.core.corners import CORNERS, Batches
from tests.core.snapshots import Snapshot, rechecked
from tests.core.streams import PROFILES, Stream

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "matching_core"
SEED = 3
BATCHES = 150  # of each profile
MOST_EVENTS = 200_000
CREATE, RESTORE, LEVELS_SHOWN, SNAPSHOT_EVERY, EVENTS_FULL = -1, -2, 5, 16, -1  # as in replay.c
VERSION = os.environ.get("CLANG", "19")  # as in the Makefile
CLANG, LLVM_COV, LLVM_PROFDATA = (f"{program}-{VERSION}" for program in ("clang", "llvm-cov", "llvm-profdata"))
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function")
_number = struct.Struct("<q").pack
ODD_NUMBERS = (0, 1, 2, 3, 4, 5, 10_001, -1, MAX, MAX + 1, 2**63 - 1, 2**63)


class Recording(NamedTuple):
    """What replay.c reads, and what it should write: per batch, in order."""

    commands: bytes
    answers: tuple[bytes, ...]
    file: IO[bytes]  # the commands

    @classmethod
    def of(cls, commands: list[bytes], answers: list[bytes]) -> "Recording":
        file = tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        file.write(b"".join(commands))
        file.flush()
        return cls(b"".join(commands), tuple(answers), file)

    def first_difference(self, answer: bytes) -> str:
        """Where an answer leaves the recorded one; empty when it does not."""
        at = 0
        for batch, wanted in enumerate(self.answers):
            if answer[at:at + len(wanted)] != wanted:
                return f"batch {batch} of {len(self.answers)}"
            at += len(wanted)
        return "" if len(answer) == at else "more answers than batches"


@functools.cache
def recording() -> Recording:
    from matching_core import Book, EventsFull

    commands: list[bytes] = []
    answers: list[bytes] = []
    lives: list[Callable[[Book], Iterator[tuple[int, bytes, int]]]] = [
        *(lambda book, profile=profile: islice(Stream(profile, SEED, book).batches(), BATCHES) for profile in PROFILES),
        *(lambda book, corner=corner: iter(corner) for corner in map(_records, CORNERS.values()))]
    for life in lives:
        book = Book.create(orders=4)
        commands.append(struct.pack("<3q", 0, CREATE, 4))
        for number, (at_ms, records, room) in enumerate(life(book), 1):
            room = min(room // 96, MOST_EVENTS)
            commands.append(struct.pack("<3q", at_ms, len(records) // 112, room) + records)
            try:
                events = book.apply(at_ms, records, 96 * room)
                answer = _number(len(events) // 96) + events
            except EventsFull:
                answer = _number(EVENTS_FULL)
            answers.append(answer + _shown(book, number))
    for snapshot in damaged_snapshots():
        commands.append(struct.pack("<3q", 0, RESTORE, len(snapshot)) + snapshot)
        answers.append(_restored(snapshot))
    return Recording.of(commands, answers)


def _records(batches: Batches) -> list[tuple[int, bytes, int]]:
    return [(at_ms, b"".join(command.pack() for command in commands), 96 * MOST_EVENTS) for at_ms, commands in batches]


def _shown(book, number: int) -> bytes:
    parts = [struct.pack("<2Q", book.state_hash(), book.work_waits)]
    for side in (1, 2, 3, 4):
        levels = book.levels(side, LEVELS_SHOWN)
        parts += [_number(len(levels)), *(struct.pack("<3q", *level) for level in levels)]
    if number % SNAPSHOT_EVERY == 0:
        snapshot = book.snapshot()
        parts += [_number(len(snapshot)), snapshot]
    return b"".join(parts)


def _restored(snapshot: bytes) -> bytes:
    from matching_core._core import ffi, lib

    code = lib.mc_snapshot_orders(snapshot, len(snapshot))
    if code < 0:
        return _number(code)
    block = ffi.new("char[]", lib.mc_block_bytes(max(1, code)) + 64)
    at = block + -int(ffi.cast("intptr_t", block)) % 64
    code = lib.mc_restore(at, lib.mc_block_bytes(max(1, code)), max(1, code), snapshot, len(snapshot))
    return _number(code) + (struct.pack("<Q", lib.mc_state_hash(at)) if code == 0 else b"")


def damaged_snapshots() -> Iterator[bytes]:
    """Sound snapshots, and damaged ones with one number changed whose checksum and state hash fit nevertheless."""
    from matching_core import Book

    for name in BOOKS:
        sound = book_of(Book, name).snapshot()
        yield sound
        yield from (sound[:-8], sound + bytes(8), sound[:64], sound[:136] + bytes(8) + sound[144:])
        one_more = Snapshot.unpack(sound)
        one_more.header["extras"] += 1
        yield rechecked(one_more.pack() + bytes(48))
        orders = len(Snapshot.unpack(sound).orders)
        for record in range(-1, 2 * orders if name in ("open", "uncrossing") else 0):
            yield from _damaged(sound, record)


def _damaged(sound: bytes, record: int) -> Iterator[bytes]:
    """The snapshot with other values in one record: the header (-1), an order, or behind them an order's extra."""
    snapshot = Snapshot.unpack(sound)
    orders = snapshot.orders
    fields = snapshot.header if record < 0 else [*orders, *(order["extra"] for order in orders)][record]
    for name, value in (fields or {}).items():
        if name in ("section", "extra", "state_hash", "checksum"):
            continue
        others = {order[name] for order in orders if record >= 0 and name in order}
        numbers = () if isinstance(value, bytes) else {*ODD_NUMBERS, value - 1, value + 1, 2 * value}
        for other in sorted({*others, *numbers} - {value}) + [NIL] * isinstance(value, bytes):
            fields[name] = other
            try:
                yield snapshot.fitting()
            except struct.error:  # no value of this field
                continue
        fields[name] = value


def needs(*programs: str) -> None:
    """Fails with the packages' names when a program is missing: a proof that was not run is none. CORE_TOOLS=skip skips."""
    packages = {CLANG: CLANG, LLVM_COV: f"llvm-{VERSION}", LLVM_PROFDATA: f"llvm-{VERSION}", "qemu-aarch64": "qemu-user",
                "fuzzer": f"libclang-rt-{VERSION}-dev"}
    missing = sorted({packages[program] for program in programs if not _is_there(program)})
    if not missing:
        return
    message = f"missing Debian packages: {' '.join(missing)} (make core-tools installs them as root)"
    if os.environ.get("CORE_TOOLS") == "skip":
        pytest.skip(message)
    pytest.fail(message, pytrace=False)


def _is_there(program: str) -> bool:
    if program != "fuzzer":
        return shutil.which(program) is not None
    if not _is_there(CLANG):
        return False
    folder = subprocess.run([CLANG, "-print-runtime-dir"], capture_output=True, text=True, check=True).stdout.strip()
    return any(path.is_file() for folder in (Path(folder), Path(folder).parent / "linux")
               for path in folder.glob("libclang_rt.fuzzer*.a"))


def copy_sources(folder: Path, plant: tuple[str, str, str] | None = None) -> Path:
    """The C sources in `folder`. `plant`: (file in src, text that stands there once, what replaces it)."""
    for part in ("src", "fuzz"):
        shutil.copytree(CORE / part, folder / part, ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    if plant is not None:
        file, good, bad = plant
        source = folder / "src" / file
        text = source.read_text()
        assert text.count(good) == 1, f"{file} has {text.count(good)} times: {good}"
        source.write_text(text.replace(good, bad))
    return folder


def compile_driver(folder: Path, compiler: list[str], flags: list[str], name: str = "replay", *more: str) -> Path:
    """A driver of matching_core/fuzz from the sources in `folder`."""
    binary = folder / name
    subprocess.run([*compiler, *WARNINGS, *flags, "-I", str(folder / "src"), str(folder / "fuzz" / f"{name}.c"), *more,
                    "-o", str(binary)], check=True)
    return binary


def compile_for_arm64(folder: Path) -> Path:
    """The driver for 64-bit ARM by the compiler that builds for Lambda, with no library of that machine."""
    import ziglang

    libc = Path(ziglang.__file__).parent / "lib" / "libc"
    flags = ["-target", "aarch64-linux-musl", "-static", "-nostdlib", "-fno-builtin", "-Wno-unused-command-line-argument",
             "-O3"]
    for headers in ("aarch64-linux-musl", "generic-musl"):
        flags += ["-isystem", str(libc / "include" / headers)]
    jumps = [str(libc / "musl" / "src" / "setjmp" / "aarch64" / f"{name}.s") for name in ("setjmp", "longjmp")]
    return compile_driver(folder, [sys.executable, "-m", "ziglang", "cc"], flags, "replay",
                          str(folder / "fuzz" / "bare_aarch64.c"), *jumps)


def answer_of(binary: Path, *, runner: tuple[str, ...] = (), seconds: int = 100, **environment: str) -> bytes | None:
    """What the driver writes to the recorded commands; None when it dies or hangs."""
    try:
        run = subprocess.run([*runner, str(binary)], input=recording().commands, capture_output=True, timeout=seconds,
                             env={**os.environ, **environment})
    except subprocess.TimeoutExpired:
        return None
    if run.returncode and run.stderr:
        print(run.stderr.decode(errors="replace")[-4000:])
    return run.stdout if run.returncode == 0 else None


def answers_as_recorded(binary: Path, seconds: float = 20) -> bool:
    """Whether the driver answers the recorded commands as it should. It is stopped where it does not."""
    wanted = b"".join(recording().answers)
    with (open(f"/proc/self/fd/{recording().file.fileno()}", "rb") as commands,
          subprocess.Popen([str(binary)], stdin=commands, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run):
        clock = threading.Timer(seconds, run.kill)
        clock.start()
        try:
            at = 0
            while part := run.stdout.read(1 << 16):
                if part != wanted[at:at + len(part)]:
                    return False
                at += len(part)
            return run.wait() == 0 and at == len(wanted)
        finally:
            clock.cancel()
            run.kill()
