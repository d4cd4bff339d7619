"""The examples of docs/API.md, executed in their order as one session on an exchange of their own, and their answers compared.

What is the same on every new exchange is on the page as it comes: prices, sizes, fees, sequences. An id, a key, a hash or a
secret is another one each time: the value on the page stands for the one that came where it was first shown, in every later
command and answer. A time stands for any time. What is read before the exchange has got there is read again.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from e2e.conftest import Exchange

from cdk.operations import OPERATIONS
from local.addresses import REPOSITORY

pytestmark = pytest.mark.slow

SECTION = (REPOSITORY / "docs" / "API.md").read_text(encoding="utf-8").partition("\n## Examples\n")[2].partition("\n## ")[0]
# Of what another value comes each time. The first that fits says what a text is.
KINDS = {"time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
         "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "hex": re.compile(r"[0-9a-f]{32,}"),
         "secret": re.compile(r"[A-Za-z0-9+/]{80,}={0,2}"), "branch of a tree": re.compile("left|right")}
# Likewise, by their names: ids and words of no form of their own, and how many entries a journal has, which grow with the time.
DRAWN = {"request_id": str, "passphrase": str, "seq": int}
# One of each group of operations, at least.
SHOWN = {"GET /products/{product_id}/book", "GET /products/{product_id}/ticker", "GET /products/{product_id}/candles",
         "POST /orders", "POST /orders/batch", "PUT /orders/{order_id}", "GET /orders/{order_id}", "DELETE /orders",
         "POST /orders/cancel-after", "GET /fills", "GET /accounts/{account_id}/holds", "GET /accounts/{account_id}/ledger",
         "GET /transfers/{transfer_id}", "POST /withdrawals/payment-method", "POST /api-keys", "GET /api-keys",
         "DELETE /api-keys/{key}", "GET /products/{product_id}/events", "GET /proof", "GET /proof/{currency}"}
SETTLES_WITHIN_S = 150  # a withdrawal is sent by a schedule of every minute


def steps() -> Iterator[tuple[str, str, str]]:
    """(`bash` or `python`, what is run, what it prints) in the page's order."""
    for language, text, printed in re.findall(r"```(console|python)\n(.*?)```(?:\n\n```json\n(.*?)```)?", SECTION, re.S):
        if language == "python":
            yield "python", text, printed
            continue
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            lines = part.splitlines()
            more = next((index for index, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
            yield "bash", "\n".join([lines[0], *(line[2:] for line in lines[1:more])]), "\n".join(lines[more:])


class Bash:
    """One shell for the whole page, so that its variables and functions stay."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY,
            env={**os.environ, **environment})

    def run(self, command: str) -> str:
        """What it prints. AssertionError where it fails."""
        self._process.stdin.write(f"{command}\nprintf '\\nEND %s\\n' $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while not (line := self._process.stdout.readline()).startswith("END "):
            assert line, ("the shell ended", lines)
            lines.append(line)
        assert line == "END 0\n", (command, lines)
        return "".join(lines).strip()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def kind_of(text: str) -> str | None:
    return next((name for name, pattern in KINDS.items() if pattern.fullmatch(text)), None)


def difference(shown: object, came: object, stands_for: dict[str, str]) -> str | None:
    """Where an answer is not the page's; `stands_for` gets what the page's own values stand for."""
    if isinstance(shown, dict) and isinstance(came, dict):
        if list(shown) != list(came):
            return f"fields {list(shown)}, came {list(came)}"
        return next((f"{name}: {found}" for name in shown if not isinstance(came[name], DRAWN.get(name, ()))
                     and (found := difference(shown[name], came[name], stands_for))), None)
    if isinstance(shown, list) and isinstance(came, list):
        if len(shown) != len(came):
            return f"{len(shown)} rows, came {len(came)}"
        return next((found for pair in zip(shown, came, strict=True) if (found := difference(*pair, stands_for))), None)
    if isinstance(shown, str) and isinstance(came, str):
        kind = kind_of(shown)
        if kind == "time" and kind_of(came) == kind:
            return None
        if kind is not None and kind_of(came) == kind and stands_for.setdefault(shown, came) == came:
            return None
    is_time = all(isinstance(value, int | float) and 1.6e9 < value < 4e9 for value in (shown, came))
    return None if shown == came or is_time else f"{shown!r}, came {came!r}"


def check(shown: str, run: Callable[[], str], stands_for: dict[str, str], within_s: float) -> str:
    """The answer, once it is the page's."""
    deadline = time.monotonic() + within_s
    while True:
        came, found = run(), dict(stands_for)
        trouble = difference(json.loads(shown), json.loads(came), found)
        if trouble is None:
            stands_for |= found
            return came
        assert time.monotonic() < deadline, (trouble, shown, came)
        time.sleep(0.2)


@pytest.mark.parametrize(("shown", "came", "trouble"), [
    ({"id": "d3d425e6-601d-423f-9db8-cdd03cb9cd29"}, {"id": "c24cca26-dc24-4d7d-aa3d-1539ac1364d7"}, None),
    ({"at": "2026-11-26T01:36:36.491000Z", "seq": 3}, {"at": "2027-01-01T00:00:00Z", "seq": 8}, None),
    (["aea375c4-6012-4fcd-a1ce-ef1e0b3af003"] * 2,
     ["aea375c4-6012-4fcd-a1ce-ef1e0b3af003", "c24cca26-dc24-4d7d-aa3d-1539ac1364d7"], "aea375c4"),
    ({"price": "1.00"}, {"price": "1.01"}, "price: '1.00'"), ({"code": "not_found"}, {"code": "order_not_found"}, "code"),
    ({"trade_id": 1}, {"trade_id": 2}, "trade_id"), ({"seq": 1}, {"seq": "1"}, "seq"),
    ([[1795651200, 5]], [[1795651260, 5]], None),
    ({"price": "1.00"}, {"price": "1.00", "size": "1"}, "fields"), ([1, 2], [1], "2 rows"), ("left", "middle", "left")])
def test_what_differs_is_found(shown: object, came: object, trouble: str | None) -> None:
    found = difference(shown, came, {})
    assert found is None if trouble is None else trouble in found


@pytest.mark.timeout(600)
def test_the_session_of_the_page(start_exchange: Callable[..., Exchange]) -> None:
    exchange = start_exchange()
    doors = {"localhost:8080": exchange.application, "localhost:8081": exchange.trading}
    bash, stands_for, called = Bash({"DATA": str(exchange.data)}), {}, []
    try:
        for language, command, printed in steps():
            here = command
            for shown, came in {**stands_for, **{f"http://{door}": url for door, url in doors.items()}, **doors}.items():
                here = here.replace(shown, came)
            if language == "python":
                key = exchange.api_key(bash.run("echo $ALICE"))
                here = f"key, secret, passphrase = {key.key!r}, {key.secret!r}, {key.passphrase!r}\n{here}"
                here = f"{sys.executable} - <<'PAGE'\n{here}PAGE"
            if printed:
                reads = language == "bash" and not re.search(" -d | -X |make ", command)
                check(printed, lambda here=here: bash.run(here), stands_for, SETTLES_WITHIN_S if reads else 0)
            else:
                assert bash.run(here) == "", command
            called += [(language, command)]
    finally:
        bash.close()
    routes = set()
    for language, command in called:
        path = re.search(r"(?:localhost:808\d|(?:^|\s)(?:alice|bob) )'?(/[^?'\s]*)", command)
        if language == "bash" and path:
            method = re.search(r" -X (\w+)", command)
            method = method[1] if method else "POST" if " -d " in command else "GET"
            routes |= {route.key for operation in OPERATIONS for route in operation.routes
                       if route.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path[1])}
    assert routes >= SHOWN, SHOWN - routes
    assert sum(language == "python" for language, _ in called) == 1
