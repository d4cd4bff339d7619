"""No, wrong and insufficient credentials on every private operation; what the signature covers."""

import time
from uuid import uuid4

import pytest
from door_calls import FUNCTIONS

from cdk.operations import OPERATIONS
from exchange.api.auth import signature

PRIVATE = {
    "api_place_order": "trade", "api_cancel_order": "trade", "api_cancel_orders": "trade", "api_get_order": "view",
    "api_list_orders": "view", "api_list_fills": "view", "api_list_accounts": "view", "api_get_account": "view",
    "api_get_account_ledger": "view", "api_get_account_holds": "view", "api_get_fees": "view",
    "api_deposit_faucet": "transfer", "api_create_api_key": "keys", "api_list_api_keys": "keys",
    "api_delete_api_key": "keys", "api_admin_list_markets": "operate", "api_admin_steer_market": "operate",
    "api_admin_get_health": "operate", "api_admin_read_journal": "operate", "api_admin_check_invariants": "operate",
    "api_admin_list_actions": "operate",
}


def test_the_table_is_complete():
    """Every route that is not public is tested here, with the scope that its handler names."""
    private = {operation.name for operation in OPERATIONS for route in operation.routes if not route.public}
    assert private == set(PRIVATE)
    for name, scope in PRIVATE.items():
        assert f'@operation(scope="{scope}")' in (FUNCTIONS / name / "handler.py").read_text(), name


def make_key(api, user=None, **body):
    """A new key, of a user of its own unless one is given."""
    answer = api.call("api_create_api_key", user=user or str(uuid4()), method="POST", body=body or {"label": "bot"})
    assert answer.status == 200, answer.body
    return answer.body


def test_every_private_operation_asks_for_credentials(api):
    before = api.ledger()
    for name in PRIVATE:
        answer = api.call(name)
        assert (answer.status, answer.body["code"]) == (401, "credentials_missing"), name
        assert "CB-ACCESS-KEY" in answer.body["message"]
    assert api.ledger() == before


@pytest.mark.parametrize("claims", [
    {}, {"sub": "ann"}, {"sub": "ann", "token_use": "id", "client_id": "client-1"},
    {"sub": "ann", "token_use": "access", "client_id": "other"}, {"sub": "", "token_use": "access", "client_id": "client-1"}])
def test_a_token_that_is_no_access_token_of_ours(api, claims):
    before = api.ledger()
    answer = api.call("api_list_accounts", claims=claims)
    assert (answer.status, answer.body["code"]) == (401, "token_invalid")
    assert api.ledger() == before


def test_a_key_signs_what_its_scopes_allow(api):
    api.fund("ann", USD="1000")
    key = make_key(api, "ann", scopes=["view"])
    before = api.ledger()
    for name, scope in PRIVATE.items():
        answer = api.call(name, key=key, query="product_id=BTC-USD")
        if scope != "view":
            assert (answer.status, answer.body["code"]) == (403, "scope_missing"), name
        else:
            assert answer.status in (200, 400, 404), name
    assert api.ledger() == before
    assert api.call("api_list_accounts", key=key).body == api.call("api_list_accounts", user="ann").body


def test_a_key_cannot_make_keys_whatever_its_scopes(api):
    key = make_key(api)
    assert key["scopes"] == ["trade", "transfer", "view"]
    assert api.call("api_create_api_key", key=key, method="POST", body={}).status == 403


@pytest.mark.parametrize(("headers", "code", "message"), [
    ({"cb-access-key": "0" * 32}, "invalid_api_key", "Invalid API Key"),
    ({"cb-access-key": "account:1000"}, "invalid_api_key", "Invalid API Key"),
    ({"cb-access-key": "\u0660"}, "invalid_api_key", "Invalid API Key"),
    ({"cb-access-sign": "AAAA"}, "invalid_signature", "invalid signature"),
    ({"cb-access-sign": ""}, "invalid_signature", "invalid signature"),
    ({"cb-access-sign": "\u00e9"}, "invalid_signature", "invalid signature"),
    ({"cb-access-passphrase": "wrong"}, "invalid_passphrase", "Invalid Passphrase"),
    ({"cb-access-passphrase": ""}, "invalid_passphrase", "Invalid Passphrase"),
    ({"cb-access-timestamp": "now"}, "timestamp_invalid", "invalid timestamp"),
    ({"cb-access-timestamp": ""}, "timestamp_invalid", "invalid timestamp"),
    ({"cb-access-timestamp": "nan"}, "timestamp_expired", "request timestamp expired"),
    ({"cb-access-timestamp": "inf"}, "timestamp_expired", "request timestamp expired"),
    ({"cb-access-timestamp": "1e300"}, "timestamp_expired", "request timestamp expired"),
    ({"cb-access-timestamp": "1500000000"}, "timestamp_expired", "request timestamp expired"),
])
def test_wrong_headers(api, headers, code, message):
    answer = api.call("api_list_accounts", key=make_key(api), headers=headers)
    assert (answer.status, answer.body["code"], answer.body["message"]) == (401, code, message)


def signed(api, key, *, timestamp=None, method="GET", signed_as="/accounts/", path="/accounts/", query="", body=b"",
           signed_body=b""):
    timestamp = timestamp or str(int(time.time()))
    headers = {"cb-access-key": key["key"], "cb-access-timestamp": timestamp, "cb-access-passphrase": key["passphrase"],
               "cb-access-sign": signature(key["secret"], timestamp, method, signed_as, signed_body)}
    return api.call("api_list_accounts", method=method, path=path, query=query, body=body or None, headers=headers)


def test_the_signature_covers_path_query_and_body_as_sent(api):
    key = make_key(api)
    assert signed(api, key).status == 200
    assert signed(api, key, timestamp=f"{time.time():.6f}").status == 200
    assert signed(api, key, query="a=%2F&b", signed_as="/accounts/?a=%2F&b").status == 200
    assert signed(api, key, body=b"{}", signed_body=b"{}").status == 200
    for wrong in ({"path": "/accounts"}, {"query": "a=1"}, {"body": b"{}"},
                  {"query": "a=/&b", "signed_as": "/accounts/?a=%2F&b"},
                  {"timestamp": str(int(time.time()) - 31)}, {"timestamp": str(int(time.time()) + 32)}):
        assert signed(api, key, **wrong).status == 401, wrong


def test_a_deleted_key_stops_working_and_is_its_owners_to_delete(api):
    key, other = make_key(api, "ann"), make_key(api, "bob")
    path = {"key": other["key"]}
    assert api.call("api_delete_api_key", user="ann", method="DELETE", parameters=path).status == 404
    assert api.call("api_list_accounts", key=other).status == 200
    answer = api.call("api_delete_api_key", user="ann", method="DELETE", parameters={"key": key["key"]})
    assert answer.status == 200
    assert api.call("api_list_accounts", key=key).status == 401
    assert [row["key"] for row in api.call("api_list_api_keys", user="bob").body] == [other["key"]]


@pytest.mark.parametrize("body", [
    {"scopes": []}, {"scopes": ["admin"]}, {"scopes": "view"}, {"label": 5}, {"label": "x" * 65}, {"passphrase": "short"},
    {"passphrase": "with space in it"}, {"unknown": 1}])
def test_bad_key_requests(api, body):
    answer = api.call("api_create_api_key", user="carol", method="POST", body=body)
    assert answer.status == 400
    assert api.call("api_list_api_keys", user="carol").body == []


def test_the_secret_is_shown_once(api):
    key = make_key(api, "dave")
    listed = api.call("api_list_api_keys", user="dave").body
    assert [row["key"] for row in listed] == [key["key"]]
    assert key["secret"] not in str(listed) and key["passphrase"] not in str(listed)
