"""The OpenAPI 3.1 document: one path per route of the table, the same for both doors; `x-doors` says which serve it."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from cdk.operations import DEFAULT_PATH, OPERATIONS, Door, Operation, Route
from openapi import models
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
          503: "A service failed: try again, or look first where the outcome is unknown"}
LIMIT_HEADERS = {name: {"schema": {"type": "string"}, "description": text} for name, text in (
    ("ratelimit-limit", "requests at once"), ("ratelimit-remaining", "of them left"),
    ("ratelimit-reset", "seconds until all are there again"), ("x-request-id", "the request's id"))}
TAGS = (("products", "Market data"), ("orders", "Orders"), ("fills", "Orders"), ("accounts", "Account"), ("admin", "Operators"),
        ("api-keys", "API keys"), ("deposits", "Wallet"), ("withdrawals", "Wallet"), ("transfers", "Wallet"),
        ("address-book", "Wallet"), ("currencies", "Market data"), ("time", "Market data"), ("proof", "Market data"))


def as_text() -> str:
    """The document as it is checked in."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """The document as JSON values, in the order of the table."""
    paths: dict[str, dict] = {}
    for operation in OPERATIONS:
        shown = [route for route in operation.routes if route.path != DEFAULT_PATH]
        reading = read_handler(operation.name) if shown else Reading()
        for route in shown:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(operation, route, reading)
    return {"openapi": "3.1.0",
            "info": {"title": "Lambda Exchange", "version": "1",
                     "description": "The REST API of a spot exchange, compatible with Coinbase Exchange. Money is decimal text."
                                    " `x-doors` names the doors that serve an operation, `x-scope` what a key or token needs."},
            "paths": paths,
            "components": {"schemas": _schemas(), "securitySchemes": SCHEMES, "responses": {
                str(status): {"description": text, "headers": LIMIT_HEADERS,
                              "content": _json({"$ref": REF.format(model="Error")})}
                for status, text in ERRORS.items()}}}


def _operation(operation: Operation, route: Route, reading: Reading) -> dict[str, Any]:
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
    if reading.has_body or operation.name in models.BODIES:
        body = models.BODIES.get(operation.name)
        made["requestBody"] = {"required": body is not None and route.method != "DELETE", "content": _json(
            {"$ref": REF.format(model=body.__name__)} if body else {"type": "object"})}
    statuses = [400, 404, 429, 503] if route.public else list(ERRORS)
    headers = LIMIT_HEADERS if not reading.is_paged else LIMIT_HEADERS | {
        name: {"schema": {"type": "string"}, "description": "cursor"} for name in ("cb-before", "cb-after")}
    made["responses"] = {"200": {"description": reading.answer or "The answer", "headers": headers,
                                 "content": _json(_answer_schema(route))}}
    made["responses"] |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
    if not route.public:
        made["security"] = ([TOKEN] if Door.APPLICATION in route.doors else []) + (
            [SIGNATURE] if Door.TRADING in route.doors else [])
    return made


def _answer_schema(route: Route) -> dict:
    answer = models.ANSWERS.get(route.key)
    if answer is None:
        return {}
    if isinstance(answer, type) and issubclass(answer, models.Answer):
        return {"$ref": REF.format(model=answer.__name__)}
    return _plain(TypeAdapter(answer).json_schema(mode="validation", ref_template=REF))


def _schemas() -> dict[str, dict]:
    found = [value for value in vars(models).values()
             if isinstance(value, type) and issubclass(value, models.Answer | models.Body)
             and value not in (models.Answer, models.Body)]
    _, schema = models_json_schema([(model, "validation") for model in found], ref_template=REF)
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
