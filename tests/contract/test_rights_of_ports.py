"""What `local/border.py` says that a port's method calls in the cloud is what the adapters of AWS call there."""

import contextlib
from collections.abc import Iterable, Iterator

import boto3
import botocore
import pytest
from contract.conftest import World

from exchange.ports import Fenced, Send
from local.border import PORTS, _context, _resources

Call = tuple[str, str, dict]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """The calls of all clients that are made from now on."""
    calls: list[Call] = []

    def record(*, params: dict, model: object, **_: object) -> None:
        calls.append((model.service_model.service_name, model.name, dict(params)))

    def begin(session: object) -> None:
        session.register("before-parameter-build", record)

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which a test before may have made
    botocore.register_initializer(begin)
    yield calls
    botocore.unregister_initializer(begin)


def asked(calls: Iterable[Call], table: str) -> set[tuple]:
    """What IAM is asked of each; an object goes by its folder."""
    found = set()
    for service, operation, params in calls:
        context = _context({table: "market"}, params)
        for resource in _resources(service, params):
            named = resource.rpartition("/")[0] if service == "s3" and "Key" in params else resource
            found.add((service, operation, named, *context("dynamodb:LeadingKeys"), *context("s3:prefix")))
    return found


def test_a_ports_method_asks_for_what_its_adapter_of_aws_calls(recorded: list[Call], world: World,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    if world.name == "embedded":
        pytest.skip("calls nothing of AWS")
    table, market, url = world.journal._model.Meta.table_name, world.market, world.queue_url
    monkeypatch.setenv("JOURNAL_TABLE", table)
    monkeypatch.setenv("SNAPSHOT_BUCKET", world.snapshots._bucket)
    sends = [Send(url, "g", f"d{number}", "body") for number in range(3)]
    ports = {"command_queue": world.queue, "journal": world.journal, "snapshot_store": world.snapshots}

    def check(port: str, method: str, *args: object, **kwargs: object) -> object:
        recorded.clear()
        answer = None
        with contextlib.suppress(Fenced):
            answer = getattr(ports[port], method)(*args, **kwargs)
        subjects, calls = PORTS[port][method]
        said = [call for subject in subjects(*args, **kwargs) for call in calls(subject)]
        assert said and asked(said, table) == asked(recorded, table), f"{port}.{method}"
        return answer

    check("command_queue", "send", queue=url, group="g", dedup_id="d", body="b")
    check("command_queue", "send", queue=url, group="g", dedup_id="e", body="b", resent=True)
    check("command_queue", "send_all", sends[:2])
    check("command_queue", "send_hints", sends[2:])
    check("command_queue", "depth", url)
    check("command_queue", "identity", url)
    received = check("command_queue", "receive", queue=url, max_messages=1, wait_s=10)
    check("command_queue", "release", received)
    check("command_queue", "acknowledge", received)
    for _ in range(2):
        check("journal", "append", market=market, seq=1, entry=b"entry")
    check("journal", "get", market=market, seq=1)
    check("journal", "get", market=market, seq=2)
    check("journal", "after", market=market, seq=0)
    check("journal", "after", market=market, seq=0, limit=1)
    check("journal", "head", market=market)
    check("snapshot_store", "put", market=market, seq=3, blob=b"book")
    check("snapshot_store", "newest", market=market)
    check("snapshot_store", "get", market=market, seq=3)
