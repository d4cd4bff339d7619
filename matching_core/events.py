"""Reading a batch's events: as rows of the fields that are asked for, without a loop in Python.

`EVENT.iter_unpack` makes fourteen Python objects of each event. Whoever looks at two of them gets them here several times as
fast: each field is one strided copy out of the records, and `zip` puts the columns together. Imports nothing beside this
package; the records are drawn in `src/records.h`.
"""

from collections.abc import Iterator

from matching_core import EVENT_BYTES

_ID_BYTES = 16
# name -> (format of `memoryview.cast`, offset in the record); an id is 16 bytes as they stand.
FIELDS = {
    "kind": ("B", 0), "side": ("B", 1), "code": ("B", 2), "flags": ("B", 3), "command_index": ("I", 4), "sequence": ("Q", 8),
    "trade_id": ("Q", 16), "order_id": ("16s", 24), "maker_order_id": ("16s", 40), "account": ("Q", 56),
    "maker_account": ("Q", 64), "price_ticks": ("q", 72), "size_lots": ("q", 80), "remaining": ("q", 88),
}
_BYTES = {"I": 4, "Q": 8, "q": 8}


def event_rows(events: bytes, *fields: str) -> Iterator[tuple]:
    """One tuple per event record with the named fields, in their order. Raises KeyError for a field that events do not have,
    ValueError for bytes that are no whole records."""
    if len(events) % EVENT_BYTES:
        raise ValueError(f"{len(events)} bytes are no whole records of {EVENT_BYTES}")
    return zip(*(_column(events, *FIELDS[field]) for field in fields), strict=True)


def _column(events: bytes, kind: str, offset: int) -> bytes | list:
    if kind == "B":
        return events[offset::EVENT_BYTES]
    if kind == "16s":
        return [events[at:at + _ID_BYTES] for at in range(offset, len(events), EVENT_BYTES)]
    size = _BYTES[kind]
    return memoryview(events).cast(kind)[offset // size::EVENT_BYTES // size].tolist()
