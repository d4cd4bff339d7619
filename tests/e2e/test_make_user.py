"""`make user` and what else a person calls by hand: what is printed, also when it is called again or wrongly."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from e2e.conftest import Exchange
from e2e.waiting import eventually

from local.addresses import REPOSITORY


def local(exchange: Exchange | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    data = exchange if isinstance(exchange, Path) else exchange.data
    done = subprocess.run([sys.executable, "-m", "local", *arguments, "--data", str(data)], cwd=REPOSITORY, capture_output=True,
                          text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_user_again(exchange: Exchange) -> None:
    """Again with the password: another token and key of the same user, whom the faucet has given all it gives."""
    email = f"{uuid4().hex[:12]}@example.com"
    made = local(exchange, "user", "--email", email, "--faucet")
    assert made.returncode == 0, made.stderr
    first = json.loads(made.stdout)
    assert first["faucet"]["USD"] and first["email"] == email
    again = local(exchange, "user", "--email", email, "--faucet")
    assert again.returncode == 1 and f"There is a user {email}" in again.stderr and "PASSWORD=" in again.stderr
    wrong = local(exchange, "user", "--email", email, "--faucet", "--password", "Wrong-password-1")
    assert wrong.returncode == 1 and "was not signed in" in wrong.stderr
    second = json.loads(local(exchange, "user", "--email", email, "--faucet", "--password", first["password"]).stdout)
    assert second["user_id"] == first["user_id"] and second["faucet"] == {}
    assert second["api_key"]["key"] != first["api_key"]["key"]
    balances = {row["currency"]: row["available"] for row in exchange.get("/accounts", second["access_token"])}
    assert float(balances["USD"]) == float(first["faucet"]["USD"])


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.com"])
@pytest.mark.parametrize("command", ["user", "operator"])
def test_what_is_no_address(exchange: Exchange, command: str, email: str) -> None:
    done = local(exchange, command, "--email", email)
    assert done.returncode == 1 and not done.stdout and "was not signed up" in done.stderr


def test_a_password_that_the_pool_refuses(exchange: Exchange) -> None:
    done = local(exchange, "user", "--email", f"{uuid4().hex[:12]}@example.com", "--password", "short")
    assert done.returncode == 1 and "was not signed up" in done.stderr


def test_a_market_that_is_not_listed_is_told_at_once(exchange: Exchange) -> None:
    done = local(exchange, "rebuild-views", "--market", "BTC-XXX")
    assert done.returncode == 1 and "BTC-XXX is not listed" in done.stdout


@pytest.mark.parametrize("arguments", [("user", "--email", "a@example.com"), ("operator", "--email", "a@example.com"),
                                       ("proof",), ("rebuild-views",)], ids=lambda arguments: arguments[0])
def test_where_nothing_runs(exchange: Exchange, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Also where an exchange was killed that said last that it is ready."""
    assert f"No exchange is running on {tmp_path}" in local(tmp_path, *arguments).stderr
    (tmp_path / "run.json").write_text((exchange.data / "run.json").read_text())
    (tmp_path / "lock").touch()
    done = local(tmp_path, *arguments)
    assert done.returncode == 1 and f"No exchange is running on {tmp_path}" in done.stderr


def with_nobody_reading(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As in `make user | true`."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([sys.executable, "-m", "local", *arguments], cwd=REPOSITORY, stdout=writes, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    os.close(writes)
    return done


def test_a_user_whose_credentials_nobody_reads(exchange: Exchange) -> None:
    """The command ends as others do that write to a closed pipe, without a word; what it made is there."""
    arguments = ("user", "--email", f"{uuid4().hex[:12]}@example.com")
    done = with_nobody_reading(*arguments, "--data", str(exchange.data))
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
    assert "There is a user" in local(exchange, *arguments).stderr


def test_a_start_that_nobody_watches_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / "unwatched"
    done = with_nobody_reading("run", "--data", str(data), "--ports", "free")
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
    run = json.loads((data / "run.json").read_text())
    assert run["state"] == "failed" and not run["pids"]
    eventually(lambda: not subprocess.run(["pgrep", "-f", str(data)], capture_output=True, text=True).stdout.split())
