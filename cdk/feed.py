"""The feed lane: publishing from the journal, pushing to connections, and the WebSocket API's own functions."""

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct

from cdk.emulator import Emulator
from cdk.lane import Lane
from cdk.operations import Use
from cdk.settings import Settings

STAGE = "feed"
# None: the routes' functions post their answers themselves, because `subscribe` must have answered before it enqueues.
ANSWERING_ROUTES = ()


class FeedApi(Construct):
    """The WebSocket API without its routes: functions need its address, and its routes need the functions."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, emulator: Emulator) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.api = apigateway.WebSocketApi(self, "Api", api_name=f"{settings.prefix}feed",
                                           route_selection_expression="$request.body.type")
        self.stage = apigateway.WebSocketStage(
            self, "Stage", web_socket_api=self.api, stage_name=STAGE, auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=1000, burst_limit=500))
        self.connections_endpoint = emulator.choose(
            cloud=f"https://{self.api.api_id}.execute-api.{stack.region}.{stack.url_suffix}/{STAGE}",
            emulated=f"{emulator.endpoint.value_as_string}/_aws/execute-api/{self.api.api_id}/{STAGE}")
        self.connections_arns = {
            use: stack.format_arn(service="execute-api", resource=self.api.api_id,
                                  resource_name=f"{STAGE}/{method}/@connections/*")
            for use, method in ((Use.POST_TO_CONNECTIONS, "POST"), (Use.END_CONNECTIONS, "DELETE"),
                                (Use.LOOK_FOR_CONNECTIONS, "GET"))}


class Feed(Construct):
    """Publisher, pusher, and the routes of the WebSocket API. No route answers by itself: every message to a connection
    is a post, so that one place keeps their order."""

    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane, feed_api: FeedApi) -> None:
        super().__init__(scope, construct_id)
        self.functions = lane.functions(self, "feed")
        self.listeners = lane.functions(self, "ws")
        for operation, function in self.listeners.items():
            feed_api.api.add_route(operation.websocket_route, integration=integrations.WebSocketLambdaIntegration(
                operation.name, function.target))
