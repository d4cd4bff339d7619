"""SnapshotStore in a folder: a blob is written under a new name, synced, and renamed; so it is whole or absent."""

import os
import re
import tempfile
from pathlib import Path

_NAME = re.compile(r"^(\d{20})\.snapshot$")


class FolderSnapshots:
    """See `ports.SnapshotStore`. One folder per market below `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def put(self, *, market: str, seq: int, blob: bytes) -> None:
        folder = self._folder / market
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / f"{seq:020}.snapshot")
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def newest(self, *, market: str) -> tuple[int, bytes] | None:
        folder = self._folder / market
        if not folder.is_dir():
            return None
        seqs = [int(match[1]) for name in os.listdir(folder) if (match := _NAME.match(name))]
        if not seqs:
            return None
        return max(seqs), (folder / f"{max(seqs):020}.snapshot").read_bytes()

    def get(self, *, market: str, seq: int) -> bytes | None:
        path = self._folder / market / f"{seq:020}.snapshot"
        return path.read_bytes() if path.is_file() else None
