"""cbpro: REST of both its clients, signed with a float timestamp, and its WebSocket client in the old and the new form."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from e2e.clients.conftest import RICH
from e2e.clients.driving import Driver, kinds, seen
from e2e.waiting import eventually

pytestmark = pytest.mark.slow

MARKET = "ETH-USD"


@pytest.fixture(scope="module")
def maker(drive: Callable[..., Driver]) -> Driver:
    return drive("drivers/cbpro_driver.py", MARKET)


@pytest.fixture(scope="module")
def taker(drive: Callable[..., Driver]) -> Driver:
    return drive("drivers/cbpro_driver.py", MARKET)


def test_public_client(maker: Driver) -> None:
    public = maker["public"]
    assert {row["id"] for row in public.get_products()} == {"BTC-USD", "ETH-USD", "ETH-BTC", "SOL-USD"}
    assert {row["id"] for row in public.get_currencies()} == {"USD", "BTC", "ETH", "SOL"}
    assert isinstance(public.get_time()["epoch"], float)
    for level in (1, 2, 3):
        book = public.get_product_order_book(MARKET, level)
        assert isinstance(book["sequence"], int) and isinstance(book["bids"], list)
    assert isinstance(public.get_product_24hr_stats(MARKET), dict)
    assert isinstance(public.get_product_ticker(MARKET), dict)
    assert isinstance(public.get_product_historic_rates(MARKET, granularity=60), list)


def test_an_order_is_placed_listed_held_and_canceled(maker: Driver) -> None:
    private = maker["private"]
    accounts = {row["currency"]: row for row in private.get_accounts()}
    assert {currency: Decimal(row["balance"]) for currency, row in accounts.items()} == {
        currency: Decimal(amount) for currency, amount in RICH.items()}
    order = private.place_limit_order(MARKET, "buy", "1000.00", "1.5", post_only=True)
    assert order["status"] == "pending" and order["post_only"] is True
    eventually(lambda: private.get_order(order["id"])["status"] == "open")
    assert order["id"] in [row["id"] for row in private.get_orders(product_id=MARKET, status="open")]
    holds = private.get_account_holds(accounts["USD"]["id"])
    assert [row["ref"] for row in holds] == [order["id"]]
    account = private.get_account(accounts["USD"]["id"])
    assert Decimal(account["hold"]) == Decimal(holds[0]["amount"]) >= 1500
    assert private.cancel_order(order["id"]) == order["id"]
    eventually(lambda: private.get_order(order["id"])["status"] == "done")
    assert private.get_account_holds(accounts["USD"]["id"]) == []
    two = [private.place_limit_order(MARKET, "buy", price, "1")["id"] for price in ("1000.00", "1001.00")]
    assert sorted(private.cancel_all(product_id=MARKET)) == sorted(two)
    eventually(lambda: private.get_orders(product_id=MARKET) == [])


def test_a_trade_on_rest_and_on_the_feed(maker: Driver, taker: Driver) -> None:
    for driver, feed in ((maker, "feed"), (maker, "old_feed"), (maker, "user"), (taker, "user")):
        driver[feed].start()
        seen(driver[feed], "subscriptions")
    offer = maker["private"].place_limit_order(MARKET, "sell", "2500.00", "2")
    eventually(lambda: maker["public"].get_product_order_book(MARKET)["asks"])  # what a market order's price is reckoned from
    bid = taker["private"].place_market_order(MARKET, "buy", size="0.5")
    done = eventually(lambda: (row := taker["private"].get_order(bid["id"]))["status"] == "done" and row["settled"] and row)
    assert done["done_reason"] == "filled"
    assert (Decimal(done["filled_size"]), Decimal(done["executed_value"])) == (Decimal("0.5"), 1250)
    fill = taker["private"].get_fills(product_id=MARKET)[0]
    assert (fill["order_id"], fill["liquidity"], fill["side"]) == (bid["id"], "T", "buy")
    assert Decimal(fill["fee"]) == Decimal(done["fill_fees"])
    assert maker["private"].get_fills(order_id=offer["id"])[0]["trade_id"] == fill["trade_id"]
    trade = maker["public"].get_product_trades(MARKET)[0]
    assert (trade["trade_id"], trade["side"], Decimal(trade["price"])) == (fill["trade_id"], "sell", 2500)

    public = kinds(seen(maker["feed"], "match", "ticker", "l2update"))
    assert public[0] == "subscriptions" and public.index("snapshot") < public.index("l2update")
    full = eventually(lambda: [m for m in maker["old_feed"].messages() if m.get("order_id") == bid["id"]][1:] and
                      maker["old_feed"].messages())
    numbers = [message["sequence"] for message in full if "sequence" in message]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    mine = seen(maker["user"], "match")
    assert kinds(mine) == ["subscriptions", "received", "open", "match"]
    assert "maker_fee_rate" in mine[-1] and "taker_fee_rate" not in mine[-1]
    theirs = seen(taker["user"], "done")
    assert kinds(theirs) == ["subscriptions", "received", "match", "done"]
    maker["private"].cancel_all()


def test_a_stop_order_in_the_old_form(maker: Driver) -> None:
    """`type` stop, with the stop price as `price` and no word on which side of the market it waits."""
    private = maker["private"]
    stop = private.place_stop_order(MARKET, "sell", "500.00", size="1")
    waiting = eventually(lambda: (row := private.get_order(stop["id"]))["status"] == "active" and row)
    assert (waiting["stop"], Decimal(waiting["stop_price"])) == ("loss", 500)
    timed = private.place_limit_order(MARKET, "buy", "1000.00", "1", time_in_force="GTT", cancel_after="hour")
    eventually(lambda: private.get_order(timed["id"])["status"] == "open")
    private.cancel_all(product_id=MARKET)
    eventually(lambda: private.get_orders(product_id=MARKET) == [])


def test_pages_are_followed_to_their_end(maker: Driver) -> None:
    """The client asks on while an answer has the header cb-after."""
    private = maker["private"]
    ids = [private.place_limit_order(MARKET, "buy", f"{900 + number}.00", "0.1")["id"] for number in range(7)]
    eventually(lambda: all(row["status"] == "open" for row in private.get_orders(product_id=MARKET)))
    assert [row["id"] for row in private.get_orders(product_id=MARKET, limit=3)] == ids[::-1]
    private.cancel_all()
    usd = next(row["id"] for row in private.get_accounts() if row["currency"] == "USD")
    history = private.get_account_history(usd, limit=2)
    assert [int(row["id"]) for row in history] == sorted((int(row["id"]) for row in history), reverse=True)
    assert {row["type"] for row in history} <= {"transfer", "match", "fee"} and len(history) >= 3


def test_errors_are_answers_with_a_message(maker: Driver) -> None:
    """cbpro raises nothing: its users look for `message`."""
    private = maker["private"]
    assert private.place_limit_order(MARKET, "buy", "2000.00", "900")["message"] == "Insufficient funds"
    assert private.cancel_order("3f1a1de9-7c6b-4d2b-8d6f-3a5f2f3c9c11")["message"] == "order not found"
    assert private.get_order("nonsense")["message"] == "Invalid order id"
    assert private.place_limit_order(MARKET, "buy", "2000.001", "1")["message"].startswith("price too precise")
