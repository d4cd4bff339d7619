"""The OpenAPI 3.1 document: one path per route of the table, the same for both doors; `x-doors` says which serve it."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from cdk.operations import DEFAULT_PATH, OPERATIONS, Door, Operation, Route
from openapi import table
from openapi.codes import codes_of
from openapi.models import Answer, Body
from openapi.reading import Reading, read_handler

FILE = Path(__file__).resolve().parent.parent / "functions" / "api_get_openapi" / "openapi.json"
REF = "#/components/schemas/{model}"

TOKEN = {"token": []}
SIGNATURE = {"key": [], "sign": [], "timestamp": [], "passphrase": []}
SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
              "description": "Cognito access token (application door)"},
    "key": {"type": "apiKey", "in": "header", "name": "CB-ACCESS-KEY"},
    "sign": {"type": "apiKey", "in": "header", "name": "CB-ACCESS-SIGN",
             "description": "base64(HMAC-SHA256(base64-decoded secret, timestamp + METHOD + path with query + body))"},
    "timestamp": {"type": "apiKey", "in": "header", "name": "CB-ACCESS-TIMESTAMP", "description": "seconds"},
    "passphrase": {"type": "apiKey", "in": "header", "name": "CB-ACCESS-PASSPHRASE"}}

ERRORS = {400: "What was asked for is wrong or impossible", 401: "No, wrong or expired credentials",
          403: "The key or token lacks the scope", 404: "Unknown, or somebody else's", 429: "rate limit exceeded",
          500: "A bug of ours",
          503: "A service failed: try again, or look first where the outcome is unknown"}
HEADERS = {"ratelimit-limit": "requests at once", "ratelimit-remaining": "of them left",
           "ratelimit-reset": "seconds until all are there again", "x-request-id": "the request's id",
           "retry-after": "seconds", "cb-before": "cursor to newer rows", "cb-after": "cursor to older rows"}
ALWAYS, OF_PAGES = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"), ("cb-before", "cb-after")
TAGS = (("products", "Market data"), ("orders", "Orders"), ("fills", "Orders"), ("accounts", "Account"), ("admin", "Operators"),
        ("api-keys", "API keys"), ("deposits", "Wallet"), ("withdrawals", "Wallet"), ("transfers", "Wallet"),
        ("address-book", "Wallet"), ("payment-methods", "Wallet"), ("coinbase-accounts", "Wallet"), ("custody", "Wallet"),
        ("openapi", "This document"), ("docs", "This document"),
        ("currencies", "Market data"), ("time", "Market data"), ("proof", "Market data"))


def as_text() -> str:
    """The document as it is checked in."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """The document as JSON values, in the order of the table."""
    paths: dict[str, dict] = {}
    errors = _ErrorResponses()
    for operation in OPERATIONS:
        shown = [route for route in operation.routes if route.path != DEFAULT_PATH]
        reading = read_handler(operation.name) if shown else Reading()
        for route in shown:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(operation, route, reading, errors)
    return {"openapi": "3.1.0",
            "info": {"title": "Lambda Exchange", "version": "1",
                     "description": "The REST API of a spot exchange, compatible with Coinbase Exchange. Money is decimal text."
                                    " `x-doors` names the doors that serve an operation, `x-scope` what a key or token needs."
                                    " What the gateway itself refuses in the cloud has a `message` only."},
            "paths": paths,
            "components": {"schemas": _schemas(), "securitySchemes": SCHEMES, "responses": errors.shown(), "headers": {
                name: {"schema": {"type": "string"}, "description": text} for name, text in HEADERS.items()}}}


def _operation(operation: Operation, route: Route, reading: Reading, errors: "_ErrorResponses") -> dict[str, Any]:
    words = re.findall(r"[a-z0-9]+", route.path.lower())
    made: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]) + ("_slash" if route.path.endswith("/") else ""),
        "tags": [next((tag for word, tag in TAGS if route.path.startswith(f"/{word}")), "Account")],
        "summary": reading.summary, "description": reading.answer or reading.summary,
        "x-scope": reading.scope or "public", "x-bucket": "public" if route.public else reading.bucket,
        "x-doors": [door.value for door in Door if door in route.doors]}
    if operation.sandbox_only:
        made["x-sandbox-only"] = True
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)]
    query = [{"name": name, "in": "query", "schema": schema} for name, schema in reading.query.items()]
    if path or query:
        made["parameters"] = path + query
    if route.key in table.BODIES:
        made["requestBody"] = {"required": route.key not in table.OPTIONAL_BODIES,
                               "content": _json(_schema(table.BODIES[route.key]))}
    codes = codes_of(operation.name, public=route.public, doors=route.doors)
    made["responses"] = {"200": {"description": reading.answer or "The answer", "content": _answer(route),
                                 "headers": _headers(*ALWAYS, *(OF_PAGES if reading.is_paged else ()))}}
    made["responses"] |= {str(status): errors.of(status, found) for status, found in sorted(codes.by_status.items())}
    if codes.of_items:
        made["x-item-codes"] = sorted(codes.of_items)
    if not route.public:
        made["security"] = ([TOKEN] if Door.APPLICATION in route.doors else []) + (
            [SIGNATURE] if Door.TRADING in route.doors else [])
    return made


class _ErrorResponses:
    """One component for each status with each set of codes, in the order in which operations first answer them."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, frozenset[str]], str] = {}

    def of(self, status: int, codes: set[str]) -> dict:
        number = 1 + sum(known == status for known, _ in self._names)
        name = self._names.setdefault((status, frozenset(codes)), f"{status}-{number}")
        return {"$ref": f"#/components/responses/{name}"}

    def shown(self) -> dict[str, dict]:
        retry = {429: ("retry-after",), 503: ("retry-after",)}
        return {name: {"description": f"{ERRORS[status]}: {', '.join(sorted(codes))}",
                       "headers": _headers(*ALWAYS, *retry.get(status, ())), "content": _json(
                {"$ref": REF.format(model="Error"), "properties": {"code": {"enum": sorted(codes)}}})}
                for (status, codes), name in self._names.items()}


def _headers(*names: str) -> dict:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _answer(route: Route) -> dict:
    """KeyError for a route without a model."""
    answer = table.ANSWERS[route.key]
    return {table.HTML: {"schema": {"type": "string"}}} if answer == table.HTML else _json(_schema(answer))


def _schema(model: Any) -> dict:
    if isinstance(model, type) and issubclass(model, Answer | Body):
        return {"$ref": REF.format(model=model.__name__)}
    return _plain(TypeAdapter(model).json_schema(mode="validation", ref_template=REF))


def _schemas() -> dict[str, dict]:
    _, schema = models_json_schema([(model, "validation") for model in table.all_models()], ref_template=REF)
    return {name: _plain(part) for name, part in sorted(schema["$defs"].items())}


def _plain(schema: Any) -> Any:
    """Without titles, which repeat the names, and the defaults that only say that a field may be absent."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _plain(value) for key, value in schema.items() if key != "$defs"
            and not (key == "title" and isinstance(value, str)) and not (key == "default" and value in ("", None))}


def _json(schema: dict) -> dict:
    return {"application/json": {"schema": schema}}
