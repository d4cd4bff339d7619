"""The OpenAPI document is that of the source, complete, and consistent in itself."""

import json
import re

import pytest

from cdk.operations import DEFAULT_PATH, OPERATIONS, Door
from openapi import models
from openapi.document import FILE, as_text, document
from openapi.reading import read_handler

# Whose answers all have a model, by the first word of their path.
MODELLED = {"time", "currencies", "orders", "fills", "fees", "profiles", "users", "payment-methods"}
ROUTES = [(operation, route) for operation in OPERATIONS for route in operation.routes if route.path != DEFAULT_PATH]


@pytest.fixture(scope="module")
def made():
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_the_checked_in_document_is_that_of_the_source():
    assert FILE.read_text(encoding="utf-8") == as_text(), "make openapi"


def test_every_route_is_there_with_its_doors_scope_and_errors(made):
    assert {(path, method.upper()) for path, methods in made["paths"].items() for method in methods} == {
        (route.path, route.method) for _, route in ROUTES}
    ids = [shown["operationId"] for methods in made["paths"].values() for shown in methods.values()]
    assert len(set(ids)) == len(ids)
    for operation, route in ROUTES:
        shown = made["paths"][route.path][route.method.lower()]
        assert shown["x-doors"] == [door.value for door in Door if door in route.doors], route.key
        assert (shown["x-scope"] == "public") == route.public and ("security" in shown) == (not route.public), route.key
        assert {"200", "400", "404", "429", "503"} <= shown["responses"].keys()
        assert route.public or {"401", "403"} <= shown["responses"].keys()
        assert shown["summary"] and shown["description"], operation.name
        assert {p["name"] for p in shown.get("parameters", []) if p["in"] == "path"} == set(re.findall(r"{(\w+)}", route.path))


def test_references_lead_somewhere(made):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(made))):
        at = made
        for part in reference.split("/"):
            at = at[part]


def test_models_are_of_routes_that_exist():
    assert [route.key for _, route in ROUTES if route.path.split("/")[1] in MODELLED and route.key not in models.ANSWERS] == []
    assert models.ANSWERS.keys() <= {route.key for _, route in ROUTES}
    assert models.BODIES.keys() <= {operation.name for operation in OPERATIONS}


def test_queries_and_bodies_are_read_from_the_handlers():
    orders = read_handler("api_list_orders")
    assert {"status", "product_id", "limit", "before", "after", "start_date", "end_date", "sortedBy",
            "sorting"} <= orders.query.keys()
    assert orders.query["sorting"]["enum"] == ["asc", "desc"] and orders.is_paged
    assert read_handler("api_get_book").query["level"] == {"type": "integer", "default": 1, "minimum": 1, "maximum": 3}
    assert {"granularity", "start", "end"} <= read_handler("api_list_candles").query.keys()
    assert read_handler("api_place_orders").has_body and read_handler("api_place_order").bucket == "orders"


def test_no_order_field_is_forgotten():
    """What `parse_order` reads and what the model names are the same."""
    source = (FILE.parents[2] / "layers/exchange/python/exchange/order_terms.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:given, |given\.get\(|in given)"?"(\w+)"', source)) | set(re.findall(r'"(\w+)" in given', source))
    assert read <= models.NewOrder.model_fields.keys()
    assert document()["components"]["schemas"]["NewOrder"]["required"] == ["product_id", "side"]
