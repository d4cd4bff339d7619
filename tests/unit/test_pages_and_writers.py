"""Pages under concurrent writers: a number drawn first may be committed last, and still no cursor may pass it by."""

import threading
from uuid import UUID, uuid4

import psycopg
import pytest

from exchange.adapters.postgres import accounts, orders, transfers
from exchange.adapters.postgres import connection as ledger_connection
from exchange.api.pages import Page

EVERYTHING = (*orders.LIVE, "done")


def newest(limit=1000, after=None, before=None):
    return Page(limit=limit, newer_than=before, older_than=after)


def numbers(rows):
    return [row["number"] for row in rows]


def place_in(connection, order):
    """`orders.place` in a transaction of the test's own, left open."""
    connection.execute("SELECT 1")  # begins it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "repeatable", lambda work: work(connection))
        assert orders.place(order) == order.id


def test_a_page_of_orders_waits_for_a_smaller_number_on_its_way(exchange, database, ledger_dsn):
    """A sell draws number n and is not committed; a buy, which locks another balance, draws n + 1 and is."""
    ann = exchange.account(USD="1000", BTC="1")
    with psycopg.connect(ledger_dsn) as slow:
        place_in(slow, exchange.order(ann, "sell", "0.1", "100"))
        exchange.place(ann, "buy", "1", "10")
        seen = []

        def read():
            try:
                seen.append(numbers(orders.list_orders(ann, statuses=EVERYTHING, market=None, page=newest())))
            finally:
                ledger_connection.close()

        reader = threading.Thread(target=read)
        reader.start()
        reader.join(timeout=0.5)
        assert reader.is_alive(), "it has shown number n + 1 and would never show n to who asks for newer ones"
        slow.commit()
        reader.join(timeout=30)
    first = database.execute("SELECT min(number) FROM orders").fetchone()[0]
    assert seen == [[first + 1, first]]


def test_placements_of_an_account_do_not_wait_for_each_other(exchange, ledger_dsn):
    ann = exchange.account(USD="1000", BTC="1")
    with psycopg.connect(ledger_dsn) as slow:
        place_in(slow, exchange.order(ann, "sell", "0.1", "100"))
        exchange.place(ann, "buy", "1", "10")  # hangs if it waits
        slow.rollback()


def follow(read, stop):
    """What a client sees that polls for newer rows: every page after the newest row it has."""
    seen, cursor = [], 0
    while True:
        last_round = stop.is_set()
        page = newest(limit=7, before=cursor)
        rows = numbers(read(page)[:7])
        seen += rows[::-1]
        cursor = rows[0] if rows else cursor
        if last_round and not rows:
            return seen


def run(workers):
    failures = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            ledger_connection.close()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("what", ["orders", "transfers", "ledger", "holds"])
def test_who_follows_the_newest_page_sees_every_row_once(exchange, database, what):
    """Four writers on two assets of one account, one reader that asks for newer rows all the time."""
    ann = exchange.account("ann", USD="100000", BTC="100")
    stop, seen = threading.Event(), []
    reads = {
        "orders": lambda page: orders.list_orders(ann, statuses=EVERYTHING, market=None, page=page),
        "transfers": lambda page: transfers.list_transfers(ann, kind=None, asset=None, page=page),
        "ledger": lambda page: accounts.list_postings(ann, "USD", page),
        "holds": lambda page: accounts.list_holds(ann, "USD", page)}

    def write(side):
        for _ in range(15):
            if what in ("orders", "holds"):
                orders.place(exchange.order(ann, side, "0.1", "100"))
            else:
                accounts.deposit(ann, "USD" if side == "buy" else "BTC", "1", method="test", external_id=str(uuid4()))

    writing = [threading.Thread(target=run, args=([lambda side=side: write(side)],)) for side in ("buy", "sell", "buy", "sell")]

    def finish():
        for thread in writing:
            thread.start()
        for thread in writing:
            thread.join()
        stop.set()

    run([finish, lambda: seen.extend(follow(reads[what], stop))])
    wanted = {
        "orders": "SELECT number FROM orders", "transfers": "SELECT number FROM transfers",
        "ledger": f"SELECT id FROM postings WHERE account_no = {ann} AND asset = 'USD'",
        "holds": "SELECT number FROM orders WHERE hold_asset = 'USD'"}[what]
    everything = [row[0] for row in database.execute(f"{wanted} ORDER BY 1").fetchall()]
    assert len(everything) >= 30
    assert seen == everything


def test_backwards_through_pages_while_rows_are_added(exchange):
    ann = exchange.account(USD="100000")
    for _ in range(10):
        exchange.place(ann, "buy", "1", "10")
    wanted = numbers(orders.list_orders(ann, statuses=EVERYTHING, market=None, page=newest()))
    seen, after = [], None
    while True:
        rows = orders.list_orders(ann, statuses=EVERYTHING, market=None, page=newest(limit=3, after=after))
        seen += numbers(rows[:3])
        if len(rows) <= 3:
            break
        after = seen[-1]
        exchange.place(ann, "buy", "1", "10")
    assert seen == wanted
    assert UUID(rows[0]["id"])
