"""A journal entry in words and decimal strings, for people: every command and event with the fields that its kind uses.

Pure. Shows what the bytes say and nothing else; whether they chain and hash is `journal`'s to say. Called by the operators'
journal operations.
"""

from collections import Counter
from uuid import UUID

from exchange.commands import NIL, POST_ONLY, STOP_ENTRY, Command, CommandKind, OrderType, Side, Stp, TimeInForce
from exchange.events import (
    FLAG_AUCTION,
    FLAG_BY_FUNDS,
    FLAG_RESTED,
    FLAG_STOP,
    DoneReason,
    Event,
    EventKind,
    RejectCode,
)
from exchange.journal import GENESIS_HASH, JournalEntry
from exchange.markets import Market
from exchange.times import iso

_FLAGS = {FLAG_RESTED: "rested", FLAG_BY_FUNDS: "by_funds", FLAG_STOP: "stop", FLAG_AUCTION: "auction"}
_STPS = {Stp.DECREASE_AND_CANCEL: "dc", Stp.CANCEL_OLDEST: "co", Stp.CANCEL_NEWEST: "cn", Stp.CANCEL_BOTH: "cb"}


def entry_row(entry: JournalEntry) -> dict:
    """An entry in a list: its numbers, hashes, and how many of each kind it holds."""
    kinds = Counter(_name(CommandKind, record[0]) for record in entry.command_records())
    happened = Counter(_name(EventKind, event.kind) for event in entry.unpack_events())
    return {"product_id": entry.market, "seq": entry.seq, "at": iso(entry.at_ms), "sequence": entry.feed_sequence,
            "commands": dict(kinds), "events": dict(happened), "bytes": len(entry.encoded), "hash": entry.hash.hex(),
            "prev_hash": entry.prev_hash.hex(), "state_hash": f"{entry.state_hash:016x}"}


def entry_object(entry: JournalEntry, market: Market) -> dict:
    """A whole entry."""
    return entry_row(entry) | {
        "core_version": entry.core_version, "queue_identity": str(entry.queue_identity),
        "first_queue_sequence": str(entry.first_queue_sequence), "last_queue_sequence": str(entry.last_queue_sequence),
        "resume_offset": entry.resume_offset,
        "commands": [command_row(record, market) for record in entry.command_records()],
        "events": [event_row(event, market) for event in entry.unpack_events()]}


def trouble_of(entry: JournalEntry, previous_hash: bytes | None) -> str | None:
    """What is wrong with the entry's place in the chain; None for nothing. `previous_hash`: of the entry before, None where
    there is none."""
    if entry.seq == 1:
        return None if entry.prev_hash == GENESIS_HASH else "the first entry does not start the chain"
    if previous_hash is None:
        return f"entry {entry.seq - 1} is missing"
    return None if entry.prev_hash == previous_hash else f"does not chain to entry {entry.seq - 1}"


def command_row(record: bytes, market: Market) -> dict:
    """What does not apply to the command's kind is left out."""
    try:
        command = Command.unpack(record)
    except ValueError:
        return {"kind": f"unknown {record[0]}", "record": record.hex()}
    row: dict = {"kind": command.kind.name.lower(), "issued_at": iso(command.issued_at_ms)}
    if command.order_id != NIL:
        row["order_id"] = str(command.order_id)
    if command.account:
        row["account"] = command.account
    if command.client_oid != NIL:
        row["client_oid"] = str(command.client_oid)
    if command.kind == CommandKind.PLACE:
        row |= {"side": _name(Side, command.side), "type": _name(OrderType, command.order_type),
                "time_in_force": _name(TimeInForce, command.time_in_force, upper=True),
                "stp": _STPS.get(command.stp, str(command.stp)), "post_only": bool(command.flags & POST_ONLY),
                "maker_fee_ppm": command.maker_fee_ppm, "taker_fee_ppm": command.taker_fee_ppm}
        if command.stop_price_ticks:
            row["stop"] = "entry" if command.flags & STOP_ENTRY else "loss"
    for name, value, show in (
            ("price", command.price_ticks, market.format_price), ("size", command.size_lots, market.format_size),
            ("funds", command.funds, market.format_value), ("stop_price", command.stop_price_ticks, market.format_price),
            ("display_size", command.display_lots, market.format_size), ("expire_at", command.expire_at_ms, iso),
            ("collar_bp", command.collar_bp, int)):
        if value:
            row[name] = show(value)
    return row


def event_row(event: Event, market: Market) -> dict:
    """What does not apply to the event's kind is left out."""
    kind = event.kind
    row: dict = {"kind": _name(EventKind, kind), "sequence": event.sequence, "command_index": event.command_index}
    if event.side:
        row["side"] = _name(Side, event.side)
    if kind == EventKind.REJECTED:
        row["code"] = _name(RejectCode, event.code)
    elif kind == EventKind.DONE:
        row["reason"] = _name(DoneReason, event.code)
    elif flags := [name for flag, name in _FLAGS.items() if event.flags & flag]:
        row["flags"] = flags
    for name, order_id in (("order_id", event.order_id), ("maker_order_id", event.maker_order_id)):
        if order_id != NIL.bytes:
            row[name] = str(UUID(bytes=order_id))
    for name, number in (("account", event.account), ("maker_account", event.maker_account), ("trade_id", event.trade_id)):
        if number:
            row[name] = number
    if event.price_ticks:
        row["price"] = market.format_price(event.price_ticks)
    if event.order_id != NIL.bytes or kind == EventKind.LEVEL:
        row["size"] = market.format_size(event.size_lots)
        row |= _remaining(event, market)
    return row


def _remaining(event: Event, market: Market) -> dict:
    """The last number of an event means something else in each kind; see `exchange.events`."""
    left = event.remaining
    if event.kind == EventKind.LEVEL:
        return {"orders": left}
    if event.kind == EventKind.OPENED:
        return {"hidden": market.format_size(left)} if left else {}
    if event.kind == EventKind.TRADE:
        return {"maker_left": market.format_size(left)}
    if event.kind in (EventKind.ACCEPTED, EventKind.TRIGGERED) or event.flags & FLAG_BY_FUNDS:
        return {"funds": market.format_value(left)} if left else {}
    if event.kind in (EventKind.REDUCED, EventKind.AMENDED):
        return {"size_before": market.format_size(left)}
    return {}


def _name(kind: type, number: int, *, upper: bool = False) -> str:
    try:
        name = kind(number).name
    except ValueError:
        return f"unknown {number}"
    return name if upper else name.lower()
