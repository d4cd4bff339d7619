"""Clients made ahead: a worker's first requests make none. Nothing is connected to: the endpoint answers nobody."""

import boto3
import pytest
from botocore.session import Session

from exchange.adapters import api_keys, connections, market_status
from exchange.adapters.clients import make_clients

TABLES = {"API_KEYS_TABLE": api_keys._Row, "MARKET_STATUS_TABLE": market_status._Row, "CONNECTIONS_TABLE": connections._Row}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that clients were made of, while no client is there yet."""
    names: list[str] = []
    create = Session.create_client

    def counted(session: Session, name: str, *arguments: object, **options: object) -> object:
        names.append(name)
        return create(session, name, *arguments, **options)

    for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    for variable, model in TABLES.items():
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(model.Meta, "table_name", "table")
        monkeypatch.setattr(model, "_connection", None)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(Session, "create_client", counted)
    api_keys._kms.cache_clear()
    yield names
    api_keys._kms.cache_clear()


def test_what_the_environment_names_is_made_once(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in TABLES:
        monkeypatch.setenv(variable, "table")
    make_clients()
    assert sorted(made) == ["dynamodb", "dynamodb", "dynamodb", "kms"]
    make_clients()
    for model in TABLES.values():
        assert model._get_connection().connection.client is not None
    api_keys._kms()
    assert len(made) == 4, "what requests use is what was made"


@pytest.mark.parametrize(("variable", "services"), [
    ("", []), ("API_KEYS_TABLE", ["dynamodb", "kms"]), ("MARKET_STATUS_TABLE", ["dynamodb"]),
    ("CONNECTIONS_TABLE", ["dynamodb"])])
def test_what_it_does_not_name_is_not(made: list[str], monkeypatch: pytest.MonkeyPatch, variable: str,
                                      services: list[str]) -> None:
    if variable:
        monkeypatch.setenv(variable, "table")
    make_clients()
    assert sorted(made) == services
