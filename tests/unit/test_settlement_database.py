"""Placing and settling on real PostgreSQL, with the real core between: races, repeats, broken entries, exact money."""

import random
import threading
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.postgres import fee_rates, orders
from exchange.adapters.postgres.ledger_checks import check_whole
from exchange.follower import StaleCursor
from exchange.journal import GENESIS_HASH
from exchange.orders import Touch
from exchange.settlement import SettlementBroken
from tests.unit.ledger_world import balance, check_books, money


def test_a_trade_moves_exactly_its_value_and_its_fees(exchange, database):
    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    sell = exchange.place(seller, "sell", "0.5", "100")
    buy = exchange.place(buyer, "buy", "0.5", "110")
    assert money(database, buyer) == {"USD": "944.67+55.33"}
    exchange.settle(sell)
    assert orders.find(seller, order_id=sell.order_id)["status"] == "open"
    exchange.settle(buy)
    # value 50; the taker pays 0.6 %, the maker 0.4 %; the rest of the hold for 110 comes back
    assert money(database, buyer) == {"USD": "949.7+0", "BTC": "0.5+0"}
    assert money(database, seller) == {"USD": "49.8+0", "BTC": "0.5+0"}
    assert money(database, exchange.ledger._fee_accounts["BTC-USD"]) == {"USD": "0.5+0"}
    row = orders.find(buyer, order_id=buy.order_id)
    assert (row["status"], row["done_reason"], row["executed_value"], row["fill_fees"]) == (
        "done", "filled", "50.00000000", "0.30000000")
    assert database.execute("SELECT side, liquidity, price, fee FROM fills ORDER BY side").fetchall() == [
        ("buy", "T", Decimal(100), Decimal("0.3")), ("sell", "M", Decimal(100), Decimal("0.2"))]
    assert fee_rates.volume_30_days(buyer) in (50, 0)  # the entry's clock is not today's
    check_books(database)


def test_a_cancel_gives_the_whole_hold_back(exchange, database):
    buyer = exchange.account(USD="1000")
    buy = exchange.place(buyer, "buy", "1.234567", "123.45")
    exchange.settle(buy)
    exchange.settle(exchange.cancel(buy))
    assert money(database, buyer) == {"USD": "1000+0"}
    assert orders.find(buyer, order_id=buy.order_id)["done_reason"] == "canceled"
    check_books(database)


def test_a_rejected_order_gives_its_hold_back_once(exchange, database):
    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    exchange.settle(exchange.place(seller, "sell", "1", "100"))
    post_only = exchange.place(buyer, "buy", "1", "100", post_only=True)
    exchange.settle(post_only)
    row = orders.find(buyer, order_id=post_only.order_id)
    assert (row["done_reason"], row["reject_reason"]) == ("rejected", "post_only_would_cross")
    # the same record again, as after a second send: the order is not pending any more
    exchange.settle(post_only)
    assert money(database, buyer) == {"USD": "1000+0"}
    check_books(database)


@pytest.mark.parametrize(("stp", "left"), [("dc", "open"), ("co", "open"), ("cn", "done"), ("cb", "done")])
def test_self_trade_prevention_releases_what_it_takes_away(exchange, database, stp, left):
    trader = exchange.account(BTC="5", USD="1000")
    exchange.settle(exchange.place(trader, "sell", "1", "100"))
    buy = exchange.place(trader, "buy", "2", "100", stp=stp)
    exchange.settle(buy)
    assert orders.find(trader, order_id=buy.order_id)["status"] == left
    assert database.execute("SELECT count(*) FROM fills").fetchone() == (0,)
    check_books(database)
    if left == "open":
        exchange.settle(exchange.cancel(buy))
        check_books(database)


def test_market_orders_by_size_and_by_funds(exchange, database):
    seller, buyer = exchange.account(BTC="5"), exchange.account(USD="1000")
    exchange.settle(exchange.place(seller, "sell", "1", "100"), exchange.place(seller, "sell", "1", "101"))
    touch = Touch(ask_ticks=10_000)
    exchange.settle(exchange.place(buyer, "buy", "1.5", type="market", touch=touch))
    check_books(database)
    exchange.settle(exchange.place(buyer, "buy", type="market", funds="30.123456", touch=touch))
    row = database.execute("SELECT specified_funds, executed_value + fill_fees FROM orders WHERE funds > 0").fetchone()
    assert row[0] - row[1] < Decimal("0.0002")
    assert balance(database, buyer, "USD")[1] == 0
    exchange.settle(exchange.place(buyer, "buy", "0.5", "90"))
    exchange.settle(exchange.place(seller, "sell", type="market", funds="20", touch=Touch(bid_ticks=9_000)))
    assert database.execute(
        "SELECT executed_value, hold FROM orders WHERE side = 'sell' AND type = 'market'").fetchone() == (
            Decimal("19.99998"), 0)  # a lot more would be 20.00007
    check_books(database)


def test_settling_an_entry_twice_changes_nothing(exchange, database):
    buyer = exchange.account(USD="1000")
    entry = exchange.settle(exchange.place(buyer, "buy", "1", "100"))
    with pytest.raises(StaleCursor):
        exchange.ledger.apply(entry)
    assert exchange.ledger.cursor("BTC-USD") == (1, entry.hash)


def test_an_entry_that_does_not_chain_is_refused(exchange):
    exchange.hash = b"\1" * 32
    with pytest.raises(SettlementBroken, match="I4"):
        exchange.ledger.apply(exchange.match())
    assert exchange.ledger.cursor("BTC-USD") == (0, GENESIS_HASH)


def _run(exchange, *batches):
    """Consecutive entries, matched and not yet settled."""
    entries = []
    for commands in batches:
        entries.append(exchange.match(*commands))
        exchange.seq, exchange.hash = entries[-1].seq, entries[-1].hash
    return entries


def test_a_run_of_entries_is_one_transaction_and_reads_as_if_settled_one_by_one(exchange, database):
    seller, buyer = exchange.account(BTC="5"), exchange.account(USD="1000")
    sell = exchange.place(seller, "sell", "2", "100")
    first, second = (exchange.place(buyer, "buy", size, "100") for size in ("0.5", "1"))
    entries = _run(exchange, [sell], [first], [second], [exchange.cancel(sell)])
    exchange.ledger.apply_run(entries)
    assert exchange.ledger.cursor("BTC-USD") == (4, entries[-1].hash)
    check_books(database)
    # Entries 1 and 4 moved no money between accounts.
    rows = database.execute("SELECT journal_seq, xmin::text, created_at FROM ledger_entries"
                            " WHERE kind = 'settlement' ORDER BY id").fetchall()
    assert [row[0] for row in rows] == [2, 3]
    assert len({row[1] for row in rows}) == 1
    assert [row[2].timestamp() * 1000 for row in rows] == [entries[1].at_ms, entries[2].at_ms]
    running = {}
    for account, asset, amount, after in database.execute(
            "SELECT account_no, asset, amount, balance_after FROM postings WHERE account_no > 1 ORDER BY id"):
        running[account, asset] = running.get((account, asset), 0) + amount
        assert after == running[account, asset]
    assert running[seller, "BTC"] == Decimal("3.5")
    assert database.execute("SELECT journal_seq, count(*) FROM fills GROUP BY 1 ORDER BY 1").fetchall() == [(2, 2), (3, 2)]
    done = dict(database.execute("SELECT id, done_at FROM orders WHERE status = 'done'").fetchall())
    assert {order: at.timestamp() * 1000 for order, at in done.items()} == {
        first.order_id: entries[1].at_ms, second.order_id: entries[2].at_ms, sell.order_id: entries[3].at_ms}


def test_of_a_run_with_a_broken_entry_what_is_before_it_is_settled(exchange, database):
    buyer = exchange.account(USD="1000")
    unknown = exchange.order(buyer, "buy", "1", "90").command
    placed = [exchange.place(buyer, "buy", "1", price) for price in ("80", "81")]
    entries = _run(exchange, [placed[0]], [unknown], [placed[1]])
    with pytest.raises(SettlementBroken, match="I8"):
        exchange.ledger.apply_run(entries)
    assert exchange.ledger.cursor("BTC-USD") == (1, entries[0].hash)
    assert database.execute("SELECT status FROM orders ORDER BY number").fetchall() == [("open",), ("pending",)]
    check_books(database)


def test_a_run_that_is_not_the_next_is_stale(exchange):
    buyer = exchange.account(USD="1000")
    entries = _run(exchange, *([exchange.place(buyer, "buy", "1", price)] for price in ("80", "81", "82")))
    exchange.ledger.apply_run(entries[:2])
    with pytest.raises(StaleCursor):
        exchange.ledger.apply_run(entries[1:])
    assert exchange.ledger.cursor("BTC-USD") == (2, entries[1].hash)


def test_an_order_that_the_ledger_does_not_know_stops_settlement(exchange):
    buyer = exchange.account(USD="1000")
    with pytest.raises(SettlementBroken, match="I8"):
        exchange.settle(exchange.order(buyer, "buy", "1", "100").command)


def test_what_the_database_refuses_rolls_the_entry_back(exchange, database):
    """A balance that does not cover its orders (made so by hand) is found by the CHECK, and the connection stays good."""
    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    sell, buy = exchange.place(seller, "sell", "1", "100"), exchange.place(buyer, "buy", "1", "100")
    database.execute("UPDATE balances SET held = 1 WHERE account_no = %s AND asset = 'USD'", (buyer,))
    before = database.execute("SELECT * FROM balances ORDER BY 1, 2").fetchall()
    with pytest.raises(SettlementBroken, match="held_not_negative"):
        exchange.settle(sell, buy)
    assert database.execute("SELECT * FROM balances ORDER BY 1, 2").fetchall() == before
    assert database.execute("SELECT count(*) FROM fills").fetchone() == (0,)
    assert exchange.ledger.cursor("BTC-USD") == (0, GENESIS_HASH)
    assert orders.find(buyer, order_id=buy.order_id)["status"] == "pending"


def test_orders_racing_for_one_balance_cannot_win_more_than_there_is(exchange, database):
    buyer = exchange.account(USD="1000")
    outcomes, ready = [], threading.Barrier(32)

    def run():
        ready.wait()
        for _ in range(3):
            order = exchange.order(buyer, "buy", "1", "100")
            outcomes.append(orders.place(order) == order.id)
        ledger_connection.close()

    threads = [threading.Thread(target=run) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # each holds 100.60, of 1000 there is room for nine
    assert (len(outcomes), outcomes.count(True)) == (96, 9)
    assert balance(database, buyer, "USD") == (Decimal("94.6"), Decimal("905.4"))
    check_books(database)


def test_one_client_oid_is_one_order_however_often_and_fast_it_is_sent(exchange, database):
    buyer = exchange.account(USD="1000")
    oid, answers, ready = str(uuid4()), [], threading.Barrier(16)

    def run():
        ready.wait()
        answers.append(orders.place(exchange.order(buyer, "buy", "1", "100", client_oid=oid)))
        ledger_connection.close()

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1 and len(answers) == 16
    assert balance(database, buyer, "USD") == (Decimal("899.4"), Decimal("100.6"))
    assert orders.find(buyer, client_oid=UUID(oid))["id"] == str(answers[0])


def test_placing_the_same_order_again_after_a_lost_connection_holds_once(exchange, database):
    buyer = exchange.account(USD="150")
    order = exchange.order(buyer, "buy", "1", "100")
    assert orders.place(order) == orders.place(order) == order.id
    assert balance(database, buyer, "USD") == (Decimal("49.4"), Decimal("100.6"))


def test_a_killed_connection_is_made_anew(exchange, database):
    buyer = exchange.account(USD="1000")
    exchange.place(buyer, "buy", "1", "100")
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                     " AND datname = current_database()")
    exchange.place(buyer, "buy", "1", "100")
    assert balance(database, buyer, "USD")[1] == Decimal("201.2")


@pytest.mark.parametrize("seed", range(6))
def test_random_flow_keeps_the_books(exchange, database, seed):
    """Random orders, cancels and batches of four accounts; I1 to I3 from the tables after every few entries."""
    draw = random.Random(seed)
    accounts = [exchange.account(BTC="50", USD="5000") for _ in range(4)]
    placed, total = [], {"BTC": Decimal(200), "USD": Decimal(20000)}
    touch = Touch(bid_ticks=9_990, ask_ticks=10_010)
    for step in range(30):
        batch = []
        for _ in range(draw.randint(1, 10)):
            if placed and draw.random() < 0.2:
                batch.append(exchange.cancel(draw.choice(placed)))
                continue
            side, account = draw.choice(("buy", "sell")), draw.choice(accounts)
            size = f"{draw.randint(10_000, 2_000_000) / 1e6:.6f}"
            fields = {"stp": draw.choice(("dc", "co", "cn", "cb"))}
            if draw.random() < 0.25:
                amount = {"size": size} if draw.random() < 0.5 else {"funds": f"{draw.randint(1, 20000) / 97:.8f}"}
                order = exchange.order(account, side, type="market", touch=touch, **fields, **amount) \
                    if Decimal(amount.get("funds", "1")) >= 1 else None
            else:
                fields["time_in_force"] = draw.choice(("GTC", "GTC", "GTC", "IOC", "FOK"))
                fields["post_only"] = fields["time_in_force"] == "GTC" and draw.random() < 0.2
                order = exchange.order(account, side, size, f"{100 + draw.randint(-20, 20) / 100:.2f}", **fields)
            if order is not None and orders.place(order):
                placed.append(order.command)
                batch.append(order.command)
        if batch:
            exchange.settle(*batch)
        if step % 5 == 4:
            check_books(database)
    for command in placed:
        exchange.settle(exchange.cancel(command))
    check_books(database)
    assert database.execute("SELECT count(*) FROM orders WHERE status <> 'done'").fetchone() == (0,)
    assert database.execute("SELECT sum(held) FROM balances").fetchone() == (0,)
    assert dict(database.execute("SELECT asset, sum(available) FROM balances WHERE asset IN ('BTC', 'USD') GROUP BY 1"
                                 ).fetchall()) == total
    assert database.execute("SELECT count(*) > 20 FROM fills").fetchone() == (True,)
    assert check_whole().findings == []


def test_a_young_ledger_is_settled_by_its_keys(exchange, database):
    """The planner would read a small table through, and keep that plan while the table grows."""
    def read_through() -> int:
        ledger_connection.connection().execute("SELECT pg_stat_force_next_flush()")
        return database.execute("SELECT sum(seq_scan) FROM pg_stat_user_tables"
                                " WHERE relname IN ('orders', 'balances')").fetchone()[0]

    seller, buyer = exchange.account(BTC="1"), exchange.account(USD="1000")
    sides = [(seller, "sell"), (buyer, "buy")]
    placed = [exchange.place(account, side, "0.01", "100") for _ in range(8) for account, side in sides]
    exchange.settle(placed[0])
    before = read_through()
    for order in placed[1:]:
        exchange.settle(order)
    assert read_through() == before
    assert ledger_connection.connection().execute("SHOW enable_seqscan").fetchone() == ("on",)
    check_books(database)
