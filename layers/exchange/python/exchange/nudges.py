"""Nudges: the messages that tell the followers of a market that its journal has grown.

A body is JSON: `{"market": "BTC-USD", "seq": 12, "entry": "<base64>"}`; `entry` is left out where it would not fit a queue
message, and the follower reads it from the journal.
"""

import base64
import json
from dataclasses import dataclass

from exchange.journal import JournalEntry

# A queue message holds 1 MiB; base64 adds a third.
MAX_ENTRY_IN_NUDGE = 600_000


@dataclass(frozen=True, slots=True)
class Nudge:
    """One decoded nudge; `entry` are the journal entry's bytes or None."""

    market: str
    seq: int
    entry: bytes | None


def encode_nudge(entry: JournalEntry) -> str:
    """The body of a nudge for `entry`."""
    if len(entry.encoded) > MAX_ENTRY_IN_NUDGE:
        return encode_bare_nudge(entry.market, entry.seq)
    return _body({"market": entry.market, "seq": entry.seq, "entry": base64.b64encode(entry.encoded).decode("ascii")})


def encode_bare_nudge(market: str, seq: int) -> str:
    """The body of a nudge that leaves the entry to the journal."""
    return _body({"market": market, "seq": seq})


def nudge_id(market: str, seq: int) -> str:
    """What a nudge is deduplicated by."""
    return f"{market}:{seq}"


def _body(nudge: dict) -> str:
    return json.dumps(nudge, separators=(",", ":"))


def decode_nudge(body: dict) -> Nudge:
    """A nudge from its parsed JSON body; KeyError or ValueError where it is none."""
    entry = body.get("entry")
    return Nudge(market=body["market"], seq=int(body["seq"]),
                 entry=base64.b64decode(entry, validate=True) if entry is not None else None)
