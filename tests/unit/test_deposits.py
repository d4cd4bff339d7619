"""Deposits by address: the custody's signed notices are credited once, and nobody else's are."""

import json
import time
from uuid import uuid4

import pytest

from exchange.adapters.postgres import withdrawals
from exchange.api.custody_notices import notice_signature
from tests.unit.ledger_world import money


@pytest.fixture
def custody(api, books):
    """Sends notices, signed with the secret that an operator made."""
    answer = api.call("api_admin_set_custody_secret", user="olga", groups=["operators"], method="POST",
                      path="/admin/custody-secret", body={"reason": "the first one"})
    return Custody(api, answer.body["secret"])


class Custody:
    def __init__(self, api, secret):
        self.api, self.secret = api, secret

    def tell(self, body, *, at=None, secret=None, sent=None):
        """`sent`: the bytes that are sent instead of those that were signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        timestamp = str(int(time.time() if at is None else at))
        headers = {"x-custody-timestamp": timestamp,
                   "x-custody-signature": notice_signature(secret or self.secret, timestamp, raw)}
        return self.api.call("api_receive_custody_notice", method="POST", path="/custody/notices", body=sent or raw,
                             headers=headers)

    def deposit(self, address, **fields):
        return self.tell({"id": "chain-1", "type": "deposit", "currency": "BTC", "address": address, "amount": "0.5"} | fields)


def address_of(api, user, currency="BTC"):
    account = next(row for row in api.call("api_list_accounts", user=user).body if row["currency"] == currency)
    return api.call("api_create_deposit_address", user=user, method="POST", parameters={"account_id": account["id"]})


def test_a_deposit_is_credited_once(api, custody, books):
    made = address_of(api, "ann")
    assert made.status == 200 and made.body["exchange_deposit_address"] is True
    assert address_of(api, "ann").body == made.body
    address = made.body["address"]
    assert address != address_of(api, "bob").body["address"] != address_of(api, "ann", "ETH").body["address"]
    first, again = custody.deposit(address), custody.deposit(address)
    assert (first.body["status"], again.body["status"]) == ("credited", "repeated")
    assert first.body["id"] == again.body["id"]
    ann, = books.execute("SELECT account_no FROM accounts WHERE user_id = 'ann'").fetchone()
    assert money(books, ann) == {"BTC": "0.5+0"}
    shown = api.call("api_read_transfers", user="ann", parameters={"transfer_id": first.body["id"]}).body
    assert (shown["type"], shown["status"], shown["amount"], shown["details"]["method"]) == (
        "deposit", "completed", "0.50000000", "custody")
    other = custody.deposit(address, amount="0.6")
    assert (other.status, other.body["code"]) == (400, "duplicate_id")
    other = custody.deposit(address_of(api, "bob").body["address"])
    assert (other.status, other.body["code"]) == (400, "duplicate_id")
    assert custody.deposit(address, id="chain-2").body["status"] == "credited"
    assert money(books, ann) == {"BTC": "1+0"}


BAD = [
    ({"type": "gift"}, "invalid_notice"), ({"id": ""}, "invalid_notice"), ({"id": 7}, "invalid_notice"),
    ({"id": "x" * 129}, "invalid_notice"), ({"currency": "XXX"}, "currency_not_found"), ({"amount": "0"}, "invalid_amount"),
    ({"amount": "-1"}, "invalid_amount"), ({"amount": "0.000000001"}, "invalid_amount"), ({"amount": "1e30"}, "invalid_amount"),
    ({"address": "elsewhere"}, "unknown_deposit_address"), ({"currency": "ETH"}, "unknown_deposit_address"),
    ({"address": None}, "invalid_notice"), ({"type": "payout"}, "invalid_notice"),
    ({"type": "payout", "transfer_id": str(uuid4()), "settled": "yes", "reference": "x"}, "invalid_notice"),
    ({"type": "payout", "transfer_id": str(uuid4()), "settled": True, "reference": "x"}, "unexpected_notice")]


def test_bad_notices(api, custody, books):
    address = address_of(api, "ann").body["address"]
    with api.unchanged():
        for fields, code in BAD:
            answer = custody.deposit(**{"address": address} | fields)
            assert (answer.status, answer.body["code"]) == (400, code), fields


def test_who_is_not_the_custody_is_refused(api, custody, books):
    notice = {"id": "chain-1", "type": "deposit", "currency": "BTC", "address": address_of(api, "ann").body["address"],
              "amount": "5"}
    with api.unchanged():
        now = time.time()
        wrong = [custody.tell(notice, secret="0" * 64), custody.tell(notice, secret=custody.secret[:-1] + "x"),
                 custody.tell(notice, sent=json.dumps(notice | {"amount": "50"}).encode()),
                 api.call("api_receive_custody_notice", method="POST", body=notice),
                 api.call("api_receive_custody_notice", method="POST", body=notice, user="ann", headers={
                     "x-custody-timestamp": "\u0661", "x-custody-signature": "\u00e9"})]
        assert {(answer.status, answer.body["code"]) for answer in wrong} == {(401, "invalid_notice_signature")}
        late = [custody.tell(notice, at=now - 310), custody.tell(notice, at=now + 310)]
        assert {(answer.status, answer.body["code"]) for answer in late} == {(401, "notice_expired")}
    assert custody.tell(b"{").body["code"] == "invalid_json"


def test_without_a_secret_nobody_is_the_custody(api, books):
    unsigned = Custody(api, "")
    answer = unsigned.tell({"id": "chain-1", "type": "deposit"})
    assert (answer.status, answer.body["code"]) == (401, "invalid_notice_signature")


def test_a_new_secret_replaces_the_old_one(api, custody, books):
    address = address_of(api, "ann").body["address"]
    newer = api.call("api_admin_set_custody_secret", user="olga", groups=["operators"], method="POST",
                     body={"reason": "the old one leaked"}).body["secret"]
    assert custody.deposit(address).status == 401
    custody.secret = newer
    assert custody.deposit(address).status == 200


def test_a_payout_that_ends_later(api, custody, books):
    """An adapter that does not know at once: the withdrawal stays sent until the notice."""
    api.fund("ann", BTC="1")
    api.call("api_change_address_book", user="ann", method="POST",
             body={"addresses": [{"currency": "BTC", "to": {"address": "home"}}]})
    books.execute("UPDATE withdrawal_addresses SET usable_at = now()")
    ids = [api.call("api_request_withdrawal", user="ann", method="POST", path="/withdrawals/crypto", body={
        "currency": "BTC", "amount": "0.1", "crypto_address": "home"}).body["id"] for _ in range(2)]
    payout = {"id": "p1", "type": "payout", "transfer_id": ids[0], "settled": True, "reference": "0xabc"}
    early = custody.tell(payout)
    assert (early.status, early.body["code"]) == (400, "unexpected_notice")
    for transfer_id in ids:
        assert withdrawals.begin(transfer_id) is not None
    assert custody.tell(payout).body == custody.tell(payout).body == {"id": ids[0], "status": "completed"}
    assert custody.tell(payout | {"settled": False}).body["code"] == "unexpected_notice"
    assert custody.tell(payout | {"transfer_id": ids[1], "settled": False}).body["status"] == "returned"
    ann, = books.execute("SELECT account_no FROM accounts WHERE user_id = 'ann'").fetchone()
    assert money(books, ann) == {"BTC": "0.9+0"}


def test_dollars_have_no_address(api, books):
    answer = address_of(api, "ann", "USD")
    assert (answer.status, answer.body["code"]) == (400, "currency_not_depositable")
    account = next(row for row in api.call("api_list_accounts", user="ann").body if row["currency"] == "BTC")
    for account_id in (account["id"], "7", str(uuid4())):
        answer = api.call("api_create_deposit_address", user="bob", method="POST", parameters={"account_id": account_id})
        assert answer.status == 404
