"""What a worker does around a handler: its environment, its context, and its answer as Lambda would take it."""

import json
import os
import time
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest

from local.plan import FunctionPlan
from local.worker import Handlers, LambdaContext, encode_result

ANSWER = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": '{"a":"é\\n"}', "isBase64Encoded": False}


def function(name: str, environment: dict[str, str]) -> FunctionPlan:
    return FunctionPlan(**{field: SimpleNamespace() for field in FunctionPlan.__dataclass_fields__} | {
        "name": name, "environment": environment, "memory_mb": 512, "folder": "/nowhere", "handler": "handler.f",
        "arn": "arn:x"})


@pytest.mark.parametrize("result", [
    ANSWER, {**ANSWER, "headers": {}}, {**ANSWER, "body": "\ud800"}, {**ANSWER, "cookies": ["a=b"]},
    {**ANSWER, "statusCode": "200"}, {**ANSWER, "headers": None}, {**ANSWER, "headers": {"x": 1}},
    {**ANSWER, "headers": {1: "x"}}, {**ANSWER, "body": None},
    {**ANSWER, "statusCode": 2**70}, {}, None, [], "text", {"batchItemFailures": []}, {1: 2}, {"a": (1, float("nan"))}])
def test_an_answer_reads_as_with_lambdas_encoder(result: object) -> None:
    assert repr(json.loads(encode_result(result))) == repr(json.loads(json.dumps(result)))


@pytest.mark.parametrize("value", [Decimal(1), datetime(2026, 1, 2, tzinfo=UTC), uuid4(), b"bytes", {1, 2}])
def test_what_lambda_refuses_is_refused(value: object) -> None:
    for result in (value, {**ANSWER, "body": value}, {**ANSWER, "headers": {"x": value}}, {**ANSWER, "isBase64Encoded": value}):
        with pytest.raises(TypeError):
            encode_result(result)


def test_a_function_has_its_environment_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMON", "kept")
    monkeypatch.delenv("TABLE", raising=False)
    one, two = function("one", {"TABLE": "ä", "COMMON": "own"}), function("two", {"QUEUE": "q"})
    before = dict(os.environ)
    handlers = Handlers(SimpleNamespace(functions={"one": one, "two": two}))
    for _ in range(2):
        handlers.enter("one")
        assert (os.environ["TABLE"], os.environ["COMMON"], "QUEUE" in os.environ) == ("ä", "own", False)
        assert (os.environ["AWS_LAMBDA_FUNCTION_NAME"], os.environ["_HANDLER"]) == ("one", "handler.f")
        handlers.enter("two")
        assert (os.environ["QUEUE"], os.environ["COMMON"], "TABLE" in os.environ) == ("q", "kept", False)
    handlers.enter("")
    assert dict(os.environ) == before


def test_the_context() -> None:
    context = LambdaContext(function("one", {}), "request-1", 0)
    assert (context.function_name, context.memory_limit_in_mb, context.invoked_function_arn) == ("one", "512", "arn:x")
    assert (context.aws_request_id, context.log_group_name) == ("request-1", "/aws/lambda/one")
    assert context.get_remaining_time_in_millis() == 0
    assert LambdaContext(function("one", {}), "request-1", 2**60).get_remaining_time_in_millis() > 0
    assert LambdaContext(function("one", {}), "request-1", 2**60, lambda: True).get_remaining_time_in_millis() == 0


def test_the_time_that_is_left_is_not_the_wall_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    context = LambdaContext(function("one", {}), "request-1", int(time.time() * 1000) + 10_000)
    real = time.time
    for step in (-3600, 3600):
        monkeypatch.setattr(time, "time", lambda step=step: real() + step)
        assert 5_000 < context.get_remaining_time_in_millis() <= 10_000
