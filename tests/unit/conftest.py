"""`api`: the handlers against a real ledger; see door_calls. `exchange`, `database`: ledger and core; see ledger_world."""

import pytest


@pytest.fixture
def api(ledger_dsn, monkeypatch):
    from door_calls import doors

    with doors(ledger_dsn, monkeypatch) as made:
        yield made


@pytest.fixture
def exchange(ledger_dsn):
    from tests.unit.ledger_world import Exchange

    return Exchange()


@pytest.fixture
def database(ledger_dsn):
    import psycopg

    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def books(database):
    """As `database`, for tests of money that comes and goes: a custody of their own, and at the end the books balance."""
    from exchange.adapters import sandbox_custody
    from tests.unit.ledger_world import check_books

    sandbox_custody.custody.cache_clear()
    yield database
    check_books(database)
