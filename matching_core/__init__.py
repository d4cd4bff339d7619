"""The matching core: one market's order book, in C (`Book`) and in obvious Python (`naive.NaiveBook`), same interface.

Commands go in and events come out as runs of fixed-width records (112 and 96 bytes; `src/records.h`). The core imports
nothing of the exchange and keeps I5 (same commands, same book, byte for byte) and I6 (never crossed at rest, first in
first out inside a level). Read `INTERNALS.md` first. `python -m matching_core.build` builds the C core in place.

`Book` is imported on first use, so that the build can run before there is anything to import. The modules of the C core's
facade import each other by where they stand to one another: `keep.py` puts copies of them elsewhere.
"""

from typing import TYPE_CHECKING

from .errors import BookFull, CoreInvariantBroken, DamagedSnapshot, EventsFull

if TYPE_CHECKING:
    from .book import Book

CORE_VERSION = 2  # grows with every change of rules: it stands in each journal entry
MAX_FILLS = 400  # makers that one order touches at most; orders that one CANCEL_ALL takes off
MAX_BACKGROUND = 50  # expiries, triggered stops and trades of an auction that come with one command, about
MAX_UNCROSS = 200  # steps of an auction's uncrossing within its own RESUME
MAX_COLLAR_BP = 10_000  # 100 %, in 1/100 %
STALE_AFTER_MS = 240_000  # a PLACE or an AMEND issued longer ago is rejected
COMMAND_BYTES = 112
EVENT_BYTES = 96

__all__ = ["COMMAND_BYTES", "CORE_VERSION", "EVENT_BYTES", "MAX_BACKGROUND", "MAX_COLLAR_BP", "MAX_FILLS", "MAX_UNCROSS",
           "STALE_AFTER_MS", "Book", "BookFull", "CoreInvariantBroken", "DamagedSnapshot", "EventsFull"]


def __getattr__(name: str) -> object:
    if name == "Book":
        from .book import Book
        return Book
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
