"""The ledger's schema: migrations from empty and from each version, and the constraints that keep the money."""

import threading

import psycopg
import pytest

from exchange.adapters.postgres import migrate as migrate_module
from exchange.adapters.postgres.migrate import migrate, migrations
from exchange.faults import BrokenInvariant


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
