"""A variable means the same everywhere, and the network of a function is the one that its uses need."""

import json

from infra.assembly import Assembly

from cdk.operations import BY_NAME, OPERATIONS, Use

# docs/ARCHITECTURE.md; the local runtime gives exactly these, too.
CONTRACT = {
    "STAGE", "SANDBOX", "EXCHANGE_PORTS", "DATABASE_DSN", "DATABASE_IAM_AUTH", "REDIS_URL", "COMMAND_QUEUE_URL_PREFIX",
    "RATE_LIMITS", "SETTLE_QUEUE_URL", "FEED_QUEUE_URL", "PUSH_QUEUE_URL", "BEAT_QUEUE_URL", "JOURNAL_TABLE",
    "CONNECTIONS_TABLE", "API_KEYS_TABLE", "MARKET_STATUS_TABLE", "SNAPSHOT_BUCKET", "API_KEY_KMS_KEY_ID", "USER_POOL_ID",
    "USER_POOL_CLIENT_ID", "CONNECTIONS_ENDPOINT", "MARKET", "FEED_SHARDS", "CUSTODY_SECRET_ROW"}


def plain(assembly: Assembly, stack: str, value: object) -> str:
    """The value with imports replaced by what the other stack exports, so that two stacks can be compared."""
    if isinstance(value, dict) and "Fn::ImportValue" in value:
        for exporter, template in assembly.templates.items():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == value["Fn::ImportValue"]:
                    return plain(assembly, exporter, output["Value"])
    return f"{stack}: {json.dumps(value)}" if isinstance(value, dict) and "Ref" in value else json.dumps(value)


def test_a_variable_has_one_value(local_assembly: Assembly) -> None:
    values: dict[str, set[str]] = {}
    for (stack, _), (_, function) in local_assembly.functions().items():
        for name, value in function["Properties"]["Environment"]["Variables"].items():
            values.setdefault(name, set()).add(plain(local_assembly, stack, value))
    assert values.keys() == CONTRACT
    assert {name: found for name, found in values.items() if len(found) > 1 and name != "MARKET"} == {}


def test_functions_are_in_the_vpc_exactly_when_they_use_what_lives_there(local_assembly: Assembly) -> None:
    for operation, function in local_assembly.functions().values():
        variables = function["Properties"]["Environment"]["Variables"]
        needs = "DATABASE_DSN" in variables or "REDIS_URL" in variables
        assert ("VpcConfig" in function["Properties"]) == needs == BY_NAME[operation].in_vpc, operation


def test_what_posts_to_connections_is_outside_the_vpc() -> None:
    posting = [operation for operation in OPERATIONS
               if operation.uses & {Use.POST_TO_CONNECTIONS, Use.END_CONNECTIONS, Use.LOOK_FOR_CONNECTIONS}]
    assert "feed_push" in [operation.name for operation in posting]
    assert [operation.name for operation in posting if operation.in_vpc] == []


def test_no_line_of_a_function_is_lost_for_its_level(local_assembly: Assembly, production_assembly: Assembly) -> None:
    """Lambda takes what it does not know the level of for INFO: a higher level would lose what a handler raised."""
    for assembly in (local_assembly, production_assembly):
        for operation, function in assembly.functions().values():
            logging = function["Properties"]["LoggingConfig"]
            assert (logging["LogFormat"], logging["ApplicationLogLevel"], logging["SystemLogLevel"]) == (
                "JSON", "INFO", "WARN"), operation


def test_the_vpc_has_no_nat_and_the_endpoints_that_its_functions_need(local_assembly: Assembly) -> None:
    assert not local_assembly.of_type("AWS::EC2::NatGateway")
    services = json.dumps([endpoint["Properties"]["ServiceName"]
                           for endpoint in local_assembly.of_type("AWS::EC2::VPCEndpoint").values()])
    for service in ("dynamodb", "s3", "sqs", "kms"):
        assert f".{service}" in services
    zones = {subnet["Properties"]["AvailabilityZone"] for subnet in local_assembly.of_type("AWS::EC2::Subnet").values()}
    assert zones == {"us-east-1a", "us-east-1b"}


def test_the_functions_reach_what_the_servers_answer_at(local_assembly: Assembly) -> None:
    """A serverless cache names its replicas at port 6380, where its clients may ask for the layout."""
    opened = {(ingress["Properties"]["GroupId"]["Fn::GetAtt"][0].rstrip("0123456789ABCDEF"), ingress["Properties"]["FromPort"])
              for ingress in local_assembly.of_type("AWS::EC2::SecurityGroupIngress").values()}
    assert opened == {("NetworkDatabaseServer", 5432), ("NetworkCacheServer", 6379), ("NetworkCacheServer", 6380)}


def test_the_database_takes_tokens_and_is_not_public(local_assembly: Assembly) -> None:
    [cluster] = local_assembly.of_type("AWS::RDS::DBCluster").values()
    assert cluster["Properties"]["EnableIAMDatabaseAuthentication"] is True
    assert cluster["Properties"]["StorageEncrypted"] is True
    assert "ServerlessV2ScalingConfiguration" in cluster["Properties"]


def test_what_the_emulator_cannot_make_is_conditional(local_assembly: Assembly) -> None:
    missing = ("AWS::ElastiCache::ServerlessCache", "AWS::EC2::SecurityGroupIngress",
               "AWS::RDS::DBCluster", "AWS::RDS::DBInstance", "AWS::EC2::VPCEndpoint", "Custom::AWS", "Custom::Trigger",
               "Custom::S3AutoDeleteObjects", "AWS::S3::BucketPolicy")
    for type_ in missing:
        for key, resource in local_assembly.of_type(type_).items():
            assert resource.get("Condition") == "InCloud", key
