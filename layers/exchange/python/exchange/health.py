"""What of an exchange's figures an operator must be told: troubles, in words.

Pure: figures and the time come in. The thresholds are those of the alarms in `cdk/alarms.py`; docs/runbooks says what to do.
Called by `functions/api_admin_get_health`.
"""

from datetime import datetime, timedelta

# A message that is a minute old: its consumer is stuck or slow.
OLD_MESSAGE_S = 60
# A message of the feed's clock is at work for its whole minute.
OLD_BEAT_S = 180
# A follower that has not applied an entry of half a minute ago: it missed a nudge, or is at its limit.
LAG_S = 30
# An audit that has not finished one run in this time does not run: of every minute, of every day.
AUDIT_SILENT = timedelta(minutes=10)
DAILY_AUDIT_SILENT = timedelta(hours=26)
# Those that keep a row of their last run; the replay one for each market.
AUDITS = {"audit_check_ledger": AUDIT_SILENT, "audit_check_whole_ledger": DAILY_AUDIT_SILENT,
          "audit_prove_liabilities": DAILY_AUDIT_SILENT, "audit_replay_journal": AUDIT_SILENT,
          "audit_sweep_orders": AUDIT_SILENT}
OF_EACH_MARKET = "audit_replay_journal"
NEVER = "never"

# What is approved goes with the next run, each minute; three that fail ring the alarm. What was sent the custody answers at
# once or by a notice: it may take its time, but not for ever.
UNSENT_S = 180
UNANSWERED_S = 3600


def troubles(*, markets: list[dict], queues: list[dict], audits: list[dict], withdrawals: list[dict],
             now: datetime) -> list[dict]:
    """`{"what", "subject", "text"}` for each; `what` names the page of docs/runbooks. Rows as the operations show them."""
    return [*_of_markets(markets), *_of_queues(queues), *_of_audits(audits, now), *_of_withdrawals(withdrawals)]


def all_audits(runs: list[dict], markets: list[str], made_at: str) -> list[dict]:
    """The last run of each audit, with a row for each that never ran: its `result` is NEVER, its `since` the ledger's
    beginning (`made_at`, ISO 8601)."""
    expected = {(audit, market) for audit in AUDITS for market in (markets if audit == OF_EACH_MARKET else ("",))}
    missing = expected - {(row["audit"], row["market"]) for row in runs}
    never = [{"audit": audit, "market": market, "result": NEVER, "since": made_at} for audit, market in missing]
    return sorted([*runs, *never], key=lambda row: (row["audit"], row["market"]))


def _trouble(what: str, subject: str, text: str) -> dict:
    return {"what": what, "subject": subject, "text": text}


def _of_markets(markets: list[dict]) -> list[dict]:
    found = []
    for row in markets:
        market = row["product_id"]
        if row["status"] == "halted":
            why = "an invariant is broken" if row["broken"] else "an operator halted it"
            found.append(_trouble("halted-market", market, f"halted, {why}: {row.get('reason', '')}"))
        elif row["mode"] != "open" and row["status"] == "online":
            found.append(_trouble("halted-market", market, f"the book is {row['mode']}, the status row says online"))
        for follower in ("settle", "feed"):
            lag, lag_s = row[follower]["lag"], row[follower]["lag_s"]
            if lag_s >= LAG_S:
                found.append(_trouble("follower-lag", market,
                                      f"{follower} is {lag} entries and {lag_s:.0f} s behind the journal"))
    return found


def _of_queues(queues: list[dict]) -> list[dict]:
    found = []
    for row in queues:
        if row["dead"] and row["waiting"] + row["in_flight"]:
            found.append(_trouble("dead-letters", row["name"], f"{row['waiting'] + row['in_flight']} dead letters"))
        elif not row["dead"] and row.get("oldest_age_s", 0) >= (OLD_BEAT_S if row["name"] == "beat" else OLD_MESSAGE_S):
            found.append(_trouble("queue-age", row["name"], f"its oldest message waits for {row['oldest_age_s']:.0f} s"))
    return found


def _of_audits(audits: list[dict], now: datetime) -> list[dict]:
    found = []
    for row in audits:
        name = row["audit"] + (f" {row['market']}" if row["market"] else "")
        silent_since = row["since"] if row["result"] == NEVER else row["started_at"]
        if row["result"] == "failed":
            found.append(_trouble("broken-invariant", name, "its last run found a broken invariant"))
        elif now - datetime.fromisoformat(silent_since) > AUDITS.get(row["audit"], AUDIT_SILENT):
            found.append(_trouble("audit-failing", name, "has never run" if row["result"] == NEVER
                                  else f"has not run since {silent_since}"))
    return found


def _of_withdrawals(withdrawals: list[dict]) -> list[dict]:
    found = []
    for row in withdrawals:
        longest, what = (UNSENT_S, "not sent") if row["status"] == "approved" else (UNANSWERED_S, "not answered by the custody")
        if row["oldest_age_s"] >= longest:
            found.append(_trouble("withdrawals-failing", row["status"],
                                  f"{row['count']} {row['status']} and {what}, the oldest for {row['oldest_age_s']:.0f} s"))
    return found
