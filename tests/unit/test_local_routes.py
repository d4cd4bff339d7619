"""Routes as the HTTP API takes them, bodies, answers, CORS, and partial batch answers."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from exchange.ports import Message
from local.consumer import first_failure, message_id, sqs_event
from local.http_door import BadAnswer, Cors, encode_body, response
from local.plan import ApiPlan, MappingPlan, RoutePlan
from local.routes import Router

ROUTES = ["GET /orders", "GET /orders/{order_id}", "DELETE /orders/{order_id}", "GET /orders/special", "POST /orders",
          "GET /accounts", "GET /accounts/", "ANY /any", "GET /any", "GET /files/{path+}", "GET /files/{name}/info",
          "GET /products/{product_id}/book"]


@pytest.mark.parametrize(("method", "path", "key", "parameters"), [
    ("GET", "/orders", "GET /orders", None), ("POST", "/orders", "POST /orders", None),
    ("GET", "/orders/1", "GET /orders/{order_id}", {"order_id": "1"}),
    ("GET", "/orders/client%3Aa%2Fb", "GET /orders/{order_id}", {"order_id": "client:a/b"}),
    ("GET", "/orders/special", "GET /orders/special", None), ("DELETE", "/orders/special", "DELETE /orders/{order_id}",
                                                              {"order_id": "special"}),
    ("GET", "/accounts/", "GET /accounts/", None), ("GET", "/orders/", None, None), ("PUT", "/orders", None, None),
    ("PUT", "/any", "ANY /any", None), ("GET", "/any", "GET /any", None), ("GET", "/orders/1/2", None, None),
    ("GET", "/files/a/b/c", "GET /files/{path+}", {"path": "a/b/c"}), ("GET", "/files/a", "GET /files/{path+}", {"path": "a"}),
    ("GET", "/files/a/info", "GET /files/{name}/info", {"name": "a"}), ("GET", "//orders", None, None),
    ("GET", "/products/BTC-USD/book", "GET /products/{product_id}/book", {"product_id": "BTC-USD"})])
def test_routes(method: str, path: str, key: str | None, parameters: dict[str, str] | None) -> None:
    router = Router(ApiPlan(id="a", door="trading", routes=[RoutePlan(key=route, function=route) for route in ROUTES]))
    match = router.match(method, path)
    assert (match.route.key if match else None) == key
    assert match is None or match.parameters == parameters


def test_the_default_route_takes_the_rest() -> None:
    router = Router(ApiPlan(id="a", door="trading", routes=[RoutePlan("$default", "f"), RoutePlan("GET /a", "g")]))
    assert router.match("GET", "/a").route.function == "g"
    assert router.match("PUT", "/x/y").route.function == "f"


@pytest.mark.parametrize(("body", "kind", "expected"), [
    (b'{"a":1}', "application/json", ('{"a":1}', False)), (b'{"a":1}', "Application/JSON; charset=utf-8", ('{"a":1}', False)),
    (b"a=1", "", ("a=1", False)), (b"a", "text/plain", ("a", False)), (b"\xff", "application/json", ("/w==", True)),
    (b"a=1", "application/x-www-form-urlencoded", ("YT0x", True)), (b"\xff", "", ("/w==", True))])
def test_bodies(body: bytes, kind: str, expected: tuple[str, bool]) -> None:
    assert encode_body(body, kind) == expected


def test_answers_of_functions() -> None:
    answer = response({"statusCode": 201, "headers": {"X-A": 1}, "body": "x", "cookies": ["a=1", "b=2"]})
    assert (answer.status, answer.body, answer.headers["X-A"]) == (201, b"x", "1")
    assert answer.for_framework().headers.getall("Set-Cookie") == answer.cookies == ["a=1", "b=2"]
    assert response({"statusCode": 200, "body": "eA==", "isBase64Encoded": True}).body == b"x"
    assert response({"any": "thing"}).body == b'{"any":"thing"}' and response("x").body == b'"x"'
    assert response({"statusCode": 200, "body": "[]"}).headers["Content-Type"] == "application/json"
    for bad in ({"statusCode": "two"}, {"statusCode": 200, "body": 5}, {"statusCode": 200, "headers": [1]}):
        with pytest.raises(BadAnswer):
            response(bad)


def test_cors_answers_listed_origins_only() -> None:
    cors = Cors({"AllowOrigins": ["https://a"], "AllowMethods": ["GET", "POST"], "MaxAge": 60, "ExposeHeaders": ["cb-after"]})
    assert cors.headers("https://a")["Access-Control-Allow-Origin"] == "https://a"
    assert cors.headers("https://b") is None and cors.headers(None) is None
    assert cors.preflight["Access-Control-Allow-Methods"] == "GET,POST" and cors.preflight["Access-Control-Max-Age"] == "60"
    assert Cors({"AllowOrigins": ["*"]}).headers("https://b") == {"Access-Control-Allow-Origin": "*"}


MESSAGES = [Message(queue="q.fifo", group="g", sequence=n, dedup_id=str(n), body=f"b{n}", receive_count=2, receipt="r")
            for n in range(1, 4)]


@pytest.mark.parametrize(("failed", "position"), [([], 3), ([2], 1), ([3], 2), ([3, 1], 0), (["unknown"], 0), ([""], 0)])
def test_what_comes_after_a_failure_counts_as_failed(failed: list[Any], position: int) -> None:
    identifiers = [message_id(MESSAGES[n - 1]) if isinstance(n, int) else n for n in failed]
    assert first_failure({"batchItemFailures": [{"itemIdentifier": n} for n in identifiers]}, MESSAGES) == position


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_answer_without_failures_is_success(answer: Any) -> None:
    assert first_failure(answer, MESSAGES) == 3


def test_a_message_has_the_same_name_at_each_delivery_and_no_other_has_it() -> None:
    again = [replace(message, receipt="another", receive_count=7) for message in MESSAGES]
    assert [message_id(message) for message in again] == [message_id(message) for message in MESSAGES]
    others = [replace(MESSAGES[0], queue="q2"), replace(MESSAGES[0], group="g2"), replace(MESSAGES[0], sequence=10**9)]
    names = [message_id(message) for message in [*MESSAGES, *others]]
    assert len(set(names)) == len(names) and [str(UUID(name)) for name in names] == names


def test_the_sqs_event() -> None:
    mapping = MappingPlan(queue="q.fifo", arn="arn:q", function="f", batch_size=10, partial_answers=True)
    first, *_ = sqs_event(mapping, MESSAGES)["Records"]
    assert first["body"] == "b1" and first["eventSource"] == "aws:sqs" and first["eventSourceARN"] == "arn:q"
    assert first["attributes"]["SequenceNumber"] == "1" and first["attributes"]["MessageGroupId"] == "g"
    assert first["attributes"]["ApproximateReceiveCount"] == "2" and first["messageId"] == message_id(MESSAGES[0])
