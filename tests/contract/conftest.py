"""The implementations of the three ports: embedded, moto, MiniStack."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest
from moto import mock_aws

from exchange.ports import CommandQueue, Journal, SnapshotStore
from local.servers import Emulator

VISIBILITY_MS = 2000
WORLDS = ["embedded", "moto", "ministack"]

# Where moto is not like SQS. The same tests run on MiniStack, which is.
MOTO_DIFFERS = {
    "test_delivers_in_order_with_growing_sequence_numbers": "its sequence numbers are random",
    "test_sixteen_senders_give_numbers_in_commit_order": "its sequence numbers are random",
    "test_a_repeated_send_is_dropped_also_after_delivery": "a repeated send gets a sequence number of its own",
    "test_unacknowledged_comes_again_after_the_visibility_timeout": "a group comes back without its first message",
}


@dataclass
class World:
    """One implementation of the ports, with queues and stores of its own."""

    name: str
    queue: CommandQueue
    queue_url: str
    dead_letter_url: str
    new_queue: object  # () -> CommandQueue: another client of the same queues, as another process would have
    journal: Journal
    snapshots: SnapshotStore
    market: str


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running MiniStack, started as `make run` starts it."""
    folder = tmp_path_factory.mktemp("ministack")
    server = Emulator(folder, folder / "logs", invoke_url="")
    child = asyncio.run(server.start())
    yield server.url
    asyncio.run(child.stop())


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each world in turn; names are fresh, so that nothing is left from the test before."""
    if request.param == "moto" and request.node.originalname in MOTO_DIFFERS:
        pytest.skip(f"moto: {MOTO_DIFFERS[request.node.originalname]}")
    yield from {"embedded": _embedded, "moto": _moto, "ministack": _ministack}[request.param](request)


def _embedded(request: pytest.FixtureRequest) -> Iterator[World]:
    from exchange.adapters.embedded import QueueSpec, install
    from exchange.adapters.embedded.journal import PostgresJournal
    from exchange.adapters.embedded.queue import PostgresQueue
    from exchange.adapters.embedded.snapshots import FolderSnapshots

    dsn = request.getfixturevalue("postgres_dsn")
    folder = request.getfixturevalue("tmp_path")
    name = f"q-{uuid.uuid4().hex[:12]}"
    install(dsn, [QueueSpec(f"{name}-dead.fifo"),
                  QueueSpec(f"{name}.fifo", VISIBILITY_MS, dead_letter_queue=f"{name}-dead.fifo", max_receives=3)])
    queue, journal = PostgresQueue(dsn), PostgresJournal(dsn)
    others: list[PostgresQueue] = []

    def new_queue() -> PostgresQueue:
        others.append(PostgresQueue(dsn))
        return others[-1]

    yield World("embedded", queue, f"http://local/{name}.fifo", f"http://local/{name}-dead.fifo", new_queue, journal,
                FolderSnapshots(str(folder)), market=f"M{uuid.uuid4().hex[:8]}")
    for client in [queue, journal, *others]:
        client.close()


def _moto(request: pytest.FixtureRequest) -> Iterator[World]:
    monkeypatch = request.getfixturevalue("monkeypatch")
    _aws_environment(monkeypatch)
    with mock_aws():
        yield from _aws("moto")


def _ministack(request: pytest.FixtureRequest) -> Iterator[World]:
    endpoint = request.getfixturevalue("ministack_endpoint")
    monkeypatch = request.getfixturevalue("monkeypatch")
    _aws_environment(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    yield from _aws("ministack")


def _aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
                        "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def _aws(name: str) -> Iterator[World]:
    """Queues, table and bucket as the template makes them, through the AWS APIs."""
    from exchange.adapters.aws.journal import DynamoJournal
    from exchange.adapters.aws.queue import SqsQueue
    from exchange.adapters.aws.snapshots import S3Snapshots

    suffix = uuid.uuid4().hex[:12]
    sqs, dynamodb, s3 = boto3.client("sqs"), boto3.client("dynamodb"), boto3.client("s3")
    fifo = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    dead = sqs.create_queue(QueueName=f"q-{suffix}-dead.fifo", Attributes=fifo)["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = sqs.create_queue(QueueName=f"q-{suffix}.fifo", Attributes=fifo | {
        "VisibilityTimeout": str(VISIBILITY_MS // 1000),
        "RedrivePolicy": f'{{"deadLetterTargetArn": "{dead_arn}", "maxReceiveCount": "3"}}'})["QueueUrl"]
    dynamodb.create_table(
        TableName=f"journal-{suffix}", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "market", "KeyType": "HASH"}, {"AttributeName": "seq", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "market", "AttributeType": "S"},
                              {"AttributeName": "seq", "AttributeType": "N"}])
    s3.create_bucket(Bucket=f"snapshots-{suffix}")
    yield World(name, SqsQueue(), url, dead, SqsQueue, DynamoJournal(f"journal-{suffix}"),
                S3Snapshots(f"snapshots-{suffix}"), market=f"M{suffix[:8]}")
