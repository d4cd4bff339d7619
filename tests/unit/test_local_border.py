"""The border between a function and AWS's services: what a call asks for, and how a refusal comes back to the caller."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectTimeoutError
from pynamodb.exceptions import GetError

from exchange.adapters import market_status, ports
from exchange.adapters.aws import answers, posts
from exchange.adapters.postgres import connection
from exchange.ports import CommandQueue, Journal, Send, SnapshotStore
from local.border import ACTIONS, PORTS, Border, UnknownCall
from local.plan import FunctionPlan, Plan
from local.worker import Handlers

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*(ROOT / "layers" / "exchange" / "python" / "exchange").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
CALLED, CLIENT_OF = re.compile(r"\.(\w+)\("), re.compile(r"\bclient\(\s*\"([\w-]+)\"")
AWS = "arn:aws:{}:us-east-1:000000000000:{}".format
QUEUES = "https://sqs.us-east-1.amazonaws.com/000000000000/"
JOURNAL, STATUS, KEYS = (AWS("dynamodb", f"table/{name}") for name in ("journal", "status", "api-keys"))
TABLES = {"journal": "market", "status": "market", "api-keys": "key"}
# What a model of pynamodb calls; the names are those of other things, too.
MODEL_CALLS = {"get": "GetItem", "refresh": "GetItem", "batch_get": "BatchGetItem", "batch_get_item": "BatchGetItem",
               "save": "PutItem", "update": "UpdateItem", "delete": "DeleteItem", "query": "Query", "count": "Query",
               "scan": "Scan", "batch_write": "BatchWriteItem", "create_table": "CreateTable", "delete_table": "DeleteTable"}


def allow(actions: str | list[str], resources: str | list[str], condition: dict | None = None) -> dict:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | ({"Condition": condition} if condition else {})


def border(*statements: dict, reaches: list[str] | None = None, arns: dict[str, str] | None = None) -> Border:
    """Of the function `f`, which runs."""
    function = FunctionPlan(name="f", operation="f", arn="", folder="", handler="", timeout_s=1, memory_mb=128, environment={},
                            role="Main-Role", statements=list(statements), reaches=reaches, arns=arns or {})
    made = Border(Plan(functions={"f": function}, tables=TABLES))
    made.enter("f")
    return made


OWN_MARKET = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["A"]}}
LAST_USED = {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["key", "last_used_s"]}}
QUERY = {"TableName": "journal", "KeyConditionExpression": "#0 = :0 AND #1 > :1",
         "ExpressionAttributeNames": {"#0": "market", "#1": "seq"},
         "ExpressionAttributeValues": {":0": {"S": "A"}, ":1": {"N": "7"}}}


@pytest.mark.parametrize(("statement", "service", "operation", "good", "bad"), [
    (allow("sqs:SendMessage", AWS("sqs", "a.fifo")), "sqs", "SendMessage", {"QueueUrl": QUEUES + "a.fifo"},
     {"QueueUrl": QUEUES + "b.fifo"}),
    (allow("dynamodb:GetItem", JOURNAL), "dynamodb", "GetItem", {"TableName": "journal", "Key": {}},
     {"TableName": "status", "Key": {}}),
    (allow("dynamodb:BatchGetItem", [JOURNAL]), "dynamodb", "BatchGetItem",
     {"RequestItems": {"journal": {"Keys": [{"market": {"S": "A"}}]}}},
     {"RequestItems": {"journal": {"Keys": []}, "status": {"Keys": []}}}),
    (allow("dynamodb:BatchGetItem", JOURNAL, OWN_MARKET), "dynamodb", "BatchGetItem",
     {"RequestItems": {"journal": {"Keys": [{"market": {"S": "A"}}]}}},
     {"RequestItems": {"journal": {"Keys": [{"market": {"S": "A"}}, {"market": {"S": "B"}}]}}}),
    (allow("dynamodb:PutItem", JOURNAL, OWN_MARKET), "dynamodb", "PutItem",
     {"TableName": "journal", "Item": {"market": {"S": "A"}, "seq": {"N": "1"}}},
     {"TableName": "journal", "Item": {"market": {"S": "B"}, "seq": {"N": "1"}}}),
    (allow("dynamodb:GetItem", JOURNAL, OWN_MARKET), "dynamodb", "GetItem",
     {"TableName": "journal", "Key": {"market": {"S": "A"}}}, {"TableName": "journal", "Key": {"market": {"S": "B"}}}),
    (allow("dynamodb:Query", JOURNAL, OWN_MARKET), "dynamodb", "Query", QUERY,
     QUERY | {"ExpressionAttributeValues": {":0": {"S": "B"}, ":1": {"N": "7"}}}),
    (allow("dynamodb:UpdateItem", KEYS, LAST_USED), "dynamodb", "UpdateItem",
     {"TableName": "api-keys", "Key": {"key": {"S": "k"}}, "ExpressionAttributeNames": {"#0": "last_used_s", "#1": "key"}},
     {"TableName": "api-keys", "Key": {"key": {"S": "k"}}, "ExpressionAttributeNames": {"#0": "last_used_s", "#1": "scopes"}}),
    (allow("s3:GetObject", "arn:aws:s3:::blobs/snapshots/A/*"), "s3", "GetObject", {"Bucket": "blobs", "Key": "snapshots/A/1"},
     {"Bucket": "blobs", "Key": "snapshots/B/1"}),
    (allow("s3:ListBucket", "arn:aws:s3:::blobs", {"StringLike": {"s3:prefix": "snapshots/A/"}}), "s3", "ListObjectsV2",
     {"Bucket": "blobs", "Prefix": "snapshots/A/", "MaxKeys": 1}, {"Bucket": "blobs"}),
    (allow("kms:Decrypt", AWS("kms", "key/k")), "kms", "Decrypt", {"KeyId": "k"}, {"KeyId": "l"}),
    (allow("cloudwatch:GetMetricData", "*"), "cloudwatch", "GetMetricData", {}, None),
])
def test_a_call_asks_for_its_action_on_its_resource(statement: dict, service: str, operation: str, good: dict,
                                                    bad: dict | None) -> None:
    border(statement).check(service, operation, good)
    for asked, held in ((bad, statement), (good, statement | {"Action": "other:Thing"}), (good, statement | {"Resource": "x"})):
        if asked is not None:
            with pytest.raises(ClientError, match="not authorized to perform"):
                border(held).check(service, operation, asked)


def test_a_refusal_has_the_words_of_aws() -> None:
    with pytest.raises(ClientError) as refused:
        border().check("dynamodb", "GetItem", {"TableName": "journal", "Key": {}})
    assert str(refused.value) == (
        "An error occurred (AccessDeniedException) when calling the GetItem operation: User:"
        " arn:aws:sts::000000000000:assumed-role/Main-Role/f is not authorized to perform: dynamodb:GetItem on resource:"
        f" {JOURNAL} because no identity-based policy allows the dynamodb:GetItem action")
    with pytest.raises(ClientError) as refused:
        border().check("sqs", "SendMessage", {"QueueUrl": QUEUES + "a.fifo"})
    assert (refused.value.response["Error"]["Code"], refused.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "AccessDenied", 403)


@pytest.mark.parametrize(("service", "operation", "params"), [
    ("sqs", "PurgeQueue", {"QueueUrl": QUEUES + "a.fifo"}), ("lambda", "Invoke", {"FunctionName": "f"}),
    ("kms", "Decrypt", {"KeyId": "alias/k"})])
def test_a_call_that_nobody_looked_up_raises(service: str, operation: str, params: dict) -> None:
    with pytest.raises(UnknownCall):
        border(allow("*", "*")).check(service, operation, params)


def test_a_function_in_the_vpc_reaches_what_has_an_endpoint(capsys: pytest.CaptureFixture) -> None:
    inside = border(allow("*", "*"), reaches=["monitoring", "sqs"])
    inside.check("sqs", "SendMessage", {"QueueUrl": QUEUES + "a.fifo"})
    inside.check("cloudwatch", "GetMetricData", {})
    with pytest.raises(ConnectTimeoutError, match=r"dynamodb\.us-east-1\.amazonaws\.com"):
        inside.check("dynamodb", "GetItem", {"TableName": "journal", "Key": {}})
    assert "f is in the VPC, which has no endpoint for dynamodb" in capsys.readouterr().out


def test_what_the_runtime_does_itself_is_not_asked_about() -> None:
    made = border()
    made.enter("")
    made.check("sqs", "SendMessage", {"QueueUrl": QUEUES + "a.fifo"})


# --- installed

@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Installs a border; all is as it was when the test ends."""
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
                        "EXCHANGE_PORTS": "embedded", "EMBEDDED_DSN": "host=/nowhere", "SNAPSHOT_DIR": "/nowhere",
                        "SNAPSHOT_BUCKET": "blobs", "JOURNAL_TABLE": "journal", "CONNECTIONS_ENDPOINT": "http://127.0.0.1:1/x",
                        "DATABASE_DSN": "host=/nowhere",
                        # Nobody answers there: what leaves fails otherwise.
                        "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(botocore, "_INITIALIZERS", [])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for module, name in ((ports, "command_queue"), (ports, "journal"), (ports, "snapshot_store"), (posts, "_once"),
                         (connection, "password"), (connection, "connection")):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield lambda *statements, **others: (made := border(*statements, **others)).install() or made
    for cached in (ports.command_queue, ports.journal, ports.snapshot_store):
        cached.cache_clear()


def test_a_client_of_boto3_and_a_table_of_pynamodb_ask(installed: Any) -> None:
    installed()
    with pytest.raises(ClientError, match="kms:Decrypt"):
        answers.client("kms").decrypt(KeyId="k", CiphertextBlob=b"x")
    with pytest.raises(ClientError, match="sqs:sendmessage"):
        botocore.session.get_session().create_client("sqs").send_message(QueueUrl=QUEUES + "a.fifo", MessageBody="x")

    class Row(market_status._Row):
        class Meta:
            table_name = "status"

    with pytest.raises(GetError, match="not authorized to perform: dynamodb:GetItem"):
        Row.get("BTC-USD")


@pytest.mark.parametrize("call", [
    lambda: ports.command_queue().send(queue=QUEUES + "a.fifo", group="g", dedup_id="d", body="b"),
    lambda: ports.command_queue().send(queue=QUEUES + "a.fifo", group="g", dedup_id="d", body="b", resent=True),
    lambda: ports.command_queue().send_all([Send(QUEUES + "a.fifo", "g", "d", "b")]),
    lambda: ports.command_queue().send_hints([Send(QUEUES + "a.fifo", "g", "d", "b")]),
    lambda: ports.command_queue().depth(QUEUES + "a.fifo"), lambda: ports.command_queue().identity(QUEUES + "a.fifo"),
    lambda: ports.journal().append(market="A", seq=1, entry=b""), lambda: ports.journal().get(market="A", seq=1),
    lambda: ports.journal().after(market="A", seq=1), lambda: ports.journal().after(market="A", seq=1, limit=5),
    lambda: ports.journal().head(market="A"), lambda: ports.snapshot_store().put(market="A", seq=1, blob=b""),
    lambda: ports.snapshot_store().newest(market="A"), lambda: ports.snapshot_store().get(market="A", seq=1)])
def test_an_embedded_port_asks(installed: Any, call: Any) -> None:
    installed()
    with pytest.raises(ClientError, match="not authorized to perform"):
        call()


def test_an_embedded_port_answers_whom_it_may(installed: Any) -> None:
    installed(allow("s3:*", "*"))
    assert ports.snapshot_store().newest(market="A") is None
    assert ports.snapshot_store() is ports.snapshot_store()


def test_what_one_function_was_allowed_is_asked_again_for_another_and_for_another_market(installed: Any) -> None:
    made = installed(allow(["s3:ListBucket", "s3:GetObject"], ["arn:aws:s3:::blobs", "arn:aws:s3:::blobs/snapshots/A/*"]))
    functions = made._plan.functions
    functions["g"] = replace(functions["f"], name="g", statements=[])
    for name, market, may in (("f", "A", True), ("g", "A", False), ("f", "A", True), ("f", "B", False), ("g", "A", False)):
        made.enter(name)
        if may:
            assert ports.snapshot_store().newest(market=market) is None
        else:
            with pytest.raises(ClientError, match=f"/{name} is not authorized"):
                ports.snapshot_store().newest(market=market)


def test_a_post_asks(installed: Any) -> None:
    feed = AWS("execute-api", "api/feed")
    installed(allow("execute-api:ManageConnections", f"{feed}/POST/@connections/*"), arns={"connections": feed})
    with pytest.raises(posts.PostFailed, match="status 403"):
        posts.disconnect("c=")
    with pytest.raises(posts.PostFailed, match="refused"):  # it left, and nobody was there
        posts.post("c=", "text")
    installed(reaches=["dynamodb"])
    with pytest.raises(posts.PostFailed, match="timed out"):
        posts.post("c=", "text")


def test_a_sign_in_to_the_database_asks(installed: Any) -> None:
    user = AWS("rds-db", "dbuser:cluster/exchange")
    for statement, reaches, words in (
            (allow("rds-db:connect", user + "2"), [], "PAM authentication failed: User: .* perform: rds-db:connect on"),
            (allow("rds-db:connect", user), None, "f is not in the VPC"), (allow("rds-db:connect", user), [], "/nowhere")):
        made = installed(statement, reaches=reaches, arns={"database": user})
        with pytest.raises(connection.DatabaseUnavailable, match=words):
            connection.connection()
        made.enter("")


def test_a_connection_that_another_function_opened_is_asked_for_again(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection._local, "connection", SimpleNamespace(closed=False), raising=False)
    user = AWS("rds-db", "dbuser:cluster/exchange")
    made = installed(allow("rds-db:connect", user), reaches=[], arns={"database": user})
    assert connection.once(lambda opened: opened) is connection._local.connection
    made.enter("")
    installed(reaches=[], arns={"database": user})
    with pytest.raises(connection.DatabaseUnavailable, match="PAM authentication failed"):
        connection.once(lambda opened: opened)


def test_the_border_knows_which_function_runs() -> None:
    plan = Plan(functions={name: FunctionPlan(
        name=name, operation=name, arn="", folder="", handler="", timeout_s=1, memory_mb=128, environment={},
        statements=[allow("sqs:SendMessage", AWS("sqs", f"{name}.fifo"))]) for name in ("a", "b")})
    made = Border(plan)
    handlers = Handlers(plan, made.enter)
    for own, other in (("a", "b"), ("b", "a"), ("a", "b")):
        handlers.enter(own)
        made.check("sqs", "SendMessage", {"QueueUrl": f"{QUEUES}{own}.fifo"})
        with pytest.raises(ClientError, match=f"/{own} is not authorized"):
            made.check("sqs", "SendMessage", {"QueueUrl": f"{QUEUES}{other}.fifo"})
    handlers.enter("")


# --- the tables are whole

def test_every_method_of_a_port_is_in_the_table() -> None:
    for name, port in (("command_queue", CommandQueue), ("journal", Journal), ("snapshot_store", SnapshotStore)):
        assert PORTS[name].keys() == {method for method in vars(port) if not method.startswith("_")}, name


def test_every_operation_of_the_table_exists() -> None:
    session = botocore.session.Session()
    for service, operations in ACTIONS.items():
        assert operations.keys() <= set(session.get_service_model(service).operation_names), service


def test_every_operation_that_the_code_calls_is_in_the_table() -> None:
    """Read from the sources: the services that clients are made of, which of their operations are called by name anywhere, and
    the methods of pynamodb's models where there is a table."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCES]
    called = {name for text in texts for name in CALLED.findall(text)}
    services = {name for text in texts for name in CLIENT_OF.findall(text)}
    assert services == (ACTIONS.keys() - {"dynamodb"}) | {"rds"}  # which only signs a token
    session = botocore.session.Session()
    for service in services - {"rds"}:
        names = {xform_name(name): name for name in session.get_service_model(service).operation_names}
        assert {names[method] for method in called & names.keys()} <= ACTIONS[service].keys(), service
    on_models = {name for text in texts if "from exchange.adapters.aws.tables import" in text for name in CALLED.findall(text)}
    assert {MODEL_CALLS[method] for method in on_models & MODEL_CALLS.keys()} == ACTIONS["dynamodb"].keys()
