"""Bad input to withdrawals, transfers and the address book: the right status and code, and nothing changed in the database."""

from uuid import uuid4

import psycopg
import pytest

from exchange.adapters.sandbox_custody import payment_method_id

STRANGERS_ID = "6f1c5e0a-3f0d-4f5e-9d5b-2b1a7c8e9f00"
HOSTILE = ["", " ", "x", "-1", "0", "1e400", "0x10", "\u0661", "NaN", -1, 0, 10**30, True, [], {}, ["1"], "\x00", "\ud800",
           "0.000000001", "'; DROP TABLE transfers; --"]


@pytest.fixture(scope="module")
def ann(api):
    """Ann has 2 BTC, 1000 USD, a usable address and a withdrawal; so has Bob. Shared: no test here may change a thing."""
    for user in ("ann", "bob"):
        api.fund(user, BTC="2", USD="1000")
        answer = api.call("api_change_address_book", user=user, method="POST",
                          body={"addresses": [{"currency": "BTC", "to": {"address": f"{user}-home"}}]})
        assert answer.status == 200
    with psycopg.connect(api.dsn, autocommit=True) as database:
        database.execute("UPDATE withdrawal_addresses SET usable_at = now()")
    for user in ("ann", "bob"):
        assert crypto(api, user, crypto_address=f"{user}-home").status == 200
    return api


def crypto(api, user="ann", **fields):
    body = {"currency": "BTC", "amount": "0.5", "crypto_address": "ann-home"} | fields
    return api.call("api_request_withdrawal", user=user, method="POST", path="/withdrawals/crypto",
                    body={name: value for name, value in body.items() if value is not None})


@pytest.mark.parametrize(("fields", "code"), [
    ({"currency": None}, "currency_not_found"), ({"currency": "XXX"}, "currency_not_found"),
    ({"currency": ["BTC"]}, "currency_not_found"), ({"currency": "USD"}, "currency_not_withdrawable"),
    ({"amount": None}, "invalid_amount"), ({"amount": "0.00049999"}, "invalid_amount"),
    ({"amount": "99"}, "insufficient_funds"), ({"amount": "1.2"}, "withdrawal_limit_reached"),
    ({"amount": "9" * 20}, "invalid_amount"), ({"idem": "mine"}, "invalid_idem"), ({"idem": 7}, "invalid_idem"),
    ({"crypto_address": "bob-home"}, "address_not_in_book"), ({"destination_tag": "1"}, "address_not_in_book"),
    ({"crypto_address": "with space"}, "invalid_crypto_address"), ({"crypto_address": None}, "invalid_crypto_address"),
    ({"crypto_address": "x" * 129}, "invalid_crypto_address"), ({"destination_tag": ["1"]}, "invalid_destination_tag"),
    ({"add_network_fee_to_total": "yes"}, "invalid_add_network_fee_to_total"),
])
def test_a_withdrawal_that_cannot_be_made(ann, fields, code):
    with ann.unchanged():
        answer = crypto(ann, **fields)
    assert (answer.status, answer.body["code"]) == (400, code)


def test_every_hostile_field(ann):
    with ann.unchanged():
        for field in ("currency", "amount", "crypto_address", "destination_tag", "idem", "add_network_fee_to_total"):
            for value in HOSTILE:
                if (field, value) in (("destination_tag", ""), ("add_network_fee_to_total", True)):
                    continue
                answer = crypto(ann, **{field: value})
                assert answer.status == 400, (field, value, answer.body)


@pytest.mark.parametrize(("fields", "code"), [
    ({"currency": "BTC"}, "currency_not_withdrawable"), ({"payment_method_id": "mine"}, "payment_method_not_found"),
    ({"payment_method_id": STRANGERS_ID}, "payment_method_not_found"), ({"amount": "0.5"}, "invalid_amount"),
    ({"payment_method_id": str(payment_method_id(STRANGERS_ID, "USD"))}, "payment_method_not_found"),
])
def test_payment_methods(ann, fields, code):
    body = {"currency": "USD", "amount": "10", "payment_method_id": STRANGERS_ID} | fields
    with ann.unchanged():
        answer = ann.call("api_request_withdrawal", user="ann", method="POST", path="/withdrawals/payment-method", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff"])
@pytest.mark.parametrize("name", ["api_request_withdrawal", "api_change_address_book"])
def test_no_json(ann, name, body):
    with ann.unchanged():
        answer = ann.call(name, user="ann", method="POST", path="/withdrawals/crypto", body=body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("transfer_id", ["", "7", STRANGERS_ID, "../orders", "\x00" * 36])
def test_transfer_ids(ann, transfer_id):
    for name, method in (("api_cancel_withdrawal", "DELETE"), ("api_read_transfers", "GET")):
        with ann.unchanged():
            answer = ann.call(name, user="ann", method=method, parameters={"transfer_id": transfer_id})
        assert (answer.status, answer.body["message"]) == (404, "NotFound")


def test_somebody_elses_things_do_not_exist(ann):
    transfer = ann.call("api_read_transfers", user="bob", query="type=withdraw").body[0]
    address = ann.call("api_list_addresses", user="bob").body[0]
    account = ann.call("api_list_accounts", user="bob").body[0]

    with ann.unchanged():
        for name, method, parameters in (
                ("api_read_transfers", "GET", {"transfer_id": transfer["id"]}),
                ("api_cancel_withdrawal", "DELETE", {"transfer_id": transfer["id"]}),
                ("api_read_transfers", "GET", {"account_id": account["id"]}),
                ("api_change_address_book", "DELETE", {"address_id": address["id"]})):
            assert ann.call(name, user="ann", method=method, parameters=parameters).status == 404


@pytest.mark.parametrize(("name", "query", "code"), [
    ("api_read_transfers", "type=gift", "invalid_type"), ("api_read_transfers", "currency=XXX", "currency_not_found"),
    ("api_read_transfers", "limit=0", "bad_query"), ("api_read_transfers", "after=x", "bad_query"),
    ("api_get_withdrawal_fee", "", "currency_not_found"), ("api_get_withdrawal_fee", "currency=XXX", "currency_not_found")])
def test_queries(ann, name, query, code):
    with ann.unchanged():
        answer = ann.call(name, user="ann", query=query)
    assert (answer.status, answer.body["code"]) == (400, code)


@pytest.mark.parametrize(("rows", "code"), [
    (None, "invalid_addresses"), ([], "invalid_addresses"), ("BTC", "invalid_addresses"), ([7], "invalid_addresses"),
    ([{"currency": "BTC"}], "invalid_addresses"), ([{"currency": "BTC", "to": "x"}], "invalid_addresses"),
    ([{"currency": "XXX", "to": {"address": "x"}}], "currency_not_found"),
    ([{"currency": "USD", "to": {"address": "x"}}], "currency_not_withdrawable"),
    ([{"currency": "BTC", "to": {}}], "invalid_address"), ([{"currency": "BTC", "to": {"address": ""}}], "invalid_address"),
    ([{"currency": "BTC", "to": {"address": "x" * 129}}], "invalid_address"),
    ([{"currency": "BTC", "to": {"address": "\u0661"}}], "invalid_address"),
    ([{"currency": "BTC", "to": {"address": "x", "destination_tag": 7}}], "invalid_destination_tag"),
    ([{"currency": "BTC", "to": {"address": "x"}, "label": "\x00"}], "invalid_label"),
    ([{"currency": "BTC", "to": {"address": "x"}}] * 51, "invalid_addresses"),
    ([{"currency": "BTC", "to": {"address": "good"}}, {"currency": "BTC", "to": {"address": ""}}], "invalid_address")])
def test_address_book(ann, rows, code):
    with ann.unchanged():
        answer = ann.call("api_change_address_book", user="ann", method="POST", body={"addresses": rows})
    assert (answer.status, answer.body["code"]) == (400, code)


def test_an_idem_of_somebody_else_is_ones_own(ann):
    """The client's id is unique per account: Bob's does not answer to Ann."""
    idem = str(uuid4())
    first = crypto(ann, "bob", crypto_address="bob-home", amount="0.01", idem=idem)
    second = crypto(ann, "ann", amount="0.01", idem=idem)
    assert first.status == second.status == 200
    assert first.body["id"] != second.body["id"]


def test_the_same_deposit_id_with_other_terms(ann):
    body = {"currency": "USD", "amount": "5", "id": str(uuid4())}
    assert ann.call("api_deposit_faucet", user="ann", method="POST", body=body).status == 200
    with ann.unchanged():
        answer = ann.call("api_deposit_faucet", user="ann", method="POST", body=body | {"amount": "6"})
    assert (answer.status, answer.body["code"]) == (400, "duplicate_id")
