"""Withdrawals through the door and the ledger: every state, every limit, and a crash between custody and ledger."""

import re
import threading
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from exchange.adapters import sandbox_custody
from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.postgres import withdrawals
from exchange.adapters.sandbox_custody import SandboxCustody, payment_method_id
from exchange.faults import RetryableFault
from tests.unit.ledger_world import balance, check_books, money

ADDRESS = "bc1q-cold-wallet"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "DATA.md"


@pytest.fixture
def ann(api, books):
    """Ann has 2 BTC and 100,000 USD, and an address that may be used."""
    api.fund("ann", BTC="2", USD="100000")
    book(api, "ann")
    books.execute("UPDATE withdrawal_addresses SET usable_at = now()")
    api.number, api.profile = books.execute(
        "SELECT account_no, profile_id::text FROM accounts WHERE user_id = 'ann'").fetchone()
    return api


def book(api, user, address=ADDRESS, currency="BTC", **fields):
    answer = api.call("api_change_address_book", user=user, method="POST",
                      body={"addresses": [{"currency": currency, "to": {"address": address}, **fields}]})
    assert answer.status == 200, answer.body
    return answer.body[0]


def withdraw(api, user="ann", amount="0.1", **fields):
    body = {"currency": "BTC", "amount": amount, "crypto_address": ADDRESS} | fields
    return api.call("api_request_withdrawal", user=user, method="POST", path="/withdrawals/crypto", body=body)


def withdraw_dollars(api, amount, user="ann", **fields):
    body = {"currency": "USD", "amount": amount, "payment_method_id": str(payment_method_id(api.profile, "USD"))} | fields
    return api.call("api_request_withdrawal", user=user, method="POST", path="/withdrawals/payment-method", body=body)


def status(books, transfer_id):
    return books.execute("SELECT status FROM transfers WHERE id = %s", (transfer_id,)).fetchone()[0]


def steps(books, transfer_id):
    return [row[0] for row in books.execute(
        "SELECT status FROM transfer_steps WHERE transfer_id = %s ORDER BY number", (transfer_id,)).fetchall()]


def send(api):
    return api.load("ledger_send_withdrawals").lambda_handler({}, None)


def test_a_withdrawals_whole_way(ann, books):
    made = withdraw(ann)
    assert made.status == 200
    assert {name: made.body[name] for name in ("currency", "amount", "fee", "subtotal", "status")} == {
        "currency": "BTC", "amount": "0.10000000", "fee": "0.00010000", "subtotal": "0.09990000", "status": "approved"}
    assert money(books, ann.number)["BTC"] == "1.9+0.1"
    account = next(row for row in ann.call("api_list_accounts", user="ann").body if row["currency"] == "BTC")
    hold, = ann.call("api_get_account_holds", user="ann", parameters={"account_id": account["id"]}).body
    assert (hold["type"], hold["ref"], hold["amount"]) == ("transfer", made.body["id"], "0.10000000")
    check_books(books)
    assert send(ann) == {"completed": 1}
    assert send(ann) == {}
    assert steps(books, made.body["id"]) == ["requested", "approved", "sent", "completed"]
    assert money(books, ann.number)["BTC"] == "1.9+0"
    assert money(books, 999) == {"BTC": "0.0001+0"}
    assert books.execute("SELECT amount::text, destination FROM sandbox_payouts").fetchall() == [("0.09990000", ADDRESS)]
    rows = ann.call("api_get_account_ledger", user="ann", parameters={"account_id": account["id"]}).body
    assert [(row["type"], row["amount"], row["balance"]) for row in rows] == [
        ("fee", "-0.00010000", "1.90000000"), ("transfer", "-0.09990000", "1.90010000"),
        ("transfer", "2.00000000", "2.00000000")]
    shown = ann.call("api_read_transfers", user="ann", parameters={"transfer_id": made.body["id"]}).body
    assert (shown["type"], shown["status"], shown["details"]["sent_to_address"]) == ("withdraw", "completed", ADDRESS)
    assert shown["completed_at"] == shown["processed_at"] and "canceled_at" not in shown
    assert [step["status"] for step in shown["steps"]] == ["requested", "approved", "sent", "completed"]
    listed = ann.call("api_read_transfers", user="ann", query="type=withdraw&currency=BTC").body
    assert [row["id"] for row in listed] == [made.body["id"]]
    assert ann.call("api_read_transfers", user="ann", parameters={"account_id": account["id"]}).body[0] == listed[0]
    assert [row["type"] for row in ann.call("api_read_transfers", user="ann").body] == ["withdraw", "deposit", "deposit"]
    assert ann.call("api_read_transfers", user="bob").body == []


def test_a_withdrawals_money_can_be_followed_by_hand(ann, books):
    """The SQL of docs/DATA.md, before and after the custody has paid."""
    section = PAGE.read_text().partition("\n## Follow a withdrawal's money by hand\n")[2].partition("\n## ")[0]
    lines = [line for line in re.search(r"```sql\n(.*?)```", section, re.DOTALL)[1].splitlines()
             if not line.startswith(("\\", "--"))]
    made = withdraw(ann).body["id"]

    def follow():
        statements = [part for part in "\n".join(lines).split(";") if part.strip()]
        cursor = books.cursor(row_factory=dict_row)
        return [cursor.execute(part.replace(":'transfer'", f"'{made}'")).fetchall() for part in statements]

    (transfer,), steps_taken, (hold,), postings, payouts = follow()
    assert (transfer["status"], hold["amount"], postings, payouts) == ("approved", transfer["amount"], [], [])
    send(ann)
    (transfer,), steps_taken, holds, postings, (payout,) = follow()
    assert (transfer["status"], holds, payout["amount"]) == ("completed", [], transfer["paid"])
    assert [step["status"] for step in steps_taken] == ["requested", "approved", "sent", "completed"]
    assert [posting["account_no"] for posting in postings] == [ann.number, ann.number, 999, 1]
    assert sum(posting["amount"] for posting in postings) == 0


def test_where_dollars_go_and_coins_come_from(ann):
    method, = ann.call("api_list_payment_methods", user="ann", path="/payment-methods").body
    assert (method["id"], method["allow_withdraw"]) == (str(payment_method_id(ann.profile, "USD")), True)
    wallets = ann.call("api_list_payment_methods", user="ann", path="/coinbase-accounts").body
    ids = {row["currency"]: row["id"] for row in ann.call("api_list_accounts", user="ann").body}
    assert {row["currency"]: row["id"] for row in wallets} == {name: ids[name] for name in ("BTC", "ETH", "SOL")}


def test_the_fee_on_top(ann, books):
    made = withdraw(ann, add_network_fee_to_total=True).body
    assert (made["amount"], made["subtotal"]) == ("0.10010000", "0.10000000")


def test_the_same_idem_withdraws_once(ann, books):
    idem = str(uuid4())
    first, again = withdraw(ann, idem=idem), withdraw(ann, idem=idem, amount="0.100")
    assert first.body == again.body
    other = withdraw(ann, idem=idem, amount="0.2")
    assert (other.status, other.body["code"]) == (400, "duplicate_idem")
    assert money(books, ann.number)["BTC"] == "1.9+0.1"


def test_above_the_limit_an_operator_is_asked_and_until_then_the_owner_may_cancel(ann, books):
    made = withdraw(ann, amount="0.3").body
    assert made["status"] == "requested"
    assert send(ann) == {}
    parameters = {"transfer_id": made["id"]}
    assert ann.call("api_cancel_withdrawal", user="bob", method="DELETE", parameters=parameters).status == 404
    assert ann.call("api_cancel_withdrawal", user="ann", method="DELETE", parameters=parameters).body == made["id"]
    assert money(books, ann.number)["BTC"] == "2+0"
    again = ann.call("api_cancel_withdrawal", user="ann", method="DELETE", parameters=parameters)
    assert (again.status, again.body["code"]) == (400, "withdrawal_not_cancelable")
    shown = ann.call("api_read_transfers", user="ann", parameters=parameters).body
    assert "canceled_at" in shown and "completed_at" not in shown
    approved = withdraw(ann, amount="0.1").body["id"]
    late = ann.call("api_cancel_withdrawal", user="ann", method="DELETE", parameters={"transfer_id": approved})
    assert (late.status, late.body["code"]) == (400, "withdrawal_not_cancelable")


def test_what_an_operator_decides(ann, books):
    first, second, third = (withdraw(ann, amount="0.3").body["id"] for _ in range(3))
    assert withdrawals.approve(first, "olga", "") == "approved"
    assert withdrawals.approve(first, "olga", "") == "too_late"
    assert withdrawals.refuse(second, "olga", "unknown destination") == "refused"
    assert withdrawals.approve(second, "olga", "") == "too_late"
    assert withdrawals.approve(third, "olga", "") == "approved"
    assert withdrawals.refuse(third, "olga", "second thoughts") == "refused"  # until it is sent
    assert withdrawals.approve(uuid4(), "olga", "") == "unknown"
    assert send(ann) == {"completed": 1}
    assert withdrawals.refuse(first, "olga", "") == "too_late"
    assert money(books, ann.number)["BTC"] == "1.7+0"


def test_what_cannot_be_paid_comes_back(ann, books):
    book(ann, "ann", address="return-to-sender")
    books.execute("UPDATE withdrawal_addresses SET usable_at = now()")
    made = withdraw(ann, crypto_address="return-to-sender").body
    assert send(ann) == {"returned": 1}
    assert steps(books, made["id"]) == ["requested", "approved", "sent", "returned"]
    assert money(books, ann.number)["BTC"] == "2+0"
    assert books.execute("SELECT count(*) FROM ledger_entries WHERE kind = 'withdrawal'").fetchone() == (0,)


@pytest.mark.parametrize("crash", ["before_pay", "after_pay", "before_commit_of_begin"])
def test_a_crash_between_custody_and_ledger_pays_once(ann, books, monkeypatch, crash):
    made = withdraw(ann).body["id"]
    pay = SandboxCustody.pay

    def dying_pay(self, payout):
        if crash == "after_pay":
            pay(self, payout)
        raise ConnectionError("the process dies here")

    def dying_begin(transfer_id):
        raise ConnectionError("the process dies here")

    with monkeypatch.context() as patch:
        if crash == "before_commit_of_begin":
            patch.setattr(withdrawals, "begin", dying_begin)
        else:
            patch.setattr(SandboxCustody, "pay", dying_pay)
        for _ in range(2):
            with pytest.raises(Exception, match="wait for the next run"):
                send(ann)
    assert status(books, made) == ("approved" if crash == "before_commit_of_begin" else "sent")
    assert withdrawals.refuse(made, "olga", "") == ("refused" if crash == "before_commit_of_begin" else "too_late")
    check_books(books)
    send(ann)
    paid = books.execute("SELECT count(*) FROM sandbox_payouts").fetchone()[0]
    booked = books.execute("SELECT count(*) FROM ledger_entries WHERE kind = 'withdrawal'").fetchone()[0]
    assert paid == booked == (0 if crash == "before_commit_of_begin" else 1)
    assert status(books, made) == ("refused" if crash == "before_commit_of_begin" else "completed")


def test_two_senders_at_once_pay_and_book_once(ann, books):
    ids = [withdraw(ann, amount="0.01").body["id"] for _ in range(8)]
    handler = ann.load("ledger_send_withdrawals").lambda_handler
    failures = []

    def run():
        try:
            for _ in range(3):
                handler({}, None)
        except RetryableFault:
            pass  # another one is paying it at this moment: it waits for the next run
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            ledger_connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    handler({}, None)
    assert {status(books, transfer_id) for transfer_id in ids} == {"completed"}
    assert books.execute("SELECT count(*) FROM sandbox_payouts").fetchone() == (8,)
    assert books.execute("SELECT count(*) FROM ledger_entries WHERE kind = 'withdrawal'").fetchone() == (8,)


def test_without_an_adapter_a_withdrawal_stays_approved(ann, books, monkeypatch):
    made = withdraw(ann).body["id"]
    monkeypatch.setenv("SANDBOX", "0")
    sandbox_custody.custody.cache_clear()
    with pytest.raises(Exception, match="wait for the next run"):
        send(ann)
    sandbox_custody.custody.cache_clear()
    assert status(books, made) == "approved"


def test_limits_in_24_hours_by_tier(ann, books):
    assert withdraw(ann, amount="0.9").status == 200
    over = withdraw(ann, amount="0.11")
    assert (over.status, over.body["code"]) == (400, "withdrawal_limit_reached")
    assert withdraw(ann, amount="0.1").status == 200
    assert books.execute("SELECT set_tier(%s, 'verified', 'olga', 'papers seen')", (ann.number,)).fetchone() == ("done",)
    assert withdraw(ann, amount="0.5").status == 200
    books.execute("SELECT set_tier(%s, 'unlisted', 'olga', 'a tier without limits')", (ann.number,))
    assert withdraw(ann, amount="0.01").body["code"] == "withdrawal_limit_reached"
    assert withdraw_dollars(ann, "100").body["code"] == "withdrawal_limit_reached"


def limits(api, currency, user="ann"):
    answer = api.call("api_get_exchange_limits", user=user, path="/users/self/exchange-limits")
    assert answer.status == 200
    row = answer.body["transfer_limits"]["exchange_withdraw"][currency]
    return row["max"], row["remaining"]


def test_the_limits_are_told_and_what_is_told_is_what_may_be_withdrawn(ann, books):
    told = ann.call("api_get_exchange_limits", user="ann").body
    assert told["limit_currency"] == "USD"
    assert list(told["transfer_limits"]["exchange_withdraw"]) == ["USD", "BTC", "ETH", "SOL"]
    assert told["transfer_limits"]["exchange_withdraw"]["BTC"] == {
        "max": "1.00000000", "remaining": "1.00000000", "period_in_days": 1, "min": "0.00050000",
        "approve_up_to": "0.25000000"}
    assert withdraw(ann, amount="0.9").body["status"] == "requested"
    assert withdraw(ann, amount="0.01").body["status"] == "approved"
    assert limits(ann, "BTC") == ("1.00000000", "0.09000000")
    assert (limits(ann, "USD"), limits(ann, "BTC", user="bob")) == (("50000.00000000",) * 2, ("1.00000000",) * 2)
    assert withdraw(ann, amount="0.09000001").body["code"] == "withdrawal_limit_reached"
    assert withdraw(ann, amount="0.09").status == 200
    assert limits(ann, "BTC") == ("1.00000000", "0.00000000")
    books.execute("ALTER TABLE transfers DISABLE TRIGGER USER")  # a day goes by
    books.execute("UPDATE transfers SET created_at = created_at - interval '24 hours' WHERE amount = 0.9")
    books.execute("ALTER TABLE transfers ENABLE TRIGGER USER")
    assert limits(ann, "BTC") == ("1.00000000", "0.90000000")
    books.execute("SELECT set_tier(%s, 'verified', 'olga', 'papers seen')", (ann.number,))
    assert limits(ann, "BTC") == ("50.00000000", "49.90000000")
    # A tier that allows less than was taken before, and one that no asset speaks of.
    assert withdraw(ann, amount="0.95").status == 200
    books.execute("SELECT set_tier(%s, 'basic', 'olga', 'papers withdrawn')", (ann.number,))
    assert limits(ann, "BTC") == ("1.00000000", "0.00000000")
    books.execute("SELECT set_tier(%s, 'unlisted', 'olga', 'a tier without limits')", (ann.number,))
    assert limits(ann, "BTC") == limits(ann, "USD") == ("0.00000000", "0.00000000")


def test_a_canceled_withdrawal_does_not_count_against_the_limit(ann, books):
    made = withdraw(ann, amount="0.9").body["id"]
    assert limits(ann, "BTC")[1] == "0.10000000"
    ann.call("api_cancel_withdrawal", user="ann", method="DELETE", parameters={"transfer_id": made})
    assert limits(ann, "BTC")[1] == "1.00000000"
    assert withdraw(ann, amount="1").status == 200


def test_dollars_go_to_ones_own_payment_method(ann, books):
    assert withdraw_dollars(ann, "100").body["status"] == "approved"
    assert withdraw_dollars(ann, "20000").body["status"] == "requested"
    assert withdraw_dollars(ann, "100", payment_method_id=str(uuid4())).body["code"] == "payment_method_not_found"
    assert send(ann) == {"completed": 1}
    assert money(books, ann.number)["USD"] == "79900+20000"
    shown = ann.call("api_read_transfers", user="ann", query="currency=USD&type=withdraw").body[1]
    assert shown["details"]["coinbase_payment_method_id"] == str(payment_method_id(ann.profile, "USD"))


def test_a_new_address_waits(ann, books):
    entry = book(ann, "ann", address="new-place", label="cold")
    assert (entry["trusted"], entry["label"]) == (False, "cold") and entry["address_book_entry_pending_until"].endswith("Z")
    assert withdraw(ann, crypto_address="new-place").body["code"] == "address_waiting"
    books.execute("UPDATE withdrawal_addresses SET usable_at = now() WHERE address = 'new-place'")
    assert book(ann, "ann", address="new-place") == {
        name: value for name, value in entry.items() if name != "address_book_entry_pending_until"} | {"trusted": True}
    assert withdraw(ann, crypto_address="new-place").status == 200
    parameters = {"address_id": entry["id"]}
    assert ann.call("api_change_address_book", user="bob", method="DELETE", parameters=parameters).status == 404
    assert ann.call("api_change_address_book", user="ann", method="DELETE", parameters=parameters).body == entry["id"]
    assert withdraw(ann, crypto_address="new-place").body["code"] == "address_not_in_book"
    assert book(ann, "ann", address="new-place")["id"] != entry["id"]  # and waits anew
    assert withdraw(ann, crypto_address="new-place").body["code"] == "address_waiting"
    assert len(ann.call("api_list_addresses", user="ann").body) == 2


def test_an_address_book_has_an_end(ann):
    for part in range(2):
        answer = ann.call("api_change_address_book", user="ann", method="POST", body={"addresses": [
            {"currency": "ETH", "to": {"address": f"0x{part}{number}"}} for number in range(50)]})
    assert (answer.status, answer.body["code"]) == (400, "too_many_addresses")
    assert len(ann.call("api_list_addresses", user="ann").body) == 51


def test_withdrawals_and_orders_racing_for_a_balance(ann, books):
    """Twenty at once, each for 0.3 of 2 BTC (within the 24-hour limit of 1): what is held is exactly what succeeded."""
    outcomes = []

    def run(number):
        try:
            if number % 2:
                outcomes.append(withdraw(ann, amount="0.3").status)
            else:
                outcomes.append(ann.place("ann", side="sell", size="0.3", price="1000").status)
        finally:
            ledger_connection.close()

    ann.load("api_request_withdrawal")
    ann.load("api_place_order")
    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    available, held = balance(books, ann.number, "BTC")
    assert available >= 0 and available + held == 2
    assert float(held) == pytest.approx(0.3 * outcomes.count(200))
    assert outcomes.count(200) == 6


@pytest.mark.parametrize(("statement", "error"), [
    ("UPDATE transfers SET amount = amount + 1", "terms of .* are final"),
    ("UPDATE transfers SET destination = 'elsewhere'", "terms of .* are final"),
    ("UPDATE transfers SET status = 'completed' WHERE kind = 'withdrawal'", "no step from approved to completed"),
    ("UPDATE transfers SET status = 'requested' WHERE kind = 'withdrawal'", "no step from approved to requested"),
    ("DELETE FROM transfer_steps", "append-only"),
    ("UPDATE transfers SET fee = 1 WHERE kind = 'deposit'", "deposits_are_complete|terms of"),
    ("INSERT INTO ledger_entries (kind, transfer_id) SELECT 'deposit', id FROM transfers WHERE kind = 'deposit'",
     "ledger_entries_by_transfer"),
])
def test_the_database_keeps_it_too(ann, books, statement, error):
    withdraw(ann)
    with pytest.raises(psycopg.Error, match=error):
        books.execute(statement)


def test_a_frozen_account_neither_orders_nor_withdraws_but_cancels_and_reads(ann, books):
    requested = withdraw(ann, amount="0.3").body["id"]
    approved = withdraw(ann, amount="0.1").body["id"]
    order = ann.place("ann", price="100", size="1").body["id"]
    assert books.execute("SELECT set_frozen(%s, true, 'olga', 'a stolen session')", (ann.number,)).fetchone() == ("done",)
    for refused in (ann.place("ann", price="100", size="1"), ann.place("ann", side="sell", price="1000", size="0.1"),
                    withdraw(ann), withdraw_dollars(ann, "10")):
        assert (refused.status, refused.body["code"]) == (400, "account_frozen")
    assert send(ann) == {}  # nothing leaves a frozen account
    assert status(books, approved) == "approved"
    assert ann.call("api_get_order", user="ann", parameters={"order_id": order}).status == 200
    assert ann.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": order}).status == 200
    assert ann.call("api_cancel_withdrawal", user="ann", method="DELETE", parameters={"transfer_id": requested}).status == 200
    assert {row["trading_enabled"] for row in ann.call("api_list_accounts", user="ann").body} == {False}
    ann.fund("ann", ETH="1")  # deposits come in
    assert books.execute("SELECT set_frozen(%s, true, 'olga', 'again')", (ann.number,)).fetchone() == ("unchanged",)
    assert books.execute("SELECT set_frozen(%s, false, 'olga', 'cleared')", (ann.number,)).fetchone() == ("done",)
    assert send(ann) == {"completed": 1}
    assert ann.place("ann", price="100", size="1").status == 200
    assert books.execute("SELECT action, reason FROM account_actions ORDER BY number").fetchall() == [
        ("freeze", "a stolen session"), ("unfreeze", "cleared")]
    assert books.execute("SELECT set_frozen(1, true, 'olga', 'custody')").fetchone() == ("unknown_account",)


def test_an_asset_that_is_listed_later_is_frozen_too(ann, books):
    books.execute("SELECT set_frozen(%s, true, 'olga', 'why')", (ann.number,))
    books.execute("SELECT * FROM open_account('ann', '{USD,NEW}')")
    assert books.execute("SELECT frozen FROM balances WHERE account_no = %s AND asset = 'NEW'",
                            (ann.number,)).fetchone() == (True,)
