"""The audit lane: what goes over orders, journal and money, every minute or every day, and may halt a market."""

from constructs import Construct

from cdk.lane import Lane


class Audit(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane) -> None:
        super().__init__(scope, construct_id)
        self.functions = lane.functions(self, "audit")
