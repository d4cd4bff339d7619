"""docs/CLIENTS.md: each of its examples is run as it stands, with this exchange's URLs for the page's."""

import json
import re
import subprocess
import sys

import pytest
from e2e.clients.driving import HERE, PYTHON

from bench.client import Key
from bench.exchange import RunningExchange as Exchange
from local.addresses import REPOSITORY

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "CLIENTS.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
EXAMPLES = {name: re.findall(r"^```(python|javascript)\n(.*?)^```", text, re.M | re.S) for name, text in SECTIONS.items()}
OF_THE_MAIN_ENVIRONMENT = {"ccxt", "ccxt.pro"}
PRINTED = dict.fromkeys(("coinbasepro", "cbpro", "copra", "coinbase-pro-node", "coinbase-api"), "10.00000000\n") | {
    "ccxt": "100000.0\n", "ccxt.pro": "BTC/USD [", "ccxt.js": "100000\n", "coinbase-pro": "10.00000000\nsubscriptions\n"}


def test_every_client_of_the_table_has_an_example() -> None:
    named = set(re.findall(r"^\| \[([\w.-]+)\]", PAGE, re.M))
    assert named == set(PRINTED) == {name for name, examples in EXAMPLES.items() if examples}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_example(exchange: Exchange, key: Key, name: str) -> None:
    (language, code), = EXAMPLES[name]
    code = code.replace("http://127.0.0.1:8081", exchange.trading).replace("ws://127.0.0.1:8082", exchange.websocket)
    assigned = {"key": key.key, "secret": key.secret, "passphrase": key.passphrase}
    if language == "python":
        python = sys.executable if name in OF_THE_MAIN_ENVIRONMENT else str(PYTHON)
        code = "".join(f"{variable} = {value!r}\n" for variable, value in assigned.items()) + code
        command = [python, "-"]
    else:
        code = "".join(f"const {variable} = {json.dumps(value)};\n" for variable, value in assigned.items()) + code
        command = ["node", "--input-type=module", "-"]
    run = subprocess.run(command, input=code, capture_output=True, text=True, timeout=60, cwd=HERE / "node")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(PRINTED[name]), (run.stdout, run.stderr)
