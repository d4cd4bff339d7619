"""Every route of the table stands on its doors, with its authorizer, and nothing else does."""

import json

import pytest
from infra.assembly import Assembly

from cdk.operations import OPERATIONS, Door


def api_of(assembly: Assembly, *, name: str) -> tuple[str, str, dict]:
    [(key, api)] = [(key, api) for key, api in assembly.of_type("AWS::ApiGatewayV2::Api").items()
                    if api["Properties"]["Name"] == f"exchange-sandbox-{name}"]
    return *key, api["Properties"]


def routes_of(assembly: Assembly, *, name: str) -> dict[str, tuple[str, dict]]:
    """By key: the stack that a route is in, which need not be the API's, and its properties."""
    where, api, _ = api_of(assembly, name=name)
    return {route["Properties"]["RouteKey"]: (stack, route["Properties"])
            for (stack, _), route in assembly.of_type("AWS::ApiGatewayV2::Route").items()
            if assembly.imported(stack, route["Properties"]["ApiId"]) == (where, {"Ref": api})}


def operation_behind(assembly: Assembly, stack: str, route: dict) -> str:
    [integration] = [name for (where, name) in assembly.of_type("AWS::ApiGatewayV2::Integration")
                     if where == stack and json.dumps(name) in json.dumps(route["Target"])]
    properties = assembly.templates[stack]["Resources"][integration]["Properties"]
    return assembly.operation_of(stack, properties["IntegrationUri"])


@pytest.mark.parametrize("door", list(Door))
def test_a_door_has_exactly_the_routes_of_the_table(local_assembly: Assembly, door: Door) -> None:
    made = {key: operation_behind(local_assembly, *route)
            for key, route in routes_of(local_assembly, name=door.value).items()}
    assert made == {route.key: operation.name for operation in OPERATIONS for route in operation.routes
                    if door in route.doors}


def test_private_routes_of_the_application_door_have_the_user_pool_authorizer(local_assembly: Assembly) -> None:
    private = {route.key for operation in OPERATIONS for route in operation.routes if not route.public}
    [((where, name), authorizer)] = local_assembly.of_type("AWS::ApiGatewayV2::Authorizer").items()
    for key, (stack, route) in routes_of(local_assembly, name="application").items():
        wanted = "JWT" if key in private else "NONE"
        assert route["AuthorizationType"] == wanted, key
        assert ("AuthorizerId" in route) == (key in private), key
        if key in private:
            assert local_assembly.imported(stack, route["AuthorizerId"]) == (where, {"Ref": name}), key
    configuration = authorizer["Properties"]["JwtConfiguration"]
    assert len(configuration["Audience"]) == 1
    assert "cognito-idp.us-east-1.amazonaws.com" in json.dumps(configuration["Issuer"])


def test_the_trading_door_has_no_authorizer(local_assembly: Assembly) -> None:
    assert {route["AuthorizationType"] for _, route in routes_of(local_assembly, name="trading").values()} == {"NONE"}


def test_the_operators_have_a_stack_of_their_own_and_it_has_theirs_only(local_assembly: Assembly) -> None:
    stacks = {key: stack for key, (stack, _) in routes_of(local_assembly, name="application").items()}
    assert {key for key, stack in stacks.items() if stack.endswith("-Operators")} == {key for key in stacks if "/admin" in key}
    assert not [stack for stack, _ in routes_of(local_assembly, name="trading").values() if stack.endswith("-Operators")]
    made = {operation for (stack, _), (operation, _) in local_assembly.functions().items() if stack.endswith("-Operators")}
    assert made == {operation.name for operation in OPERATIONS if any("/admin" in route.path for route in operation.routes)}


def test_a_key_cannot_make_a_key(local_assembly: Assembly) -> None:
    assert not [key for key in routes_of(local_assembly, name="trading") if "api-keys" in key]


@pytest.mark.parametrize("door", list(Door))
def test_a_door_serves_the_default_stage_with_throttling(local_assembly: Assembly, door: Door) -> None:
    _, api, properties = api_of(local_assembly, name=door.value)
    [stage] = [stage["Properties"] for stage in local_assembly.of_type("AWS::ApiGatewayV2::Stage").values()
               if stage["Properties"]["ApiId"] == {"Ref": api}]
    assert stage["StageName"] == "$default"
    assert stage["AutoDeploy"] is True
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] >= 500
    assert properties["ProtocolType"] == "HTTP"


def test_only_browsers_have_cors_and_it_exposes_the_cursors(local_assembly: Assembly) -> None:
    _, _, application = api_of(local_assembly, name="application")
    _, _, trading = api_of(local_assembly, name="trading")
    assert {"cb-before", "cb-after"} <= set(application["CorsConfiguration"]["ExposeHeaders"])
    assert "authorization" in application["CorsConfiguration"]["AllowHeaders"]
    assert "CorsConfiguration" not in trading


def test_payload_format_is_two(local_assembly: Assembly) -> None:
    for key, integration in local_assembly.of_type("AWS::ApiGatewayV2::Integration").items():
        if key[0].endswith(("-Api", "-Operators")):
            assert integration["Properties"]["PayloadFormatVersion"] == "2.0"


def test_the_websocket_api_routes_by_type(local_assembly: Assembly) -> None:
    _, _, properties = api_of(local_assembly, name="feed")
    assert properties["RouteSelectionExpression"] == "$request.body.type"
    made = {key: operation_behind(local_assembly, *route) for key, route in routes_of(local_assembly, name="feed").items()}
    assert made == {operation.websocket_route: operation.name for operation in OPERATIONS if operation.websocket_route}
    assert set(made) == {"$connect", "$disconnect", "$default", "subscribe", "unsubscribe"}
