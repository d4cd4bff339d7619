"""The OpenAPI document is that of the source, complete, and consistent in itself."""

import json
import re

import pytest

from cdk.operations import DEFAULT_PATH, OPERATIONS, Door
from exchange.adapters.aws.metrics import FUNCTION_METRICS
from openapi import models, operators, table
from openapi.document import FILE, as_text, document
from openapi.reading import read_handler
from tests.unit.test_docs import produced_codes

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
        assert {"200", "400", "429", "500", "503"} <= shown["responses"].keys()
        assert route.public or {"401", "403"} <= shown["responses"].keys()
        assert shown["summary"] and shown["description"], operation.name
        assert {p["name"] for p in shown.get("parameters", []) if p["in"] == "path"} == set(re.findall(r"{(\w+)}", route.path))


def test_references_lead_somewhere(made):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(made))):
        at = made
        for part in reference.split("/"):
            at = at[part]


def test_every_route_has_an_answer_model_and_every_body_one():
    """Closed ones, down to the last field: what is not in the document is not answered."""
    keys = {route.key for _, route in ROUTES}
    assert table.ANSWERS.keys() == keys
    assert table.BODIES.keys() <= keys and table.BODIES.keys() >= table.OPTIONAL_BODIES
    for operation in OPERATIONS:
        keys = {route.key for route in operation.routes if route.path != DEFAULT_PATH}
        if keys and read_handler(operation.name).has_body:
            assert keys & table.BODIES.keys(), operation.name
    for model in table.all_models():
        assert issubclass(model, models.Body) or model.model_config["extra"] == "forbid", model


def codes(made, key: str, status: int) -> set[str]:
    method, _, path = key.partition(" ")
    reference = made["paths"][path][method.lower()]["responses"][str(status)]["$ref"].rpartition("/")[2]
    return codes_in(made["components"]["responses"][reference])


def codes_in(response) -> set[str]:
    return set(response["content"]["application/json"]["schema"]["properties"]["code"]["enum"])


def test_error_codes_are_read_from_what_the_handlers_reach(made):
    """One of each way: raised in the handler, in the layer, put together of a field's name, by an adapter, caught and given as
    an item's answer, by the door, by the gateway; and none that is of other operations."""
    assert codes(made, "GET /time", 400) == {"invalid_body"}
    assert codes(made, "GET /products/{product_id}/book", 400) == {"invalid_body", "bad_query", "answer_too_large"}
    assert "404" not in made["paths"]["/products"]["get"]["responses"]
    assert codes(made, "POST /orders/cancel-after", 400) == {"invalid_body", "invalid_json", "invalid_timeout"}
    placing = codes(made, "POST /orders", 400)
    assert {"insufficient_funds", "stop_price_too_precise", "invalid_stp", "cancel_only", "limit_only",
            "account_frozen"} <= placing
    assert not placing & {"order_not_found", "invalid_batch", "amend_in_progress"}
    assert {"amend_in_progress", "order_not_open"} <= codes(made, "PUT /orders/{order_id}", 400)
    assert codes(made, "POST /orders/batch", 400) == {"invalid_body", "invalid_json", "invalid_batch", "account_frozen"}
    items = set(made["paths"]["/orders/batch"]["post"]["x-item-codes"])
    assert placing - items == {"invalid_body", "account_frozen"} and items - placing >= {"order_not_found", "unavailable"}
    assert codes(made, "POST /api-keys", 401) == {"unauthorized", "token_invalid"}
    assert {"invalid_signature", "address_not_allowed", "token_invalid"} <= codes(made, "GET /fills", 401)
    assert codes(made, "POST /custody/notices", 401) == {"invalid_notice_signature", "notice_expired"}
    assert codes(made, "GET /proof", 404) == {"no_proof"}
    assert "outcome_unknown" in codes(made, "POST /orders", 503)


def test_every_error_code_belongs_to_an_operation(made):
    found = {code for response in made["components"]["responses"].values() for code in codes_in(response)}
    items = {code for methods in made["paths"].values() for shown in methods.values() for code in shown.get("x-item-codes", ())}
    assert found - {"unauthorized"} | items == produced_codes()


def test_queries_and_bodies_are_read_from_the_handlers():
    orders = read_handler("api_list_orders")
    assert {"status", "product_id", "limit", "before", "after", "start_date", "end_date", "sortedBy",
            "sorting"} <= orders.query.keys()
    assert orders.query["sorting"]["enum"] == ["asc", "desc"] and orders.is_paged
    assert read_handler("api_get_book").query["level"] == {"type": "integer", "default": 1, "minimum": 1, "maximum": 3}
    assert {"granularity", "start", "end"} <= read_handler("api_list_candles").query.keys()
    assert read_handler("api_place_orders").has_body and read_handler("api_place_order").bucket == "orders"


def test_figures_that_only_the_cloud_has_are_those_of_the_source():
    assert set(operators.FunctionFigures.model_fields) == {"function", *FUNCTION_METRICS}


def test_no_order_field_is_forgotten():
    """What `parse_order` reads and what the model names are the same."""
    source = (FILE.parents[2] / "layers/exchange/python/exchange/order_terms.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:given, |given\.get\(|in given)"?"(\w+)"', source)) | set(re.findall(r'"(\w+)" in given', source))
    assert read <= models.NewOrder.model_fields.keys()
    assert document()["components"]["schemas"]["NewOrder"]["required"] == ["product_id", "side"]


def examples() -> list[tuple[str, object]]:
    """(route, JSON) of each example in the table of docs/API.md."""
    section = (FILE.parents[2] / "docs" / "API.md").read_text(encoding="utf-8").partition("\n## Routes\n")[2]
    found = []
    for line in section.partition("\n### ")[0].splitlines():
        if line.startswith("| `"):
            cells = line.split("|")
            keys = re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]*)`", cells[1])
            for text in re.findall(r"(?<!`: )`([\[{].*?)`(?=[:;., ]|$)", "|".join(cells[4:])):
                if not text.startswith(("[time", "[price")):
                    found.append((keys[min(len(found) and found[-1][0] == keys[0], len(keys) - 1)], json.loads(text)))
    return found


@pytest.mark.parametrize(("key", "example"), examples(), ids=[f"{key} {number}" for number, (key, _) in enumerate(examples())])
def test_the_examples_of_the_page_have_fields_that_are_answered(made, key, example):
    """Shortened ones leave fields out, and `...` stands for any value; none names a field or a type that does not come."""
    method, _, path = key.partition(" ")
    schema = made["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    assert fits(made, schema, example) is None


def fits(made, schema, example) -> str | None:
    """What of the example the schema does not know."""
    if "$ref" in schema:
        return fits(made, made["components"]["schemas"][schema["$ref"].rpartition("/")[2]], example)
    if "anyOf" in schema:
        troubles = [fits(made, one, example) for one in schema["anyOf"]]
        return None if None in troubles else troubles[0]
    if example == "...":
        return None
    if isinstance(example, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, value in example.items():
            if name in known or others:
                trouble = fits(made, known.get(name, others), value)
            else:
                trouble = None if name == "..." else "unknown"
            if trouble is not None:
                return f"{name}: {trouble}"
        return None
    if isinstance(example, list):
        return next((trouble for value in example if (trouble := fits(made, schema["items"], value))), None)
    types = {str: "string", bool: "boolean", int: ("integer", "number"), float: "number"}[type(example)]
    if schema.get("type") not in types:
        return f"{example!r} is no {schema.get('type')}"
    shown = str(example).removesuffix("...")
    if "enum" in schema and example not in schema["enum"]:
        return f"{example!r} is none of {schema['enum']}"
    return None if "..." in str(example) or "pattern" not in schema or re.search(schema["pattern"], shown) else f"{example!r}"
