"""coinbasepro (an exception class per status, answers converted to Decimal and datetime) and copra (asyncio)."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from e2e.clients.driving import Driver, Refused, kinds, seen
from e2e.waiting import eventually

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

MARKET = "ETH-BTC"
UNKNOWN = "3f1a1de9-7c6b-4d2b-8d6f-3a5f2f3c9c11"


@pytest.fixture(scope="module")
def pro(drive: Callable[..., Driver], key: Key) -> Driver:
    return drive("drivers/coinbasepro_driver.py", MARKET, key=key)


@pytest.fixture(scope="module")
def copra(drive: Callable[..., Driver]) -> Driver:
    return drive("drivers/copra_driver.py", MARKET)


def test_coinbasepro_converts_every_answer(pro: Driver) -> None:
    """It fails on a number or a time that it cannot convert."""
    public, private = pro["public"], pro["private"]
    assert public.get_products() and public.get_product(MARKET)["id"] == MARKET and public.get_currencies()
    assert "T" not in public.get_time()["iso"]  # a datetime, as text
    for level in (1, 2, 3):
        assert public.get_product_order_book(MARKET, level)["sequence"] >= 0
    offer = private.place_limit_order(MARKET, "sell", 0.05, 2)
    assert Decimal(offer["price"]) == Decimal("0.05") and offer["created_at"].startswith("20")
    eventually(lambda: private.get_order(offer["id"])["status"] == "open")
    assert [row["id"] for row in private.get_orders(product_id=MARKET)] == [offer["id"]]
    accounts = {row["currency"]: row for row in private.get_accounts()}
    eth = accounts["ETH"]
    assert Decimal(eth["balance"]) == Decimal(eth["available"]) + Decimal(eth["hold"]) == 100
    assert private.get_account(eth["id"])["currency"] == "ETH"
    assert [row["ref"] for row in private.get_account_holds(eth["id"])] == [offer["id"]]
    assert private.get_account_history(eth["id"])
    assert Decimal(private.get_fees()["maker_fee_rate"]) > 0
    assert private.cancel_all(MARKET) == [offer["id"]]
    eventually(lambda: private.get_order(offer["id"])["status"] == "done")


def test_coinbasepro_raises_its_classes(exchange: Exchange, pro: Driver, key: Key, drive: Callable[..., Driver]) -> None:
    private = pro["private"]
    for wrong, kind, message in (
            (lambda: private.place_limit_order(MARKET, "buy", 0.06, 900), "BadRequest", "Insufficient funds"),
            (lambda: private.cancel_order("nonsense"), "BadRequest", "Invalid order id"),
            (lambda: private.cancel_order(UNKNOWN), "CoinbaseAPIError", "order not found"),
            (lambda: pro["public"].get_product("NO-SUCH"), "CoinbaseAPIError", "NotFound")):
        with pytest.raises(Refused) as refused:
            wrong()
        assert (refused.value.kind, refused.value.message) == (kind, message)
    wrong_key = drive("drivers/coinbasepro_driver.py", key=Key("f" * 32, key.secret, key.passphrase))
    with pytest.raises(Refused) as refused:
        wrong_key["private"].get_accounts()
    assert (refused.value.kind, refused.value.message) == ("InvalidAPIKey", "Invalid API Key")
    reader = exchange.api_key(exchange.new_user(), ("view",))
    with pytest.raises(Refused) as refused:
        drive("drivers/coinbasepro_driver.py", key=reader)["private"].place_limit_order(MARKET, "buy", 1, 1)
    assert refused.value.kind == "InvalidAuthorization"


def test_copra(copra: Driver, pro: Driver) -> None:
    """Its queries carry a `no-cache` parameter, signed; its subscriptions are objects with products of their own."""
    public, private = copra["public"], copra["private"]
    assert public.products() and public.currencies() and public.order_book(MARKET, 3)["sequence"] >= 0
    assert isinstance(public.historic_rates(MARKET, 60), list) and isinstance(public.trades(MARKET)[0], list)
    eventually(lambda: copra["user"].messages(0.1))
    order = private.limit_order("buy", MARKET, 0.07, 1)
    eventually(lambda: private.get_order(order["id"])["status"] == "open")
    rows, before, after = private.orders(["open"], MARKET)
    assert [row["id"] for row in rows] == [order["id"]] and before and after is None
    pro["private"].place_market_order(MARKET, "sell", size=1)
    mine = seen(copra["user"], "match", "done", arguments=(0.1,))
    assert kinds(mine) == ["subscriptions", "received", "open", "match", "done"]
    public_match = eventually(lambda: [row for row in copra["matches"].messages(0.1) if row["type"] == "match"])
    assert public_match[-1]["trade_id"] == mine[-2]["trade_id"]
    copra["matches"].drop("matches")
    eventually(lambda: copra["matches"].messages(0.1)[-1] == {"type": "subscriptions", "channels": []})
    with pytest.raises(Refused) as refused:
        private.cancel(UNKNOWN)
    assert refused.value.message.startswith("order not found")
