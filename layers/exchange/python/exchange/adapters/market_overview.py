"""A market as an operator sees it: its status, its book's mode, its journal's head, and how far its followers are behind.

Read only. The head is read before the cursors, so a follower is never shown ahead of it. Called by the operators' operations.
"""

import time

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.ports import journal
from exchange.adapters.postgres.audit import settled
from exchange.adapters.redis.market_views import MarketViews
from exchange.events import Mode
from exchange.feed.rows import trade_row
from exchange.journal import JournalEntry, decode_entry
from exchange.market_modes import LastHalt, Status
from exchange.markets import Market
from exchange.times import iso

MODE_NAMES = {Mode.OPEN: "open", Mode.HALTED: "halted", Mode.AUCTION: "auction", Mode.UNCROSSING: "uncrossing"}


def market_rows(markets: list[Market]) -> list[dict]:
    """One row per market. Faults of the services pass through."""
    heads = {market.id: journal().head(market=market.id) for market in markets}
    settled_to = {name: seq for name, seq, _ in settled()}
    views, statuses = MarketViews(), MarketStatus()
    return [_row(market, heads[market.id], settled_to.get(market.id, 0), views, statuses.newest(market.id))
            for market in markets]


def status_row(market: str, status: Status) -> dict:
    """The status alone."""
    row = {"product_id": market, "status": status.status, "broken": status.broken}
    row |= {name: value for name, value in (("reason", status.reason), ("since", status.since), ("by", status.by)) if value}
    if status.last_halt is not None:
        row["last_halt"] = _halt_row(status.last_halt)
    return row


def _halt_row(halt: LastHalt) -> dict:
    return {"reason": halt.reason, "at": halt.at, "broken": halt.broken} | ({"by": halt.by} if halt.by else {})


def _row(market: Market, head: bytes | None, settled_seq: int, views: MarketViews, status: Status) -> dict:
    cursor = views.cursor(market.id)
    entry = decode_entry(head) if head is not None else None
    head_seq = entry.seq if entry else 0
    row = status_row(market.id, status) | {
        "mode": MODE_NAMES[cursor.mode], "sequence": cursor.sequence,
        "journal": _head(entry),
        "settle": _follower(market.id, settled_seq, head_seq), "feed": _follower(market.id, cursor.seq, head_seq)}
    if cursor.last is not None:
        row["last_trade"] = trade_row(market, cursor.last)
    return row


def _head(entry: JournalEntry | None) -> dict:
    if entry is None:
        return {"seq": 0}
    return {"seq": entry.seq, "at": iso(entry.at_ms), "hash": entry.hash.hex(), "sequence": entry.feed_sequence}


def _follower(market: str, at: int, head: int) -> dict:
    """`lag` in entries; `lag_s`: how long the oldest entry that it has not applied has waited."""
    lag, lag_s = max(0, head - at), 0.0
    if lag:
        raw = journal().get(market=market, seq=at + 1)
        waited_ms = time.time_ns() // 1_000_000 - decode_entry(raw).at_ms if raw is not None else 0
        lag_s = max(0, waited_ms) / 1000
    return {"seq": at, "lag": lag, "lag_s": lag_s}
