"""What operators do with accounts and money: search, freeze, tier, withdrawals, adjustments by two of them, fees."""

from uuid import uuid4

import psycopg
import pytest

from tests.unit.ledger_world import money
from tests.unit.order_engine import Engine

STRANGER = str(uuid4())


@pytest.fixture
def desk(api, books):
    api.fund("ann", USD="1000", BTC="2")
    api.fund("bob", USD="1000")
    api.call("api_list_accounts", user="olga", groups=["operators"])  # opens hers, so that nothing else changes later
    api.number, api.ann = books.execute("SELECT account_no, profile_id::text FROM accounts WHERE user_id = 'ann'").fetchone()
    return Desk(api)


class Desk:
    """Operators by name; olga unless another is named."""

    def __init__(self, api):
        self.api = api

    def get(self, name, query="", operator="olga", **parameters):
        return self.api.call(name, user=operator, groups=["operators"], query=query, parameters=parameters)

    def post(self, name, path, body=None, operator="olga", **parameters):
        return self.api.call(name, user=operator, groups=["operators"], method="POST", path=path, body=body or {},
                             parameters=parameters)

    def change(self, move, account=None, **body):
        account = account or self.api.ann
        return self.post("api_admin_change_account", f"/admin/accounts/{account}/{move}", body, account_id=account)

    def adjust(self, amount, operator="olga", **fields):
        body = {"account_id": self.api.ann, "currency": "USD", "amount": amount, "reason": "a lost wire"} | fields
        return self.post("api_admin_decide_adjustments", "/admin/adjustments", body, operator)

    def decide(self, adjustment_id, decision, operator, **body):
        return self.post("api_admin_decide_adjustments", f"/admin/adjustments/{adjustment_id}/{decision}", body, operator,
                         adjustment_id=adjustment_id)

    def decide_withdrawal(self, transfer_id, decision, **body):
        return self.post("api_admin_decide_withdrawals", f"/admin/withdrawals/{transfer_id}/{decision}", body,
                         transfer_id=transfer_id)


def actions(books):
    return [row[0] for row in books.execute("SELECT action FROM operator_actions ORDER BY number").fetchall()]


def test_accounts_are_found_by_what_one_knows_of_them(desk, books):
    everybody = desk.get("api_admin_read_accounts").body
    assert [row["user_id"] for row in everybody][-2:] == ["bob", "ann"]  # newest first; olga has one, too
    balance, = books.execute("SELECT id::text FROM balances WHERE account_no = %s AND asset = 'BTC'",
                                (desk.api.number,)).fetchone()
    for query in ("an", "ann", desk.api.ann, balance, str(desk.api.number)):
        assert [row["id"] for row in desk.get("api_admin_read_accounts", f"query={query}").body] == [desk.api.ann], query
    for query in ("nobody", STRANGER, "9" * 30, "1", "%25", "_"):
        assert desk.get("api_admin_read_accounts", f"query={query}").body == [], query
    first = desk.get("api_admin_read_accounts", "limit=1")
    second = desk.get("api_admin_read_accounts", f"limit=1&after={first.headers['cb-after']}")
    assert first.body + second.body == everybody[:2]


def test_one_account(desk):
    desk.api.place("ann", price="100", size="1")
    account = desk.get("api_admin_read_accounts", account_id=desk.api.ann).body
    assert {name: account[name] for name in ("status", "tier", "open_orders", "open_withdrawals")} == {
        "status": "active", "tier": "basic", "open_orders": 1, "open_withdrawals": 0}
    dollars = next(row for row in account["balances"] if row["currency"] == "USD")
    assert dollars == {"currency": "USD", "balance": "1000.00000000", "available": "899.40000000", "hold": "100.60000000"}
    for unknown in (STRANGER, "7", ""):
        assert desk.get("api_admin_read_accounts", account_id=unknown).status == 404


def test_freeze_and_unfreeze_with_a_reason(desk, books):
    assert desk.change("freeze").body["code"] == "reason_required"
    assert desk.change("freeze", reason="x" * 501).body["code"] == "invalid_reason"
    frozen = desk.change("freeze", reason="a stolen session")
    assert (frozen.body["status"], frozen.body["actions"][0]["reason"]) == ("frozen", "a stolen session")
    assert desk.api.place("ann").body["code"] == "account_frozen"
    assert desk.api.place("bob", price="100", size="1").status == 200
    assert desk.change("freeze", reason="again").body["status"] == "frozen"
    assert desk.change("unfreeze", reason="cleared").body["status"] == "active"
    assert desk.api.place("ann").status == 200
    assert desk.change("melt", reason="?").status == 404
    assert desk.change("freeze", STRANGER, reason="?").status == 404
    assert [row["action"] for row in desk.get("api_admin_read_accounts", account_id=desk.api.ann).body["actions"]] == [
        "unfreeze", "freeze"]
    assert actions(books) == ["account.freeze", "account.freeze", "account.unfreeze"]


def test_a_frozen_account_amends_nothing_but_to_a_smaller_size(desk, books):
    """Neither what holds more nor what could trade at once: a sell at a lower price needs no more hold. To shrink is to cancel
    a part, and stays possible."""
    engine = Engine(desk.api)
    bid, ask = desk.api.place("ann", price="100", size="2").body, desk.api.place("ann", side="sell", price="120", size="1").body
    engine.run()
    desk.change("freeze", reason="a stolen session")

    def amend(order, **terms):
        return desk.api.call("api_amend_order", user="ann", method="PUT", path=f"/orders/{order['id']}",
                             parameters={"order_id": order["id"]}, body=terms)

    before = books.execute("SELECT asset, available, held FROM balances ORDER BY account_no, asset").fetchall()
    for order, terms in ((bid, {"size": "3"}), (bid, {"price": "101"}), (bid, {"price": "99"}), (ask, {"price": "100"}),
                         (ask, {"price": "110", "size": "0.5"}), (ask, {"size": "1.5"})):
        answer = amend(order, **terms)
        assert (answer.status, answer.body["code"]) == (400, "account_frozen"), (order["side"], terms, answer.body)
    assert books.execute("SELECT asset, available, held FROM balances ORDER BY account_no, asset").fetchall() == before
    assert len(desk.api.sent()) == 2, "no amend was sent"
    assert amend(bid, size="0.5").status == 200 and amend(ask, price="120", size="0.4").status == 200
    engine.run()
    assert [desk.api.call("api_get_order", user="ann", parameters={"order_id": order["id"]}).body["size"]
            for order in (bid, ask)] == ["0.50000000", "0.40000000"]
    desk.change("unfreeze", reason="cleared")
    assert amend(ask, price="119").status == 200


def test_a_batch_of_a_frozen_account(desk, books):
    """Whatever holds more is refused by the balance's row, however it comes."""
    desk.change("freeze", reason="a stolen session")
    batch = desk.api.call("api_place_orders", user="ann", method="POST", path="/orders/batch", body={"orders": [
        {"product_id": "BTC-USD", "side": "buy", "price": "100", "size": "1"}]})
    assert batch.status == 400 or "account_frozen" in str(batch.body), batch.body
    assert books.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert desk.api.sent() == []


def test_the_tier(desk):
    assert desk.change("tier", reason="papers", tier="golden").body["code"] == "invalid_tier"
    assert desk.change("tier", reason="papers", tier=["basic"]).body["code"] == "invalid_tier"
    changed = desk.change("tier", reason="papers seen", tier="verified").body
    assert (changed["tier"], changed["actions"][0]["tier"]) == ("verified", "verified")


def withdraw(api, amount):
    api.call("api_change_address_book", user="ann", method="POST",
             body={"addresses": [{"currency": "BTC", "to": {"address": "home"}}]})
    with psycopg.connect(api.dsn, autocommit=True) as books:
        books.execute("UPDATE withdrawal_addresses SET usable_at = now()")
    answer = api.call("api_request_withdrawal", user="ann", method="POST", path="/withdrawals/crypto",
                      body={"currency": "BTC", "amount": amount, "crypto_address": "home"})
    assert answer.status == 200, answer.body
    return answer.body["id"]


def test_withdrawals_wait_for_an_operator(desk, books):
    first, second, third = (withdraw(desk.api, amount) for amount in ("0.3", "0.4", "0.1"))
    waiting = desk.get("api_admin_decide_withdrawals", "status=requested").body
    assert [row["id"] for row in waiting] == [second, first]
    assert len(desk.get("api_admin_decide_withdrawals").body) == 3
    assert desk.get("api_admin_decide_withdrawals", "status=gone").body["code"] == "invalid_status"
    assert desk.decide_withdrawal(first, "approve").body["status"] == "approved"
    assert desk.decide_withdrawal(first, "approve").body["code"] == "withdrawal_already_decided"
    assert desk.decide_withdrawal(second, "refuse").body["code"] == "reason_required"
    refused = desk.decide_withdrawal(second, "refuse", reason="not his wallet").body
    assert (refused["status"], refused["steps"][-1]["note"]) == ("refused", "not his wallet")
    for unknown in (STRANGER, "7"):
        assert desk.decide_withdrawal(unknown, "approve").status == 404
    assert desk.api.load("ledger_send_withdrawals").lambda_handler({}, None) == {"completed": 2}
    assert desk.decide_withdrawal(third, "refuse", reason="too late").body["code"] == "withdrawal_already_decided"
    assert money(books, desk.api.number)["BTC"] == "1.6+0"
    assert desk.get("api_admin_get_fees").body["withdrawals"] == [{"currency": "BTC", "collected": "0.00020000"}]
    assert actions(books)[:2] == ["withdrawal.approve", "withdrawal.approve"]


def test_an_adjustment_takes_two_operators(desk, books):
    asked = desk.adjust("25.5").body
    assert (asked["status"], asked["amount"], asked["requested_by"]) == ("requested", "25.50000000", "olga")
    assert money(books, desk.api.number)["USD"] == "1000+0"
    same = desk.decide(asked["id"], "approve", "olga")
    assert (same.status, same.body["code"]) == (400, "second_operator_required")
    approved = desk.decide(asked["id"], "approve", "otto").body
    assert (approved["status"], approved["decided_by"]) == ("approved", "otto")
    assert desk.decide(asked["id"], "approve", "oona").body["code"] == "adjustment_already_decided"
    assert money(books, desk.api.number)["USD"] == "1025.5+0"
    assert books.execute("SELECT account_no, amount::text, balance_after::text FROM postings p JOIN ledger_entries e"
                            " ON e.id = p.entry_id WHERE e.kind = 'adjustment' ORDER BY account_no").fetchall() == [
        (1, "-25.50000000", None), (desk.api.number, "25.50000000", "1025.50000000")]
    refused = desk.adjust("1").body["id"]
    assert desk.decide(refused, "refuse", "otto").body["code"] == "reason_required"
    assert desk.decide(refused, "refuse", "otto", reason="no such wire").body["status"] == "refused"
    assert [row["id"] for row in desk.get("api_admin_decide_adjustments", "status=refused").body] == [refused]
    assert len(desk.get("api_admin_decide_adjustments").body) == 2
    usd = next(row for row in desk.api.call("api_list_accounts", user="ann").body if row["currency"] == "USD")
    row = desk.api.call("api_get_account_ledger", user="ann", parameters={"account_id": usd["id"]}).body[0]
    assert (row["type"], row["amount"], row["balance"]) == ("transfer", "25.50000000", "1025.50000000")


def test_an_adjustment_never_takes_more_than_is_available(desk, books):
    desk.api.place("ann", price="100", size="9")  # holds 905.4
    asked = desk.adjust("-94.60000001").body["id"]
    answer = desk.decide(asked, "approve", "otto")
    assert (answer.status, answer.body["code"]) == (400, "insufficient_funds")
    asked = desk.adjust("-94.6").body["id"]
    assert desk.decide(asked, "approve", "otto").status == 200
    assert money(books, desk.api.number)["USD"] == "0+905.4"


def test_the_same_id_asks_once(desk):
    adjustment_id = str(uuid4())
    first, again = desk.adjust("5", id=adjustment_id), desk.adjust("5", id=adjustment_id)
    assert first.body == again.body
    assert desk.adjust("6", id=adjustment_id).body["code"] == "duplicate_id"
    assert desk.adjust("5", operator="otto", id=adjustment_id).body["code"] == "duplicate_id"


NONSENSE = [
    ({"amount": "0"}, 400, "invalid_amount"), ({"amount": "x"}, 400, "invalid_amount"),
    ({"amount": None}, 400, "invalid_amount"), ({"amount": "1e20"}, 400, "invalid_amount"),
    ({"amount": "-0.000000001"}, 400, "invalid_amount"),
    ({"currency": "XXX"}, 400, "currency_not_found"), ({"reason": ""}, 400, "reason_required"),
    ({"id": "x"}, 400, "invalid_id"),
    ({"account_id": STRANGER}, 404, "not_found"), ({"account_id": 7}, 404, "not_found")]


def test_adjustments_that_make_no_sense(desk):
    with desk.api.unchanged():
        for fields, status, code in NONSENSE:
            answer = desk.adjust(**{"amount": "5"} | fields)
            assert (answer.status, answer.body["code"]) == (status, code), fields


def test_the_database_wants_two_operators_too(desk, books):
    asked = desk.adjust("5").body["id"]
    with pytest.raises(psycopg.errors.CheckViolation, match="another_operator_decides"):
        books.execute("UPDATE adjustments SET status = 'approved', decided_by = 'olga', decided_at = now() WHERE id = %s",
                         (asked,))
    desk.decide(asked, "approve", "otto")
    with pytest.raises(psycopg.errors.RestrictViolation, match="decided once"):
        books.execute("UPDATE adjustments SET status = 'refused' WHERE id = %s", (asked,))


def test_who_is_no_operator_may_nothing(desk):
    with desk.api.unchanged():
        for name in ("api_admin_read_accounts", "api_admin_change_account", "api_admin_decide_withdrawals",
                     "api_admin_decide_adjustments", "api_admin_get_fees", "api_admin_set_custody_secret"):
            answer = desk.api.call(name, user="ann", groups=["traders"], method="POST", body={"reason": "please"})
            assert (answer.status, answer.body["code"]) == (403, "scope_missing")


def test_fees_of_the_house(desk):
    body = desk.get("api_admin_get_fees").body
    assert body["tiers"][0] == {"volume": "10000", "maker_fee_rate": "0.002500", "taker_fee_rate": "0.004000"}
    assert body["withdrawals"] == []
