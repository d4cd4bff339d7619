"""The engine lane: a matching function per market on its command queue, the ticks, the snapshots, and the halt."""

from constructs import Construct

from cdk.functions import OperationFunction
from cdk.lane import Lane
from cdk.operations import BY_NAME, Queue


class Engine(Construct):
    """`matching[market]` is the function that alone appends to that market's journal."""

    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane, markets: tuple[str, ...]) -> None:
        super().__init__(scope, construct_id)
        queues = lane.queues
        match_orders = BY_NAME["engine_match_orders"]
        self.matching: dict[str, OperationFunction] = {}
        for market in markets:
            function = lane.function(self, match_orders, market=market)
            function.consume("Commands", queues.commands[market].queue)
            self.matching[market] = function
        self.functions = lane.functions(self, "engine", without=match_orders)
        for operation, function in self.functions.items():
            if operation.queue is Queue.COMMANDS_DEAD:
                # One at a time: what matters is that the market halts, and each dead command is in the log.
                for market in markets:
                    function.consume(f"Dead-{market}", queues.commands[market].dead, batch_size=1)
