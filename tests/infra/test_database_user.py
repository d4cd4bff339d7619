"""The functions' database user, made by the statement of the deploy, by an administrator who is no superuser as in Aurora, and
the schema migrated by that user: locally everything is done by a superuser."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from infra.assembly import Assembly

from cdk.data import DATABASE_NAME, DATABASE_USER
from exchange.adapters.postgres import connection
from exchange.adapters.postgres.accounts import open_account
from exchange.adapters.postgres.migrate import migrate, migrations

ADMINISTRATOR = "administrator"


def as_user(dsn: str, user: str) -> str:
    """The URI for that user and the functions' database."""
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}", path=f"/{DATABASE_NAME}").geturl()


def statement_of(assembly: Assembly, event: str) -> str:
    """What the deploy has the Data API execute."""
    [user] = [resource for (_, name), resource in assembly.of_type("Custom::AWS").items() if name.startswith("DatabaseUser")]
    text = "".join(part if isinstance(part, str) else "x" for part in user["Properties"][event]["Fn::Join"][1])
    call = json.loads(text)
    assert (call["service"], call["action"]) == ("rds-data", "ExecuteStatement")
    assert call["parameters"]["database"] == DATABASE_NAME
    return call["parameters"]["sql"]


def test_the_statement_waits_for_the_servers_and_its_rights_do_not(production_assembly: Assembly) -> None:
    resources = production_assembly.templates["Exchange-production-Data"]["Resources"]
    servers = {name for name, resource in resources.items() if resource["Type"] == "AWS::RDS::DBInstance"}
    waiting = {name: servers & set(resource.get("DependsOn", [])) for name, resource in resources.items()}
    waiting = {name: found for name, found in waiting.items() if found and name not in servers}
    assert {resources[name]["Type"] for name in waiting} == {"Custom::AWS"} and list(waiting.values()) == [servers]
    [policy] = [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Policy"
                and "rds-data:ExecuteStatement" in json.dumps(resource)]
    assert [policy in resources[name]["DependsOn"] for name in waiting] == [True]


@pytest.fixture
def server(postgres_dsn: str) -> Iterator[str]:
    """Its DSN, with what Aurora brings: the administrator, who owns the database, and the role `rds_iam`."""
    with psycopg.connect(postgres_dsn, autocommit=True) as superuser:
        for statement in (f"CREATE ROLE {ADMINISTRATOR} LOGIN CREATEROLE CREATEDB", "CREATE ROLE rds_iam",
                          f"GRANT rds_iam TO {ADMINISTRATOR} WITH ADMIN OPTION",
                          f"CREATE DATABASE {DATABASE_NAME} OWNER {ADMINISTRATOR}"):
            superuser.execute(statement)
        try:
            yield postgres_dsn
        finally:
            superuser.execute(f"DROP DATABASE {DATABASE_NAME} WITH (FORCE)")
            for role in (DATABASE_USER, "rds_iam", ADMINISTRATOR):
                superuser.execute(f"DROP ROLE IF EXISTS {role}")


def test_the_user_is_made_and_migrates(local_assembly: Assembly, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(as_user(server, ADMINISTRATOR), autocommit=True) as administrator:
        for event in ("Create", "Update", "Update"):
            administrator.execute(statement_of(local_assembly, event))
    dsn = as_user(server, DATABASE_USER)
    assert migrate(dsn) == [migration.name for migration in migrations()]
    assert migrate(dsn) == []
    monkeypatch.setenv("DATABASE_DSN", dsn)
    monkeypatch.delenv("DATABASE_IAM_AUTH", raising=False)
    connection.close()
    account, _ = open_account("somebody")
    assert open_account("somebody")[0] == account
    connection.close()
    with psycopg.connect(dsn) as user:
        member, superuser = user.execute("SELECT pg_has_role(current_user, 'rds_iam', 'member'), rolsuper FROM pg_roles"
                                         " WHERE rolname = current_user").fetchone()
    assert (member, superuser) == (True, False)
