"""A ledger full of made-up history, consistent in every way the audits know, made by the database itself in a few statements.

Accounts are skewed as in life: a few have most of the orders. Two orders in a hundred live, of any account alike, because a
market takes only so many open ones of each; the others are done; three pairs of five traded with each other. For the tests of
query plans (small) and `make bench-ledger` (10 million orders). Needs a superuser, because triggers and foreign keys are not
run for rows that are right by construction; the indexes are made last.
"""

import time
from collections.abc import Callable

import psycopg

from exchange.markets import Listing

FIRST_ACCOUNT = 1000
SPAN_S = 30 * 86_400
FUNDS = 10**12
FIRST_TRADE = 10**9

_PAIRS = """CREATE UNLOGGED TABLE made_pairs AS
    SELECT k, k % {markets} AS m, (k / {markets}) + 1 AS seq,
           {first} + floor({accounts} * power(random(), CASE WHEN lives THEN 1 ELSE 4 END))::bigint AS seller,
           {first} + floor({accounts} * power(random(), CASE WHEN lives THEN 1 ELSE 4 END))::bigint AS buyer,
           (100 + k % 50)::numeric AS price,
           (1 + k % 7) * 0.01 AS size, now() - make_interval(secs => {span} * (1 - k::float8 / {pairs})) AS at,
           CASE WHEN lives THEN 'live' WHEN k % 5 < 3 THEN 'traded' ELSE 'canceled' END AS fate
      FROM generate_series(1, {pairs}) k, LATERAL (SELECT k % 50 = 49 AS lives) AS one"""

_ORDER_COLUMNS = """id, number, account_no, market, side, type, time_in_force, stp, price, size, client_oid, hold_asset, hold,
    filled_size, executed_value, fill_fees, status, done_reason, created_at, done_at, command"""

# The number is 2k - 1 for the sell, 2k for the buy; so is the id.
_ORDERS = """INSERT INTO orders ({columns}) OVERRIDING SYSTEM VALUE
    SELECT lpad(to_hex(2 * k - s), 32, '0')::uuid, 2 * k - s, CASE s WHEN 1 THEN seller ELSE buyer END, t.id,
           CASE s WHEN 1 THEN 'sell' ELSE 'buy' END, 'limit', 'GTC', 'dc', price, size,
           CASE WHEN k % 2 = 0 THEN md5((2 * k - s)::text)::uuid END, CASE s WHEN 1 THEN t.base ELSE t.quote END,
           CASE WHEN fate <> 'live' THEN 0 WHEN s = 1 THEN size ELSE size * price END,
           CASE fate WHEN 'traded' THEN size ELSE 0 END, CASE fate WHEN 'traded' THEN size * price ELSE 0 END,
           CASE WHEN fate <> 'traded' THEN 0 WHEN s = 1 THEN size * price * 0.004 ELSE size * price * 0.006 END,
           CASE fate WHEN 'live' THEN 'open' ELSE 'done' END,
           CASE fate WHEN 'traded' THEN 'filled' WHEN 'canceled' THEN 'canceled' END, at,
           CASE WHEN fate <> 'live' THEN at END, decode(repeat('00', 112), 'hex')
      FROM made_pairs JOIN made_markets t USING (m) CROSS JOIN (VALUES (1), (0)) AS sides (s)"""

# Trades made later by a new book start from 1 and stay below these.
_FILLS = """INSERT INTO fills (market, trade_id, side, order_id, account_no, liquidity, price, size, value, fee, journal_seq,
                               created_at)
    SELECT t.id, {first_trade} + seq, CASE s WHEN 1 THEN 'sell' ELSE 'buy' END, lpad(to_hex(2 * k - s), 32, '0')::uuid,
           CASE s WHEN 1 THEN seller ELSE buyer END, CASE s WHEN 1 THEN 'M' ELSE 'T' END, price, size, price * size,
           price * size * CASE s WHEN 1 THEN 0.004 ELSE 0.006 END, seq, at
      FROM made_pairs JOIN made_markets t USING (m) CROSS JOIN (VALUES (1), (0)) AS sides (s)
     WHERE fate = 'traded' ORDER BY k, s"""

# Deposits first, one entry for all of an account; then one entry per trade.
_ENTRIES = """INSERT INTO ledger_entries (id, kind, transfer_id, market, journal_seq, created_at) OVERRIDING SYSTEM VALUE
    SELECT a - {first} + 1, 'deposit', lpad(to_hex(a), 32, '0')::uuid, NULL, NULL, now() - make_interval(secs => {span})
      FROM generate_series({first}, {first} + {accounts} - 1) a
    UNION ALL SELECT {accounts} + k, 'settlement', NULL, t.id, seq, at
      FROM made_pairs JOIN made_markets t USING (m) WHERE fate = 'traded'"""

_POSTINGS = """INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type, order_id, trade_id, created_at)
    SELECT entry_id, account_no, asset, amount,
           CASE WHEN account_no <> 1 THEN sum(amount) OVER (PARTITION BY account_no, asset ORDER BY entry_id, part) END,
           type, order_id, trade_id, at
      FROM (
        SELECT a - {first} + 1 AS entry_id, 0 AS part, who AS account_no, asset,
               CASE who WHEN 1 THEN -{funds} ELSE {funds} END AS amount, 'transfer' AS type,
               NULL::uuid AS order_id, NULL::bigint AS trade_id,
               now() - make_interval(secs => {span}) AS at
          FROM generate_series({first}, {first} + {accounts} - 1) a CROSS JOIN made_assets, LATERAL (VALUES (1), (a)) AS w (who)
        UNION ALL
        SELECT {accounts} + k, part, p.account_no, asset, amount, type, order_id, trade_id, at
          FROM made_pairs JOIN made_markets t USING (m), LATERAL (VALUES
            (1, seller, t.base, -size, 'match', lpad(to_hex(2 * k - 1), 32, '0')::uuid, {first_trade} + seq),
            (2, seller, t.quote, size * price, 'match', lpad(to_hex(2 * k - 1), 32, '0')::uuid, {first_trade} + seq),
            (3, seller, t.quote, -size * price * 0.004, 'fee', lpad(to_hex(2 * k - 1), 32, '0')::uuid, {first_trade} + seq),
            (4, buyer, t.base, size, 'match', lpad(to_hex(2 * k), 32, '0')::uuid, {first_trade} + seq),
            (5, buyer, t.quote, -size * price, 'match', lpad(to_hex(2 * k), 32, '0')::uuid, {first_trade} + seq),
            (6, buyer, t.quote, -size * price * 0.006, 'fee', lpad(to_hex(2 * k), 32, '0')::uuid, {first_trade} + seq),
            (7, t.fees, t.quote, size * price * 0.01, 'fee', NULL, NULL)
          ) AS p (part, account_no, asset, amount, type, order_id, trade_id)
         WHERE fate = 'traded') all_postings
     ORDER BY entry_id, part"""

_BALANCES = """WITH posted AS (
            SELECT account_no, asset, sum(amount) AS total FROM postings WHERE account_no <> 1 GROUP BY 1, 2),
        held AS (SELECT account_no, asset, sum(amount) AS total FROM holds_needed GROUP BY 1, 2)
    INSERT INTO balances (account_no, asset, available, held)
    SELECT p.account_no, p.asset, p.total - coalesce(h.total, 0), coalesce(h.total, 0)
      FROM posted p LEFT JOIN held h USING (account_no, asset)
    ON CONFLICT (account_no, asset) DO UPDATE SET available = EXCLUDED.available, held = EXCLUDED.held"""

_STEPS: tuple[tuple[str, str], ...] = (
    ("pairs", _PAIRS),
    ("accounts", "INSERT INTO accounts (account_no, kind, user_id) SELECT a, 'trader', 'made-' || a"
                 " FROM generate_series({first}, {first} + {accounts} - 1) a"),
    ("transfers", "INSERT INTO transfers (id, account_no, asset, kind, method, external_id, amount, status, completed_at)"
                  " SELECT lpad(to_hex(a + n * 10000000000), 32, '0')::uuid, a, 'USD', 'deposit', 'made',"
                  " 'made-' || a || '-' || n, {funds}, 'completed', now()"
                  " FROM generate_series({first}, {first} + {accounts} - 1) a, generate_series(0, 9) n"),
    ("orders", _ORDERS),
    ("fills", _FILLS),
    ("ledger_entries", _ENTRIES),
    ("postings", _POSTINGS),
    ("balances", _BALANCES),
    ("trading_volumes", "INSERT INTO trading_volumes (account_no, market, day, value, size)"
                        " SELECT account_no, market, (created_at AT TIME ZONE 'UTC')::date, sum(value), sum(size) FROM fills"
                        " GROUP BY 1, 2, 3"),
    ("settle_cursors", "UPDATE settle_cursors c SET seq = f.seq FROM (SELECT market, max(journal_seq) AS seq FROM fills"
                       " GROUP BY 1) f WHERE f.market = c.market"),
)


def make_ledger(dsn: str, listing: Listing, *, orders: int, accounts: int,
                tell: Callable[[str], None] = lambda text: None) -> None:
    """Fills the empty, migrated ledger at `dsn`, and analyses it."""
    markets = list(listing.markets.values())
    numbers = {"markets": len(markets), "pairs": orders // 2, "accounts": accounts, "first": FIRST_ACCOUNT, "span": SPAN_S,
               "funds": FUNDS, "first_trade": FIRST_TRADE, "columns": _ORDER_COLUMNS}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET work_mem = '256MB'")
        connection.execute("CREATE UNLOGGED TABLE made_markets (m int, id text, base text, quote text, fees bigint)")
        connection.execute("CREATE UNLOGGED TABLE made_assets (asset text)")
        for asset in listing.assets:
            connection.execute("INSERT INTO made_assets VALUES (%s)", (asset,))
        for number, market in enumerate(markets):
            fees, = connection.execute("SELECT fee_account FROM open_market(%s, %s)", (market.id, market.quote.id)).fetchone()
            connection.execute("INSERT INTO made_markets VALUES (%s, %s, %s, %s, %s)",
                               (number, market.id, market.base.id, market.quote.id, fees))
        indexes = _drop_indexes(connection)
        for name, statement in _STEPS:
            started = time.monotonic()
            count = connection.execute(statement.format(**numbers)).rowcount
            tell(f"{name}: {count:,} rows in {time.monotonic() - started:.0f} s")
        for definition in indexes:
            started = time.monotonic()
            connection.execute(definition)
            tell(f"{time.monotonic() - started:.0f} s: {definition}")
        _restart_numbers(connection)
        connection.execute("DROP TABLE made_pairs, made_markets, made_assets")
        connection.execute("VACUUM (ANALYZE)")


def _drop_indexes(connection: psycopg.Connection) -> list[str]:
    """Those that are no constraint's, of the large tables; their definitions."""
    rows = connection.execute("""SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
        WHERE i.indrelid IN ('orders'::regclass, 'fills'::regclass, 'postings'::regclass)
          AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)""").fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}")
    return [definition for _, definition in rows]


def _restart_numbers(connection: psycopg.Connection) -> None:
    for table, column in (("orders", "number"), ("ledger_entries", "id"), ("accounts", "account_no")):
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT max({column}) FROM {table}))")
