"""What every lane does with its rows of the table: make the functions, and let queues and schedules call them."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from cdk import operations
from cdk.functions import OperationFunction
from cdk.layers import Layers
from cdk.operations import Operation, Queue
from cdk.queues import Queues
from cdk.settings import Settings
from cdk.wiring import Wiring


class Lane:
    """Makes functions for the constructs of one stack."""

    def __init__(self, *, settings: Settings, wiring: Wiring, layers: Layers) -> None:
        self.settings = settings
        self._wiring = wiring
        self._layers = layers

    @property
    def queues(self) -> Queues:
        return self._wiring.resources.queues

    def function(self, scope: Construct, operation: Operation, *, market: str | None = None) -> OperationFunction:
        """The function of a row, with its queue's mapping and its schedule."""
        construct_id = operation.name + (f"-{market}" if market else "")
        function = OperationFunction(scope, construct_id, operation=operation, settings=self.settings,
                                     wiring=self._wiring, layers=self._layers, market=market)
        single = {Queue.SETTLE: self.queues.settle, Queue.FEED: self.queues.feed, Queue.PUSH: self.queues.push,
                  Queue.BEAT: self.queues.beat}
        if operation.queue in single:
            function.consume("Messages", single[operation.queue].queue)
        if operation.every_minutes is not None:
            events.Rule(function, "Schedule", targets=[targets.LambdaFunction(function.target)],
                        schedule=events.Schedule.rate(Duration.minutes(operation.every_minutes)))
        if operation.daily_at is not None:
            hour, minute = operation.daily_at.split(":")
            events.Rule(function, "Daily", targets=[targets.LambdaFunction(function.target)],
                        schedule=events.Schedule.cron(hour=str(int(hour)), minute=str(int(minute))))
        return function

    def functions(self, scope: Construct, lane: str, *,
                  without: Operation | None = None) -> dict[Operation, OperationFunction]:
        """All functions of a lane, by their row."""
        return {operation: self.function(scope, operation)
                for operation in operations.lane(lane, sandbox=self.settings.sandbox) if operation is not without}
