"""The operators' operations: for members of the group only, by a token only, and nothing bad gets through to a market."""

import pytest

from cdk.operations import OPERATIONS, Door

ADMIN = {operation.name: operation for operation in OPERATIONS
         if any(route.path.startswith("/admin/") for route in operation.routes)}


def test_they_are_on_the_application_door_only():
    assert {door for operation in ADMIN.values() for route in operation.routes for door in route.doors} == {Door.APPLICATION}
    assert not [route for operation in ADMIN.values() for route in operation.routes if route.public]


@pytest.mark.parametrize("name", sorted(ADMIN))
@pytest.mark.parametrize("groups", [None, ["traders"], ["operators2", "no-operators"]])
def test_a_trader_is_refused(api, name, groups):
    before = api.ledger()
    answer = api.call(name, user="ann", groups=groups, method="POST", path="/admin/markets/BTC-USD/halt",
                      parameters={"product_id": "BTC-USD"}, body={"reason": "mine"})
    assert (answer.status, answer.body["code"]) == (403, "scope_missing")
    after = api.ledger()
    assert {table: rows for table, rows in after.items() if table not in ("accounts", "balances")} == {
        table: rows for table, rows in before.items() if table not in ("accounts", "balances")}


@pytest.mark.parametrize("name", sorted(ADMIN))
def test_an_operators_key_is_refused(api, name):
    key = api.call("api_create_api_key", user="olga", groups=["operators"], method="POST", body={"label": "bot"}).body
    assert api.call(name, key=key).status == 403


def steer(api, move="halt", market="BTC-USD", body=None):
    return api.call("api_admin_steer_market", user="olga", groups=["operators"], method="POST",
                    path=f"/admin/markets/{market}/{move}", parameters={"product_id": market}, body=body)


@pytest.mark.parametrize(("body", "code"), [
    ({}, "reason_required"), ({"reason": ""}, "reason_required"), ({"reason": "  "}, "reason_required"),
    ({"reason": 7}, "reason_required"), ({"reason": ["x"]}, "reason_required"), ({"reason": None}, "reason_required"),
    ({"reason": "x" * 501}, "invalid_reason"), ({"reason": "two\nlines"}, "invalid_reason"),
    ({"reason": "nul\x00"}, "invalid_reason"), ({"reason": "\ud800"}, "invalid_reason"),
    ({"reason": "x", "acknowledge_broken_invariant": "yes"}, "invalid_acknowledgement"),
    ({"reason": "x", "acknowledge_broken_invariant": 1}, "invalid_acknowledgement"),
    (b"[]", "invalid_json"), (b"{", "invalid_json")])
def test_bodies(api, body, code):
    with api.unchanged():
        answer = steer(api, body=body)
        assert (answer.status, answer.body["code"]) == (400, code)
    assert api.call("api_get_product", parameters={"product_id": "BTC-USD"}).body["cancel_only"] is False


@pytest.mark.parametrize(("move", "market"), [
    ("stop", "BTC-USD"), ("", "BTC-USD"), ("halt", "XXX-USD"), ("halt", ""), ("halt", "btc-usd"), ("halt", "' OR 1=1 --")])
def test_what_cannot_be_steered(api, move, market):
    answer = steer(api, move, market, {"reason": "x"})
    assert answer.status == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=-1", "before=x", f"before={2**60}",
                                   "after=%D9%A1"])
def test_journal_queries(api, query):
    answer = api.call("api_admin_read_journal", user="olga", groups=["operators"], query=query,
                      parameters={"product_id": "BTC-USD"})
    assert (answer.status, answer.body["code"]) == (400, "bad_query")


def test_a_journal_of_no_market(api):
    assert api.call("api_admin_read_journal", user="olga", groups=["operators"], parameters={"product_id": "X"}).status == 404


def test_the_journal_of_a_market_without_an_entry(api):
    assert api.call("api_admin_read_journal", user="olga", groups=["operators"],
                    parameters={"product_id": "ETH-USD"}).body == []
