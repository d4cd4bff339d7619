"""`api`: the handlers against a real ledger; see door_calls."""

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
