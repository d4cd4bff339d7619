"""The api lane: one Lambda per operation behind two HTTP APIs.

The application door checks Cognito tokens with a user-pool authorizer on every private route. The trading door has no
authorizer: a signature covers the body, which an authorizer never sees, so the function checks it. Both serve the
`$default` stage, without a path prefix, because clients sign the path as they know it.
"""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.functions import OperationFunction
from cdk.lane import Lane
from cdk.operations import DEFAULT_PATH, Door, Route
from cdk.settings import Settings

# Per door: twice the headline rate, and the account's limit (10,000/s) stays out of reach of one of them.
THROTTLE = apigateway.ThrottleSettings(rate_limit=1000, burst_limit=2000)
EXPOSED_HEADERS = ["cb-before", "cb-after", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]


class LambdaByRole(apigateway.HttpRouteIntegration):
    """A Lambda behind a route, called with the door's role. The function needs no permission of its own then, which would be
    one resource for each function and door of the 500 that a stack may have."""

    def __init__(self, integration_id: str, *, function: lambda_.IFunction, role: iam.IRole) -> None:
        super().__init__(integration_id)
        self._function = function
        self._role = role

    def bind(self, *, route: apigateway.IHttpRoute, scope: Construct) -> apigateway.HttpRouteIntegrationConfig:
        return apigateway.HttpRouteIntegrationConfig(
            type=apigateway.HttpIntegrationType.AWS_PROXY, uri=self._function.function_arn,
            payload_format_version=apigateway.PayloadFormatVersion.VERSION_2_0,
            credentials=apigateway.IntegrationCredentials.from_role(self._role))


class DoorRoutes(Construct):
    """Routes of a door, in the stack of the functions behind them, with a role that calls these functions and no others."""

    def __init__(self, scope: Construct, construct_id: str, *, api: apigateway.IHttpApi,
                 authorizer: apigateway.IHttpRouteAuthorizer | None) -> None:
        super().__init__(scope, construct_id)
        self._api = api
        self._authorizer = authorizer
        self._integrations: dict[str, LambdaByRole] = {}
        self._role = iam.Role(self, "Calls", assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"))

    def add(self, route: Route, function: OperationFunction) -> None:
        """Puts the function behind the route, with the authorizer where this door has one and the route is private."""
        name = function.operation.name
        if name not in self._integrations:
            self._integrations[name] = LambdaByRole(name, function=function.target, role=self._role)
            self._role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"],
                                                         resources=[function.target.function_arn]))
        authorizer = None if route.public else self._authorizer
        # The L2 refuses a path that ends with a slash; the service does not. It is the same route otherwise.
        added = apigateway.HttpRoute(
            self, route.key.replace("/", "."), http_api=self._api, integration=self._integrations[name],
            route_key=route_key(route), authorizer=authorizer)
        if route.path.endswith("/"):
            added.node.default_child.add_property_override("RouteKey", route.key)


class ApiDoor(Construct):
    """One HTTP API with its stage. `routes`: of the functions in its own stack."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, door: Door,
                 authorizer: apigateway.IHttpRouteAuthorizer | None) -> None:
        super().__init__(scope, construct_id)
        methods = [apigateway.CorsHttpMethod.GET, apigateway.CorsHttpMethod.POST, apigateway.CorsHttpMethod.PUT,
                   apigateway.CorsHttpMethod.DELETE]
        # Bots are no browsers; a page must not be able to use a key that a user pasted somewhere.
        cors = None if door is Door.TRADING else apigateway.CorsPreflightOptions(
            allow_origins=list(settings.origins), allow_methods=methods, expose_headers=EXPOSED_HEADERS,
            allow_headers=["authorization", "content-type"], max_age=Duration.hours(1))
        self.authorizer = authorizer
        self.api = apigateway.HttpApi(self, "Api", api_name=f"{settings.prefix}{door.value}",
                                      create_default_stage=False, cors_preflight=cors)
        self.stage = apigateway.HttpStage(self, "Stage", http_api=self.api, stage_name="$default", auto_deploy=True,
                                          throttle=THROTTLE, detailed_metrics_enabled=True)
        self.routes = DoorRoutes(self, "Routes", api=self.api, authorizer=authorizer)


def route_key(route: Route) -> apigateway.HttpRouteKey:
    """The key without a slash at its end, which the L2 would refuse."""
    if route.path == DEFAULT_PATH:
        return apigateway.HttpRouteKey.DEFAULT
    return apigateway.HttpRouteKey.with_(route.path.rstrip("/"), apigateway.HttpMethod[route.method])


class Api(Construct):
    """Both doors, and all functions behind them but the operators'."""

    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane, pool: cognito.IUserPool,
                 client: cognito.IUserPoolClient) -> None:
        super().__init__(scope, construct_id)
        self.functions = lane.functions(self, "api")
        authorizer = authorizers.HttpUserPoolAuthorizer("Users", pool, user_pool_clients=[client])
        self.doors = {
            door: ApiDoor(self, door.value.capitalize(), settings=lane.settings, door=door,
                          authorizer=authorizer if door is Door.APPLICATION else None)
            for door in Door}
        for operation, function in self.functions.items():
            for route in operation.routes:
                for door in route.doors:
                    self.doors[door].routes.add(route, function)
        for door, made in self.doors.items():
            CfnOutput(Stack.of(self), f"{door.value.capitalize()}Url", value=made.api.api_endpoint)


class Operators(Construct):
    """The operators' functions, and their routes on the application door of another stack."""

    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane, application: ApiDoor) -> None:
        super().__init__(scope, construct_id)
        routes = DoorRoutes(self, "Routes", api=application.api, authorizer=application.authorizer)
        for operation, function in lane.functions(self, "operators").items():
            for route in operation.routes:
                routes.add(route, function)
