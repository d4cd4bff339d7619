"""No, wrong and insufficient credentials on every private operation; what the signature covers."""

import base64
import json
import time
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from door_calls import FUNCTIONS
from pynamodb.exceptions import UpdateError

from cdk.operations import OPERATIONS
from exchange.adapters import api_keys, connections
from exchange.api.auth import signature

PRIVATE = {
    "api_place_order": "trade", "api_place_orders": "trade", "api_amend_order": "trade", "api_cancel_after": "trade",
    "api_list_profiles": "view", "api_verify_user": "view", "api_get_trailing_volume": "view",
    "api_list_payment_methods": "view", "api_cancel_order": "trade", "api_cancel_orders": "trade", "api_get_order": "view",
    "api_list_orders": "view", "api_list_fills": "view", "api_list_accounts": "view", "api_get_account": "view",
    "api_get_account_ledger": "view", "api_get_own_proof": "view", "api_get_account_holds": "view", "api_get_fees": "view",
    "api_deposit_faucet": "transfer", "api_create_api_key": "keys", "api_list_api_keys": "keys",
    "api_delete_api_key": "keys", "api_admin_list_markets": "operate", "api_admin_steer_market": "operate",
    "api_admin_get_health": "operate", "api_admin_read_journal": "operate", "api_admin_check_invariants": "operate",
    "api_admin_list_actions": "operate",
    "api_request_withdrawal": "transfer", "api_cancel_withdrawal": "transfer", "api_get_exchange_limits": "view",
    "api_get_withdrawal_fee": "view", "api_read_transfers": "view", "api_list_addresses": "view",
    "api_change_address_book": "transfer", "api_create_deposit_address": "transfer",
    "api_admin_read_accounts": "operate", "api_admin_change_account": "operate", "api_admin_decide_withdrawals": "operate",
    "api_admin_decide_adjustments": "operate", "api_admin_get_fees": "operate", "api_admin_set_custody_secret": "operate",
}


def test_the_table_is_complete():
    """Every route that is not public is tested here, with the scope that its handler names."""
    private = {operation.name for operation in OPERATIONS for route in operation.routes if not route.public}
    assert private == set(PRIVATE)
    for name, scope in PRIVATE.items():
        assert f'@operation(scope="{scope}"' in (FUNCTIONS / name / "handler.py").read_text(), name


def make_key(api, user=None, **body):
    """A new key, of a user of its own unless one is given."""
    answer = api.call("api_create_api_key", user=user or str(uuid4()), method="POST", body=body or {"label": "bot"})
    assert answer.status == 200, answer.body
    return answer.body


def test_every_private_operation_asks_for_credentials(api):
    with api.unchanged():
        for name in PRIVATE:
            answer = api.call(name)
            assert (answer.status, answer.body["code"]) == (401, "credentials_missing"), name
            assert "CB-ACCESS-KEY" in answer.body["message"]


@pytest.mark.parametrize("claims", [
    {}, {"sub": "ann"}, {"sub": "ann", "token_use": "id", "client_id": "client-1"},
    {"sub": "ann", "token_use": "access", "client_id": "other"}, {"sub": "", "token_use": "access", "client_id": "client-1"}])
def test_a_token_that_is_no_access_token_of_ours(api, claims):
    with api.unchanged():
        answer = api.call("api_list_accounts", claims=claims)
        assert (answer.status, answer.body["code"]) == (401, "token_invalid")


def test_a_key_signs_what_its_scopes_allow(api):
    api.fund("ann", USD="1000")
    key = make_key(api, "ann", scopes=["view"])
    with api.unchanged():
        for name, scope in PRIVATE.items():
            answer = api.call(name, key=key, query="product_id=BTC-USD")
            if scope != "view":
                assert (answer.status, answer.body["code"]) == (403, "scope_missing"), name
            else:
                assert answer.status in (200, 400, 404), name
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


@pytest.mark.parametrize(("ranges", "address", "allowed"), [
    (["192.0.2.1"], "192.0.2.1", True), (["192.0.2.1"], "192.0.2.2", False), (["192.0.2.0/24", "10.0.0.0/8"], "10.9.9.9", True),
    (["192.0.2.0/24"], "192.0.3.1", False), (["192.0.2.0/24"], "::ffff:192.0.2.77", True), (["192.0.2.0/24"], "::1", False),
    (["2001:db8::/32"], "2001:db8:5::1", True), (["2001:db8::/32"], "2001:db9::1", False),
    (["2001:db8::/32"], "192.0.2.1", False),
    (["0.0.0.0/0"], "203.0.113.5", True), (["0.0.0.0/0"], "2001:db8::1", False), (["192.0.2.0/24"], "", False),
    (["192.0.2.0/24"], "192.0.2.1, 10.0.0.1", False), ([], "203.0.113.5", True)])
def test_a_key_works_from_its_addresses_only(api, ranges, address, allowed):
    key = make_key(api, allowed_addresses=ranges)
    assert key["allowed_addresses"] == sorted(ranges if "/" in str(ranges) or not ranges else [f"{ranges[0]}/32"])
    answer = api.call("api_list_accounts", key=key, source_ip=address)
    if allowed:
        assert answer.status == 200
    else:
        assert (answer.status, answer.body["code"], answer.body["message"]) == (
            401, "address_not_allowed", "IP does not match IP whitelist")
    # Who lacks the secret or the passphrase does not learn that there are ranges.
    for header, code in (("cb-access-sign", "invalid_signature"), ("cb-access-passphrase", "invalid_passphrase")):
        wrong = {header: "AAAA"}
        assert api.call("api_list_accounts", key=key, source_ip=address, headers=wrong).body["code"] == code


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip"])
def test_an_address_is_not_believed_from_a_header(api, header):
    key = make_key(api, allowed_addresses=["192.0.2.1"])
    assert api.call("api_list_accounts", key=key, source_ip="203.0.113.5", headers={header: "192.0.2.1"}).status == 401


def test_the_owners_list_shows_the_ranges(api):
    make_key(api, "erin", allowed_addresses=["192.0.2.0/24", "10.0.0.0/8", "192.0.2.0/24"])
    [row] = api.call("api_list_api_keys", user="erin").body
    assert row["allowed_addresses"] == ["10.0.0.0/8", "192.0.2.0/24"]


@pytest.mark.parametrize("ranges", [
    "192.0.2.1", ["192.0.2.1/24"], ["192.0.2.0/33"], ["192.0.2"], ["localhost"], [""], ["192.0.2.1 "], [7], [None], {}, None,
    ["fe80::1%eth0/64"], ["10.0.0.0/8"] * 21, ["1" * 65]])
def test_bad_ranges(api, ranges):
    answer = api.call("api_create_api_key", user="frank", method="POST", body={"allowed_addresses": ranges})
    assert (answer.status, answer.body["code"]) == (400, "invalid_api_key_request")
    assert api.call("api_list_api_keys", user="frank").body == []


def test_the_secret_is_encrypted_where_it_lies(api):
    """In the table there is neither the secret nor the passphrase, and KMS decrypts a secret for its own key's id only."""
    key, other = make_key(api, "gina"), make_key(api, "gina")
    rows = {row["key"]["S"]: row for row in boto3.client("dynamodb").scan(TableName="api-keys")["Items"]}
    for secret in (key["secret"].encode(), base64.b64decode(key["secret"]), key["passphrase"].encode()):
        assert all(secret not in value for row in rows.values() for kind in row.values() for value in kind.values()
                   if isinstance(value, bytes))
        assert secret.decode("latin-1") not in str(rows)
    kms, blob = boto3.client("kms"), rows[key["key"]]["secret"]["B"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"api-key": key["key"]})["Plaintext"].decode() == key["secret"]
    with pytest.raises(ClientError):
        kms.decrypt(CiphertextBlob=blob, EncryptionContext={"api-key": other["key"]})


def test_a_key_that_was_deleted_elsewhere_stops_within_seconds(api, monkeypatch):
    """As in another environment, which has the key in its memory: after 5 s it is looked up again."""
    key = make_key(api, "hugo")
    assert api.call("api_list_accounts", key=key).status == 200
    kept = dict(api_keys._found)
    assert api.call("api_delete_api_key", user="hugo", method="DELETE", parameters={"key": key["key"]}).status == 200
    api_keys._found.update(kept)
    assert api.call("api_list_accounts", key=key).status == 200  # it still remembers
    found_at, known = api_keys._found[key["key"]]
    api_keys._found[key["key"]] = (found_at - api_keys.MAX_AGE_S, known)
    assert api.call("api_list_accounts", key=key).status == 401
    assert api_keys.MAX_AGE_S <= 5


def test_a_deleted_keys_connections_are_closed(api):
    key, other = make_key(api, "iris"), make_key(api, "iris")
    for name, used in (("c1", key), ("c2", key), ("c3", other), ("c4", None)):
        connections.open_connection(name)
        connections.subscribe(name, [("user", "BTC-USD"), ("level2", "ETH-USD")], **(
            {"account": 7, "user_id": "iris", "profile_id": "p", "key_id": used["key"]} if used else {}))
    api.call("api_delete_api_key", user="iris", method="DELETE", parameters={"key": key["key"]})
    with psycopg.connect(api.dsn) as connection:
        rows = connection.execute(
            "SELECT group_id, body FROM embedded.queue_messages WHERE queue = 'test-push.fifo'").fetchall()
    bodies = [json.loads(body) for _, body in rows]
    assert sorted(body["close"] for body in bodies) == [["c1"], ["c2"]]
    assert all(json.loads(body["texts"][0])["reason"] == "the API key was deleted" for body in bodies)
    assert {group.partition(":")[0] for group, _ in rows} == {"BTC-USD"}


def test_the_last_use_is_noted_once_a_minute_by_all_environments_together(api, monkeypatch):
    key, tried = make_key(api, "ann"), []
    update = api_keys._Row.update

    def counted(self, **more):
        tried.append(self.key)
        return update(self, **more)

    monkeypatch.setattr(api_keys._Row, "update", counted)

    def away(self, **more):
        raise UpdateError("the table does not answer")

    def shown():
        rows = api.call("api_list_api_keys", user="ann").body
        return next(row.get("last_used_at") for row in rows if row["key"] == key["key"])

    assert shown() is None
    assert signed(api, key | {"secret": "AAAA"}).status == 401 and signed(api, key | {"passphrase": "another"}).status == 401
    assert shown() is None and tried == [], "a request that is refused is no use"
    assert signed(api, key).status == signed(api, key).status == 200
    first = shown()
    assert abs(datetime.fromisoformat(first).timestamp() - time.time()) < 30 and tried == [key["key"]]
    found, now_s = api_keys.find_key(key["key"]), datetime.fromisoformat(first).timestamp()
    # Another environment, whose memory of the row is older; and one that has just read it.
    api_keys._noted.clear()
    api_keys.note_use(replace(found, last_used_s=0), now_s + 59)
    assert shown() == first and len(tried) == 2
    api_keys._noted.clear()
    api_keys.note_use(replace(found, last_used_s=int(now_s)), now_s + 59)
    assert len(tried) == 2
    api_keys.note_use(found, now_s + 61)
    assert shown() > first and len(tried) == 3
    # A deleted key gets no row by being noted, and a table that does not answer refuses nobody.
    api.call("api_delete_api_key", user="ann", method="DELETE", parameters={"key": key["key"]})
    api_keys.note_use(found, now_s + 200)
    assert not api_keys.key_exists(key["key"])
    other = make_key(api, "bob")
    monkeypatch.setattr(api_keys._Row, "update", away)
    assert signed(api, other).status == 200
