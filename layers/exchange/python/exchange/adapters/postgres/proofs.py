"""Proofs of liabilities in PostgreSQL: taking one from one snapshot, and reading what is published and what is one's own.

`take` is one REPEATABLE READ transaction: the balances of all assets, and the settled journal entries that they stand at, are
of one moment, and a proof is there whole or not at all. Leaves and nodes of all but the newest KEPT proofs are dropped.
"""

import json
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, once, repeatable
from exchange.liabilities import NODE, SCALE, leaf, levels_of, nonce_of, root_of, siblings_of
from exchange.money import format_units

KEPT = 2
CHUNK = 1000
TIMEOUT_MS = 840_000
_FETCHED = 20_000

_JOURNALS = "SELECT market, seq, encode(hash, 'hex') FROM settle_cursors ORDER BY market"

# What the house has earned is its own, and no liability.
_OWED = """SELECT b.account_no, a.profile_id, ((b.available + b.held) * 100000000)::numeric(40,0)::text AS units
    FROM balances b JOIN accounts a USING (account_no)
    WHERE b.asset = %s AND b.available + b.held > 0 AND a.kind = 'trader' ORDER BY a.profile_id"""

_PUBLISHED = f"""SELECT p.number, {ISO_TIME.format('p.taken_at')} AS taken_at, p.journals, t.asset, t.accounts, t.total::text,
        encode(t.root, 'hex') AS root
    FROM liability_proofs p JOIN liability_totals t ON t.proof = p.number
    WHERE p.number = (SELECT max(number) FROM liability_proofs) ORDER BY t.asset"""

_LEAF = f"""SELECT p.number, {ISO_TIME.format('p.taken_at')} AS taken_at, p.secret, l.position, l.balance::text, t.accounts,
        t.total::text, encode(t.root, 'hex') AS root
    FROM liability_proofs p JOIN liability_totals t ON t.proof = p.number AND t.asset = %(asset)s
    JOIN liability_leaves l ON l.proof = p.number AND l.asset = t.asset AND l.account_no = %(account)s
    WHERE p.number = (SELECT max(number) FROM liability_proofs)"""

_NODES = """SELECT w.level, w.position, substring(n.nodes FROM (w.position %% %(chunk)s)::int * 48 + 1 FOR 48)
    FROM unnest(%(levels)s::int[], %(positions)s::bigint[]) AS w (level, position)
    JOIN liability_nodes n ON n.proof = %(proof)s AND n.asset = %(asset)s AND n.level = w.level
     AND n.chunk = w.position / %(chunk)s"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A proof that was taken: its number and, per asset, how many accounts owe what in all (decimal text)."""

    number: int
    totals: dict[str, tuple[int, str]]


def take(assets: list[str], secret: bytes) -> Taken:
    """Takes and publishes a proof of these assets. `secret`: 32 random bytes. One transaction."""
    return once(lambda connection: _take(connection, assets, secret))


def published() -> list[dict]:
    """The newest proof, one row per asset; empty before the first."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(_PUBLISHED).fetchall())


def own_leaf(account: int, profile_id: UUID, asset: str) -> dict | None:
    """The account's leaf of the newest proof with its path from below; None where it had no balance."""
    return repeatable(lambda connection: _own_leaf(connection, account, profile_id, asset))


def _take(connection: psycopg.Connection, assets: list[str], secret: bytes) -> Taken:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS:d}")
        journals = {market: {"seq": seq, "hash": hash_} for market, seq, hash_ in connection.execute(_JOURNALS).fetchall()}
        number, = connection.execute(
            "INSERT INTO liability_proofs (taken_at, secret, journals) VALUES (now(), %b, %s) RETURNING number",
            (secret, json.dumps(journals))).fetchone()
        totals = {asset: _take_asset(connection, number, asset, secret) for asset in assets}
        for table in ("liability_leaves", "liability_nodes"):
            connection.execute(f"DELETE FROM {table} WHERE proof <= %s", (number - KEPT,))
    return Taken(number, totals)


def _take_asset(connection: psycopg.Connection, number: int, asset: str, secret: bytes) -> tuple[int, str]:
    accounts, balances, leaves, total = [], [], bytearray(), 0
    with connection.cursor(name="owed") as cursor:
        cursor.itersize = _FETCHED
        for account_no, profile_id, text in cursor.execute(_OWED, (asset,)):
            units = int(text)
            accounts.append(account_no)
            balances.append(units)
            leaves += leaf(nonce_of(secret, profile_id, asset), profile_id, asset, units)
            total += units
    with connection.cursor().copy("COPY liability_leaves (proof, asset, account_no, position, balance) FROM STDIN") as copy:
        for position, (account_no, units) in enumerate(zip(accounts, balances, strict=True)):
            copy.write_row((number, asset, account_no, position, format_units(units, SCALE)))
    levels = levels_of(leaves)
    with connection.cursor().copy("COPY liability_nodes (proof, asset, level, chunk, nodes) FROM STDIN") as copy:
        for level, nodes in enumerate(levels):
            for chunk, start in enumerate(range(0, len(nodes), CHUNK * NODE)):
                copy.write_row((number, asset, level, chunk, bytes(nodes[start:start + CHUNK * NODE])))
    text = format_units(total, SCALE)
    connection.execute("INSERT INTO liability_totals VALUES (%s, %s, %s, %s::text::numeric, %b)",
                       (number, asset, len(accounts), text, root_of(levels)))
    return len(accounts), text


def _own_leaf(connection: psycopg.Connection, account: int, profile_id: UUID, asset: str) -> dict | None:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = connection.cursor(row_factory=dict_row).execute(_LEAF, {"asset": asset, "account": account}).fetchone()
        if found is None:
            return None
        path = siblings_of(found["position"], found["accounts"])
        rows = connection.execute(_NODES, {
            "chunk": CHUNK, "levels": [level for level, _, _ in path], "positions": [position for _, position, _ in path],
            "proof": found["number"], "asset": asset}).fetchall()
    nodes = {(level, position): bytes(node) for level, position, node in rows}
    return {"taken_at": found["taken_at"], "balance": found["balance"], "root": found["root"], "total": found["total"],
            "accounts": found["accounts"], "nonce": nonce_of(bytes(found["secret"]), profile_id, asset).hex(),
            "path": [(side, nodes[level, position]) for level, position, side in path]}
