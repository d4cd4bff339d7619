"""Whatever the OpenAPI document lets a client send, at either door, with credentials or without: no answer is a 5xx.

schemathesis draws requests that fit the document and ones that break it. Every error has the one shape, every success the shape
that the document promises. Drawn from fixed seeds, so a failure comes again.
"""

import json
import time

import pytest
import requests
import schemathesis
from e2e.waiting import eventually
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import response_schema_conformance

from bench.exchange import RunningExchange as Exchange
from cdk.operations import OPERATIONS
from exchange.api.auth import signature
from openapi.document import FILE
from tests.documented import trouble_of

EXAMPLES = {"somebody": 3, "nobody": 1}
# What cannot be sent at all: a header or an address that the client library itself refuses.
UNSENDABLE = (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError)


class Token(requests.auth.AuthBase):
    """Credentials of the application door."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Signed(requests.auth.AuthBase):
    """Credentials of the trading door."""

    def __init__(self, key) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body, timestamp = request.body or b"", str(time.time())
        signed = signature(self._key.secret, timestamp, request.method, request.path_url,
                           body.encode() if isinstance(body, str) else body)
        request.headers.update({"CB-ACCESS-KEY": self._key.key, "CB-ACCESS-SIGN": signed,
                                "CB-ACCESS-TIMESTAMP": timestamp, "CB-ACCESS-PASSPHRASE": self._key.passphrase})
        return request


class Nobody(requests.auth.AuthBase):
    """No credentials, whatever was drawn."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name in [name for name in request.headers if name.lower() == "authorization" or name.lower().startswith("cb-")]:
            del request.headers[name]
        return request


@pytest.fixture(scope="module")
def credentials(exchange: Exchange) -> dict[str, requests.auth.AuthBase]:
    """Those of one user with money, per door."""
    token = exchange.new_user(balances={"USD": "100000", "BTC": "5"})
    return {"application": Token(token), "trading": Signed(exchange.api_key(token))}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["somebody", "nobody"])
@pytest.mark.parametrize("door", ["application", "trading"])
def test_no_request_makes_a_door_fail(exchange: Exchange, credentials: dict, door: str, who: str) -> None:
    auth = credentials[door] if who == "somebody" else Nobody()
    base = getattr(exchange, door)
    schema = schemathesis.openapi.from_dict(json.loads(FILE.read_text(encoding="utf-8")))
    seen: dict[int, int] = {}
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            if door not in operation.definition.raw["x-doors"]:
                continue
            for mode in GenerationMode:
                _drive(operation, mode, EXAMPLES[who], lambda case: _send(session, base, case, auth, seen))
    answered = sum(seen.values())
    assert answered > 50, seen
    assert who == "nobody" or seen.get(200, 0) > 20, seen
    assert who == "somebody" or seen.get(401, 0) > 20, seen


def _drive(operation, mode: GenerationMode, examples: int, send) -> None:
    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case) -> None:
        send(case)
    try:
        run()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.label  # nothing in it that could be broken


def _send(session: requests.Session, base: str, case, auth: requests.auth.AuthBase, seen: dict[int, int]) -> None:
    try:
        answer = session.request(**case.as_transport_kwargs(base_url=base), auth=auth, timeout=60)
    except UNSENDABLE:
        return
    sent = case.as_curl_command()
    seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    assert answer.status_code < 500, (sent, answer.status_code, answer.text)
    if answer.status_code >= 400:
        body = answer.json()
        assert set(body) == {"message", "code", "request_id"}, (sent, answer.text)
        assert all(isinstance(value, str) and value for value in body.values()), (sent, answer.text)
        # One of the codes that the document names for the operation; what was drawn may also be a path that no route takes.
        if body["code"] != "not_found":
            case.validate_response(answer, checks=[response_schema_conformance])
    elif case.operation.path != "/docs":
        assert answer.headers["content-type"].startswith("application/json")
        case.validate_response(answer, checks=[response_schema_conformance])


def test_what_operators_read_is_what_the_document_says(exchange: Exchange) -> None:
    """On a market that has traded, with an account, a withdrawal and an adjustment to look at."""
    token, owner = exchange.new_operator(), exchange.new_user(balances={"USD": "1000"})
    method = next(row for row in exchange.get("/payment-methods", owner) if row["currency"] == "USD")
    exchange.post("/withdrawals/payment-method", {"currency": "USD", "amount": "20", "payment_method_id": method["id"]}, owner)
    placed = exchange.post("/orders", {"product_id": "ETH-USD", "side": "buy", "price": "1", "size": "1"}, owner)
    account = exchange.get("/profiles", owner)[0]["id"]
    exchange.post("/admin/adjustments", {"account_id": account, "currency": "USD", "amount": "-1", "reason": "a test"}, token)
    eventually(lambda: exchange.get(f"/orders/{placed['id']}", owner)["status"] == "open")
    values = {"account_id": account, "product_id": "ETH-USD", "seq": "1"}
    read = set()
    for route in (route for operation in OPERATIONS for route in operation.routes):
        if route.key.startswith("GET /admin/"):
            answer = exchange.get(route.path.format(**values), token)
            assert answer and trouble_of(route, 200, answer) is None, route.key
            read.add(route.key)
    assert len(read) == 11
