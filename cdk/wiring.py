"""What each `Use` of the table means in the cloud: the environment variables it brings and the rights it needs.

The one place where a variable gets its value and where an action is granted. Two functions that have a variable have
the same value (MARKET alone differs), and nothing is granted that a row of the table does not ask for.
`tests/infra/test_least_privilege.py` holds the short list of `*` resources with their reasons.
"""

from dataclasses import dataclass

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk.operations import Operation, Use
from cdk.queues import Queues
from cdk.settings import Settings

# How many groups the push queue is cut into per market; more listeners want more.
FEED_SHARDS = 8
# The row of the API keys' table that has the secret of the custody's notices. No API key's id: those are 32 hexadecimal digits.
CUSTODY_SECRET_ROW = "custody:notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The things that functions use; made by the data stack and the trading stack."""

    vpc: ec2.IVpc
    function_security_group: ec2.ISecurityGroup
    database_dsn: str
    database_iam_auth: str
    database_user_arn: str
    redis_url: str
    journal: dynamodb.ITable
    connections: dynamodb.ITable
    api_keys: dynamodb.ITable
    market_status: dynamodb.ITable
    snapshots: s3.IBucket
    api_key_secrets: kms.IKey
    user_pool_id: str
    user_pool_client_id: str
    queues: Queues
    connections_endpoint: str
    connections_arns: dict[Use, str]


class Wiring:
    """Environment and rights of an operation, from what it uses."""

    def __init__(self, *, settings: Settings, resources: Resources) -> None:
        self._settings = settings
        self.resources = resources

    def environment(self, operation: Operation, *, market: str | None) -> dict[str, str]:
        """The variables of one function."""
        values = base_environment(self._settings)
        for use in in_order(operation.uses):
            values |= self._variables(use)
        if market is not None:
            values["MARKET"] = market
        return values

    def statements(self, operation: Operation, *, market: str | None) -> list[iam.PolicyStatement]:
        """The rights of one function, beyond its own log group and the network interface of the VPC."""
        return [statement for use in in_order(operation.uses)
                for statement in self._statements(use, market)]

    def _variables(self, use: Use) -> dict[str, str]:
        r = self.resources
        snapshots = {"SNAPSHOT_BUCKET": r.snapshots.bucket_name}
        api_keys = {"API_KEYS_TABLE": r.api_keys.table_name, "API_KEY_KMS_KEY_ID": r.api_key_secrets.key_id}
        custody_secret = api_keys | {"CUSTODY_SECRET_ROW": CUSTODY_SECRET_ROW}
        connections = {"CONNECTIONS_TABLE": r.connections.table_name}
        endpoint = {"CONNECTIONS_ENDPOINT": r.connections_endpoint}
        tables = {
            Use.DATABASE: {"DATABASE_DSN": r.database_dsn, "DATABASE_IAM_AUTH": r.database_iam_auth},
            Use.VIEWS: {"REDIS_URL": r.redis_url},
            Use.LIMITS: {"REDIS_URL": r.redis_url},
            Use.SEND_COMMANDS: {"COMMAND_QUEUE_URL_PREFIX": r.queues.command_url_prefix},
            Use.SEND_NUDGES: {"SETTLE_QUEUE_URL": r.queues.settle.queue.queue_url,
                              "FEED_QUEUE_URL": r.queues.feed.queue.queue_url},
            Use.SEND_FEED: {"FEED_QUEUE_URL": r.queues.feed.queue.queue_url},
            Use.SEND_PUSH: {"PUSH_QUEUE_URL": r.queues.push.queue.queue_url, "FEED_SHARDS": str(FEED_SHARDS)},
            Use.SEND_BEAT: {"BEAT_QUEUE_URL": r.queues.beat.queue.queue_url},
            Use.READ_JOURNAL: {"JOURNAL_TABLE": r.journal.table_name},
            Use.APPEND_JOURNAL: {"JOURNAL_TABLE": r.journal.table_name},
            Use.READ_SNAPSHOTS: snapshots, Use.WRITE_SNAPSHOTS: snapshots,
            Use.READ_STATUS: {"MARKET_STATUS_TABLE": r.market_status.table_name},
            Use.WRITE_STATUS: {"MARKET_STATUS_TABLE": r.market_status.table_name},
            Use.READ_API_KEYS: api_keys, Use.CREATE_API_KEYS: api_keys, Use.DELETE_API_KEYS: api_keys,
            Use.READ_CUSTODY_SECRET: custody_secret, Use.WRITE_CUSTODY_SECRET: custody_secret,
            Use.OPEN_CONNECTIONS: connections, Use.CHANGE_CONNECTIONS: connections, Use.FORGET_CONNECTIONS: connections,
            Use.LIST_CONNECTIONS: connections,
            Use.POST_TO_CONNECTIONS: endpoint, Use.END_CONNECTIONS: endpoint, Use.LOOK_FOR_CONNECTIONS: endpoint,
            Use.USER_POOL: {"USER_POOL_ID": r.user_pool_id, "USER_POOL_CLIENT_ID": r.user_pool_client_id},
            Use.CORE: {},
            Use.WATCH_QUEUES: {"COMMAND_QUEUE_URL_PREFIX": r.queues.command_url_prefix,
                               "SETTLE_QUEUE_URL": r.queues.settle.queue.queue_url,
                               "FEED_QUEUE_URL": r.queues.feed.queue.queue_url,
                               "PUSH_QUEUE_URL": r.queues.push.queue.queue_url,
                               "BEAT_QUEUE_URL": r.queues.beat.queue.queue_url},
        }
        return tables[use]

    def _statements(self, use: Use, market: str | None) -> list[iam.PolicyStatement]:
        r = self.resources
        send = "sqs:SendMessage"
        settle, feed, push = r.queues.settle.queue, r.queues.feed.queue, r.queues.push.queue
        folder = f"snapshots/{market or '*'}/"
        match use:
            case Use.DATABASE:
                return [_allow(["rds-db:connect"], [r.database_user_arn])]
            case Use.SEND_COMMANDS:
                return [_allow([send], [pair.queue.queue_arn for name, pair in r.queues.commands.items()
                                        if market in (None, name)])]
            case Use.SEND_NUDGES:
                return [_allow([send], [settle.queue_arn, feed.queue_arn])]
            case Use.SEND_FEED:
                return [_allow([send], [feed.queue_arn])]
            case Use.SEND_PUSH:
                return [_allow([send], [push.queue_arn])]
            case Use.SEND_BEAT:
                return [_allow([send], [r.queues.beat.queue.queue_arn])]
            case Use.READ_JOURNAL:
                return [_allow(["dynamodb:GetItem", "dynamodb:Query"], [r.journal.table_arn])]
            case Use.APPEND_JOURNAL:
                # The fence is the conditional put; that no function can write another market's journal is this.
                return [_allow(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"], [r.journal.table_arn],
                               _rows(market))]
            case Use.READ_SNAPSHOTS:
                return [_allow(["s3:GetObject"], [r.snapshots.arn_for_objects(f"{folder}*")]),
                        _allow(["s3:ListBucket"], [r.snapshots.bucket_arn], {"StringLike": {"s3:prefix": folder}})]
            case Use.WRITE_SNAPSHOTS:
                return [_allow(["s3:PutObject"], [r.snapshots.arn_for_objects(f"{folder}*")])]
            case Use.READ_STATUS:
                return [_allow(["dynamodb:GetItem", "dynamodb:BatchGetItem"], [r.market_status.table_arn])]
            case Use.WRITE_STATUS:
                return [_allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"], [r.market_status.table_arn])]
            case Use.READ_API_KEYS:
                # When a key was last used is noted on its row: that attribute, and no other.
                return [_allow(["dynamodb:GetItem", "dynamodb:BatchGetItem"], [r.api_keys.table_arn]),
                        _allow(["dynamodb:UpdateItem"], [r.api_keys.table_arn], {
                            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["key", "last_used_s"]}}),
                        _allow(["kms:Decrypt"], [r.api_key_secrets.key_arn])]
            case Use.CREATE_API_KEYS:
                # The key's row, and its id in the row of its account.
                return [_allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], [r.api_keys.table_arn]),
                        _allow(["kms:Encrypt"], [r.api_key_secrets.key_arn])]
            case Use.DELETE_API_KEYS:
                return [_allow(["dynamodb:DeleteItem", "dynamodb:UpdateItem"], [r.api_keys.table_arn])]
            case Use.READ_CUSTODY_SECRET:
                return [_allow(["dynamodb:GetItem"], [r.api_keys.table_arn], _rows(CUSTODY_SECRET_ROW)),
                        _allow(["kms:Decrypt"], [r.api_key_secrets.key_arn])]
            case Use.WRITE_CUSTODY_SECRET:
                return [_allow(["dynamodb:PutItem"], [r.api_keys.table_arn], _rows(CUSTODY_SECRET_ROW)),
                        _allow(["kms:Encrypt"], [r.api_key_secrets.key_arn])]
            case Use.OPEN_CONNECTIONS:
                return [_allow(["dynamodb:PutItem"], [r.connections.table_arn])]
            case Use.CHANGE_CONNECTIONS:
                return [_allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [r.connections.table_arn])]
            case Use.FORGET_CONNECTIONS:
                return [_allow(["dynamodb:GetItem", "dynamodb:DeleteItem"], [r.connections.table_arn])]
            case Use.LIST_CONNECTIONS:
                return [_allow(["dynamodb:Scan"], [r.connections.table_arn])]
            case Use.WATCH_QUEUES:
                queues = [queue.queue_arn for pair in r.queues.all() for queue in (pair.queue, pair.dead)]
                # Figures of CloudWatch have no resources to name.
                return [_allow(["sqs:GetQueueAttributes"], queues), _allow(["cloudwatch:GetMetricData"], ["*"])]
            case Use.POST_TO_CONNECTIONS | Use.END_CONNECTIONS | Use.LOOK_FOR_CONNECTIONS:
                return [_allow(["execute-api:ManageConnections"], [r.connections_arns[use]])]
            case Use.VIEWS | Use.LIMITS | Use.USER_POOL | Use.CORE:
                return []  # reached through the security group, public, a layer


def in_order(uses: frozenset[Use]) -> list[Use]:
    """A set has another order in every run; a template must not."""
    return sorted(uses, key=lambda use: use.name)


def base_environment(settings: Settings) -> dict[str, str]:
    """What every function has."""
    return {"STAGE": settings.stage, "SANDBOX": "1" if settings.sandbox else "0", "EXCHANGE_PORTS": "aws",
            "RATE_LIMITS": settings.rate_limits}


def _rows(key: str) -> dict:
    """A statement of a table holds for the rows of this key alone."""
    return {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [key]}}


def _allow(actions: list[str], resources: list[str], conditions: dict | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
