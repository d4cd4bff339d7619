"""The data lane: network, Aurora PostgreSQL, Valkey, the DynamoDB tables, the snapshot bucket and the key of the keys.

Everything here keeps state, so it stands in a stack of its own and is retained outside the sandbox. The functions that
need PostgreSQL or Valkey live in a VPC without NAT: DynamoDB and S3 through gateway endpoints (free), SQS and KMS
through interface endpoints. Names are given, not generated: CloudFormation then refuses to replace a table or bucket,
where it would otherwise make an empty new one.
"""

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import custom_resources as cr
from constructs import Construct

from cdk.settings import Settings

DATABASE_NAME = "exchange"
# What the functions sign in as, with a token of their role (rds_iam), never a password.
DATABASE_USER = "exchange"
# A serverless cache tells its clients of replicas at the second port, and they may ask those for the cluster's layout: where
# packets to it are dropped, they wait for their time-out.
VALKEY_PORTS = (6379, 6380)


def kept(settings: Settings) -> RemovalPolicy:
    """A sandbox is thrown away whole; elsewhere what keeps state outlives its stack."""
    return RemovalPolicy.DESTROY if settings.sandbox else RemovalPolicy.RETAIN


def kept_once_used(settings: Settings) -> RemovalPolicy:
    """As `kept`, of what has no protection against deletion besides: where the deploy that makes it fails, it goes again, and
    its name is not in the next one's way."""
    return RemovalPolicy.DESTROY if settings.sandbox else RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


class Network(Construct):
    """A VPC without NAT, and the security group of the functions in it. `endpoints` are for the cloud only."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self, "Vpc", nat_gateways=0, availability_zones=settings.availability_zones,
            restrict_default_security_group=False,
            subnet_configuration=[ec2.SubnetConfiguration(
                name="Inside", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=20)])
        self.function_security_group = ec2.SecurityGroup(
            self, "Functions", vpc=self.vpc, description="The Lambda functions in the VPC")
        self.endpoints = Construct(self, "Endpoints")
        for name, service in (("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB),
                              ("S3", ec2.GatewayVpcEndpointAwsService.S3)):
            ec2.GatewayVpcEndpoint(self.endpoints, name, vpc=self.vpc, service=service)
        # Each zone of an endpoint is paid for; a sandbox does without its services where its one zone fails.
        zones = settings.availability_zones[:1] if settings.sandbox else settings.availability_zones
        for name, service in (("Sqs", ec2.InterfaceVpcEndpointAwsService.SQS),
                              ("Kms", ec2.InterfaceVpcEndpointAwsService.KMS),
                              # For the operators' health page, which stands in the VPC for the ledger's sake.
                              ("Monitoring", ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING)):
            ec2.InterfaceVpcEndpoint(self.endpoints, name, vpc=self.vpc, service=service,
                                     subnets=ec2.SubnetSelection(availability_zones=zones))

    def server_security_group(self, construct_id: str, *, description: str, ports: tuple[int, ...]) -> ec2.SecurityGroup:
        """A group that only the functions reach, on these ports."""
        group = ec2.SecurityGroup(self, construct_id, vpc=self.vpc, description=description, allow_all_outbound=False)
        for port in ports:
            group.add_ingress_rule(self.function_security_group, ec2.Port.tcp(port), f"functions to port {port}")
        return group


class Database(Construct):
    """Aurora PostgreSQL Serverless v2 with IAM sign-in, for the cloud only.

    The functions' user is made through the Data API, so that no function ever holds the administrator's password and
    the VPC needs no endpoint for Secrets Manager.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, network: Network,
                 security_group: ec2.ISecurityGroup) -> None:
        super().__init__(scope, construct_id)
        writer = rds.ClusterInstance.serverless_v2("Writer")
        readers = [] if settings.sandbox else [rds.ClusterInstance.serverless_v2("Reader", scale_with_writer=True)]
        self.cluster = rds.DatabaseCluster(
            self, "Cluster", writer=writer, readers=readers, vpc=network.vpc, security_groups=[security_group],
            engine=rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_17_7),
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            credentials=rds.Credentials.from_generated_secret("administrator"), default_database_name=DATABASE_NAME,
            iam_authentication=True, enable_data_api=True, storage_encrypted=True,
            serverless_v2_min_capacity=0.5, serverless_v2_max_capacity=2 if settings.sandbox else 32,
            backup=rds.BackupProps(retention=Duration.days(1 if settings.sandbox else 14)),
            deletion_protection=not settings.sandbox, removal_policy=kept(settings),
            parameters={"rds.force_ssl": "1", "idle_in_transaction_session_timeout": "10000"})
        # Without it nobody is the administrator of the cluster that stays.
        self.cluster.node.find_child("Secret").apply_removal_policy(kept_once_used(settings))
        stack = Stack.of(self)
        self.user_arn = stack.format_arn(
            service="rds-db", resource="dbuser", arn_format=ArnFormat.COLON_RESOURCE_NAME,
            resource_name=f"{self.cluster.cluster_resource_identifier}/{DATABASE_USER}")
        sql = (f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{DATABASE_USER}') THEN"
               f" CREATE ROLE {DATABASE_USER} LOGIN; END IF; GRANT rds_iam TO {DATABASE_USER};"
               f" GRANT ALL ON DATABASE {DATABASE_NAME} TO {DATABASE_USER};"
               f" GRANT ALL ON SCHEMA public TO {DATABASE_USER}; END $$")
        call = cr.AwsSdkCall(
            service="rds-data", action="ExecuteStatement", physical_resource_id=cr.PhysicalResourceId.of(DATABASE_USER),
            parameters={"resourceArn": self.cluster.cluster_arn, "secretArn": self.cluster.secret.secret_arn,
                        "database": DATABASE_NAME, "sql": sql})
        user = cr.AwsCustomResource(
            self, "User", on_create=call, on_update=call, install_latest_aws_sdk=False,
            policy=cr.AwsCustomResourcePolicy.from_sdk_calls(resources=[self.cluster.cluster_arn]))
        self.cluster.secret.grant_read(user)
        # The call alone waits for the servers: a right that is granted in the moment before may not be known everywhere yet.
        user.node.find_child("Resource").node.add_dependency(self.cluster)


class Cache(Construct):
    """Valkey serverless, TLS, reachable by the functions only; for the cloud only. Holds nothing that is not derived.

    It speaks the cluster protocol: the keys of one transaction or script must share a hash tag (`{BTC-USD}`).
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, network: Network,
                 security_group: ec2.ISecurityGroup) -> None:
        super().__init__(scope, construct_id)
        self.cache = elasticache.CfnServerlessCache(
            self, "Cache", engine="valkey", major_engine_version="8", serverless_cache_name=f"{settings.prefix}views",
            security_group_ids=[security_group.security_group_id],
            subnet_ids=[subnet.subnet_id for subnet in network.vpc.isolated_subnets],
            cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
                data_storage=elasticache.CfnServerlessCache.DataStorageProperty(maximum=5, unit="GB")))
        self.url = f"rediss://{self.cache.attr_endpoint_address}:{VALKEY_PORTS[0]}"


class Tables(Construct):
    """The DynamoDB tables, paid per request."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        text, number = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER
        # The commit point of every match; see docs/ARCHITECTURE.md.
        self.journal = self._table("Journal", "journal", ("market", text), ("seq", number))
        # The service ends a connection after two hours, and now and then without telling.
        self.connections = self._table("Connections", "connections", ("connection_id", text), expires="expires_at")
        self.api_keys = self._table("ApiKeys", "api-keys", ("key", text))
        self.market_status = self._table("MarketStatus", "market-status", ("market", text))

    def _table(self, construct_id: str, name: str, partition: tuple, sort: tuple | None = None,
               expires: str | None = None) -> dynamodb.Table:
        attribute = [dynamodb.Attribute(name=key, type=type_) for key, type_ in filter(None, (partition, sort))]
        return dynamodb.Table(
            self, construct_id, table_name=self._settings.prefix + name, partition_key=attribute[0],
            sort_key=attribute[1] if sort else None, time_to_live_attribute=expires,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True),
            deletion_protection=not self._settings.sandbox, removal_policy=kept(self._settings))


class Vault(Construct):
    """The snapshot bucket, and the key that encrypts the secrets of API keys. `emptying`: what empties a sandbox's bucket
    at its end, for the cloud only."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.snapshots = s3.Bucket(
            self, "Snapshots", bucket_name=f"{settings.prefix}snapshots-{stack.account}-{stack.region}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL, enforce_ssl=True,
            encryption=s3.BucketEncryption.S3_MANAGED, removal_policy=kept_once_used(settings),
            # A bucket that is not empty cannot be deleted.
            auto_delete_objects=settings.sandbox,
            # A snapshot can be made again from the journal; only the newest few are ever read.
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(30))])
        self.emptying = [] if not settings.sandbox else [
            self.snapshots.policy, self.snapshots.node.find_child("AutoDeleteObjectsCustomResource")]
        self.api_key_secrets = kms.Key(
            self, "ApiKeySecrets", enable_key_rotation=True, description="Encrypts the secrets of API keys",
            removal_policy=kept_once_used(settings))
        self.api_key_secrets.add_alias(f"alias/{settings.prefix}api-key-secrets")
