"""The ledger's schema: migrations from empty and from each version, and the constraints that keep the money."""

import threading

import psycopg
import pytest

from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.postgres import migrate as migrate_module
from exchange.adapters.postgres.ledger_checks import check_whole
from exchange.adapters.postgres.migrate import migrate, migrations
from exchange.faults import BrokenInvariant
from tests.unit.handlers import load_handler
from tests.unit.ledger_world import Exchange


@pytest.fixture
def empty_dsn(postgres_dsn):
    """A database without a schema."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_one")
    yield postgres_dsn.replace("/postgres?", "/empty_one?")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE empty_one WITH (FORCE)")


@pytest.mark.parametrize("start", range(len(migrations()) + 1))
def test_migrates_from_every_earlier_version(empty_dsn, start):
    assert migrate(empty_dsn, up_to=start) == [m.name for m in migrations()[:start]]
    assert migrate(empty_dsn) == [m.name for m in migrations()[start:]]
    assert migrate(empty_dsn) == []


# A ledger with a trade, as it stood from version 2 on: ann sold bob half a bitcoin at 100, and a buy of ann's rests.
HISTORY = """
    INSERT INTO accounts (account_no, kind, user_id, name) OVERRIDING SYSTEM VALUE
        VALUES (1000, 'trader', 'ann', NULL), (1001, 'trader', 'bob', NULL), (2, 'fees', NULL, 'fees:BTC-USD');
    SELECT setval(pg_get_serial_sequence('accounts', 'account_no'), 1001), nextval('house_account_numbers');
    INSERT INTO balances (account_no, asset, available, held) VALUES
        (1000, 'BTC', 0.5, 0), (1000, 'USD', 39.7, 10.1), (1001, 'BTC', 0.5, 0), (1001, 'USD', 949.7, 0), (2, 'USD', 0.5, 0);
    INSERT INTO transfers (id, account_no, asset, kind, method, external_id, amount, status, completed_at) VALUES
        ('00000000-0000-0000-0000-000000000001', 1000, 'BTC', 'deposit', 'faucet', 'a', 1, 'completed', now()),
        ('00000000-0000-0000-0000-000000000002', 1001, 'USD', 'deposit', 'faucet', 'b', 1000, 'completed', now());
    INSERT INTO ledger_entries (kind, market, journal_seq, transfer_id) VALUES
        ('deposit', NULL, NULL, '00000000-0000-0000-0000-000000000001'),
        ('deposit', NULL, NULL, '00000000-0000-0000-0000-000000000002'), ('settlement', 'BTC-USD', 1, NULL);
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type) VALUES
        (1, 1000, 'BTC', 1, 1, 'transfer'), (1, 1, 'BTC', -1, NULL, 'transfer'),
        (2, 1001, 'USD', 1000, 1000, 'transfer'), (2, 1, 'USD', -1000, NULL, 'transfer');
    INSERT INTO orders (id, account_no, market, side, type, time_in_force, stp, price, size, hold_asset, hold, filled_size,
                        executed_value, fill_fees, fee_numerator, status, done_reason, created_at, done_at, command)
    SELECT id::uuid, account, 'BTC-USD', side, 'limit', 'GTC', 'dc', price, size, 'USD', hold, filled, filled * 100, fee, 0,
           status, CASE status WHEN 'done' THEN 'filled' END, now(), CASE status WHEN 'done' THEN now() END,
           decode(repeat('00', 112), 'hex')
      FROM (VALUES ('00000000-0000-0000-0000-00000000000a', 1000, 'sell', 100, 0.5, 0, 0.5, 0.2, 'done'),
                   ('00000000-0000-0000-0000-00000000000b', 1001, 'buy', 100, 0.5, 0, 0.5, 0.3, 'done'),
                   ('00000000-0000-0000-0000-00000000000c', 1000, 'buy', 100, 0.1, 10.1, 0, 0, 'open'))
           AS o (id, account, side, price, size, hold, filled, fee, status);
    INSERT INTO fills (market, trade_id, side, order_id, account_no, liquidity, price, size, value, fee, journal_seq,
                       created_at)
    VALUES ('BTC-USD', 1, 'sell', '00000000-0000-0000-0000-00000000000a', 1000, 'M', 100, 0.5, 50, 0.2, 1, now()),
           ('BTC-USD', 1, 'buy', '00000000-0000-0000-0000-00000000000b', 1001, 'T', 100, 0.5, 50, 0.3, 1, now());
    INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type, order_id, trade_id) VALUES
        (3, 1000, 'BTC', -0.5, 0.5, 'match', '00000000-0000-0000-0000-00000000000a', 1),
        (3, 1000, 'USD', 50, 50, 'match', '00000000-0000-0000-0000-00000000000a', 1),
        (3, 1000, 'USD', -0.2, 49.8, 'fee', '00000000-0000-0000-0000-00000000000a', 1),
        (3, 1001, 'BTC', 0.5, 0.5, 'match', '00000000-0000-0000-0000-00000000000b', 1),
        (3, 1001, 'USD', -50, 950, 'match', '00000000-0000-0000-0000-00000000000b', 1),
        (3, 1001, 'USD', -0.3, 949.7, 'fee', '00000000-0000-0000-0000-00000000000b', 1),
        (3, 2, 'USD', 0.5, 0.5, 'fee', NULL, NULL);
    INSERT INTO settle_cursors VALUES ('BTC-USD', 1, decode(repeat('00', 32), 'hex'), 2);
"""


def volumes(start):
    """What the two have traded, as version `start` notes it."""
    size = ", 0.5" if start >= 13 else ""
    return "INSERT INTO trading_volumes VALUES " + ", ".join(
        f"({account}, 'BTC-USD', (now() AT TIME ZONE 'UTC')::date, 50{size})" for account in (1000, 1001))


def content(connection, columns):
    """Every row of the tables, in these of their columns."""
    return {table: connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, 2, 3, 4").fetchall()
            for table, names in columns.items()}


@pytest.mark.parametrize("start", range(2, len(migrations()) + 1))
def test_data_of_every_earlier_version_comes_through(empty_dsn, start, monkeypatch):
    """Every row is as it was, the whole ledger adds up, and it goes on: an order is placed on top."""
    migrate(empty_dsn, up_to=start)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(HISTORY)
        connection.execute(volumes(start))
        tables = ("accounts", "balances", "transfers", "ledger_entries", "postings", "orders", "fills", "trading_volumes",
                  "settle_cursors")
        columns = {table: [name for name, in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", (table,))]
            for table in tables}
        before = content(connection, columns)
        migrate(empty_dsn)
        after = content(connection, columns)
        for table, rows in before.items():  # a migration may add rows of its own
            assert rows and [row for row in after[table] if row in rows] == rows, table
    monkeypatch.setenv("DATABASE_DSN", empty_dsn)
    ledger_connection.close()
    try:
        assert [str(found) for found in check_whole().findings] == []
        exchange = Exchange()
        assert (exchange.seq, exchange.account("ann")) == (1, 1000)
        exchange.settle(exchange.place(1001, "buy", "0.5", "90"))
        assert [str(found) for found in check_whole().findings] == []
    finally:
        ledger_connection.close()


def test_a_settlement_that_knows_no_sizes_is_a_fault_and_breaks_nothing(database, ledger_dsn, monkeypatch):
    """It may still run when the schema is there already; what it says is that it cannot, not that the ledger is wrong."""
    monkeypatch.setenv("DATABASE_DSN", ledger_dsn)
    database.execute("INSERT INTO trading_volumes VALUES (1000, 'BTC-USD', current_date, 50, 0.5)")
    statement = ("INSERT INTO trading_volumes (account_no, market, day, value) VALUES (1000, 'BTC-USD', current_date, 7)"
                 " ON CONFLICT (account_no, day, market) DO UPDATE SET value = trading_volumes.value + EXCLUDED.value")
    with pytest.raises(ledger_connection.DatabaseUnavailable, match="before 0013"):
        ledger_connection.once(lambda connection: connection.execute(statement))
    assert database.execute("SELECT value FROM trading_volumes").fetchall() == [(50,)]


def test_runners_at_once_apply_each_file_once(empty_dsn):
    applied, failures = [], []

    def run():
        try:
            applied.extend(migrate(empty_dsn))
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert applied == [m.name for m in migrations()]


def test_a_changed_file_is_refused(empty_dsn, monkeypatch):
    migrate(empty_dsn)
    changed = [migrate_module.Migration(m.version, m.name, m.sql + "-- changed") for m in migrations()]
    monkeypatch.setattr(migrate_module, "migrations", lambda: changed)
    with pytest.raises(BrokenInvariant, match="0001"):
        migrate(empty_dsn)


@pytest.mark.parametrize("ports", ["embedded", "aws"])
def test_the_schema_of_a_later_version(empty_dsn, monkeypatch, ports):
    """On one machine it is refused. In the cloud it is left as it is: a deploy that is taken back meets it."""
    handler = load_handler("ledger_migrate_schema")
    monkeypatch.setenv("DATABASE_DSN", empty_dsn)
    monkeypatch.setenv("EXCHANGE_PORTS", ports)
    all_names = [migration.name for migration in migrations()]
    assert handler.lambda_handler({}, None) == {"applied": all_names}
    earlier = migrations()[:-2]
    monkeypatch.setattr(migrate_module, "migrations", lambda: earlier)
    if ports == "embedded":
        with pytest.raises(BrokenInvariant, match=all_names[-2]):
            handler.lambda_handler({}, None)
    else:
        assert handler.lambda_handler({}, None) == {"applied": []}
        changed = [migrate_module.Migration(m.version, m.name, m.sql + "-- changed") for m in earlier]
        monkeypatch.setattr(migrate_module, "migrations", lambda: changed)
        with pytest.raises(BrokenInvariant, match="0001"):
            handler.lambda_handler({}, None)
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == (len(all_names),)


def test_a_failing_file_leaves_no_trace(empty_dsn, monkeypatch):
    broken = migrate_module.Migration(1, "0001_broken.sql", "CREATE TABLE half (a int); SELECT 1/0;")
    monkeypatch.setattr(migrate_module, "migrations", lambda: [broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == (0,)


@pytest.fixture
def database(ledger_dsn):
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


def _entry(database):
    """A deposit's entry without postings, made by hand."""
    account, _ = database.execute("SELECT * FROM open_account('u', '{USD,BTC}')").fetchone()
    transfer = database.execute(
        "INSERT INTO transfers (account_no, asset, kind, method, external_id, amount, status)"
        " VALUES (%s, 'USD', 'deposit', 'test', gen_random_uuid()::text, 5, 'completed') RETURNING id",
        (account,)).fetchone()[0]
    entry = database.execute("INSERT INTO ledger_entries (kind, transfer_id) VALUES ('deposit', %s) RETURNING id",
                             (transfer,)).fetchone()[0]
    return account, entry


POSTING = ("INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type) VALUES"
           " (%s, %s, %s, %s, %s, 'transfer'), (%s, 1, %s, %s, NULL, 'transfer')")


def test_postings_must_sum_to_zero_per_entry_and_asset(database):
    account, entry = _entry(database)
    with pytest.raises(psycopg.errors.CheckViolation, match="I1: the postings of entry"):
        database.execute(POSTING, (entry, account, "USD", 5, 5, entry, "USD", -4))
    with pytest.raises(psycopg.errors.CheckViolation, match="I1"):
        database.execute(POSTING, (entry, account, "USD", 5, 5, entry, "BTC", -5))
    _, other = _entry(database)
    with pytest.raises(psycopg.errors.CheckViolation, match="I1"):
        database.execute(POSTING, (entry, account, "USD", 5, 5, other, "USD", -5))
    assert database.execute("SELECT count(*) FROM postings").fetchone() == (0,)
    database.execute(POSTING, (entry, account, "USD", 5, 5, entry, "USD", -5))


@pytest.mark.parametrize("statement", [
    "UPDATE postings SET amount = 1", "DELETE FROM postings", "TRUNCATE postings", "DELETE FROM ledger_entries",
    "UPDATE ledger_entries SET kind = 'adjustment'"])
def test_the_ledger_is_append_only(database, statement):
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        database.execute(statement)


@pytest.mark.parametrize("column", ["available", "held"])
def test_a_balance_is_never_negative(database, column):
    database.execute("SELECT * FROM open_account('u', '{USD}')")
    with pytest.raises(psycopg.errors.CheckViolation, match=f"{column}_not_negative"):
        database.execute(f"UPDATE balances SET {column} = {column} - 0.00000001")


def test_open_account_is_idempotent_and_adds_new_assets(database):
    first = database.execute("SELECT * FROM open_account('u', '{USD}')").fetchone()
    again = database.execute("SELECT * FROM open_account('u', '{USD,BTC}')").fetchone()
    other = database.execute("SELECT * FROM open_account('v', '{USD}')").fetchone()
    assert first == again != other
    assert first[0] >= 1000
    assert database.execute("SELECT asset FROM balances WHERE account_no = %s ORDER BY asset",
                            (first[0],)).fetchall() == [("BTC",), ("USD",)]


def test_open_market_gives_each_market_a_fee_account_of_its_own(database):
    one = database.execute("SELECT * FROM open_market('BTC-USD', 'USD')").fetchone()
    again = database.execute("SELECT * FROM open_market('BTC-USD', 'USD')").fetchone()
    two = database.execute("SELECT * FROM open_market('ETH-USD', 'USD')").fetchone()
    assert one == again == ("BTC-USD", 0, bytes(32), 2)
    assert two[3] == 3


ORDER = """INSERT INTO orders (id, account_no, market, side, type, time_in_force, stp, price, size, hold_asset, hold,
                       created_at, command)
    VALUES ('00000000-0000-0000-0000-00000000000a', 1000, 'BTC-USD', 'buy', 'limit', 'GTC', 'dc', 100, 1, 'USD', 100,
            now(), decode(repeat('00', 112), 'hex'))"""
BY_FUNDS = "type = 'market', price = NULL, size = NULL"
DONE = "status = 'done', done_at = now()"
SOUND = [
    "price = 1", "size = 2", f"{BY_FUNDS}, funds = 2", f"{BY_FUNDS}, funds = 2, specified_funds = 2",
    "type = 'stop', price = NULL", "stop = 'loss', stop_price = 1", "stop = 'entry', stop_price = 1", "display_size = 1",
    "filled_size = 0.4, reduced = 0.6", f"{BY_FUNDS}, funds = 2, filled_size = 5, reduced = 1",
    f"{DONE}, done_reason = 'filled', hold = 0", "status = 'open'", "status = 'active'", "amend_command = command",
    "executed_value = 1, fill_fees = 1, fee_numerator = 1", "hold = 0"]
UNSOUND = [
    "side = 'x'", "type = 'x'", "time_in_force = 'x'", "stp = 'x'", "price = 0", "price = NULL", "size = 0", "size = NULL",
    "funds = 1", f"{BY_FUNDS}, funds = 0", f"{BY_FUNDS}, funds = 2, specified_funds = 1", "stop = 'x'", "stop_price = 0",
    "display_size = 0", "display_size = 1.1", "hold = -1", "filled_size = -1", "executed_value = -1", "fill_fees = -1",
    "fee_numerator = -1", "reduced = -1", "status = 'x'", f"{DONE}, hold = 0", f"{DONE}, done_reason = 'x', hold = 0",
    f"{DONE}, done_reason = 'filled'", "status = 'done', done_reason = 'filled', hold = 0", "done_at = now()",
    "done_reason = 'filled'", "command = ''", "amend_command = ''", "filled_size = 1.1", "filled_size = 0.6, reduced = 0.6"]


@pytest.mark.parametrize("version", [13, None])
def test_an_order_is_sound(empty_dsn, version):
    """Alike before and after 0014, which made one constraint of many."""
    migrate(empty_dsn, up_to=version)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(ORDER)
        for change in SOUND:
            with connection.transaction(force_rollback=True):
                connection.execute(f"UPDATE orders SET {change}")
        for change in UNSOUND:
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(f"UPDATE orders SET {change}")
                pytest.fail(f"{change} was let pass")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(ORDER.replace("00a'", "00b'").replace("'buy'", "'bid'"))
