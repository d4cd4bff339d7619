"""I1 to I3 (and, of the whole ledger, I7) from the rows themselves.

Each minute only what can have changed since the last run that found nothing:

    entries since        their postings sum to zero, and each posting's balance_after follows from the one before it
    balances of these    are what their last posting says; what is held of them is what live orders still need
    orders that live,    the balances that they hold money of
    or ended since
    a stretch of all     the next 20,000 balances, so that a row changed by hand is found although no entry speaks of it

By induction every balance is then the sum of its postings. The whole ledger is added up once a day.

Entries are numbered before they commit, so a smaller number may appear after a larger one was seen. The position therefore
moves to the largest number of a run only once all transactions that were under way then have ended:

    run n      sees up to entry 900; transactions below 5,000 may still be under way
    run n + 1  the oldest under way is 5,020: everything up to 900 is to be seen, checked again, and is the next position

All statements of a run are one REPEATABLE READ transaction: a settlement is seen whole or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import repeatable
from exchange.audits import Finding

STRETCH = 20_000
MOST_ENTRIES = 300_000
# Less than the functions have. At 10 million orders, 200,000 of them live, the check of each minute takes seconds.
CHANGES_TIMEOUT_MS, WHOLE_TIMEOUT_MS = 50_000, 840_000
WORK_MEM = "64MB"  # live orders are scattered over all pages; a smaller map of them would have every row looked at again
ENTRIES_AT_A_TIME = 100_000

_HORIZON = """SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
    (SELECT coalesce(max(id), 0) FROM ledger_entries) AS newest_entry"""

_UNBALANCED = """SELECT coalesce(e.market, '') AS market, p.entry_id, p.asset, sum(p.amount)::text AS sums_to,
        (array_agg(p.id ORDER BY p.id))[1:10] AS postings
    FROM postings p JOIN ledger_entries e ON e.id = p.entry_id
    WHERE p.entry_id > %(after)s AND p.entry_id <= %(up_to)s
    GROUP BY e.market, p.entry_id, p.asset HAVING sum(p.amount) <> 0 ORDER BY p.entry_id LIMIT 20"""

# The first of an account's new postings is compared with the last old one, every other with the one before it.
_CHAIN = """WITH fresh AS (
        SELECT id, entry_id, account_no, asset, amount, balance_after,
               lag(balance_after) OVER w AS before, row_number() OVER w = 1 AS first
          FROM postings WHERE entry_id > %(after)s AND entry_id <= %(up_to)s AND account_no <> 1
        WINDOW w AS (PARTITION BY account_no, asset ORDER BY id)),
    linked AS (
        SELECT f.id, f.entry_id, f.account_no, f.asset, f.amount, f.balance_after,
               CASE WHEN f.first THEN coalesce((SELECT p.balance_after FROM postings p WHERE p.account_no = f.account_no
                   AND p.asset = f.asset AND p.id < f.id ORDER BY p.id DESC LIMIT 1), 0) ELSE f.before END AS before
          FROM fresh f)
    SELECT count(*) AS checked, jsonb_agg(jsonb_build_object('posting', id, 'entry', entry_id, 'account', account_no,
               'asset', asset, 'before', before::text, 'amount', amount::text, 'balance_after', balance_after::text)
               ORDER BY id) FILTER (WHERE before + amount <> balance_after) AS wrong FROM linked"""

_ENDED = "SELECT account_no, hold_asset AS asset FROM orders WHERE done_at >= to_timestamp(%(since_ms)s::float8 / 1000)"

_STRETCH = """SELECT account_no, asset FROM balances WHERE (account_no, asset) > (%(account)s, %(asset)s)
    ORDER BY account_no, asset LIMIT %(stretch)s"""

_LIVE = "SELECT account_no, asset, sum(amount) AS needed FROM holds_needed GROUP BY account_no, asset"

_COMPARED = """SELECT count(*) AS checked, jsonb_agg(jsonb_build_object('account', t.account_no, 'asset', t.asset,
           'available', b.available::text, 'held', b.held::text, 'posted', {posted}::text,
           'needed', coalesce(l.needed, 0)::text) ORDER BY t.account_no, t.asset)
       FILTER (WHERE b.available IS NULL OR b.available < 0 OR b.held < 0 OR b.held <> coalesce(l.needed, 0)
               OR b.available + b.held <> {posted}) AS wrong
    FROM touched t LEFT JOIN {balances} b USING (account_no, asset) LEFT JOIN live l USING (account_no, asset)"""

# LIMIT keeps it a look-up per row: the planner may think of a set of few as many, and read all balances.
_ROW = "(SELECT * FROM balances WHERE account_no = t.account_no AND asset = t.asset LIMIT 1)"

_TOUCHED = f"""WITH live AS MATERIALIZED ({_LIVE}),
    touched AS (
        SELECT account_no, asset FROM postings WHERE entry_id > %(after)s AND entry_id <= %(up_to)s AND account_no <> 1
        UNION SELECT account_no, asset FROM live
        UNION ({_ENDED})
        UNION ({_STRETCH})),
    found AS ({_COMPARED.format(
        posted="coalesce(p.balance_after, 0)", balances="LATERAL " + _ROW)}
        LEFT JOIN LATERAL (SELECT balance_after FROM postings WHERE account_no = t.account_no AND asset = t.asset
                           ORDER BY id DESC LIMIT 1) p ON true),
    stretch AS ({_STRETCH})
    SELECT found.checked, found.wrong, (SELECT count(*) FROM stretch) AS walked,
           (SELECT jsonb_build_array(account_no, asset) FROM stretch ORDER BY account_no DESC, asset DESC LIMIT 1) AS last
      FROM found"""

_ALL_BALANCES = f"""WITH live AS MATERIALIZED ({_LIVE}),
    posted AS (SELECT account_no, asset, sum(amount) AS total FROM postings WHERE account_no <> 1 GROUP BY account_no, asset),
    touched AS (SELECT account_no, asset FROM balances UNION SELECT account_no, asset FROM live
                UNION SELECT account_no, asset FROM posted)
    {_COMPARED.format(posted="coalesce(p.total, 0)", balances="balances")} LEFT JOIN posted p USING (account_no, asset)"""

_ASSETS = "SELECT asset, sum(amount)::text AS sums_to FROM postings GROUP BY asset HAVING sum(amount) <> 0"

_TRADES = """SELECT market, trade_id, array_agg(side || ' ' || size || ' at ' || price ORDER BY side) AS sides
    FROM fills GROUP BY market, trade_id
    HAVING count(*) <> 2 OR min(size) <> max(size) OR min(price) <> max(price) OR min(side) = max(side) LIMIT 20"""

_ORDERS = """WITH filled AS (
        SELECT order_id, sum(size) AS size, sum(value) AS value, sum(fee) AS fee FROM fills GROUP BY order_id)
    SELECT o.market, o.id::text AS order_id, o.filled_size::text, f.size::text AS of_its_fills, o.fill_fees::text,
           f.fee::text AS fees_of_its_fills
      FROM orders o LEFT JOIN filled f ON f.order_id = o.id
     WHERE o.filled_size <> coalesce(f.size, 0) OR o.executed_value <> coalesce(f.value, 0) OR o.fill_fees <> coalesce(f.fee, 0)
     LIMIT 20"""


_VOLUMES = """WITH traded AS (
        SELECT account_no, market, (created_at AT TIME ZONE 'UTC')::date AS day, sum(value) AS value, sum(size) AS size
          FROM fills GROUP BY 1, 2, 3)
    SELECT market, account_no AS account, day::text, v.value::text, t.value::text AS value_of_fills, v.size::text,
           t.size::text AS size_of_fills
      FROM trading_volumes v FULL JOIN traded t USING (account_no, market, day)
     WHERE v.value IS DISTINCT FROM t.value OR v.size IS DISTINCT FROM t.size ORDER BY 2, 1, 3 LIMIT 20"""


@dataclass(slots=True)
class Checked:
    """What a check went over, what it found, and the position for the next run."""

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    position: dict = field(default_factory=dict)
    behind: bool = False


def check_changes(position: dict, *, ended_since_ms: int) -> Checked:
    """I1 to I3 of what changed since `position` ({} for a first run). One snapshot; changes nothing.

    `ended_since_ms`: no order that ended since `position` was taken has a smaller `done_at`.
    """
    return repeatable(lambda connection: _in_snapshot(
        connection, lambda: _changes(connection, position, ended_since_ms), timeout_ms=CHANGES_TIMEOUT_MS))


def check_whole() -> Checked:
    """I1 to I3 of everything, and I7 within the ledger: every trade has two sides that agree, every order its fills,
    every account's day the volume of its fills."""
    return repeatable(lambda connection: _in_snapshot(connection, lambda: _whole(connection), timeout_ms=WHOLE_TIMEOUT_MS))


def _in_snapshot(connection: psycopg.Connection, check: Callable[[], Checked], *, timeout_ms: int) -> Checked:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(f"SET LOCAL statement_timeout = {timeout_ms:d}")
        connection.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        return check()


def _changes(connection: psycopg.Connection, position: dict, ended_since_ms: int) -> Checked:
    horizon = _one(connection, _HORIZON)
    after = position.get("entry", 0)
    if "seen_entry" in position and horizon["oldest"] >= position["seen_next"]:
        confirmed = position["seen_entry"]
    else:
        confirmed = after
    up_to = min(horizon["newest_entry"], after + MOST_ENTRIES)
    account, asset = position.get("walked", (0, ""))
    values = {"after": after, "up_to": up_to, "since_ms": ended_since_ms, "account": account, "asset": asset,
              "stretch": STRETCH}
    checked = Checked(behind=up_to < horizon["newest_entry"])
    checked.findings = _unbalanced(_all(connection, _UNBALANCED, values))
    chain = _one(connection, _CHAIN, values)
    checked.findings += [
        Finding("I1", f"posting {row['posting']}", f"of entry {row['entry']}: {row['before']} before and {row['amount']} do not"
                f" give {row['balance_after']}", evidence=(row,)) for row in chain["wrong"] or ()]
    touched = _one(connection, _TOUCHED, values)
    checked.findings += _balances(touched["wrong"])
    checked.rows = chain["checked"] + touched["checked"]
    walked = touched["last"] if 0 < touched["walked"] == STRETCH else [0, ""]
    checked.position = {"entry": max(after, confirmed), "seen_entry": up_to, "seen_next": horizon["next"], "walked": walked}
    return checked


def _whole(connection: psycopg.Connection) -> Checked:
    checked = Checked()
    newest = _one(connection, _HORIZON)["newest_entry"]
    for after in range(0, newest, ENTRIES_AT_A_TIME):
        values = {"after": after, "up_to": after + ENTRIES_AT_A_TIME}
        checked.findings += _unbalanced(_all(connection, _UNBALANCED, values))
    checked.findings += [Finding("I1", f"asset {row['asset']}", f"all its postings sum to {row['sums_to']}", evidence=(row,))
                         for row in _all(connection, _ASSETS)]
    balances = _one(connection, _ALL_BALANCES)
    checked.findings += _balances(balances["wrong"])
    checked.findings += [
        Finding("I7", f"trade {row['trade_id']}", f"its fills are {', '.join(row['sides'])}", row["market"], (row,))
        for row in _all(connection, _TRADES)]
    checked.findings += [
        Finding("I7", f"order {row['order_id']}", f"is filled by {row['filled_size']}, its fills by {row['of_its_fills'] or 0};"
                f" paid fees {row['fill_fees']}, its fills {row['fees_of_its_fills'] or 0}", row["market"], (row,))
        for row in _all(connection, _ORDERS)]
    checked.findings += [
        Finding("I7", f"volume {row['account']}/{row['day']}", f"is {row['value'] or 0} for {row['size'] or 0}, its fills"
                f" {row['value_of_fills'] or 0} for {row['size_of_fills'] or 0}", row["market"], (row,))
        for row in _all(connection, _VOLUMES)]
    checked.rows = balances["checked"] + newest
    return checked


def _unbalanced(rows: list[dict]) -> list[Finding]:
    return [Finding("I1", f"entry {row['entry_id']}", f"its postings of {row['asset']} sum to {row['sums_to']}", row["market"],
                    (row,)) for row in rows]


def _balances(rows: list[dict] | None) -> list[Finding]:
    found = []
    for row in rows or ():
        subject = f"balance {row['account']}/{row['asset']}"
        available, held = row["available"], row["held"]
        if available is None:
            found.append(Finding("I3", subject, f"has no row, its live orders need {row['needed']}", evidence=(row,)))
            continue
        if available.startswith("-") or held.startswith("-"):
            found.append(Finding("I2", subject, f"is {available} + {held}", evidence=(row,)))
        if _number(held) != _number(row["needed"]):
            found.append(Finding("I3", subject, f"holds {held}, its live orders need {row['needed']}", evidence=(row,)))
        if _number(available) + _number(held) != _number(row["posted"]):
            found.append(Finding("I1", subject, f"is {available} + {held}, its postings say {row['posted']}", evidence=(row,)))
    return found


def _number(text: str) -> int:
    """In 10^-8; every amount of the ledger is printed with eight digits, a missing one as `0`."""
    whole, _, digits = text.partition(".")
    return int(whole + digits.ljust(8, "0"))


def _one(connection: psycopg.Connection, statement: str, values: dict | None = None) -> dict:
    return connection.cursor(row_factory=dict_row).execute(statement, values).fetchone()


def _all(connection: psycopg.Connection, statement: str, values: dict | None = None) -> list[dict]:
    return connection.cursor(row_factory=dict_row).execute(statement, values).fetchall()
