"""One template for the cloud and for the emulator: the parameter that says which, and what hangs on it.

`EmulatorEndpoint` is empty in the cloud. Set, it leaves out what the emulator cannot make (Aurora, Valkey, endpoints of
the VPC, provisioned concurrency) through the Condition `InCloud`, and the functions are pointed at servers given by
further parameters. Conditions, not a second template: what is tested there is what is deployed here.
"""

import jsii
from aws_cdk import Aspects, CfnCondition, CfnParameter, CfnResource, Fn, IAspect, Stack, Token
from constructs import Construct, IConstruct

PARAMETER = "EmulatorEndpoint"
# AwsCustomResource, Trigger and BucketDeployment put their singletons beside everything else in the stack.
PROVIDER_IDS = ("AWS679f53fac002430cb0da5b7982bd2287", "AWSCDK.TriggerCustomResourceProvider", "Custom::CDKBucketDeployment",
                "Custom::S3AutoDeleteObjectsCustomResourceProvider")


class Emulator:
    """The parameter and the condition of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.endpoint = CfnParameter(stack, PARAMETER, default="",
                                     description="URL of an AWS emulator that functions can reach; empty in the cloud")
        self.in_cloud = CfnCondition(stack, "InCloud",
                                     expression=Fn.condition_equals(self.endpoint.value_as_string, ""))

    def choose(self, *, cloud: str, emulated: str) -> str:
        """`cloud` in the cloud, `emulated` in the emulator."""
        return Token.as_string(Fn.condition_if(self.in_cloud.logical_id, cloud, emulated))

    def cloud_only(self, scope: Construct) -> None:
        """Every resource below `scope`, made already or later, exists in the cloud only."""
        Aspects.of(scope).add(_Conditional(self.in_cloud))

    def providers_cloud_only(self) -> None:
        """The same for the functions that CDK adds to a stack for its custom resources; call it last."""
        for child in self._stack.node.children:
            if child.node.id.startswith(PROVIDER_IDS):
                self.cloud_only(child)


@jsii.implements(IAspect)
class _Conditional:
    def __init__(self, condition: CfnCondition) -> None:
        self._condition = condition

    def visit(self, node: IConstruct) -> None:
        if CfnResource.is_cfn_resource(node):
            node.cfn_options.condition = self._condition
