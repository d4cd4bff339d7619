"""Every minute: do the ledger's invariants hold? I1, I2, I3 from SQL in one snapshot, I4 against the journal's hash.

`{"whole": true}` in the event adds up every posting there is; without it the sums per entry are those of the newest entries.
A violation halts the market it names (all of them where it names none) and raises, with the offending rows.
"""

import logging

from exchange.adapters.halt import halt_market
from exchange.adapters.ports import journal
from exchange.adapters.postgres.audit import settled, violations
from exchange.faults import BrokenInvariant
from exchange.journal import JournalBroken, decode_entry
from exchange.markets import listing

logger = logging.getLogger("exchange.audit_check_ledger")


def lambda_handler(event: dict, context: object) -> dict:
    """Answers what was checked; raises BrokenInvariant for a violation."""
    found = violations(whole=bool(event.get("whole")))
    found += [(market, broken) for market, seq, hash_ in settled() if (broken := _chain_broken(market, seq, hash_))]
    for market, broken in found:
        logger.critical("invariant broken: %s", broken)
        for name in [market] if market in listing().markets else listing().markets:
            halt_market(name, broken)
    if found:
        raise BrokenInvariant("; ".join(broken for _, broken in found))
    return {"checked": ["I1", "I2", "I3", "I4"], "whole": bool(event.get("whole"))}


def _chain_broken(market: str, seq: int, settled_hash: bytes) -> str | None:
    """I4: the entry that the ledger says it settled last is the journal's entry of that number."""
    if seq == 0:
        return None
    raw = journal().get(market=market, seq=seq)
    try:
        if raw is not None and decode_entry(raw).hash == settled_hash:
            return None
    except JournalBroken as error:
        return f"I4: {market}: {error}"
    return f"I4: {market}: entry {seq} as settled is not the journal's"
