"""Loading a function's handler as Lambda does: one module from its file, with the environment of the moment."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
_numbers = itertools.count()


def load_handler(name: str) -> ModuleType:
    """A fresh module of `functions/<name>/handler.py`."""
    spec = importlib.util.spec_from_file_location(f"handler_{name}_{next(_numbers)}", FUNCTIONS / name / "handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def http_event(path: str, *, query: str = "", parameters: dict | None = None, headers: dict | None = None) -> dict:
    """A GET as payload 2.0 brings it."""
    return {"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers or {},
            "pathParameters": parameters or {}, "isBase64Encoded": False,
            "requestContext": {"requestId": "request-1", "http": {"method": "GET", "sourceIp": "127.0.0.1"}}}


def socket_event(connection: str, body: str | None = None, *, base64: bool = False) -> dict:
    return {"requestContext": {"connectionId": connection, "requestId": "request-1"}, "body": body,
            "isBase64Encoded": base64}


def queue_event(*messages: tuple[str, str]) -> dict:
    """An SQS batch of (group, body)."""
    return {"Records": [{"messageId": f"m{number}", "body": body, "attributes": {"MessageGroupId": group},
                         "eventSource": "aws:sqs"} for number, (group, body) in enumerate(messages)]}
