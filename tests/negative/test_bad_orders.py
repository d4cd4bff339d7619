"""Bad input to every private operation: the right status, the one error shape, and nothing changed in the database.

The error shape is asserted by `door_calls.Api.call` on every answer of 400 and above.
"""

import json
from uuid import uuid4

import pytest

STRANGERS_ID = "6f1c5e0a-3f0d-4f5e-9d5b-2b1a7c8e9f00"

ORDER = {"product_id": "BTC-USD", "side": "buy", "price": "100", "size": "1"}


@pytest.fixture(scope="module")
def ann(api):
    """Ann has 1000 USD, an order, and a neighbour who has the same. Shared: no test here may change a thing."""
    for user in ("ann", "bob"):
        api.fund(user, USD="1000")
        api.place(user)
    return api


BODIES = [
    (b"", "product_not_found"), (b"{", "invalid_json"), (b"[]", "invalid_json"), (b'"order"', "invalid_json"),
    (b"null", "invalid_json"), (b"\xff\xfe", "invalid_json"), (b'{"price": NaN}', "invalid_json"),
    (b'{"price": -Infinity}', "invalid_json"), (b"[" * 100_000, "invalid_json"), (b'{"a":' * 50_000, "invalid_json"),
    (b'{"price": ' + b"9" * 5000 + b"}", "invalid_json"), (b" " * 300_000, "invalid_body"),
    (b'{"price": 1e' + b"9" * 20 + b"}", "invalid_json"), (b'{"price": 0e-' + b"9" * 20 + b"}", "invalid_json"),
]


@pytest.mark.parametrize(("body", "code"), BODIES, ids=[str(body[:16]) for body, _ in BODIES])
def test_a_body_that_is_no_order(ann, body, code):
    with ann.unchanged():
        answer = ann.call("api_place_order", user="ann", method="POST", path="/orders", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)


def test_every_refused_field(ann):
    """Wrong types and out-of-range numbers in each field; one test because nothing may change over all of them."""
    hostile = ["", " ", "x", "-1", "0", "1e400", "0x10", "\u0661", "1,5", "NaN", -1, 0, 10**30, True, [], {}, ["1"], "\x00",
               "\ud800", "'; DROP TABLE orders; --"]
    fields = ["product_id", "side", "type", "price", "size", "time_in_force", "stp", "post_only", "client_oid", "stop",
              "stop_price", "stop_limit_price", "cancel_after", "expire_time", "deadline", "display_size", "max_floor", "funds"]
    harmless = {("client_oid", ""), ("post_only", True)}

    with ann.unchanged():
        for field in fields:
            for value in hostile:
                if (field, str(value)) in {(name, str(harm)) for name, harm in harmless}:
                    continue
                answer = ann.call("api_place_order", user="ann", method="POST", path="/orders", body=ORDER | {field: value})
                assert answer.status == 400, (field, value, answer.body)


@pytest.mark.parametrize(("fields", "words"), [
    ({"size": "9.9404", "price": "100"}, "Insufficient funds"),
    ({"side": "sell"}, "Insufficient funds"),
    ({"product_id": "ETH-BTC", "size": "1", "price": "0.5"}, "Insufficient funds"),
    ({"product_id": "XXX-USD"}, "Product not found"),
    ({"size": "0.0000001"}, "size too precise"),
    ({"price": "100.001"}, "price too precise"),
    ({"size": "0"}, "size is too small"),
    ({"type": "stop", "stop_price": None, "price": None}, "Invalid stop_price"),
])
def test_words_that_clients_match_on(ann, fields, words):
    with ann.unchanged():
        answer = ann.place("ann", **fields)
    assert answer.status == 400
    assert words in answer.body["message"]


@pytest.mark.parametrize("name", ["api_get_order", "api_cancel_order", "api_amend_order"])
@pytest.mark.parametrize(("order_id", "status", "message"), [
    ("7", 400, "Invalid order id"), ("client:7", 400, "Invalid order id"), ("client:", 400, "Invalid order id"),
    ("", 400, "Invalid order id"), ("' OR 1=1 --", 400, "Invalid order id"), ("\x00" * 36, 400, "Invalid order id"),
    (STRANGERS_ID, 404, "order not found"), (f"client:{STRANGERS_ID}", 404, "order not found"),
])
def test_order_ids(ann, name, order_id, status, message):
    with ann.unchanged():
        answer = ann.call(name, user="ann", method="DELETE" if "cancel" in name else "GET", parameters={"order_id": order_id})
    assert (answer.status, answer.body["message"]) == (status, message)


def test_somebody_elses_things_do_not_exist(ann):
    order = ann.call("api_list_orders", user="bob").body[0]
    account = ann.call("api_list_accounts", user="bob").body[0]

    with ann.unchanged():
        for name in ("api_get_order", "api_cancel_order", "api_amend_order"):
            answer = ann.call(name, user="ann", parameters={"order_id": order["id"]}, body={"price": "1"})
            assert (answer.status, answer.body["message"]) == (404, "order not found")
        for name in ("api_get_account", "api_get_account_ledger", "api_get_account_holds"):
            answer = ann.call(name, user="ann", parameters={"account_id": account["id"]})
            assert (answer.status, answer.body["message"]) == (404, "NotFound")
        assert ann.call("api_list_fills", user="ann", query=f"order_id={order['id']}").body == []


@pytest.mark.parametrize("name", ["api_get_account", "api_get_account_ledger", "api_get_account_holds"])
@pytest.mark.parametrize("account_id", ["", "7", "USD", STRANGERS_ID, "../orders"])
def test_account_ids(ann, name, account_id):
    with ann.unchanged():
        answer = ann.call(name, user="ann", parameters={"account_id": account_id})
    assert answer.status == 404


@pytest.mark.parametrize(("name", "query", "code"), [
    ("api_list_orders", "status=closed", "invalid_status"), ("api_list_orders", "limit=0", "bad_query"),
    ("api_list_orders", "limit=1001", "bad_query"), ("api_list_orders", "limit=ten", "bad_query"),
    ("api_list_orders", "limit=-1", "bad_query"), ("api_list_orders", "after=x", "bad_query"),
    ("api_list_orders", "before=9223372036854775808", "bad_query"), ("api_list_orders", "after=%D9%A1", "bad_query"),
    ("api_list_orders", "product_id=XXX-USD", "product_not_found"),
    ("api_list_orders", "&".join(["status=open"] * 200), "bad_query"),
    ("api_list_orders", "sortedBy=luck", "bad_query"), ("api_list_orders", "sorting=up", "bad_query"),
    ("api_list_orders", "start_date=yesterday", "bad_query"), ("api_list_fills", "product_id=BTC-USD&end_date=1", "bad_query"),
    ("api_list_fills", "", "bad_query"), ("api_list_fills", "order_id=7", "invalid_order_id"),
    ("api_list_fills", "product_id=XXX", "product_not_found"), ("api_get_fees", "product_id=XXX", "product_not_found"),
    ("api_cancel_orders", "product_id=XXX", "product_not_found"),
])
def test_queries(ann, name, query, code):
    with ann.unchanged():
        answer = ann.call(name, user="ann", query=query)
    assert (answer.status, answer.body["code"]) == (400, code)


@pytest.mark.parametrize(("body", "code"), [
    ({}, "currency_not_found"), ({"currency": "XXX", "amount": "1"}, "currency_not_found"),
    ({"currency": ["USD"], "amount": "1"}, "currency_not_found"), ({"currency": "USD"}, "invalid_amount"),
    ({"currency": "USD", "amount": "-1"}, "invalid_amount"), ({"currency": "USD", "amount": "0"}, "invalid_amount"),
    ({"currency": "USD", "amount": "0.000000001"}, "invalid_amount"), ({"currency": "USD", "amount": True}, "invalid_amount"),
    ({"currency": "USD", "amount": "1000001"}, "invalid_amount"), ({"currency": "USD", "amount": "999999"},
                                                                  "faucet_limit_reached"),
    ({"currency": "USD", "amount": "1", "id": "mine"}, "invalid_id"),
])
def test_faucet(ann, body, code):
    with ann.unchanged():
        answer = ann.call("api_deposit_faucet", user="ann", method="POST", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)


def test_a_replayed_deposit_is_credited_once(ann):
    body = {"currency": "USD", "amount": "5", "id": str(uuid4())}
    first = ann.call("api_deposit_faucet", user="ann", method="POST", body=body)
    with ann.unchanged():
        again = ann.call("api_deposit_faucet", user="ann", method="POST", body=body)
    assert first.body == again.body


def test_no_faucet_outside_a_sandbox(ann, monkeypatch):
    monkeypatch.setenv("SANDBOX", "0")
    with ann.unchanged():
        answer = ann.call("api_deposit_faucet", user="ann", method="POST", body={"currency": "USD", "amount": "1"})
    assert answer.status == 404


def test_a_database_out_of_reach_is_503(ann, monkeypatch):
    from exchange.adapters.postgres import connection as ledger_connection

    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_DSN", "postgresql://nobody@/nowhere?host=/nonexistent")
        ledger_connection.close()
        answer = ann.place("ann")
        ledger_connection.close()
    assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (503, "outcome_unknown", "1")
    assert "nonexistent" not in json.dumps(answer.body)


def test_a_queue_out_of_reach_fails_a_cancel_and_not_a_placement(ann, monkeypatch):
    """A cancel is acknowledged once it stands in the queue; a placement once it is durable."""
    import psycopg

    class Broken:
        def send(self, **_):
            raise psycopg.OperationalError("secret detail")

    order_id = ann.call("api_list_orders", user="ann").body[0]["id"]
    monkeypatch.setattr(ann.load("api_cancel_order"), "command_queue", Broken)
    answer = ann.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": order_id})
    assert (answer.status, answer.body["code"]) == (503, "unavailable")
    assert "secret" not in str(answer.body)


def test_an_unexpected_error_says_nothing_of_itself(ann, monkeypatch):
    def bug(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(ann.load("api_list_accounts"), "list_balances", bug)
    answer = ann.call("api_list_accounts", user="ann")
    assert (answer.status, answer.body["code"], answer.body["message"]) == (500, "internal_error", "internal error")
