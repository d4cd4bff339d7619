"""IAM's language as the local runtime reads it, and what it takes from a template."""

from pathlib import Path
from typing import Any

import pytest

from local.plan import FunctionPlan, MappingPlan, Plan
from local.resources import Resources
from local.rights import Rights, add_rights, rights_of
from local.template import Assembly, TemplateError

TABLE = "arn:aws:dynamodb:us-east-1:1:table/t"
ALLOW = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": TABLE}
DENY = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
OWN = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["A", "B"]}}
FOLDER = {"StringLike": {"s3:prefix": "snapshots/*/"}}
INSECURE = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
UNALLOWED = "because no identity-based policy allows the dynamodb:GetItem action"


def refusal(*statements: dict, action: str = "dynamodb:GetItem", resource: str = TABLE, **context: list[str]) -> str | None:
    """`context`: the values of the condition's keys, by the last part of their names."""
    return Rights(list(statements)).refusal(action, resource, lambda key: context.get(key.rpartition(":")[2], []))


@pytest.mark.parametrize(("statements", "asked", "refused"), [
    ([], {}, UNALLOWED),
    ([ALLOW], {}, None),
    ([ALLOW], {"action": "dynamodb:getitem"}, None),  # actions have no case
    ([ALLOW], {"resource": TABLE + "/index/i"}, UNALLOWED),
    ([ALLOW], {"resource": TABLE.upper()}, UNALLOWED),  # resources have
    ([ALLOW], {"action": "dynamodb:GetItemX"}, "because no identity-based policy allows the dynamodb:GetItemX action"),
    ([ALLOW | {"Action": "dynamodb:*"}], {}, None),
    ([ALLOW | {"Action": "dynamodb:Get????"}], {}, None),
    ([ALLOW | {"Action": "dynamodb:Get???"}], {}, UNALLOWED),
    ([ALLOW | {"Action": "dynamodb.GetItem"}], {}, UNALLOWED),
    ([ALLOW | {"Resource": "*"}], {}, None),
    ([ALLOW | {"Resource": ["arn:x", "arn:aws:dynamodb:*:table/t"]}], {}, None),
    ([ALLOW | {"Resource": "arn:aws:dynamodb:*:table/u"}], {}, UNALLOWED),
    ([ALLOW, DENY], {}, "with an explicit deny in an identity-based policy"),
    ([DENY, ALLOW], {}, "with an explicit deny in an identity-based policy"),
    ([ALLOW, DENY | {"Principal": "*"}], {}, "with an explicit deny in a resource-based policy"),
    ([ALLOW, DENY | {"Resource": TABLE + "2"}], {}, None),
    ([ALLOW, INSECURE], {}, None),
    ([ALLOW, INSECURE | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}], {},
     "with an explicit deny in a resource-based policy"),
    ([ALLOW | {"Condition": OWN}], {"LeadingKeys": ["A"]}, None),
    ([ALLOW | {"Condition": OWN}], {"LeadingKeys": ["A", "B"]}, None),
    ([ALLOW | {"Condition": OWN}], {"LeadingKeys": ["A", "C"]}, UNALLOWED),
    ([ALLOW | {"Condition": OWN}], {"LeadingKeys": []}, None),  # as IAM has it: all of none
    ([ALLOW | {"Condition": OWN}, ALLOW | {"Action": "dynamodb:Query"}], {"LeadingKeys": ["C"]}, UNALLOWED),
    ([ALLOW, DENY | {"Condition": OWN}], {"LeadingKeys": ["C"]}, None),
    ([ALLOW, DENY | {"Condition": OWN}], {"LeadingKeys": ["A"]}, "with an explicit deny in an identity-based policy"),
    ([ALLOW | {"Condition": FOLDER}], {"prefix": ["snapshots/BTC-USD/"]}, None),
    ([ALLOW | {"Condition": FOLDER}], {"prefix": ["snapshots/"]}, UNALLOWED),
    ([ALLOW | {"Condition": FOLDER}], {}, UNALLOWED),
    ([ALLOW | {"Condition": {"StringEquals": {"s3:prefix": ["a", "b"]}}}], {"prefix": ["b"]}, None),
    ([ALLOW | {"Condition": {"StringEquals": {"s3:prefix": ["a", "b"]}}}], {"prefix": ["a*"]}, UNALLOWED),
    ([ALLOW | {"Condition": {"StringEquals": {"s3:prefix": ["a"]}}}], {}, UNALLOWED),
    ([ALLOW | {"Condition": FOLDER | OWN}], {"prefix": ["snapshots/x/"], "LeadingKeys": ["C"]}, UNALLOWED),
])
def test_what_is_refused(statements: list[dict], asked: dict[str, Any], refused: str | None) -> None:
    assert refusal(*statements, **asked) == refused


def test_an_answer_that_is_kept_still_looks_at_the_conditions() -> None:
    rights = Rights([ALLOW | {"Condition": OWN}])
    for leading, refused in (("A", None), ("C", UNALLOWED), ("A", None)):
        assert rights.refusal("dynamodb:GetItem", TABLE, lambda key, leading=leading: [leading]) == refused


@pytest.mark.parametrize(("change", "words"), [
    ({"Condition": {"NumericEquals": {"s3:prefix": "1"}}}, "NumericEquals on s3:prefix"),
    ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, "StringEquals on aws:SourceVpc"),
    ({"Condition": {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": "A"}}}, "ForAnyValue:StringEquals"),
    ({"NotAction": "s3:*"}, "NotAction"), ({"NotResource": "*"}, "NotResource"),
])
def test_what_is_not_understood_raises(change: dict, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        Rights([ALLOW | change])


# --- from a template

VPC_ACTIONS = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"]
ENDPOINT = {"Type": "AWS::EC2::VPCEndpoint", "Condition": "InCloud", "Properties": {
    "VpcEndpointType": "Gateway", "ServiceName": {"Fn::Join": ["", ["com.amazonaws.", {"Ref": "AWS::Region"}, ".dynamodb"]]}}}
FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {
    "FunctionName": "settle", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "VpcConfig": {"SubnetIds": []},
    "Environment": {"Variables": {"DATABASE_DSN": {"Fn::If": ["InCloud", {"Fn::Join": ["", [
        "host=", {"Fn::GetAtt": ["Cluster", "Endpoint.Address"]}, " port=5432 user=exchange"]]}, "here"]}}}}}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "Rights", "PolicyDocument": {"Statement": [
    {"Effect": "Allow", "Action": VPC_ACTIONS, "Resource": "*"},
    {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": ["Journal", "Arn"]}}]}}]}}
POLLING = {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": [
    {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
     "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}]}}}
KEY_POLICY = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}
TEMPLATE: dict[str, Any] = {
    "Settle": FUNCTION, "Role": ROLE, "Polling": POLLING, "DynamoDb": ENDPOINT,
    "Cluster": {"Type": "AWS::RDS::DBCluster", "Condition": "InCloud"},
    "Journal": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": "journal", "KeySchema": [{"AttributeName": "market", "KeyType": "HASH"}]}},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "settle.fifo"}},
    "Secure": {"Type": "AWS::SQS::QueuePolicy", "Properties": {
        "Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [INSECURE | {"Principal": {"AWS": "*"}}]}}},
    "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": [KEY_POLICY]}}},
    "Screen": {"Type": "AWS::S3::Bucket", "Condition": "InCloud", "Properties": {}},
    "ScreenPolicy": {"Type": "AWS::S3::BucketPolicy", "Condition": "InCloud", "Properties": {
        "Bucket": {"Ref": "Screen"}, "PolicyDocument": {"Statement": [INSECURE]}}},
}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:settle.fifo"


class Names(Resources):
    """Makes nothing."""

    def ref(self, resource: Any) -> str:
        assert resource.logical_id != "Screen", "a bucket of the cloud only is not made"
        return resource.properties["TableName"] if resource.type == "AWS::DynamoDB::Table" else super().ref(resource)


def plan_of(tmp_path: Path, changes: dict[str, Any] | None = None) -> Plan:
    def assembly(parameters: dict[str, str]) -> Assembly:
        return Assembly({"Main": {
            "Resources": {name: body for name, body in (TEMPLATE | (changes or {})).items() if body},
            "Parameters": {"Emulator": {"Default": ""}},
            "Conditions": {"InCloud": {"Fn::Equals": [{"Ref": "Emulator"}, ""]}}}},
            folder=tmp_path, region="us-east-1", account="000000000000", parameters=parameters)

    here, cloud = assembly({"Emulator": "http://127.0.0.1:1"}), assembly({})
    resources = Names(here, emulator_url="", region="us-east-1", account="000000000000", state_file=tmp_path / "ids.json",
                      api_endpoints=lambda api: "")
    here.use(resources)
    cloud.use(resources)
    plan = Plan(mappings=[MappingPlan("settle.fifo", QUEUE, "settle", 10, True)], functions={"settle": FunctionPlan(
        name="settle", operation="ledger_settle_fills", arn="", folder="", handler="", timeout_s=1, memory_mb=128,
        environment={"DATABASE_DSN": "here"})})
    add_rights(plan, cloud, resources)
    return plan


def test_the_rights_of_a_template(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    function = plan.functions["settle"]
    assert (function.role, function.reaches, plan.tables) == ("Main-Role", ["dynamodb"], {"journal": "market"})
    assert function.arns == {
        "database": "arn:aws:rds-db:us-east-1:000000000000:dbuser:Main.Cluster.DBClusterResourceId/exchange"}
    assert plan.policies == [INSECURE | {"Principal": {"AWS": "*"}}]
    rights = rights_of(plan, function)
    journal = "arn:aws:dynamodb:us-east-1:000000000000:table/journal"
    for action, resource, allowed in (("dynamodb:GetItem", journal, True), ("dynamodb:PutItem", journal, False),
                                      ("sqs:ReceiveMessage", QUEUE, True), ("sqs:SendMessage", QUEUE, False)):
        assert (rights.refusal(action, resource, lambda key: []) is None) == allowed, action


def changed(resource: dict, **properties: Any) -> dict:
    return resource | {"Properties": resource["Properties"] | properties}


@pytest.mark.parametrize(("changes", "words"), [
    ({"Polling": None}, "not authorized to perform: sqs:ReceiveMessage on arn:aws:sqs"),
    ({"Role": changed(ROLE, Policies=[])}, "not authorized to perform: ec2:CreateNetworkInterface"),
    ({"Settle": FUNCTION | {"Properties": {name: FUNCTION["Properties"][name] for name in ("FunctionName", "Role")}}},
     "settle is not in the VPC"),
    ({"Role": changed(ROLE, ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"])}, "not the role's own"),
    ({"Role": changed(ROLE, PermissionsBoundary="arn:x")}, "not the role's own"),
    ({"DynamoDb": changed(ENDPOINT, PolicyDocument={})}, "an endpoint's policy"),
    ({"Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": [
        KEY_POLICY, KEY_POLICY | {"Effect": "Deny", "Principal": "*"}]}}}}, "a key's policy"),
    ({"Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": [
        KEY_POLICY | {"Principal": {"AWS": "arn:aws:iam::000000000000:role/r"}}]}}}}, "a key's policy"),
    ({"Secure": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [], "PolicyDocument": {"Statement": [
        DENY | {"Principal": {"AWS": "arn:aws:iam::000000000000:role/r"}}]}}}}, "denies something to"),
    ({"Polling": changed(POLLING, PolicyDocument={"Statement": [ALLOW | {"Condition": {"Null": {"s3:prefix": "true"}}}]})},
     "Null on s3:prefix"),
])
def test_a_template_that_cannot_be_followed_stops_the_start(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        plan_of(tmp_path, changes)
