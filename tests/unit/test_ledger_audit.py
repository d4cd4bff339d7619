"""`audit_check_ledger` and `audit_check_whole_ledger`: each planted fault is found by the audit that claims it, and halts."""

import json
import threading

import psycopg
import pytest

from exchange.adapters.postgres import audit_runs, ledger_checks
from exchange.adapters.postgres.ledger_checks import check_changes, check_whole
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.api import placing
from exchange.commands import CommandKind
from exchange.faults import BrokenInvariant
from exchange.markets import listing
from tests.unit.ledger_world import NOW
from tests.unit.log_lines import level_for_lambda

OPEN_LEDGER = "ALTER TABLE postings DISABLE TRIGGER ALL"
MINUTE, DAY = "audit_check_ledger", "audit_check_whole_ledger"

# (damage, invariant, what is named, by which audit)
FAULTS = {
    "held grew by hand": (["UPDATE balances SET held = held + 1, available = available - 1 WHERE available > 1"],
                          "I3", "balance 1000/USD", (MINUTE, DAY)),
    "a balance grew by hand": (["UPDATE balances SET available = available + 1 WHERE account_no = 1000 AND asset = 'USD'"],
                               "I1", "balance 1000/USD", (MINUTE, DAY)),
    "a balance without a posting grew by hand": (
        ["UPDATE balances SET available = 7 WHERE account_no = 1000 AND asset = 'ETH'"], "I1", "balance 1000/ETH",
        (MINUTE, DAY)),
    "a negative balance": (
        ["ALTER TABLE balances DROP CONSTRAINT available_not_negative",
         "UPDATE balances SET available = -1 WHERE asset = 'ETH'"],
        "I2", "balance 1000/ETH", (MINUTE, DAY)),
    "a posting too many": (
        [OPEN_LEDGER, "INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type)"
         " SELECT max(id), 1000, 'USD', 1, 1001, 'fee' FROM ledger_entries"], "I1", "entry 1", (MINUTE, DAY)),
    "a posting changed": ([OPEN_LEDGER, "UPDATE postings SET balance_after = 999 WHERE account_no = 1000"],
                          "I1", "posting 1", (MINUTE,)),
    "a pair of postings gone": ([OPEN_LEDGER, "DELETE FROM postings"], "I1", "balance 1000/USD", (MINUTE, DAY)),
    "a hold that outlives its order": (
        ["UPDATE orders SET status = 'done', hold = 0, done_at = now(), done_reason = 'canceled'"], "I3", "balance 1000/USD",
        (MINUTE, DAY)),
    "an order that holds nothing": (["UPDATE orders SET hold = hold - 1"], "I3", "balance 1000/USD", (MINUTE, DAY)),
    "an order without a balance": (["UPDATE orders SET account_no = 77"], "I3", "balance 77/USD", (MINUTE, DAY)),
    "a settled entry that is not the journal's": (["UPDATE settle_cursors SET seq = 5"], "I4", "journal entry 5", (MINUTE,)),
}


@pytest.fixture
def world(api):
    """Ann has 1000 USD and a live order; the audits have passed."""
    api.fund("ann", USD="1000")
    api.place("ann")
    PostgresLedger(listing()).cursor("BTC-USD")
    for audit in (MINUTE, DAY):
        assert api.load(audit).lambda_handler({}, None)["result"] == "passed"
    return api


@pytest.mark.parametrize(("damage", "invariant", "subject", "audits"), FAULTS.values(), ids=FAULTS)
def test_planted_faults(world, capsys, damage, invariant, subject, audits):
    with psycopg.connect(world.dsn) as connection:
        # As if nobody had looked at it before: the minute's audit goes over what is new.
        connection.execute("DELETE FROM audit_cursors")
        for statement in damage:
            connection.execute(statement)
    for audit in audits:
        capsys.readouterr()
        with pytest.raises(BrokenInvariant, match=rf"{invariant}: {subject}: "):
            world.load(audit).lambda_handler({}, None)
        metric = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        assert metric["BrokenInvariants"] >= 1 and metric["audit"] == audit and level_for_lambda(metric) == "ERROR"
        [run] = [run for run in audit_runs.last_runs() if run["audit"] == audit]
        assert run["result"] == "failed" and run["last_passed_at"] < run["last_failed_at"]
        found = {(row["audit"], row["invariant"], row["subject"]): row for row in audit_runs.findings()}
        assert found[audit, invariant, subject]["times"] == 1
        assert found[audit, invariant, subject]["evidence"] or invariant == "I4"
    assert world.sent()[-1].kind == CommandKind.HALT
    placing.market_status.forget()
    refused = world.place("ann")
    assert refused.status == 400 and refused.body["message"].startswith("Cancel only mode")


def test_what_was_found_is_found_again_until_it_is_put_right(world):
    audit = world.load(MINUTE)
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        connection.execute("UPDATE balances SET available = available + 1 WHERE account_no = 1000 AND asset = 'USD'")
        for _ in range(2):
            with pytest.raises(BrokenInvariant):
                audit.lambda_handler({}, None)
        assert [row["times"] for row in audit_runs.findings()] == [2]
        connection.execute("UPDATE balances SET available = available - 1 WHERE account_no = 1000 AND asset = 'USD'")
    assert audit.lambda_handler({}, None)["result"] == "passed"


def test_every_balance_gets_its_turn(exchange, database, monkeypatch):
    """A row changed by hand, of an account that does nothing, is found when the walk comes by."""
    monkeypatch.setattr(ledger_checks, "STRETCH", 3)
    for number in range(4):
        exchange.account(f"user {number}", USD="5")
    checked = check_changes({}, ended_since_ms=0)
    while checked.position["walked"] != [0, ""]:
        checked = check_changes(checked.position, ended_since_ms=0)
    database.execute("UPDATE balances SET available = 6 WHERE account_no = 1003 AND asset = 'USD'")
    database.execute("INSERT INTO audit_cursors SELECT 'none', '', '{}'")  # a transaction passes
    runs = 0
    while not checked.findings:
        checked, runs = check_changes(checked.position, ended_since_ms=0), runs + 1
        assert runs < 20
    assert [str(found) for found in checked.findings] == [
        "I1: balance 1003/USD: is 6.00000000 + 0.00000000, its postings say 5.00000000"]
    assert runs > 1


def test_only_what_is_new_is_gone_over(exchange, database, monkeypatch):
    monkeypatch.setattr(ledger_checks, "STRETCH", 0)
    accounts = [exchange.account(USD="5") for _ in range(10)]
    first = check_changes({}, ended_since_ms=NOW)
    second = check_changes(first.position, ended_since_ms=NOW)
    assert first.rows == 20 and second.rows in (0, 20)
    third = check_changes(second.position, ended_since_ms=NOW)
    assert third.rows == 0
    exchange.place(accounts[0], "buy", "0.01", "100")
    fourth = check_changes(third.position, ended_since_ms=NOW)
    assert (fourth.rows, fourth.findings) == (1, [])  # what its order holds


def test_an_entry_that_commits_late_is_not_passed_over(exchange, database, ledger_dsn):
    """Entry 2 commits, and is audited, while entry 1 is still under way; entry 1 is broken."""
    account, other = exchange.account(), exchange.account()
    database.execute("ALTER TABLE postings DISABLE TRIGGER postings_sum_to_zero")
    deposit = "SELECT outcome FROM credit_deposit(%s, %s, 5, 'test', gen_random_uuid()::text, NULL)"
    with psycopg.connect(ledger_dsn) as slow:
        slow.execute(deposit, (account, "USD"))
        slow.execute("INSERT INTO postings (entry_id, account_no, asset, amount, balance_after, type)"
                     " SELECT max(id), 1, 'USD', 1, NULL, 'fee' FROM ledger_entries")
        database.execute(deposit, (other, "BTC"))
        checked = check_changes({}, ended_since_ms=0)
        for _ in range(3):
            checked = check_changes(checked.position, ended_since_ms=0)
        assert checked.findings == [] and checked.position["entry"] == 0
        slow.commit()
    assert [str(found) for found in check_changes(checked.position, ended_since_ms=0).findings] == [
        "I1: entry 1: its postings of USD sum to 1.00000000"]


@pytest.mark.parametrize("damage", [
    "DELETE FROM fills WHERE side = 'buy'", "UPDATE fills SET size = size * 2 WHERE side = 'buy'"])
def test_the_whole_ledger_knows_a_trade_by_both_its_fills(exchange, database, damage):
    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    exchange.settle(exchange.place(seller, "sell", "0.5", "100"), exchange.place(buyer, "buy", "0.5", "110"))
    assert check_whole().findings == []
    database.execute(damage)
    found = check_whole().findings
    assert {finding.invariant for finding in found} == {"I7"}
    assert {finding.subject.split()[0] for finding in found} == {"trade", "order", "volume"}
    assert {finding.market for finding in found} == {"BTC-USD"}


@pytest.mark.parametrize(("damage", "says"), [
    ("UPDATE trading_volumes SET size = size + 1 WHERE account_no = 1000", "50.00000000 for 1.50000000"),
    ("UPDATE trading_volumes SET value = value - 1 WHERE account_no = 1000", "49.00000000 for 0.50000000"),
    ("DELETE FROM trading_volumes WHERE account_no = 1000", "0 for 0")])
def test_the_whole_ledger_knows_a_days_volume_by_its_fills(exchange, database, damage, says):
    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    assert seller == 1000
    exchange.settle(exchange.place(seller, "sell", "0.5", "100"), exchange.place(buyer, "buy", "0.5", "110"))
    assert check_whole().findings == []
    database.execute(damage)
    [found] = check_whole().findings
    assert (found.invariant, found.market) == ("I7", "BTC-USD")
    assert str(found) == f"I7: volume 1000/2023-11-14: is {says}, its fills 50.00000000 for 0.50000000"


def test_a_volume_of_no_fills_is_found_too(exchange, database):
    database.execute("INSERT INTO trading_volumes VALUES (1000, 'BTC-USD', '2023-11-14', 5, 1)")
    assert [str(found) for found in check_whole().findings] == [
        "I7: volume 1000/2023-11-14: is 5.00000000 for 1.00000000, its fills 0 for 0"]


def test_an_audit_beside_settlement_finds_nothing(exchange, ledger_dsn):
    """Audits run while orders are placed and settled: a transaction is seen whole or not at all."""
    from exchange.adapters.postgres import connection as ledger_connection

    seller, buyer = exchange.account(BTC="10"), exchange.account(USD="100000")
    stop, findings, runs = threading.Event(), [], []

    def audit():
        position = {}
        while not stop.is_set():
            checked = check_changes(position, ended_since_ms=0)
            findings.extend(checked.findings)
            position = checked.position
            runs.append(checked.rows)
        ledger_connection.close()

    thread = threading.Thread(target=audit)
    thread.start()
    for _ in range(60):
        exchange.settle(exchange.place(seller, "sell", "0.01", "100"), exchange.place(buyer, "buy", "0.012", "101"))
    stop.set()
    thread.join()
    assert findings == [] and len(runs) > 2
    assert check_whole().findings == []
