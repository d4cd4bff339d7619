"""The template in the runtime's own words: functions, routes, mappings, queues, schedules.

`plan.json` is what the gateway and the consumers read; they never see the template. Adding a function, route, queue or
schedule in `cdk/` changes the plan and nothing in `local/`.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk.operations import OPERATION_TAG
from local.addresses import REPOSITORY
from local.template import Assembly, Resource, TemplateError, function_name

if TYPE_CHECKING:
    from local.resources import Resources  # with boto3, which who reads a plan has no use for


@dataclass
class FunctionPlan:
    """A Lambda function: where its code is and what it is called with, and what it may do (`local/rights.py`).

    `statements`: of its role. `reaches`: the services that have an endpoint in its VPC; None outside of the VPC. `arns`: of the
    `database`'s user that it signs in as, and of the `connections` that it posts to.
    """

    name: str
    operation: str
    arn: str
    folder: str
    handler: str
    timeout_s: int
    memory_mb: int
    environment: dict[str, str]
    role: str = ""
    statements: list[dict[str, Any]] = field(default_factory=list)
    reaches: list[str] | None = None
    arns: dict[str, str] = field(default_factory=dict)


@dataclass
class RoutePlan:
    """`key`: `METHOD /path`, or a WebSocket route. `authorizer`: issuer and audience of a JWT, or None."""

    key: str
    function: str
    authorizer: dict[str, Any] | None = None
    answers: bool = False  # a WebSocket route whose result goes back on the connection


@dataclass
class ApiPlan:
    """An HTTP or WebSocket API. `door`: application, trading or websocket."""

    id: str
    door: str
    routes: list[RoutePlan] = field(default_factory=list)
    cors: dict[str, Any] | None = None
    selection: str = ""


@dataclass
class QueuePlan:
    name: str
    arn: str
    visibility_s: int
    dead_letter_queue: str | None
    max_receives: int


@dataclass
class MappingPlan:
    """An event source mapping: this queue calls that function."""

    queue: str
    arn: str
    function: str
    batch_size: int
    partial_answers: bool


@dataclass
class SchedulePlan:
    name: str
    expression: str
    function: str
    payload: dict[str, Any] | None  # None: the event that EventBridge makes


@dataclass
class Plan:
    """Everything that runs. `tables`: the partition key of each. `policies`: statements of resources about everybody."""

    functions: dict[str, FunctionPlan] = field(default_factory=dict)
    apis: list[ApiPlan] = field(default_factory=list)
    queues: list[QueuePlan] = field(default_factory=list)
    mappings: list[MappingPlan] = field(default_factory=list)
    schedules: list[SchedulePlan] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)  # functions that the user pool calls, while somebody waits
    tables: dict[str, str] = field(default_factory=dict)
    policies: list[dict[str, Any]] = field(default_factory=list)
    user_pool_id: str = ""
    user_pool_client_id: str = ""
    screen: dict[str, Any] = field(default_factory=dict)  # the screen's /config.json

    def by_operation(self, operation: str) -> list[FunctionPlan]:
        return [function for function in self.functions.values() if function.operation == operation]

    def write(self, path: Path) -> None:
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1))
        os.replace(temporary, path)


def read_plan(path: Path) -> Plan:
    raw = json.loads(path.read_text())
    return Plan(
        functions={name: FunctionPlan(**row) for name, row in raw["functions"].items()},
        apis=[ApiPlan(**{**row, "routes": [RoutePlan(**route) for route in row["routes"]]}) for row in raw["apis"]],
        queues=[QueuePlan(**row) for row in raw["queues"]], mappings=[MappingPlan(**row) for row in raw["mappings"]],
        schedules=[SchedulePlan(**row) for row in raw["schedules"]], triggers=raw["triggers"], tables=raw["tables"],
        policies=raw["policies"], user_pool_id=raw["user_pool_id"], user_pool_client_id=raw["user_pool_client_id"],
        screen=raw["screen"])


def door_of(assembly: Assembly, api: Resource) -> str:
    """`websocket`; of the HTTP APIs `application` is the one with a user-pool authorizer, `trading` the one without."""
    if assembly.property_of(api, "ProtocolType") == "WEBSOCKET":
        return "websocket"
    guarded = {assembly.property_of(authorizer, "ApiId") for authorizer in assembly.of_type("AWS::ApiGatewayV2::Authorizer")}
    return "application" if assembly.value(api.stack, {"Ref": api.logical_id}) in guarded else "trading"


def make_plan(assembly: Assembly, resources: "Resources", *, overrides: dict[str, str]) -> Plan:
    """The plan of an assembly. `overrides` replaces variables of functions that have them. Raises TemplateError."""
    plan = Plan()
    _functions(plan, assembly, resources, overrides)
    _queues(plan, assembly, resources)
    _mappings(plan, assembly)
    _apis(plan, assembly, resources)
    _schedules(plan, assembly)
    for pool in assembly.of_type("AWS::Cognito::UserPool"):
        plan.triggers += [_known(plan, arn, pool.key) for arn in assembly.property_of(pool, "LambdaConfig", {}).values()]
    for kind, attribute in (("AWS::Cognito::UserPool", "user_pool_id"),
                            ("AWS::Cognito::UserPoolClient", "user_pool_client_id")):
        found = list(assembly.of_type(kind))
        if found:
            setattr(plan, attribute, resources.ref(found[0]))
    return plan


def _functions(plan: Plan, assembly: Assembly, resources: "Resources", overrides: dict[str, str]) -> None:
    for resource in assembly.of_type("AWS::Lambda::Function"):
        tags = {tag["Key"]: tag["Value"] for tag in assembly.property_of(resource, "Tags", [])}
        operation = tags.get(OPERATION_TAG)
        if operation is None:
            continue  # the CDK's own, for deploy-time steps; whatever wires one is refused below
        asset = resource.asset
        folder = asset if asset is not None and asset.is_dir() else REPOSITORY / "functions" / operation
        variables = assembly.property_of(resource, "Environment", {}).get("Variables", {})
        name = resources.function_name(resource)
        plan.functions[name] = FunctionPlan(
            name=name, operation=operation, arn=resources.attribute(resource, "Arn"), folder=str(folder),
            handler=assembly.property_of(resource, "Handler"), timeout_s=int(assembly.property_of(resource, "Timeout", 3)),
            memory_mb=int(assembly.property_of(resource, "MemorySize", 128)),
            environment={key: str(overrides.get(key, value)) for key, value in variables.items()})


def _known(plan: Plan, reference: str, who: str) -> str:
    name = function_name(reference)
    if name not in plan.functions:
        raise TemplateError(f"{who} calls {reference}, which is no function with the tag {OPERATION_TAG}")
    return name


def _queues(plan: Plan, assembly: Assembly, resources: "Resources") -> None:
    for resource in assembly.of_type("AWS::SQS::Queue"):
        redrive = assembly.property_of(resource, "RedrivePolicy")
        plan.queues.append(QueuePlan(
            name=resources.queue_name(resource), arn=resources.attribute(resource, "Arn"),
            visibility_s=int(assembly.property_of(resource, "VisibilityTimeout", 30)),
            dead_letter_queue=redrive["deadLetterTargetArn"].rsplit(":", 1)[-1] if redrive else None,
            max_receives=int(redrive["maxReceiveCount"]) if redrive else 0))


def _mappings(plan: Plan, assembly: Assembly) -> None:
    queues = {queue.arn: queue for queue in plan.queues}
    for resource in assembly.of_type("AWS::Lambda::EventSourceMapping"):
        values = assembly.properties(resource)
        if str(values.get("Enabled", True)).lower() != "true":
            continue
        if values["EventSourceArn"] not in queues:
            raise TemplateError(f"{resource.key}: only queues are event sources here, found {values['EventSourceArn']}")
        plan.mappings.append(MappingPlan(
            queue=queues[values["EventSourceArn"]].name, arn=values["EventSourceArn"],
            function=_known(plan, values["FunctionName"], resource.key), batch_size=int(values.get("BatchSize", 10)),
            partial_answers="ReportBatchItemFailures" in values.get("FunctionResponseTypes", [])))


def _apis(plan: Plan, assembly: Assembly, resources: "Resources") -> None:
    apis = {}
    for resource in assembly.of_type("AWS::ApiGatewayV2::Api"):
        identifier, door = resources.ref(resource), door_of(assembly, resource)
        if door in {api.door for api in apis.values()}:
            raise TemplateError(f"{resource.key} is a second {door} API; the local runtime has one door for each")
        apis[identifier] = ApiPlan(id=identifier, door=door, cors=assembly.property_of(resource, "CorsConfiguration"),
                                   selection=assembly.property_of(resource, "RouteSelectionExpression", ""))
    integrations = {resources.ref(resource): resource for resource in assembly.of_type("AWS::ApiGatewayV2::Integration")}
    authorizers = {resources.ref(resource): resource for resource in assembly.of_type("AWS::ApiGatewayV2::Authorizer")}
    for resource in assembly.of_type("AWS::ApiGatewayV2::Route"):
        values = assembly.properties(resource)
        integration = integrations[values["Target"].removeprefix("integrations/")]
        uri = assembly.property_of(integration, "IntegrationUri")
        # A WebSocket integration wraps the function's ARN: ...:lambda:path/2015-03-31/functions/<arn>/invocations
        uri = uri.partition("/functions/")[2].removesuffix("/invocations") or uri
        kind = values.get("AuthorizationType", "NONE")
        if kind not in ("NONE", "JWT"):
            raise TemplateError(f"{resource.key}: the authorization type {kind} has no local part")
        authorizer = None
        if kind == "JWT":
            jwt = assembly.property_of(authorizers[values["AuthorizerId"]], "JwtConfiguration")
            authorizer = {"issuer": jwt["Issuer"], "audience": jwt["Audience"]}
        apis[values["ApiId"]].routes.append(RoutePlan(
            key=values["RouteKey"], function=_known(plan, uri, resource.key), authorizer=authorizer,
            answers="RouteResponseSelectionExpression" in values))
    plan.apis = list(apis.values())


def _schedules(plan: Plan, assembly: Assembly) -> None:
    for resource in assembly.of_type("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        values = assembly.properties(resource)
        if values.get("State", "ENABLED") != "ENABLED":
            continue
        if "ScheduleExpression" not in values:
            raise TemplateError(f"{resource.key}: only rules with a schedule have a local part")
        targets = values.get("Targets") or [values["Target"]]
        for target in targets:
            plan.schedules.append(SchedulePlan(
                name=resource.logical_id, expression=values["ScheduleExpression"],
                function=_known(plan, target["Arn"], resource.key),
                payload=json.loads(target["Input"]) if "Input" in target else None))
