"""Thirty-two clients on four accounts, at once, beside settlement: nothing deadlocks, nothing is spent twice."""

import queue
import threading
from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

import pytest

from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.postgres import orders, withdrawals
from exchange.adapters.postgres.accounts import deposit
from exchange.adapters.postgres.ledger_checks import check_whole
from exchange.markets import listing
from tests.unit.ledger_world import Exchange, balance

CLIENTS, ROUNDS = 32, 6


def at_once(*works: Callable[[], None]) -> None:
    """Runs all in threads that start together; raises what any of them raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as failure:
            failures.append(failure)
            raise
        finally:
            ledger_connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def deadlocks(database) -> int:
    """40P01 so far in this database; one that was retried counts, too."""
    database.execute("SELECT pg_stat_force_next_flush()")
    return database.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()[0]


def withdrawal(account: int, amount: str) -> withdrawals.WithdrawalRequest:
    return withdrawals.WithdrawalRequest(
        id=uuid4(), account=account, asset=listing().assets["USD"], method="payment-method", external_id=str(uuid4()),
        amount=amount, fee="0", destination="bank", actor="user")


def test_many_clients_on_few_accounts(exchange: Exchange, database) -> None:
    accounts = [exchange.account(USD="2000", BTC="20") for _ in range(4)]
    placed: queue.Queue = queue.Queue()

    def client(number: int) -> Callable[[], None]:
        account, side = accounts[number % 4], "buy" if number % 2 else "sell"

        def work() -> None:
            for step in range(ROUNDS):
                if (number + step) % 3 == 0:
                    wanted = withdrawal(account, "10")
                    withdrawals.request(wanted)
                    withdrawals.cancel(account, wanted.id, "user")
                elif (number + step) % 7 == 0:
                    deposit(account, "USD", "1", method="test", external_id=str(uuid4()))
                order = exchange.order(account, side, "0.3", str(99 + step % 3))
                if orders.place(order) is not None:
                    placed.put(order.command)
        return work

    def settle() -> None:
        """Everything that was placed, in entries of up to ten orders, until the clients are done."""
        idle = 0
        while idle < 50:
            commands = []
            while len(commands) < 10 and not placed.empty():
                commands.append(placed.get())
            if commands:
                exchange.settle(*commands)
                idle = 0
            else:
                idle += 1
                threading.Event().wait(0.05)

    at_once(*(client(number) for number in range(CLIENTS)), settle)
    while not placed.empty():
        exchange.settle(placed.get())
    assert deadlocks(database) == 0
    assert database.execute("SELECT count(*) FROM fills").fetchone()[0] > 0
    assert database.execute("SELECT count(*) FROM balances WHERE available < 0 OR held < 0").fetchone() == (0,)
    assert [str(found) for found in check_whole().findings] == []


@pytest.mark.parametrize("round_", range(3))
def test_racing_orders_for_one_balance_never_both_win(exchange: Exchange, database, round_: int) -> None:
    account = exchange.account(USD="101")
    answers: list = []
    at_once(*(lambda: answers.append(orders.place(exchange.order(account, "buy", "1", "100"))) for _ in range(8)))
    assert len([answer for answer in answers if answer is not None]) == 1
    assert balance(database, account, "USD") == (Decimal("0.4"), Decimal("100.6"))
    assert deadlocks(database) == 0


def test_an_order_and_a_withdrawal_never_both_win(exchange: Exchange, database) -> None:
    account = exchange.account(USD="101")
    won: list[str] = []

    def order() -> None:
        if orders.place(exchange.order(account, "buy", "1", "100")) is not None:
            won.append("order")

    def withdraw() -> None:
        outcome, _ = withdrawals.request(withdrawal(account, "100"))
        if outcome in ("requested", "approved"):
            won.append("withdrawal")

    at_once(order, withdraw, order, withdraw)
    assert len(won) == 1
    assert [str(found) for found in check_whole().findings] == []
