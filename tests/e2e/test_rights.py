"""A function that lacks a right fails here as it would in the cloud: a right is taken out of the running exchange's plan, and
the function is called with it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from e2e.conftest import Exchange

from local.addresses import REPOSITORY


def call(exchange: Exchange, plan: dict, operation: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Calls it as a deploy calls a function: once, in a process of its own."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    consumer = exchange.pids["exchange-sandbox-feed_push"]
    own = {name: value for name, value in psutil.Process(consumer).environ().items() if name != "PYTEST_CURRENT_TEST"}
    return subprocess.run(
        [sys.executable, "-m", "local.once", "--plan", str(file), "--function", f"exchange-sandbox-{operation}"],
        cwd=REPOSITORY, env=own | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=120)


ENDS = "assumed-role/Exchange-sandbox-Trading-[A-Za-z0-9]*/exchange-sandbox-{} is not authorized to perform: {} on resource: {}"


@pytest.mark.parametrize(("operation", "right", "words"), [
    ("engine_send_ticks", "sqs:SendMessage",
     r"\(AccessDenied\) when calling the SendMessage operation: User: arn:aws:sts::000000000000:"
     + ENDS.format("engine_send_ticks", "sqs:sendmessage", "arn:aws:sqs:us-east-1:000000000000:exchange-sandbox-commands-")),
    ("audit_measure_markets", "dynamodb:Query",
     r"\(AccessDeniedException\) when calling the Query operation: User: .*"
     + ENDS.format("audit_measure_markets", "dynamodb:Query", ".*:table/exchange-sandbox-journal because no identity")),
    ("feed_sweep_connections", "dynamodb:Scan",
     r"\(AccessDeniedException\)(.|\n)* when calling the Scan operation.*"
     + ENDS.format("feed_sweep_connections", "dynamodb:Scan", ".*:table/exchange-sandbox-connections")),
    ("audit_measure_markets", "rds-db:connect", "DatabaseUnavailable: .*PAM authentication failed"),
])
def test_a_right_that_is_taken_away_is_missed(exchange: Exchange, tmp_path: Path, operation: str, right: str,
                                              words: str) -> None:
    plan = json.loads((exchange.data / "plan.json").read_text())
    assert call(exchange, plan, operation, tmp_path).returncode == 0
    function = plan["functions"][f"exchange-sandbox-{operation}"]
    taken = 0
    for statement in function["statements"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [action for action in actions if action != right]
        taken += len(actions) - len(statement["Action"])
    assert taken == 1
    done = call(exchange, plan, operation, tmp_path)
    assert done.returncode == 1
    assert re.search(words, done.stderr), done.stderr


def test_a_service_without_an_endpoint_in_the_vpc_does_not_answer(exchange: Exchange, tmp_path: Path) -> None:
    plan = json.loads((exchange.data / "plan.json").read_text())
    reaches = plan["functions"]["exchange-sandbox-audit_measure_markets"]["reaches"]
    assert reaches == ["dynamodb", "kms", "monitoring", "s3", "sqs"]
    reaches.remove("dynamodb")
    done = call(exchange, plan, "audit_measure_markets", tmp_path)
    assert done.returncode == 1
    assert "Connect timeout on endpoint URL" in done.stderr and "has no endpoint for dynamodb" in done.stdout
