"""Clients from npm: coinbase-pro-node (REST, feed), coinbase-pro (REST, feed), coinbase-api (REST) and ccxt (REST, feed)."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from e2e.clients.driving import Driver, Refused, seen
from e2e.waiting import eventually

pytestmark = pytest.mark.slow

MARKET = "BTC-USD"
SYMBOL = "BTC/USD"
UNKNOWN = "3f1a1de9-7c6b-4d2b-8d6f-3a5f2f3c9c11"


@pytest.fixture(scope="module")
def pro_node(drive: Callable[..., Driver]) -> Driver:
    return drive("node/coinbase_pro_node.mjs", MARKET)


@pytest.fixture(scope="module")
def pro(drive: Callable[..., Driver]) -> Driver:
    return drive("node/coinbase_pro.mjs", MARKET)


@pytest.fixture(scope="module")
def ccxt(drive: Callable[..., Driver]) -> Driver:
    return drive("node/ccxt.mjs")


@pytest.fixture(scope="module")
def api(drive: Callable[..., Driver]) -> Driver:
    return drive("node/coinbase_api.mjs", MARKET)


# --- coinbase-pro-node: it asks GET /time with an unsigned body, and signs every request, public ones and subscriptions too

def test_pro_node_public(pro_node: Driver) -> None:
    for part in ("rest.product", "strange.product"):  # with credentials, and with empty ones
        product = pro_node[part]
        assert MARKET in [row["id"] for row in product.getProducts()]
        assert product.getProduct(MARKET)["quote_increment"] == "0.01"
        assert isinstance(product.getProductOrderBook(MARKET, {"level": 2})["sequence"], int)
        assert isinstance(product.getProductStats(MARKET), dict) and isinstance(product.getProductTicker(MARKET), dict)
        assert isinstance(product.getTrades(MARKET, {"limit": 5})["data"], list)
        assert isinstance(product.getCandles(MARKET, {"granularity": 60}), list)
    assert pro_node["rest.currency"].listCurrencies()
    with pytest.raises(Refused) as refused:
        pro_node["strange.account"].listAccounts()
    assert refused.value.status == 401


def test_pro_node_private(pro_node: Driver) -> None:
    order = pro_node["rest.order"]
    placed = order.placeOrder({"product_id": MARKET, "type": "limit", "side": "buy", "price": "10000.00", "size": "0.5"})
    eventually(lambda: order.getOrder(placed["id"])["status"] == "open")
    listed = order.getOrders({"status": ["open", "pending"], "product_id": MARKET})
    assert [row["id"] for row in listed["data"]] == [placed["id"]]
    accounts = {row["currency"]: row for row in pro_node["rest.account"].listAccounts()}
    assert Decimal(accounts["USD"]["hold"]) == Decimal("5030")  # with the taker's fee of 0.6 %
    assert [row["ref"] for row in pro_node["rest.account"].getHolds(accounts["USD"]["id"])["data"]] == [placed["id"]]
    assert order.cancelOrder(placed["id"], MARKET) == placed["id"]
    eventually(lambda: order.getOrder(placed["id"])["status"] == "done")
    two = [order.placeOrder({"product_id": MARKET, "type": "limit", "side": "buy", "price": price, "size": 0.01})["id"]
           for price in (9000.5, 9001)]  # numbers as numbers
    assert sorted(order.cancelOpenOrders(MARKET)) == sorted(two)
    assert order.getOrder(UNKNOWN) is None
    history = pro_node["rest.account"].getAccountHistory(accounts["USD"]["id"], {"limit": 1})
    assert len(history["data"]) == 1 and history["pagination"]["before"]
    assert Decimal(pro_node["rest.fee"].getCurrentFees()["taker_fee_rate"]) == Decimal("0.006")
    for wrong, message in (({"size": "100", "price": "50000"}, "Insufficient funds"), ({"size": "0.0000001"}, "size"),
                           ({"price": "1.001"}, "price too precise")):
        with pytest.raises(Refused) as refused:
            order.placeOrder({"product_id": MARKET, "type": "limit", "side": "buy", "price": "1000", "size": "1"} | wrong)
        assert refused.value.status == 400 and refused.value.message.startswith(message)


def test_pro_node_feed(pro_node: Driver, pro: Driver) -> None:
    feed, public = pro_node["feed"], pro_node["publicFeed"]
    assert feed.open() and public.open()
    feed.subscribe([{"name": name, "product_ids": [MARKET]} for name in ("user", "level2")])
    public.subscribe([{"name": name, "product_ids": [MARKET]} for name in ("full", "ticker", "level2", "matches")])
    for at in (feed, public):
        seen(at, "snapshot")
    offer = pro["rest"].placeOrder({"product_id": MARKET, "type": "limit", "side": "sell", "price": "50000", "size": "1"})
    eventually(lambda: pro["rest"].getProductOrderBook(MARKET)["asks"])  # what a market order's price is reckoned from
    bid = pro_node["rest.order"].placeOrder({"product_id": MARKET, "type": "market", "side": "buy", "size": "0.2"})
    mine = seen(feed, "done")
    match = next(message for message in mine if message["type"] == "match")
    assert (match["maker_order_id"], match["taker_order_id"], match["side"]) == (offer["id"], bid["id"], "sell")
    assert "taker_fee_rate" in match
    # The feed begins with the ticker of the market's last trade, which may be another test's.
    ticker = eventually(lambda: next((message for message in public.messages() if message["type"] == "ticker"
                                      and message["trade_id"] == match["trade_id"]), None))
    assert (ticker["side"], Decimal(ticker["price"])) == ("buy", 50000)
    all_of_it = seen(public, "match", "ticker", "l2update")
    assert "maker_fee_rate" not in str(all_of_it) and "user_id" not in str(all_of_it)
    fills = pro_node["rest.fill"].getFillsByOrderId(bid["id"])["data"]
    assert [row["trade_id"] for row in fills] == [match["trade_id"]]
    public.unsubscribe("full")  # an object whose product_ids are [], for all products
    told = eventually(lambda: (last := [m for m in public.messages() if m["type"] == "subscriptions"][-1]) and
                      "full" not in {row["name"] for row in last["channels"]} and last)
    assert {row["name"] for row in told["channels"]} == {"ticker", "level2", "matches"}
    pro["rest"].cancelAllOrders({"product_id": MARKET})


# --- coinbase-pro

def test_pro_rest(pro: Driver) -> None:
    rest = pro["rest"]
    placed = rest.placeOrder({"product_id": MARKET, "type": "limit", "side": "buy", "price": "10000.00", "size": "0.5"})
    eventually(lambda: rest.getOrder(placed["id"])["status"] == "open")
    assert placed["id"] in [row["id"] for row in rest.getOrders({"status": ["open", "pending"]})]
    usd = next(row for row in rest.getAccounts() if row["currency"] == "USD")
    assert [row["ref"] for row in rest.getAccountHolds(usd["id"], {"limit": 5})] == [placed["id"]]
    assert rest.getAccountHistory(usd["id"], {"before": 0, "limit": 5})
    # It cancels until nothing is answered any more: the same orders may be named more than once.
    assert set(rest.cancelAllOrders({"product_id": MARKET})) == {placed["id"]}
    assert rest.getProductTrades(MARKET, {"before": 0, "after": 1000, "limit": 100}) is not None
    with pytest.raises(Refused) as refused:
        rest.cancelOrder(UNKNOWN)
    assert "order not found" in refused.value.message


# --- coinbase-api: its submitOrder puts a client_oid of its own making into every order, which is no UUID

def test_coinbase_api(api: Driver) -> None:
    rest = api["rest"]
    assert MARKET in [row["id"] for row in rest.getAllTradingPairs()]
    order = {"product_id": MARKET, "type": "limit", "side": "buy", "price": "10000.00", "size": "0.5"}
    with pytest.raises(Refused) as refused:
        rest.submitOrder(order)
    assert refused.value.status == 400 and refused.value.message.startswith("Invalid client_oid")
    placed = rest.postPrivate("/orders", {"body": order})  # the client's way to send a request as it is
    eventually(lambda: rest.getOrder({"order_id": placed["id"]})["status"] == "open")
    assert [row["id"] for row in rest.getOrders({"status": ["open", "pending"], "product_id": MARKET})] == [placed["id"]]
    usd = next(row for row in rest.getAccounts() if row["currency"] == "USD")
    assert [row["ref"] for row in rest.getAccountHolds({"account_id": usd["id"], "limit": 10})] == [placed["id"]]
    assert rest.cancelOrder({"order_id": placed["id"]}) == placed["id"]
    eventually(lambda: rest.getOrder({"order_id": placed["id"]})["status"] == "done")
    assert rest.cancelAllOrders({"product_id": MARKET}) == []
    limits = rest.getUserExchangeLimits({"user_id": "self"})["transfer_limits"]["exchange_withdraw"]
    assert limits["BTC"]["max"] == limits["BTC"]["remaining"] == "1.00000000"
    with pytest.raises(Refused) as refused:
        rest.postPrivate("/orders", {"body": order | {"size": "100"}})
    assert (refused.value.status, refused.value.message) == (400, "Insufficient funds")


# --- ccxt in JavaScript: generated from the same source as the Python one, whose methods test_ccxt_methods.py goes through

def test_ccxt_trades(ccxt: Driver) -> None:
    bot = ccxt["bot"]
    assert SYMBOL in bot.loadMarkets()
    placed = bot.createOrder(SYMBOL, "limit", "buy", 0.5, 10000)
    eventually(lambda: bot.fetchOrder(placed["id"])["status"] == "open")
    assert [row["id"] for row in bot.fetchOpenOrders(SYMBOL)] == [placed["id"]]
    usd = bot.fetchBalance()["USD"]
    assert (usd["free"], usd["used"], usd["total"]) == (94970, 5030, 100000)  # with the taker's fee of 0.6 %
    book = bot.watchOrderBook(SYMBOL)
    assert [10000, 0.5] in [level[:2] for level in book["bids"]]
    assert bot.cancelOrder(placed["id"], SYMBOL)["info"] == f'"{placed["id"]}"'  # it reads objects and lists only
    eventually(lambda: bot.fetchOrder(placed["id"])["status"] == "canceled")
    with pytest.raises(Refused) as refused:
        bot.createOrder(SYMBOL, "limit", "buy", 100, 50000)
    assert refused.value.kind == "InsufficientFunds"
    with pytest.raises(Refused) as refused:
        bot.fetchOrder(UNKNOWN)
    assert refused.value.kind == "OrderNotFound"


def test_ccxt_fills(ccxt: Driver, pro: Driver) -> None:
    bot = ccxt["bot"]
    offer = pro["rest"].placeOrder({"product_id": MARKET, "type": "limit", "side": "sell", "price": "50000", "size": "0.3"})
    eventually(lambda: pro["rest"].getProductOrderBook(MARKET)["asks"])
    bought = bot.createOrder(SYMBOL, "market", "buy", 0.2)
    filled = eventually(lambda: (row := bot.fetchOrder(bought["id"]))["status"] == "closed" and row)
    assert (filled["filled"], filled["cost"], filled["fee"]["cost"]) == (0.2, 10000, 60)
    (mine,) = bot.fetchOrderTrades(bought["id"])
    assert (mine["takerOrMaker"], mine["price"], mine["amount"]) == ("taker", 50000, 0.2)
    assert bot.fetchTicker(SYMBOL)["last"] == bot.fetchTrades(SYMBOL)[-1]["price"] == 50000
    pro["rest"].cancelOrder(offer["id"])
