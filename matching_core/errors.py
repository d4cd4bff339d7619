"""What the core raises. A refused command is no error but a REJECTED event.

EventsFull           the batch's events do not fit: cut the batch; the book is unchanged
BookFull             more resting orders than the core can ever hold; the book is unchanged
DamagedSnapshot      the bytes are no sound snapshot; nothing was restored
CoreInvariantBroken  an assertion of the C core failed: the book is unusable and says so on every later call
"""


class EventsFull(Exception):
    """The events of this batch need more bytes than `max_event_bytes`. The book is unchanged."""


class BookFull(Exception):
    """The book would need more than the core's largest capacity. The book is unchanged."""


class DamagedSnapshot(ValueError):
    """The bytes are truncated, altered or of another format."""


class CoreInvariantBroken(RuntimeError):
    """The book's memory contradicts itself. Drop this book and restore it from the journal."""
