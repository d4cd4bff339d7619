"""Each benchmark starts by itself, with nothing but its command."""

import subprocess
import sys

import pytest

from local.addresses import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["core", "fanout", "ledger", "mixed", "orders"])
def test_it_says_what_it_takes(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", f"bench.{name}", "--help"], capture_output=True, text=True, cwd=REPOSITORY,
                          env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr
