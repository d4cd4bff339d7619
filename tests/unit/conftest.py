"""`api`: the handlers against a real ledger; see door_calls. `exchange`, `database`: ledger and core; see ledger_world."""

import pytest
from moto import mock_aws


@pytest.fixture
def api(ledger_dsn, monkeypatch):
    from door_calls import Api

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        made = Api(ledger_dsn, monkeypatch)
        yield made
        made.close()


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
