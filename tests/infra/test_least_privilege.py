"""Nothing may do more than its row of the table says. That nothing may do less than it does: `local/border.py`."""

import json

import pytest
from infra.assembly import Assembly, as_list

from cdk.operations import BY_NAME, OPERATIONS, Use
from cdk.settings import ROOT, listed_markets
from cdk.wiring import CUSTODY_SECRET_ROW

# The only actions that may stand on resource "*", each with the reason.
UNNAMEABLE = {
    "xray:PutTraceSegments": "X-Ray has no resources",
    "xray:PutTelemetryRecords": "X-Ray has no resources",
    "ec2:CreateNetworkInterface": "Lambda makes the interface that does not exist yet; functions in the VPC only",
    "ec2:DescribeNetworkInterfaces": "describing cannot be narrowed",
    "ec2:DescribeSubnets": "describing cannot be narrowed",
    "ec2:DeleteNetworkInterface": "the interface's id is known to Lambda only",
    "ec2:AssignPrivateIpAddresses": "the interface's id is known to Lambda only",
    "ec2:UnassignPrivateIpAddresses": "the interface's id is known to Lambda only",
    "cloudwatch:GetMetricData": "CloudWatch's figures have no resources",
}
# Which uses may bring a right of a service; a right that no use of the row explains fails the test.
RIGHTS = {
    "rds-db": {Use.DATABASE}, "kms:Decrypt": {Use.READ_API_KEYS, Use.READ_CUSTODY_SECRET},
    "kms:Encrypt": {Use.CREATE_API_KEYS, Use.WRITE_CUSTODY_SECRET},
    "s3": {Use.READ_SNAPSHOTS}, "s3:PutObject": {Use.WRITE_SNAPSHOTS},
    "execute-api": {Use.POST_TO_CONNECTIONS, Use.END_CONNECTIONS, Use.LOOK_FOR_CONNECTIONS},
    "sqs:SendMessage": {Use.SEND_COMMANDS, Use.SEND_NUDGES, Use.SEND_FEED, Use.SEND_PUSH, Use.SEND_BEAT},
    "cloudwatch": {Use.WATCH_QUEUES},
    "dynamodb:PutItem": {Use.APPEND_JOURNAL, Use.WRITE_STATUS, Use.CREATE_API_KEYS, Use.WRITE_CUSTODY_SECRET,
                         Use.OPEN_CONNECTIONS},
    "dynamodb:UpdateItem": {Use.READ_API_KEYS, Use.CREATE_API_KEYS, Use.DELETE_API_KEYS, Use.CHANGE_CONNECTIONS},
    "dynamodb:DeleteItem": {Use.DELETE_API_KEYS, Use.FORGET_CONNECTIONS},
    "dynamodb:Scan": {Use.LIST_CONNECTIONS},
}


@pytest.fixture(scope="module")
def statements(local_assembly: Assembly) -> list[tuple[str, dict]]:
    return [(operation, statement) for (stack, _), (operation, function) in local_assembly.functions().items()
            for statement in local_assembly.statements(stack, function)]


def test_every_operation_is_there(local_assembly: Assembly) -> None:
    made = sorted({operation for operation, _ in local_assembly.functions().values()})
    assert made == sorted(operation.name for operation in OPERATIONS)
    assert len(local_assembly.functions()) == len(OPERATIONS) - 1 + len(listed_markets())


def test_no_action_is_a_pattern(statements: list[tuple[str, dict]]) -> None:
    for operation, statement in statements:
        assert not [action for action in as_list(statement["Action"]) if "*" in action], f"{operation}: {statement}"


def test_only_listed_actions_stand_on_all_resources(statements: list[tuple[str, dict]]) -> None:
    for operation, statement in statements:
        if "*" in as_list(statement["Resource"]):
            extra = set(as_list(statement["Action"])) - UNNAMEABLE.keys()
            assert not extra, f"{operation} may {sorted(extra)} everything"


def test_only_functions_in_the_vpc_handle_network_interfaces(statements: list[tuple[str, dict]]) -> None:
    able = {operation for operation, statement in statements
            if any(action.startswith("ec2:") for action in as_list(statement["Action"]))}
    assert able == {operation.name for operation in OPERATIONS if operation.in_vpc}


def test_who_reads_the_user_pools_public_keys_has_a_way_to_them() -> None:
    """They are on the internet, and asked for without a role."""
    readers = [operation for operation in OPERATIONS
               if "access_tokens" in (ROOT / "functions" / operation.name / "handler.py").read_text(encoding="utf-8")]
    assert readers and not [operation.name for operation in readers if operation.in_vpc]


def test_rights_are_explained_by_the_table(statements: list[tuple[str, dict]]) -> None:
    for operation, statement in statements:
        for action in as_list(statement["Action"]):
            explaining = RIGHTS.get(action) or RIGHTS.get(action.partition(":")[0])
            if explaining is not None:
                assert BY_NAME[operation].uses & explaining, f"{operation} may {action} and uses nothing that needs it"


def test_only_the_engine_writes_the_journal_and_only_its_markets(local_assembly: Assembly) -> None:
    markets = set()
    for (stack, _), (operation, function) in local_assembly.functions().items():
        for statement in local_assembly.statements(stack, function):
            if "Journal" not in json.dumps(statement["Resource"]):
                continue
            writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
            if writes & set(as_list(statement["Action"])):
                assert operation == "engine_match_orders"
                assert set(as_list(statement["Action"])) & writes == {"dynamodb:PutItem"}  # an entry is never changed
                market = function["Properties"]["Environment"]["Variables"]["MARKET"]
                assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [market]}}
                markets.add(market)
    assert markets == set(listed_markets())


def test_a_key_is_read_by_its_id_alone_or_with_others(statements: list[tuple[str, dict]]) -> None:
    able: dict[str, set[str]] = {}
    for operation, statement in statements:
        if "ApiKeys" in json.dumps(statement["Resource"]):
            able.setdefault(operation, set()).update(as_list(statement["Action"]))
    for operation in OPERATIONS:
        if Use.READ_API_KEYS in operation.uses:
            assert {"dynamodb:GetItem", "dynamodb:BatchGetItem"} <= able[operation.name], operation.name
            assert not able[operation.name] & {"dynamodb:Scan", "dynamodb:Query"}, operation.name
        else:
            wanted = {"dynamodb:GetItem"} if Use.READ_CUSTODY_SECRET in operation.uses else set()
            assert able.get(operation.name, set()) == wanted, operation.name


def test_who_works_with_the_custodys_secret_has_its_row_and_no_other(statements: list[tuple[str, dict]]) -> None:
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [CUSTODY_SECRET_ROW]}}
    seen = {(operation, *as_list(statement["Action"])) for operation, statement in statements
            if statement.get("Condition") == own}
    assert seen == {("api_receive_custody_notice", "dynamodb:GetItem"), ("api_admin_set_custody_secret", "dynamodb:PutItem")}


def test_a_connection_is_opened_changed_and_forgotten_by_who_has_to(statements: list[tuple[str, dict]]) -> None:
    able: dict[str, set[str]] = {}
    for operation, statement in statements:
        if "Connections" in json.dumps(statement["Resource"]):
            for action in as_list(statement["Action"]):
                able.setdefault(action.removeprefix("dynamodb:"), set()).add(operation)
        if "execute-api:ManageConnections" in as_list(statement["Action"]):
            for method in ("POST", "GET", "DELETE"):
                if f"/{method}/@connections" in json.dumps(statement["Resource"]):
                    able.setdefault(method, set()).add(operation)
    forgetting, posting = {"ws_disconnect", "feed_push", "feed_sweep_connections"}, {"ws_subscribe", "ws_unsubscribe"}
    assert able == {
        "PutItem": {"ws_connect"}, "UpdateItem": posting, "DeleteItem": forgetting, "GetItem": posting | forgetting,
        "Scan": {"feed_publish", "feed_sweep_connections", "api_delete_api_key"}, "GET": {"feed_sweep_connections"},
        "POST": posting | {"ws_default", "feed_push"}, "DELETE": {"ws_subscribe", "feed_push"}}


def test_who_only_reads_keys_may_write_when_one_was_used_and_nothing_else(statements: list[tuple[str, dict]]) -> None:
    seen = set()
    for operation, statement in statements:
        if "ApiKeys" in json.dumps(statement["Resource"]) and "dynamodb:UpdateItem" in as_list(statement["Action"]):
            seen.add(operation)
            if len(as_list(statement["Action"])) == 1:
                assert statement["Condition"] == {
                    "ForAllValues:StringEquals": {"dynamodb:Attributes": ["key", "last_used_s"]}}, operation
            else:
                assert BY_NAME[operation].uses & {Use.CREATE_API_KEYS, Use.DELETE_API_KEYS}, operation
    assert seen == {operation.name for operation in OPERATIONS if Use.READ_API_KEYS in operation.uses}


def test_who_uses_market_status_may_read_it_one_by_one_and_all_at_once(statements: list[tuple[str, dict]]) -> None:
    """`MarketStatus.get` asks for all markets in one BatchGetItem, `newest` for one; a halt writes."""
    able: dict[str, set[str]] = {}
    for operation, statement in statements:
        if "MarketStatus" in json.dumps(statement["Resource"]):
            able.setdefault(operation, set()).update(as_list(statement["Action"]))
    reads = {"dynamodb:GetItem", "dynamodb:BatchGetItem"}
    for operation in OPERATIONS:
        wanted = (reads if operation.uses & {Use.READ_STATUS, Use.WRITE_STATUS} else set()) \
            | ({"dynamodb:PutItem"} if Use.WRITE_STATUS in operation.uses else set())
        assert able.get(operation.name, set()) == wanted, operation.name


def test_no_function_can_read_a_database_password(statements: list[tuple[str, dict]]) -> None:
    assert not [operation for operation, statement in statements
                if any(action.startswith("secretsmanager:") for action in as_list(statement["Action"]))]
