"""The memory of a C book's block: zeroed, in large pages where the kernel has them, used again where one fits.

The last block that was dropped is kept for the next book of about its size: a process that restores a book, as the snapshot
function does each minute, or an engine that was fenced, finds its pages there. Pages that the kernel gives anew can cost more
than all else of restoring a large book: a virtual machine's host has to find them first. Only what the dropped book has used
is zeroed, when it is taken; a block that holds no sound book is not used again.
"""

import contextlib
import mmap

from ._core import ffi, lib

_LARGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", None)
_APART_FROM_BYTES = 1 << 25  # malloc maps so much memory apart from all else, and gives it back whole
_kept: list[tuple[mmap.mmap, object]] = []  # one at most; its two calls below are atomic, so threads may share it


class Block:
    """Zeroed memory for one book; `address` is what the core's calls take, `head` its first part. It belongs to nobody else
    until it is dropped: then it may be the next one's."""

    __slots__ = ("address", "head", "memory")

    def __init__(self, size: int) -> None:
        self.memory, self.address = _taken(size) or _mapped(size)
        self.head = ffi.cast("mc_book *", self.address)

    def __len__(self) -> int:
        return len(self.memory)

    def __del__(self, kept: list = _kept) -> None:  # bound here: when the process ends the module's names may be gone first
        if hasattr(self, "head") and self.head.broken_at == 0:
            kept[:] = [(self.memory, self.address)]


def _taken(size: int) -> tuple[mmap.mmap, object] | None:
    try:
        memory, address = _kept.pop()
    except IndexError:
        return None
    if size <= len(memory) <= 2 * size and lib.mc_clear(address, len(memory)) == 0:
        return memory, address
    return None


def _mapped(size: int) -> tuple[mmap.mmap, object]:
    # Anonymous pages come zeroed and aligned, and cost nothing before they are written to. Private: a forked process has a
    # book of its own.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if _LARGE_PAGES is not None:
        with contextlib.suppress(OSError):  # a kernel without them works too
            memory.madvise(_LARGE_PAGES)
    return memory, ffi.from_buffer("unsigned char[]", memory)


def large_bytes(size: int) -> bytes:
    """New zeroed bytes that the core may write before anybody else sees them; many of them in large pages."""
    new = bytes(size)
    if size >= _APART_FROM_BYTES and _LARGE_PAGES is not None:
        start = int(ffi.cast("uintptr_t", ffi.from_buffer(new)))
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        # Whether there are any is the kernel's affair.
        lib.madvise(ffi.cast("void *", first), (start + size - first) // mmap.PAGESIZE * mmap.PAGESIZE, _LARGE_PAGES)
    return new
