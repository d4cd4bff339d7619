"""What AWS counts, against its limits, for the longest stage name that the settings take."""

import json
import re

import pytest
from infra.assembly import Assembly

from cdk.settings import Settings

LONGEST_STAGE = "s" * 16
ACCOUNT, REGION, ID = "123456789012", "ap-southeast-2", "a" * 36


@pytest.fixture(scope="module")
def longest(production_assembly: Assembly) -> Assembly:
    """The production stage under the longest name."""
    assert Settings.from_context({"stage": LONGEST_STAGE}).stage == LONGEST_STAGE
    return Assembly(production_assembly.folder, {
        stack.replace("production", LONGEST_STAGE): json.loads(json.dumps(template).replace("production", LONGEST_STAGE))
        for stack, template in production_assembly.templates.items()})


def text(assembly: Assembly, stack: str, node: object) -> object:
    """The node with its references put in: names where they are given, stand-ins of their usual length elsewhere."""
    if isinstance(node, list):
        return [text(assembly, stack, each) for each in node]
    if not isinstance(node, dict):
        return node
    if len(node) != 1 or not re.match(r"Ref$|Fn::", (key := next(iter(node)))):
        return {name: text(assembly, stack, value) for name, value in node.items()}
    value = node[key]
    if key == "Fn::ImportValue":
        return text(assembly, *assembly.imported(stack, node))
    if key == "Fn::Join":
        return value[0].join(map(str, text(assembly, stack, value[1])))
    if key == "Fn::If":
        return text(assembly, stack, value[1])
    if key == "Ref" and value.startswith("AWS::"):
        return {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws",
                "AWS::URLSuffix": "amazonaws.com"}[value]
    name = value if key == "Ref" else value[0] if key == "Fn::GetAtt" else None
    resource = assembly.templates[stack]["Resources"].get(name, {}) if name else {}
    given = [each for each in ("FunctionName", "QueueName", "TableName", "BucketName", "LogGroupName")
             if each in resource.get("Properties", {})]
    named = str(text(assembly, stack, resource["Properties"][given[0]])) if given else ID
    if key == "Ref":
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{named}" if given == ["QueueName"] else named
    service = resource.get("Type", "AWS::service::").split("::")[1].lower()
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:function:{named}"


def test_names_are_short_enough(longest: Assembly) -> None:
    limits = {"AWS::Lambda::Function": ("FunctionName", 64), "AWS::SQS::Queue": ("QueueName", 80),
              "AWS::S3::Bucket": ("BucketName", 63), "AWS::DynamoDB::Table": ("TableName", 255),
              "AWS::ElastiCache::ServerlessCache": ("ServerlessCacheName", 40), "AWS::Cognito::UserPool": ("UserPoolName", 128)}
    for type_, (attribute, most) in limits.items():
        found = [str(text(longest, stack, resource["Properties"][attribute]))
                 for (stack, _), resource in longest.of_type(type_).items() if attribute in resource["Properties"]]
        assert found, type_
        assert {name: len(name) for name in found if len(name) > most} == {}, type_


def test_variables_are_small_enough(longest: Assembly) -> None:
    for (stack, _), (operation, function) in longest.functions().items():
        variables = text(longest, stack, function["Properties"]["Environment"]["Variables"])
        assert len(json.dumps(variables)) < 4096, operation


def test_policies_are_small_enough(longest: Assembly) -> None:
    """10,240 characters are what all inline policies of a role may have together, white space left out."""
    sizes: dict[tuple[str, str], int] = {}
    for (stack, name), role in longest.of_type("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            sizes[stack, name] = sizes.get((stack, name), 0) + _size(longest, stack, policy)
    for (stack, _), policy in longest.of_type("AWS::IAM::Policy").items():
        for role in policy["Properties"]["Roles"]:
            sizes[stack, role["Ref"]] = sizes.get((stack, role["Ref"]), 0) + _size(longest, stack, policy["Properties"])
    assert len(sizes) > 70
    assert {role: size for role, size in sizes.items() if size > 10_240} == {}


def _size(assembly: Assembly, stack: str, policy: dict) -> int:
    return len(json.dumps(text(assembly, stack, policy["PolicyDocument"]), separators=(",", ":")))


def test_templates_are_small_enough(longest: Assembly) -> None:
    for stack, template in longest.templates.items():
        assert len(json.dumps(template, indent=1)) < 900_000, f"{stack}: the limit is 1,000,000 bytes"


def test_an_api_has_no_more_routes_and_integrations_than_it_may(longest: Assembly) -> None:
    for type_ in ("AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration"):
        counted: dict[str, int] = {}
        for (stack, _), resource in longest.of_type(type_).items():
            api = json.dumps(longest.imported(stack, resource["Properties"]["ApiId"]))
            counted[api] = counted.get(api, 0) + 1
        assert len(counted) == 3 and max(counted.values()) < 250, f"the limit is 300: {counted}"


def test_concurrency_that_is_set_aside_leaves_most_of_an_account_to_the_others(longest: Assembly) -> None:
    """An account has 1,000 unless its limit was changed; 100 cannot be set aside."""
    kept = sum(alias["Properties"].get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)
               for alias in longest.of_type("AWS::Lambda::Alias").values())
    assert not [function for _, function in longest.functions().values()
                if "ReservedConcurrentExecutions" in function["Properties"]]
    assert 0 < kept <= 100
