"""A function that lacks a right fails here as it would in the cloud: a right is taken out of the running exchange's plan, and
the function is called with it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from e2e.conftest import Exchange

from cdk import operations
from cdk.operations import BY_NAME
from local.addresses import REPOSITORY


def environment(exchange: Exchange) -> dict[str, str]:
    """That of its functions."""
    return psutil.Process(exchange.pids["exchange-sandbox-feed_push"]).environ()


def call(exchange: Exchange, plan: dict, operation: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Calls it as a deploy calls a function: once, in a process of its own."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    return subprocess.run(
        [sys.executable, "-m", "local.once", "--plan", str(file), "--function", f"exchange-sandbox-{operation}"],
        cwd=REPOSITORY, env=environment(exchange), capture_output=True, text=True, timeout=120)


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


HALT = """
import sys
from pathlib import Path
from botocore.exceptions import ClientError
from local.plan import read_plan
from local.worker import bounded_handlers

plan = read_plan(Path(sys.argv[1]))
handlers = bounded_handlers(plan)
for name in sys.argv[2:]:
    handlers.enter(name)
    from exchange.adapters import market_status
    from exchange.adapters.halt import halt_market
    market = plan.functions[name].environment.get("MARKET", "SOL-USD")
    handlers.enter("")  # the test itself makes the market whole, so that there is something to halt
    market_status._Row(market).delete()
    handlers.enter(name)
    halt_market(market, f"found by {name}")
    if market != "SOL-USD":
        try:
            halt_market("SOL-USD", "of another market")
            sys.exit(f"{name} may halt another market")
        except ClientError as refused:
            assert "is not authorized to perform: sqs:sendmessage on resource" in str(refused), refused
    print(name)
"""


def test_whoever_finds_a_broken_invariant_may_halt_the_market(start_exchange: Callable[..., Exchange]) -> None:
    """No other test here breaks one in each of these functions: each halts as if it had found one."""
    exchange = start_exchange()
    plan = exchange.data / "plan.json"
    names = [name for name, function in json.loads(plan.read_text())["functions"].items()
             if BY_NAME[function["operation"]].uses >= operations.HALT]
    assert len(names) > 8
    done = subprocess.run([sys.executable, "-c", HALT, str(plan), *names], cwd=REPOSITORY, env=environment(exchange),
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, names), done.stderr
    for market in exchange.markets:
        assert exchange.get(f"/products/{market}")["trading_disabled"] is True
