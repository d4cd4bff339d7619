"""The CloudFormation language as the local runtime evaluates it, and the plan that comes out of a template."""

from pathlib import Path
from typing import Any

import pytest

from local.plan import Plan, make_plan, read_plan
from local.resources import NO_LOCAL_PART, Resources
from local.template import Assembly, Resource, TemplateError


class Values:
    """`Ref` answers `<id>!`, attributes `<id>.<name>!`."""

    def ref(self, resource: Resource) -> str:
        return f"{resource.logical_id}!"

    def attribute(self, resource: Resource, name: str) -> str:
        return f"{resource.logical_id}.{name}!"


def assembly(resources: dict[str, Any] | None = None, *, parameters: dict[str, str] | None = None, **sections: Any) -> Assembly:
    made = Assembly({"Main": {"Resources": resources or {}, **sections},
                     "Other": {"Resources": {}, "Outputs": {"X": {"Value": {"Fn::Join": ["-", ["exported", "value"]]},
                                                                   "Export": {"Name": "shared"}}}}},
                    folder=Path("/nowhere"), region="us-east-1", account="000000000000", parameters=parameters)
    made.use(Values())
    return made


THING = {"Thing": {"Type": "AWS::SQS::Queue", "Properties": {}}}


@pytest.mark.parametrize(("node", "value"), [
    ("text", "text"), (7, 7), ([1, {"Ref": "Thing"}], [1, "Thing!"]), ({"Ref": "AWS::Region"}, "us-east-1"),
    ({"Ref": "AWS::AccountId"}, "000000000000"), ({"Ref": "AWS::Partition"}, "aws"),
    ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"), ({"Ref": "AWS::StackName"}, "Main"),
    ({"Fn::GetAtt": ["Thing", "Arn"]}, "Thing.Arn!"), ({"Fn::GetAtt": "Thing.Endpoint.Port"}, "Thing.Endpoint.Port!"),
    ({"Fn::Join": [":", ["a", {"Ref": "Thing"}, 3]]}, "a:Thing!:3"),
    ({"Fn::Sub": "${Thing}/${Thing.Arn}/${AWS::Region}/${!kept}"}, "Thing!/Thing.Arn!/us-east-1/${kept}"),
    ({"Fn::Sub": ["${a}${b}", {"a": 1, "b": {"Ref": "Thing"}}]}, "1Thing!"),
    ({"Fn::Select": [1, ["a", "b"]]}, "b"), ({"Fn::Split": ["/", "a/b"]}, ["a", "b"]),
    ({"Fn::Select": ["0", {"Fn::Split": ["/", {"Fn::Join": ["/", ["x", "y"]]}]}]}, "x"),
    ({"Fn::ImportValue": "shared"}, "exported-value"),
    ({"Fn::ImportValue": {"Fn::Join": ["", ["sha", "red"]]}}, "exported-value"),
    ({"Fn::FindInMap": ["M", "a", "b"]}, "found"), ({"Fn::If": ["Yes", 1, 2]}, 1), ({"Fn::If": ["No", 1, 2]}, 2),
    ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}), ([{"Ref": "AWS::NoValue"}, 1], [1]),
    ({"Ref": "Given"}, "set"), ({"Ref": "Defaulted"}, "fallback")])
def test_values(node: Any, value: Any) -> None:
    template = assembly(
        THING, parameters={"Given": "set"}, Mappings={"M": {"a": {"b": "found"}}},
        Parameters={"Given": {"Default": ""}, "Defaulted": {"Default": "fallback"}, "Missing": {}},
        Conditions={"Yes": {"Fn::Equals": [{"Ref": "Given"}, "set"]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}})
    assert template.value("Main", node) == value


@pytest.mark.parametrize(("node", "words"), [
    ({"Fn::Cidr": ["10.0.0.0/16", 6]}, "Fn::Cidr is not known"), ({"Ref": "Nothing"}, "neither a resource nor a parameter"),
    ({"Fn::GetAtt": ["Nothing", "Arn"]}, "which is no resource"), ({"Fn::ImportValue": "nobody's"}, "no stack exports it"),
    ({"Ref": "Missing"}, "has no default"), ({"Fn::If": ["Undefined", 1, 2]}, "is not defined"),
    ({"Ref": "AWS::Nonsense"}, "AWS::Nonsense")])
def test_what_is_not_known_is_refused(node: Any, words: str) -> None:
    with pytest.raises(TemplateError, match=words.replace("$", r"\$")):
        assembly(THING, Parameters={"Missing": {}}).value("Main", node)


def test_conditions_leave_resources_out() -> None:
    template = assembly(
        {"In": {"Type": "T", "Condition": "A"}, "Out": {"Type": "T", "Condition": "B"}},
        Conditions={"A": {"Fn::Or": [{"Fn::Equals": [1, 2]}, {"Fn::Equals": [1, 1]}]},
                    "B": {"Fn::And": [{"Condition": "A"}, {"Fn::Equals": [1, 2]}]}})
    assert set(template.resources) == {"Main/In"}


# --- resources and plan

FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {
    "FunctionName": "place", "Handler": "handler.lambda_handler", "Timeout": 10, "MemorySize": 512,
    "Tags": [{"Key": "lambda-exchange:operation", "Value": "api_place_order"}],
    "Environment": {"Variables": {"QUEUE": {"Ref": "Orders"}, "DATABASE_DSN": "cloud"}}}}
TEMPLATE: dict[str, Any] = {
    "Place": FUNCTION,
    "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Place"}}},
    "Live": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Place"}, "Name": "live"}},
    "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "orders-dead.fifo", "FifoQueue": True}},
    "Orders": {"Type": "AWS::SQS::Queue", "Properties": {
        "QueueName": "orders.fifo", "FifoQueue": True, "VisibilityTimeout": 60,
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 10}}},
    "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
        "EventSourceArn": {"Fn::GetAtt": ["Orders", "Arn"]}, "FunctionName": {"Ref": "Live"}, "BatchSize": 5,
        "FunctionResponseTypes": ["ReportBatchItemFailures"]}},
    "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP", "Name": "trading"}},
    "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {
        "ApiId": {"Ref": "Api"}, "IntegrationUri": {"Fn::GetAtt": ["Place", "Arn"]}}},
    "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {
        "ApiId": {"Ref": "Api"}, "RouteKey": "POST /orders", "AuthorizationType": "NONE",
        "Target": {"Fn::Join": ["", ["integrations/", {"Ref": "Integration"}]]}}},
    "Feed": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {
        "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.type"}},
    "FeedIntegration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {
        "ApiId": {"Ref": "Feed"}, "IntegrationUri": {"Fn::Join": ["", [
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/", {"Fn::GetAtt": ["Place", "Arn"]},
            "/invocations"]]}}},
    "FeedRoute": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {
        "ApiId": {"Ref": "Feed"}, "RouteKey": "subscribe",
        "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "FeedIntegration"}]]}}},
    "Rule": {"Type": "AWS::Events::Rule", "Properties": {
        "ScheduleExpression": "rate(1 minute)", "State": "ENABLED",
        "Targets": [{"Id": "a", "Arn": {"Fn::GetAtt": ["Place", "Arn"]}}]}},
    "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
}


def plan_of(tmp_path: Path, changes: dict[str, Any] | None = None) -> Plan:
    template = Assembly({"Main": {"Resources": TEMPLATE | (changes or {})}}, folder=tmp_path, region="us-east-1",
                        account="000000000000")
    resources = Resources(template, emulator_url="http://127.0.0.1:1", region="us-east-1", account="000000000000",
                          state_file=tmp_path / "ids.json", api_endpoints=lambda api: f"http://{api.logical_id}")
    template.use(resources)
    resources.check_types()
    return make_plan(template, resources, overrides={"DATABASE_DSN": "here", "UNUSED": "x"})


def test_the_plan_of_a_template(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    function = plan.functions["place"]
    assert function.operation == "api_place_order" and function.timeout_s == 10 and function.memory_mb == 512
    assert function.environment == {"DATABASE_DSN": "here",
                                    "QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/orders.fifo"}
    orders = next(queue for queue in plan.queues if queue.name == "orders.fifo")
    assert (orders.visibility_s, orders.dead_letter_queue, orders.max_receives) == (60, "orders-dead.fifo", 10)
    (mapping,) = plan.mappings
    assert (mapping.queue, mapping.function, mapping.batch_size, mapping.partial_answers) == ("orders.fifo", "place", 5, True)
    doors = {api.door: [(route.key, route.function) for route in api.routes] for api in plan.apis}
    assert doors == {"trading": [("POST /orders", "place")], "websocket": [("subscribe", "place")]}
    assert [(row.expression, row.function) for row in plan.schedules] == [("rate(1 minute)", "place")]
    plan.write(tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(("changes", "words"), [
    ({"New": {"Type": "AWS::Kinesis::Stream"}}, "AWS::Kinesis::Stream"),
    ({"Second": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP"}}}, "a second trading API"),
    ({"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
        "EventSourceArn": "arn:aws:kinesis:x", "FunctionName": {"Ref": "Place"}}}}, "only queues are event sources"),
    ({"Rule": {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {}, "Targets": []}}}, "only rules with a schedule"),
    ({"Place": {**FUNCTION, "Properties": {**FUNCTION["Properties"], "Tags": []}}}, "no function with the tag"),
    ({"Route": {**TEMPLATE["Route"], "Properties": {**TEMPLATE["Route"]["Properties"], "AuthorizationType": "AWS_IAM"}}},
     "AWS_IAM has no local part"),
])
def test_what_has_no_local_part_stops_the_start(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        plan_of(tmp_path, changes)


def test_every_type_without_a_local_part_says_why() -> None:
    assert all(len(reason.split()) >= 4 for reason in NO_LOCAL_PART.values())
