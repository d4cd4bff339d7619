"""The ledger lane: settlement behind its queue, and the schema's migration at every deploy that changed it."""

from aws_cdk import Duration, triggers
from constructs import Construct

from cdk.emulator import Emulator
from cdk.lane import Lane


class Ledger(Construct):
    """The migration is invoked by the deploy, which fails when it does.

    Nothing waits for it inside the stack: a settlement that meets an older schema fails and its nudge is delivered
    again, and the api stack, where orders enter, is deployed after this one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, lane: Lane, emulator: Emulator) -> None:
        super().__init__(scope, construct_id)
        self.functions = lane.functions(self, "ledger")
        at_deploy = [function for operation, function in self.functions.items() if operation.at_deploy]
        for function in at_deploy:
            # Its own default is two minutes: a longer migration would fail the deploy and go on meanwhile.
            trigger = triggers.Trigger(function, "AtDeploy", handler=function.function,
                                       timeout=Duration.seconds(function.operation.timeout_s + 15))
            # The emulator has no AWS SDK for the trigger's provider; there the deploying test invokes the function.
            emulator.cloud_only(trigger)
