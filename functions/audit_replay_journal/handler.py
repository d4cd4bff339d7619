"""Every minute: each market's journal, from the last audited entry to the last settled one, against itself and the ledger.

I4, I5 and I7 of every entry, and each trade's fills and postings; `exchange.adapters.journal_replay` says how. What is found
halts the market and raises the alarm.
"""

import time

from exchange.adapters.audit_outcome import conclude
from exchange.adapters.journal_replay import audit_journal
from exchange.adapters.postgres.audit import settled
from exchange.markets import listing

RUN_S = 40.0
# A few per cent of one core where everything runs on one machine.
NAIVE_S = 2.0


def lambda_handler(event: dict, context: object) -> dict:
    """Answers the audited position per market; raises BrokenInvariant for a violation."""
    cursors = {market: seq for market, seq, _ in settled()}
    markets = list(listing().markets.values())
    reports = []
    until = time.monotonic() + RUN_S
    for number, market in enumerate(markets):
        share_s = max(0.0, until - time.monotonic()) / (len(markets) - number)
        reports.append(audit_journal(market, cursors.get(market.id, 0), most_s=share_s, naive_s=NAIVE_S / len(markets)))
    conclude(reports)
    return {report.market: report.details["seq"] for report in reports}
