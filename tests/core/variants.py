"""The C core built another way: other flags, another compiler, or with a bug planted; and what it answers to a stream.

Each variant is a copy of `matching_core` in a temporary folder, built there and run in a process of its own.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

from matching_core import EventsFull
from matching_core.naive import NaiveBook
from tests.core.streams import PROFILES, Stream

ROOT = Path(__file__).resolve().parents[2]
BATCHES = 300  # of each profile


def build_variant(folder: Path, *, cc: str = "cc", cflags: str = "", plant: tuple[str, str, str] | None = None) -> Path:
    """A copy of the core in `folder`, built. `plant`: (file in src, text that stands there once, what replaces it)."""
    copy = folder / "matching_core"
    shutil.copytree(ROOT / "matching_core", copy, ignore=shutil.ignore_patterns("_core.abi3.so*", "__pycache__", ".build-*"))
    if plant is not None:
        file, good, bad = plant
        source = copy / "src" / file
        text = source.read_text()
        assert text.count(good) == 1, f"{file} has {text.count(good)} times: {good}"
        source.write_text(text.replace(good, bad))
    subprocess.run([sys.executable, "-m", "matching_core.build"], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "CC": cc, "CFLAGS": cflags})
    return folder


def answers_of_variant(folder: Path, profiles: str, *, preload: str = "") -> str | None:
    """The digest that the variant's own process prints; None when it dies, raises or hangs."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "ASAN_OPTIONS": "detect_leaks=0"}
    if preload:
        environment["LD_PRELOAD"] = preload
    try:
        run = subprocess.run([sys.executable, "-m", "tests.core.variants", profiles], cwd=folder, capture_output=True,
                             text=True, timeout=120, env=environment)
    except subprocess.TimeoutExpired:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def answers(book_type: type, profiles: str) -> str:
    """A digest of all events and snapshots of `book_type` on the beginnings of the named profiles' streams, seed 3."""
    digest = hashlib.sha256()
    for profile in (profile for profile in PROFILES if profile.name in profiles.split(",")):
        leader, book = NaiveBook.create(), book_type.create(orders=4)
        for at_ms, commands, room in islice(Stream(profile, 3, leader).batches(), BATCHES):
            for each in dict.fromkeys((leader, book)):
                try:
                    events = each.apply(at_ms, commands, room)
                except EventsFull:
                    events = b"full"
            digest.update(events + book.snapshot())
    return digest.hexdigest()


if __name__ == "__main__":
    from matching_core import Book
    print(answers(Book, sys.argv[1]))
