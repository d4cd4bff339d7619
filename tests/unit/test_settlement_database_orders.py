"""Auctions, expiries, stops and amends on real PostgreSQL: after each the ledger's invariants hold, and no hold outlives its
order."""

from decimal import Decimal

import pytest

from exchange.adapters.postgres import orders
from exchange.commands import Command, CommandKind, OrderType, TimeInForce
from exchange.orders import Touch
from tests.unit.ledger_world import balance, check_books, money


@pytest.fixture(autouse=True)
def all_ends_well(exchange, database):
    """After the test everything is canceled: nothing is held any more, and the ledger adds up."""
    yield
    check_books(database)
    exchange.settle(exchange.command(CommandKind.UNCROSS), exchange.command(CommandKind.CANCEL_ALL))
    check_books(database)
    assert database.execute("SELECT count(*) FROM orders WHERE status <> 'done'").fetchone() == (0,)
    assert database.execute("SELECT sum(held) FROM balances").fetchone() == (0,)


def status(command):
    row = orders.find(command.account, order_id=command.order_id)
    return row["status"], row["done_reason"]


def reserve(database, command, asset, amount):
    """What the API holds before it sends an AMEND that asks for more; see exchange/settlement.py."""
    with database.transaction():
        database.execute("UPDATE balances SET available = available - %s, held = held + %s"
                         " WHERE account_no = %s AND asset = %s", (amount, amount, command.account, asset))
        assert database.execute("UPDATE orders SET hold = hold + %s, amend_requested_at = now()"
                                " WHERE id = %s AND status = 'open' AND amend_requested_at IS NULL",
                                (amount, command.order_id)).rowcount == 1


def test_an_auction_fills_at_a_price_better_for_both(exchange, database):
    seller, buyer = exchange.account(BTC="2"), exchange.account(USD="1000")
    exchange.settle(exchange.command(CommandKind.AUCTION))
    sell = exchange.place(seller, "sell", "1", "99")
    buy = exchange.place(buyer, "buy", "2", "101")
    exchange.settle(sell, buy)
    assert (status(sell), status(buy)) == (("open", None), ("open", None))
    exchange.settle(exchange.command(CommandKind.UNCROSS))
    # no trade before: the price is the middle, 100; the seller came first and pays the maker's 0.4 %, the buyer 0.6 %
    assert money(database, seller) == {"USD": "99.6+0", "BTC": "1+0"}
    assert money(database, buyer) == {"USD": "797.794+101.606", "BTC": "1+0"}
    assert database.execute("SELECT side, liquidity, price, fee FROM fills ORDER BY side").fetchall() == [
        ("buy", "T", Decimal(100), Decimal("0.6")), ("sell", "M", Decimal(100), Decimal("0.4"))]
    assert (status(sell), status(buy)) == (("done", "filled"), ("open", None))


def test_an_order_whose_time_is_over_ends_with_any_command(exchange, database):
    buyer = exchange.account(USD="1000")
    buy = exchange.place_kind(exchange.order(buyer, "buy", "1", "100"), time_in_force=TimeInForce.GTT,
                              expire_at_ms=exchange.now + 60_000)
    exchange.settle(buy)
    assert money(database, buyer) == {"USD": "899.4+100.6"}
    exchange.now += 60_000
    exchange.settle(exchange.command(CommandKind.TICK))
    assert (status(buy), money(database, buyer)) == (("done", "canceled"), {"USD": "1000+0"})


def test_a_stop_by_funds_waits_then_spends_them(exchange, database):
    seller, other, buyer = exchange.account(BTC="5"), exchange.account(USD="1000"), exchange.account(USD="1000")
    exchange.settle(exchange.place(seller, "sell", "3", "100"))
    stop = exchange.place_kind(
        exchange.order(buyer, "buy", type="market", funds="100.6", touch=Touch(ask_ticks=10_000)),
        order_type=OrderType.STOP_MARKET, stop_price_ticks=10_000, time_in_force=0)
    exchange.settle(stop)
    assert (status(stop), money(database, buyer)) == (("active", None), {"USD": "899.4+100.6"})
    exchange.settle(exchange.place(other, "buy", "1", "100"))  # the first trade: at the stop price
    assert (status(stop), money(database, buyer)) == (("done", "filled"), {"USD": "899.4+0", "BTC": "1+0"})


def test_a_waiting_stop_is_canceled(exchange, database):
    seller = exchange.account(BTC="5")
    stop = exchange.place_kind(exchange.order(seller, "sell", "2", "90"), order_type=OrderType.STOP_LIMIT,
                               stop_price_ticks=9_500)
    exchange.settle(stop)
    assert (status(stop), money(database, seller)) == (("active", None), {"BTC": "3+2"})
    exchange.settle(exchange.cancel(stop))
    assert (status(stop), money(database, seller)) == (("done", "canceled"), {"BTC": "5+0"})


def amended_row(database, command):
    price, size, display_size, hold, record, requested = database.execute(
        "SELECT price, size, display_size, hold, command, amend_requested_at FROM orders WHERE id = %s",
        (command.order_id,)).fetchone()
    stored = Command.unpack(record)
    assert requested is None
    assert (stored.price_ticks, stored.size_lots) == (int(price * 100), int(size * 10**6))
    return price, size, display_size, hold


def test_an_amend_that_grows_takes_up_what_was_held_for_it(exchange, database):
    seller, buyer = exchange.account(BTC="5"), exchange.account(USD="1000")
    buy = exchange.place(buyer, "buy", "2", "100")
    exchange.settle(buy)
    # 1 of the present 2 trades at the old price meanwhile; from then on 4 of 5 are left, at 110
    reserve(database, buy, "USD", Decimal("553.3") - Decimal("201.2"))
    exchange.settle(exchange.place(seller, "sell", "1", "100"))
    assert balance(database, buyer, "USD") == (Decimal("446.7"), Decimal("452.9"))
    exchange.settle(exchange.command(CommandKind.AMEND, buy, price_ticks=11_000, size_lots=5_000_000))
    assert amended_row(database, buy) == (110, 5, None, Decimal("442.64"))
    assert balance(database, buyer, "USD") == (Decimal("456.96"), Decimal("442.64"))  # 100.40 are spent
    exchange.settle(exchange.place(seller, "sell", "4", "110"))
    assert (status(buy), balance(database, buyer, "USD")) == (("done", "filled"), (Decimal("457.84"), 0))


def test_an_amend_that_shrinks_gives_back(exchange, database):
    seller, buyer = exchange.account(BTC="5"), exchange.account(USD="2000")
    buy = exchange.place_kind(exchange.order(buyer, "buy", "10", "100"), display_lots=5_000_000)
    database.execute("UPDATE orders SET display_size = 5 WHERE id = %s", (buy.order_id,))
    exchange.settle(buy, exchange.place(seller, "sell", "1", "100"))
    exchange.settle(exchange.command(CommandKind.AMEND, buy, size_lots=4_000_000))
    assert amended_row(database, buy) == (100, 4, 4, Decimal("301.8"))
    assert balance(database, buyer, "USD") == (Decimal("1597.8"), Decimal("301.8"))
    # a lower price loses the place and needs less
    exchange.settle(exchange.command(CommandKind.AMEND, buy, price_ticks=9_000))
    assert amended_row(database, buy) == (90, 4, 4, Decimal("271.62"))
    # less than what it traded: that is the end of it
    exchange.settle(exchange.command(CommandKind.AMEND, buy, size_lots=1_000_000))
    assert (status(buy), balance(database, buyer, "USD")) == (("done", "canceled"), (Decimal("1899.6"), 0))


def test_a_refused_amend_gives_back_what_was_held_for_it(exchange, database):
    buyer = exchange.account(USD="1000")
    buy = exchange.place(buyer, "buy", "1", "100")
    exchange.settle(buy, exchange.command(CommandKind.HALT))
    reserve(database, buy, "USD", Decimal("100.6"))
    exchange.settle(exchange.command(CommandKind.AMEND, buy, size_lots=2_000_000))
    assert (status(buy), balance(database, buyer, "USD")) == (("open", None), (Decimal("899.4"), Decimal("100.6")))
