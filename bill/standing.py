"""What the templates cost in a month in which nobody comes.

Each resource type is either counted here or known to be free by itself (FREE); any other raises UnknownResource, so that
nothing that costs is added to the templates without a line of the bill.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from bill import Line, Site, prices
from cdk.operations import BY_NAME, OPERATION_TAG, OPERATIONS

# Figures per market of `audit_measure_markets`, and per audit of `exchange.adapters.audit_outcome`.
METRICS_A_MARKET = 5
METRICS_AN_AUDIT = 3

# Seconds that a scheduled function is billed for when it has nothing to do (E); the replay on the naive core takes its share
# of each minute whatever there is.
SCHEDULED_S = Decimal("0.3")
SCHEDULED_LONGER_S = {"audit_replay_journal": Decimal("2.5"), "audit_check_ledger": Decimal(1),
                      "engine_snapshot_book": Decimal(2), "audit_prove_liabilities": Decimal(20),
                      "audit_check_whole_ledger": Decimal(20)}
MINUTES = prices.HOURS * 60
# An event source mapping asks its queue with five calls of 20 s each when there is nothing in it (E).
IDLE_POLLS_A_MONTH = Decimal(5 * prices.SECONDS // 20)


class UnknownResource(ValueError):
    """A resource type of which nobody has said what it costs."""


FREE = frozenset({
    "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage", "AWS::CDK::Metadata", "AWS::CloudFront::Distribution", "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl", "AWS::CloudFront::ResponseHeadersPolicy", "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient", "AWS::Cognito::UserPoolGroup", "AWS::DynamoDB::Table", "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::Subnet", "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::KMS::Alias", "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Logs::LogGroup", "AWS::RDS::DBClusterParameterGroup",
    "AWS::RDS::DBSubnetGroup", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::SecretsManager::SecretTargetAttachment",
    "Custom::AWS", "Custom::CDKBucketDeployment", "Custom::S3AutoDeleteObjects", "Custom::Trigger"})


class Templates:
    """The templates of one synthesised assembly."""

    def __init__(self, folder: Path) -> None:
        found = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.template.json"))}
        if not found:
            raise FileNotFoundError(f"no templates in {folder}")
        self.resources = [(template, name, resource) for template in found.values()
                          for name, resource in template["Resources"].items()]

    def of_type(self, type_: str) -> list[dict]:
        """The properties of each resource of a type."""
        return [resource.get("Properties", {}) for _, _, resource in self.resources if resource["Type"] == type_]

    def site(self) -> Site:
        functions = self.of_type("AWS::Lambda::Function")
        [cluster] = self.of_type("AWS::RDS::DBCluster")
        return Site(markets=sum(_operation(function) == "engine_match_orders" for function in functions),
                    instances=len(self.of_type("AWS::RDS::DBInstance")), least_acu=_least_acu(cluster),
                    warm=any(map(_kept_warm, self.of_type("AWS::Lambda::Alias"))), traced=any(map(_is_traced, functions)))


def _operation(function: dict) -> str:
    """Of the function's row in the table of operations; CDK's own functions have none."""
    return next((tag["Value"] for tag in function.get("Tags", []) if tag["Key"] == OPERATION_TAG), "")


def _least_acu(cluster: dict) -> Decimal:
    return Decimal(str(cluster["ServerlessV2ScalingConfiguration"]["MinCapacity"]))


def _kept_warm(alias: dict) -> int:
    return alias.get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)


def _is_traced(function: dict) -> bool:
    return function.get("TracingConfig", {}).get("Mode") == "Active"


def standing(templates: Templates) -> list[Line]:
    """The lines of what costs without load. Raises UnknownResource."""
    lines = []
    for template, name, resource in templates.resources:
        count = COSTS.get(resource["Type"])
        if count is not None:
            lines += count(resource["Properties"], template["Resources"])
        elif resource["Type"] not in FREE:
            raise UnknownResource(f"{name} is a {resource['Type']}: bill/standing.py does not know what that costs")
    return [*lines, *_metrics(templates.site())]


def _endpoint(properties: dict, _: dict) -> Iterator[Line]:
    if properties["VpcEndpointType"] == "Interface":
        zones = len(properties["SubnetIds"])
        yield Line("network", "interface endpoints", Decimal(zones * prices.HOURS), prices.INTERFACE_HOUR)


def _warm(properties: dict, resources: dict) -> Iterator[Line]:
    memory = resources[properties["FunctionName"]["Ref"]]["Properties"]["MemorySize"]
    gigabytes = _kept_warm(properties) * memory / prices.MB_OF_A_GB
    yield Line("functions", "kept warm", gigabytes * prices.SECONDS, prices.LAMBDA_WARM_GB_S)


def _schedule(properties: dict, resources: dict) -> Iterator[Line]:
    function = resources[properties["Targets"][0]["Arn"]["Fn::GetAtt"][0]]["Properties"]
    operation = BY_NAME[_operation(function)]
    runs = Decimal(MINUTES) / operation.every_minutes if operation.every_minutes else Decimal(30)
    seconds = SCHEDULED_LONGER_S.get(operation.name, SCHEDULED_S)
    if _is_traced(function):
        yield Line("watching", "traces", runs, prices.TRACE)
    yield Line("functions", "scheduled", runs, prices.LAMBDA_REQUEST)
    yield Line("functions", "scheduled", runs * seconds * function["MemorySize"] / prices.MB_OF_A_GB, prices.LAMBDA_GB_S)


def _instance(properties: dict, resources: dict) -> Iterator[Line]:
    cluster = resources[properties["DBClusterIdentifier"]["Ref"]]["Properties"]
    yield Line("Aurora", "capacity", _least_acu(cluster) * prices.HOURS, prices.AURORA_ACU_HOUR)


def _mapping(_: dict, __: dict) -> Iterator[Line]:
    yield Line("queues", "looking for messages", IDLE_POLLS_A_MONTH, prices.SQS_REQUEST)


def _each(service: str, what: str, price: prices.Price, units: Decimal | int = 1) -> Callable[[dict, dict], Iterator[Line]]:
    def lines(_: dict, __: dict) -> Iterator[Line]:
        yield Line(service, what, Decimal(units), price)
    return lines


def _metrics(site: Site) -> Iterator[Line]:
    audits = sum(operation.name.startswith(("audit_check", "audit_replay")) for operation in OPERATIONS)
    metrics = METRICS_A_MARKET * site.markets + METRICS_AN_AUDIT * audits
    yield Line("watching", "metrics", Decimal(metrics), prices.METRIC)


COSTS: dict[str, Callable[[dict, dict], Iterator[Line]]] = {
    "AWS::CloudWatch::Alarm": _each("watching", "alarms", prices.ALARM),
    "AWS::CloudWatch::Dashboard": _each("watching", "dashboards", prices.DASHBOARD),
    "AWS::EC2::NatGateway": _each("network", "NAT gateways", prices.NAT_HOUR, prices.HOURS),
    "AWS::EC2::VPCEndpoint": _endpoint,
    # 100 MB are billed at least.
    "AWS::ElastiCache::ServerlessCache": _each("Valkey", "memory", prices.VALKEY_GB_HOUR, prices.HOURS * Decimal("0.1")),
    "AWS::Events::Rule": _schedule,
    "AWS::KMS::Key": _each("keys", "keys and secrets", prices.KMS_KEY),
    "AWS::Lambda::Alias": _warm,
    "AWS::Lambda::EventSourceMapping": _mapping,
    # Its calls are the load's, or the schedules'.
    "AWS::Lambda::Function": lambda *_: iter(()),
    "AWS::RDS::DBCluster": lambda *_: iter(()),
    "AWS::RDS::DBInstance": _instance,
    "AWS::SecretsManager::Secret": _each("keys", "keys and secrets", prices.SECRET),
}
