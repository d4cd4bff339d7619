"""One Lambda function from one row of the table: code, layers, role, log group, variables, network.

The role is written out, not derived from grants: exactly the statements of `cdk/wiring.py`, the function's own log
group, and for the VPC the network interface actions, which IAM cannot narrow.
"""

from aws_cdk import Duration, RemovalPolicy, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.layers import Layers
from cdk.operations import OPERATION_TAG, OPERATIONS, Operation
from cdk.settings import BadSettings, Settings
from cdk.wiring import Wiring, base_environment

VPC_ACTIONS = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
               "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]


def check_handlers_exist(settings: Settings) -> None:
    """Raises BadSettings naming every operation whose handler is missing: an empty folder would synthesise."""
    missing = [operation.name for operation in OPERATIONS
               if not (settings.functions_dir / operation.name / "handler.py").is_file()]
    if missing:
        raise BadSettings(f"no handler.py in {settings.functions_dir} for {len(missing)} operation(s) of "
                          f"cdk/operations.py: {', '.join(missing)}")


class OperationFunction(Construct):
    """The function of one operation (of one market, where there is one per market).

    `function` is the function, `target` what a trigger calls: the alias with warm environments where there is one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, operation: Operation, settings: Settings,
                 wiring: Wiring | None, layers: Layers | None, market: str | None = None) -> None:
        super().__init__(scope, construct_id)
        if (operation.uses and wiring is None) or operation.per_market != (market is not None):
            raise ValueError(f"{operation.name}: what it uses, or its market, was not given")
        self.operation = operation
        name = settings.prefix + operation.name + (f"-{market}" if market else "")
        log_group = logs.LogGroup(
            self, "Logs", log_group_name=f"/aws/lambda/{name}", removal_policy=RemovalPolicy.DESTROY,
            retention=logs.RetentionDays.ONE_WEEK if settings.sandbox else logs.RetentionDays.THREE_MONTHS)
        self.role = self._role(log_group, wiring.statements(operation, market=market) if wiring else [],
                               in_vpc=operation.in_vpc, traces=settings.traces)
        in_vpc = {} if not operation.in_vpc else {
            "vpc": wiring.resources.vpc, "security_groups": [wiring.resources.function_security_group],
            "vpc_subnets": ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)}
        self.function = lambda_.Function(
            self, "Function", function_name=name, handler="handler.lambda_handler",
            runtime=lambda_.Runtime(f"python{settings.python}", lambda_.RuntimeFamily.PYTHON),
            architecture=(lambda_.Architecture.ARM_64 if settings.architecture == "arm64"
                          else lambda_.Architecture.X86_64),
            code=lambda_.Code.from_asset(str(settings.functions_dir / operation.name),
                                         exclude=["__pycache__", "*.pyc"]),
            layers=layers.of(operation) if layers else [], memory_size=operation.memory_mb,
            timeout=Duration.seconds(operation.timeout_s), role=self.role.without_policy_updates(),
            environment=(wiring.environment(operation, market=market) if wiring else base_environment(settings)),
            log_group=log_group, logging_format=lambda_.LoggingFormat.JSON,
            # Lambda stops what wakes itself for the seventeenth time; the feed's clock does so every minute, on purpose.
            recursive_loop=lambda_.RecursiveLoop.ALLOW if operation.wakes_itself else None,
            # A share of all calls is traced, which nobody can lower, and each trace is paid for: docs/adr/0021.
            tracing=lambda_.Tracing.ACTIVE if settings.traces else lambda_.Tracing.PASS_THROUGH,
            # Three lines of the system's with each call cost more than the functions at the headline rate.
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            # Not WARN: Lambda takes a line for INFO whose level it does not know (Python's WARNING and CRITICAL may be such),
            # and the runtime's own lines on what a handler raised have been such lines. Ours at INFO are few.
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO, **in_vpc)
        Tags.of(self.function).add(OPERATION_TAG, operation.name)
        self.target: lambda_.IFunction = self.function
        if operation.provisioned:
            warm = operation.provisioned if settings.warm is None else settings.warm
            self.target = lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version,
                                        provisioned_concurrent_executions=warm or None)

    def consume(self, construct_id: str, queue: sqs.IQueue, *, batch_size: int = 10) -> None:
        """Lets the queue call this function, batch by batch, with partial batch answers."""
        self.role.add_to_policy(iam.PolicyStatement(
            actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            resources=[queue.queue_arn]))
        mapping = lambda_.EventSourceMapping(
            self, construct_id, target=self.target, event_source_arn=queue.queue_arn,
            batch_size=batch_size, report_batch_item_failures=True)
        mapping.node.add_dependency(self.role)

    def _role(self, log_group: logs.LogGroup, statements: list[iam.PolicyStatement], *, in_vpc: bool,
              traces: bool) -> iam.Role:
        rights = [iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                                      resources=[log_group.log_group_arn])]
        if traces:  # X-Ray has no resources to name
            rights.append(iam.PolicyStatement(actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"]))
        if in_vpc:
            rights.append(iam.PolicyStatement(actions=VPC_ACTIONS, resources=["*"]))
        # Inside the role: a policy of its own would be one resource more of the 500 that a stack may have.
        return iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
                        inline_policies={"Rights": iam.PolicyDocument(statements=[*rights, *statements])})
