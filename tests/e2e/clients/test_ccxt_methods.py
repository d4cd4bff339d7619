"""Each method that ccxt has for this exchange, and each of its exception classes."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import uuid4

import ccxt
import pytest
from e2e.clients.ccxt_clients import rest_clients
from e2e.clients.conftest import RICH
from e2e.waiting import eventually

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

SYMBOL = "SOL/USD"
UNKNOWN = "3f1a1de9-7c6b-4d2b-8d6f-3a5f2f3c9c11"


@pytest.fixture(scope="module")
def new_client(exchange: Exchange) -> Iterator[Callable[..., ccxt.coinbaseexchange]]:
    with rest_clients(exchange) as client_of:
        yield lambda key=None: client_of(key or exchange.funded_key(RICH))


@pytest.fixture(scope="module")
def maker(new_client: Callable[..., ccxt.coinbaseexchange]) -> ccxt.coinbaseexchange:
    return new_client()


@pytest.fixture(scope="module")
def traded(maker: ccxt.coinbaseexchange, new_client: Callable[..., ccxt.coinbaseexchange]) -> dict:
    """A taker who bought 3 at 160 in one order and sold 1 at 155 in another, and rests one order."""
    taker = new_client()
    maker.cancel_all_orders()
    eventually(lambda: maker.fetch_open_orders() == [])
    offer = maker.create_order(SYMBOL, "limit", "sell", 10, 160)
    eventually(lambda: maker.fetch_order(offer["id"])["info"]["status"] == "open")
    bought = taker.create_order(SYMBOL, "limit", "buy", 3, 160, {"timeInForce": "IOC"})
    bid = maker.create_order(SYMBOL, "limit", "buy", 5, 155)
    eventually(lambda: maker.fetch_order(bid["id"])["info"]["status"] == "open")
    sold = taker.create_order(SYMBOL, "market", "sell", 1)
    resting = taker.create_order(SYMBOL, "limit", "buy", 2, 100, {"clientOrderId": str(uuid4()), "postOnly": True})
    for order in (bought, sold):
        eventually(lambda order=order: (row := taker.fetch_order(order["id"]))["status"] == "closed" and row["info"]["settled"])
    eventually(lambda: taker.fetch_order(resting["id"])["info"]["status"] == "open")
    yield {"taker": taker, "bought": bought["id"], "sold": sold["id"], "resting": resting["id"],
           "client": resting["info"]["client_oid"]}
    maker.cancel_all_orders()
    taker.cancel_all_orders()


def test_market_data(traded: dict) -> None:
    client = traded["taker"]
    markets, currencies = client.load_markets(), client.fetch_currencies()
    assert set(markets) == {"BTC/USD", "ETH/USD", "ETH/BTC", "SOL/USD"} and set(currencies) == {"USD", "BTC", "ETH", "SOL"}
    assert currencies["BTC"]["type"] == "crypto" and currencies["USD"]["type"] == "fiat" and currencies["USD"]["active"]
    assert abs(client.fetch_time() - client.milliseconds()) < 60_000
    ticker = eventually(lambda: (row := client.fetch_ticker(SYMBOL))["last"] == 155 and row)
    assert (ticker["bid"], ticker["ask"]) == (155, 160) and ticker["baseVolume"] >= 4 and ticker["timestamp"]
    assert client.fetch_tickers([SYMBOL, "ETH/BTC"])[SYMBOL]["last"] == 155
    book = client.fetch_order_book(SYMBOL)
    assert book["bids"][0][:2] == [155, 4] and book["asks"][0][:2] == [160, 7] and book["nonce"] > 0
    assert client.fetch_order_book(SYMBOL, None, {"level": 3})["asks"][0][:2] == [160, 7]
    trades = client.fetch_trades(SYMBOL, None, 2)
    # ccxt turns the maker's side round: a public trade has the taker's.
    assert [(row["side"], row["price"], row["amount"]) for row in trades] == [("buy", 160, 3), ("sell", 155, 1)]
    candle = eventually(lambda: client.fetch_ohlcv(SYMBOL, "1d"))[-1]
    assert candle[2] >= 160 and candle[3] <= 155 and candle[4] == 155 and candle[5] >= 4
    for frame in client.timeframes:
        assert client.fetch_ohlcv(SYMBOL, frame)[-1][4] == 155
    since = client.milliseconds() - 3_600_000
    assert client.fetch_ohlcv(SYMBOL, "1m", since, 100)[-1][4] == 155
    assert client.publicGetProductsIdStats({"id": "SOL-USD"})["last"] == "155.00"


def test_orders_and_trades(traded: dict) -> None:
    client = traded["taker"]
    everything = {row["id"]: row for row in client.fetch_orders(SYMBOL)}
    assert set(everything) == {traded["bought"], traded["sold"], traded["resting"]}
    assert {row["id"] for row in client.fetch_closed_orders(SYMBOL)} == {traded["bought"], traded["sold"]}
    assert [row["id"] for row in client.fetch_open_orders(SYMBOL)] == [traded["resting"]]
    assert [row["id"] for row in client.fetch_open_orders()] == [traded["resting"]]
    assert len(client.fetch_orders(SYMBOL, None, 2)) == 2
    resting = client.fetch_order("", None, {"clientOrderId": traded["client"]})
    assert (resting["id"], resting["clientOrderId"], resting["postOnly"]) == (traded["resting"], traded["client"], True)
    bought = everything[traded["bought"]]
    assert (bought["status"], bought["filled"], bought["average"], bought["cost"]) == ("closed", 3, 160, 480)
    assert (bought["timeInForce"], bought["type"], bought["side"]) == ("IOC", "limit", "buy")
    mine = client.fetch_my_trades(SYMBOL)
    assert [(row["order"], row["side"], row["takerOrMaker"], row["price"], row["amount"]) for row in mine] == [
        (traded["bought"], "buy", "taker", 160, 3), (traded["sold"], "sell", "taker", 155, 1)]
    assert [row["id"] for row in client.fetch_order_trades(traded["sold"])] == [mine[1]["id"]]
    assert len(client.fetch_my_trades(SYMBOL, None, 1)) == 1
    assert client.fetch_my_trades(SYMBOL, client.milliseconds() + 60_000) == []


def test_accounts_and_ledger(traded: dict) -> None:
    client = traded["taker"]
    accounts = client.fetch_accounts()
    assert {row["code"] for row in accounts} == set(RICH)
    balance = client.fetch_balance()
    assert balance["SOL"]["total"] == 1002
    assert balance["USD"]["used"] == pytest.approx(200 * 1.004)  # post-only: at most the maker's fee
    for row in balance["info"]:
        assert Decimal(row["balance"]) == Decimal(row["available"]) + Decimal(row["hold"])
    ledger = client.fetch_ledger("USD")
    assert {row["type"] for row in ledger} == {"transfer", "trade", "fee"}
    usd = next(row for row in balance["info"] if row["currency"] == "USD")
    assert max(ledger, key=lambda row: int(row["id"]))["after"] == pytest.approx(float(usd["balance"]))
    assert [row["amount"] for row in client.fetch_ledger("SOL") if row["type"] == "trade"] == [3, 1]
    fees = client.fetch_trading_fees()
    assert set(fees) == set(client.markets) and 0 < fees[SYMBOL]["maker"] < fees[SYMBOL]["taker"] < 0.01


def test_cancels(maker: ccxt.coinbaseexchange, new_client: Callable[..., ccxt.coinbaseexchange]) -> None:
    client = new_client()
    first, second, third = (client.create_order(SYMBOL, "limit", "buy", 1, price) for price in (90, 91, 92))
    client.cancel_order(first["id"], SYMBOL)  # a DELETE whose signed body names the product as SOL-USD
    client.cancel_order(second["id"])
    eventually(lambda: [row["id"] for row in client.fetch_open_orders()] == [third["id"]])
    client.cancel_all_orders(SYMBOL)  # here the body says SOL/USD
    eventually(lambda: client.fetch_open_orders() == [])
    assert {client.fetch_order(order["id"])["status"] for order in (first, second, third)} == {"canceled"}
    client.create_order("ETH/USD", "limit", "buy", 1, 100)
    client.cancel_all_orders()
    eventually(lambda: client.fetch_open_orders() == [])
    assert client.fetch_balance()["USD"] == {"free": 100000.0, "used": 0.0, "total": 100000.0}


def test_edit(new_client: Callable[..., ccxt.coinbaseexchange]) -> None:
    """ccxt cancels and places anew."""
    client = new_client()
    first = client.create_order(SYMBOL, "limit", "buy", 1, 90)
    second = client.edit_order(first["id"], SYMBOL, "limit", "buy", 2, 91)
    eventually(lambda: [(row["id"], row["amount"]) for row in client.fetch_open_orders()] == [(second["id"], 2)])
    client.cancel_all_orders()


def test_a_stop_order_and_one_with_an_end(new_client: Callable[..., ccxt.coinbaseexchange], traded: dict) -> None:
    client = new_client()
    stop = client.create_order(SYMBOL, "limit", "sell", 1, 120, {"triggerPrice": 121, "stop": "loss"})
    waiting = eventually(lambda: (row := client.fetch_order(stop["id"]))["info"]["status"] == "active" and row)
    assert (waiting["status"], waiting["triggerPrice"]) == ("open", 121)
    timed = client.create_order(SYMBOL, "limit", "buy", 1, 90, {"timeInForce": "GTT", "cancel_after": "hour"})
    eventually(lambda: client.fetch_order(timed["id"])["info"]["status"] == "open")
    assert client.fetch_order(timed["id"])["timeInForce"] == "GTT"
    client.cancel_order(stop["id"])
    client.cancel_all_orders()
    eventually(lambda: client.fetch_open_orders() == [])


def refused(client: ccxt.coinbaseexchange, **changes: str) -> None:
    order = {"product_id": "SOL-USD", "side": "buy", "type": "limit", "price": "100", "size": "1"} | changes
    client.privatePostOrders({name: value for name, value in order.items() if value})


def test_every_error_is_the_exception_class_of_its_words(exchange: Exchange, traded: dict) -> None:
    """All words of ccxt's two tables that this exchange can come to say (`Private rate limit exceeded` and `under
    maintenance` are not among them: ccxt takes both from the status, 429 and 503)."""
    client = traded["taker"]
    expected = [
        (ccxt.InsufficientFunds, lambda: client.create_order(SYMBOL, "limit", "buy", 1000, 150)),
        (ccxt.OrderNotFound, lambda: client.fetch_order(UNKNOWN)),
        (ccxt.OrderNotFound, lambda: client.cancel_order(UNKNOWN, SYMBOL)),
        (ccxt.OrderNotFound, lambda: client.cancel_order(traded["sold"], SYMBOL)),  # Order already done
        (ccxt.OrderNotFound, lambda: client.fetch_order("", None, {"clientOrderId": UNKNOWN})),
        (ccxt.OrderNotFound, lambda: client.privateGetAccountsId({"id": UNKNOWN})),  # NotFound
        (ccxt.InvalidOrder, lambda: client.fetch_order("not-an-id")),
        (ccxt.InvalidOrder, lambda: refused(client, product_id="NO-SUCH")),
        (ccxt.InvalidOrder, lambda: refused(client, price="100.001")),
        (ccxt.InvalidOrder, lambda: refused(client, price="0")),
        (ccxt.InvalidOrder, lambda: refused(client, price="1", size="0.0001")),
        (ccxt.BadSymbol, lambda: client.fetch_ticker("DOGE/USD")),
        (ccxt.ExchangeError, lambda: refused(client, side="both")),
        (ccxt.ExchangeError, lambda: refused(client, size="0.00001")),  # ccxt has no word for `size too precise`
        (ccxt.ArgumentsRequired, lambda: client.fetch_my_trades()),
    ]
    for kind, call in expected:
        with pytest.raises(kind) as raised:
            call()
        assert type(raised.value) is kind, raised.value


def test_credentials_that_fail(exchange: Exchange, traded: dict, new_client: Callable[..., ccxt.coinbaseexchange]) -> None:
    good = traded["taker"]
    key = Key(good.apiKey, good.secret, good.password)
    for wrong in (Key("f" * 32, key.secret, key.passphrase), Key(key.key, "d3Jvbmc=", key.passphrase),
                  Key(key.key, key.secret, "wrong")):
        with pytest.raises(ccxt.AuthenticationError):
            new_client(wrong).fetch_balance()
    late = new_client(key)
    late.nonce = lambda: late.seconds() - 120
    with pytest.raises(ccxt.AuthenticationError, match="request timestamp expired"):
        late.fetch_balance()
    reader = new_client(exchange.api_key(exchange.new_user(), ("view",)))
    reader.load_markets()
    with pytest.raises(ccxt.ExchangeNotAvailable, match="lacks the scope"):  # what ccxt takes any 403 for
        reader.create_order(SYMBOL, "limit", "buy", 1, 100)
