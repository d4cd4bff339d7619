"""Holds what an operation answered against the OpenAPI document: success and error, field by field and code by code."""

import json
import re
from functools import cache

import jsonschema_rs

from cdk.operations import BY_NAME, DEFAULT_PATH, Door, Route
from openapi.document import FILE


@cache
def document() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def check_answer(name: str, *, method: str, path: str, parameters: set[str], status: int, body: object) -> None:
    """`path` may be a test's shorthand that no route has: the parameters and the method then say which routes are meant. One of
    them must document this answer."""
    routes = [route for route in BY_NAME[name].routes if route.path != DEFAULT_PATH]
    if not routes:
        return  # what no route takes is in no document
    said = [route for route in routes if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path)]
    meant = said or [route for route in routes if set(re.findall(r"{(\w+)}", route.path)) == parameters] or routes
    meant = [route for route in meant if route.method == method] or meant
    if status == 401 and all(route.doors == (Door.APPLICATION,) for route in meant):
        return  # without a token its gateway had answered, and no function been called
    troubles = [trouble_of(route, status, body) for route in meant]
    assert None in troubles, (name, status, body, troubles)


def trouble_of(route: Route, status: int, body: object) -> str | None:
    """What the document has against this answer of the route."""
    validator = _validator(route.path, route.method.lower(), status)
    if validator is None:
        return f"{route.key} documents no {status}"
    return next((f"{route.key}: {error.message} at {list(error.instance_path)}" for error in validator.iter_errors(body)), None)


@cache
def _validator(path: str, method: str, status: int) -> "jsonschema_rs.Draft202012Validator | None":
    response = document()["paths"][path][method]["responses"].get(str(status))
    if response is None:
        return None
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"].get("application/json", {"schema": {}})["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": document()["components"]}, validate_formats=True)
