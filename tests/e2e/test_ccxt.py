"""The unmodified Python ccxt, its URLs set and nothing else, trades on the running exchange."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import ccxt
import pytest
from e2e.clients.ccxt_clients import rest_client, rest_clients
from e2e.conftest import Exchange
from e2e.waiting import eventually

from bench.client import Key

pytestmark = pytest.mark.slow

Client = ccxt.coinbaseexchange


@pytest.fixture(scope="module")
def new_client(exchange: Exchange) -> Iterator[Callable[..., Client]]:
    """Makes a ccxt client for a new account with these balances."""
    with rest_clients(exchange) as client_of:
        yield lambda **balances: client_of(exchange.funded_key(balances))


def total(client: Client, currency: str) -> Decimal:
    """The account's balance, available and held, exactly as the API answered it."""
    rows = client.fetch_balance()["info"]
    return sum((Decimal(row["balance"]) for row in rows if row["currency"] == currency), Decimal(0))


def best(levels: list) -> list[list[float]]:
    """Price and amount of each level."""
    return [[level[0], level[1]] for level in levels]


def test_markets_and_currencies(new_client: Callable[..., Client]) -> None:
    client = new_client()
    markets = client.load_markets()
    assert set(markets) == {"BTC/USD", "ETH/USD", "ETH/BTC", "SOL/USD"}
    btc = markets["BTC/USD"]
    assert (btc["precision"]["price"], btc["precision"]["amount"]) == (0.01, 0.000001)
    assert btc["active"] and btc["spot"] and btc["limits"]["cost"]["min"] == 1.0
    assert set(client.fetch_currencies()) == {"USD", "BTC", "ETH", "SOL"}
    assert abs(client.fetch_time() - client.milliseconds()) < 60_000


def test_an_order_rests_shows_and_is_canceled(new_client: Callable[..., Client]) -> None:
    client = new_client(USD="10000")
    order = client.create_order("BTC/USD", "limit", "buy", 0.1, 20000.01)
    assert order["status"] in ("open", "pending") and order["price"] == 20000.01 and order["amount"] == 0.1
    eventually(lambda: client.fetch_order(order["id"])["info"]["status"] == "open")
    assert [row["id"] for row in client.fetch_open_orders("BTC/USD")] == [order["id"]]
    balance = client.fetch_balance()
    assert balance["USD"]["used"] == pytest.approx(0.1 * 20000.01 * 1.006)
    assert Decimal(balance["info"][0]["balance"]) == sum(
        Decimal(balance["info"][0][part]) for part in ("available", "hold"))
    eventually(lambda: [20000.01, 0.1] in best(client.fetch_order_book("BTC/USD")["bids"]))
    client.cancel_order(order["id"], "BTC/USD")
    canceled = eventually(lambda: (found := client.fetch_order(order["id"]))["status"] == "canceled" and found)
    assert canceled["filled"] == 0
    assert client.fetch_open_orders("BTC/USD") == []
    assert client.fetch_balance()["USD"] == {"free": 10000.0, "used": 0.0, "total": 10000.0}
    eventually(lambda: [20000.01, 0.1] not in best(client.fetch_order_book("BTC/USD")["bids"]))


def test_two_accounts_trade_and_no_unit_is_lost(new_client: Callable[..., Client]) -> None:
    maker, taker = new_client(ETH="5"), new_client(USD="20000")
    offer = maker.create_order("ETH/USD", "limit", "sell", 2, 2500.55)
    eventually(lambda: maker.fetch_order(offer["id"])["info"]["status"] == "open")
    bid = taker.create_order("ETH/USD", "limit", "buy", 1.5, 2600)
    filled = eventually(lambda: (found := taker.fetch_order(bid["id"]))["status"] == "closed" and found)
    assert (filled["filled"], filled["average"], filled["cost"]) == (1.5, 2500.55, 3750.825)
    assert filled["fee"]["cost"] == pytest.approx(3750.825 * 0.006)
    assert filled["info"]["settled"] is True and filled["info"]["done_reason"] == "filled"

    trades = taker.fetch_my_trades("ETH/USD")
    assert [(row["order"], row["side"], row["takerOrMaker"], row["price"], row["amount"]) for row in trades] == [
        (bid["id"], "buy", "taker", 2500.55, 1.5)]
    assert [(row["side"], row["takerOrMaker"]) for row in maker.fetch_my_trades("ETH/USD")] == [("sell", "maker")]
    public = eventually(lambda: [row for row in taker.fetch_trades("ETH/USD") if row["price"] == 2500.55])
    assert public[0]["amount"] == 1.5 and public[0]["id"] == trades[0]["id"]
    assert eventually(lambda: taker.fetch_ticker("ETH/USD")["last"] == 2500.55)
    part = maker.fetch_order(offer["id"])
    assert (part["status"], part["filled"], part["remaining"]) == ("open", 1.5, 0.5)

    value = Decimal("3750.825")
    taker_fee, maker_fee = value * Decimal("0.006"), value * Decimal("0.004")
    assert total(taker, "ETH") == Decimal("1.5") and total(maker, "ETH") == Decimal("3.5")
    assert total(taker, "USD") == Decimal(20000) - value - taker_fee
    assert total(maker, "USD") == value - maker_fee
    assert maker.cancel_all_orders("ETH/USD")[0]["info"] == [offer["id"]]
    eventually(lambda: maker.fetch_balance()["ETH"]["used"] == 0)


def test_market_orders_by_size_and_by_funds(new_client: Callable[..., Client]) -> None:
    maker, taker = new_client(SOL="100"), new_client(USD="5000")
    for price in (150, 151):
        offer = maker.create_order("SOL/USD", "limit", "sell", 5, price)
        eventually(lambda order=offer: maker.fetch_order(order["id"])["info"]["status"] == "open")
    eventually(lambda: taker.fetch_order_book("SOL/USD")["asks"])
    by_size = taker.create_order("SOL/USD", "market", "buy", 6)
    done = eventually(lambda: (found := taker.fetch_order(by_size["id"]))["status"] == "closed" and found)
    assert (done["filled"], done["cost"]) == (6, 5 * 150 + 151)
    by_funds = taker.create_order("SOL/USD", "market", "buy", None, None, {"funds": "303.82"})
    done = eventually(lambda: (found := taker.fetch_order(by_funds["id"]))["info"]["status"] == "done" and found)
    assert done["filled"] == 2  # 303.82 pays for 302, its fee of 0.6 %, and not for one more lot
    assert total(taker, "USD") == Decimal(5000) - Decimal(901) * Decimal("1.006") - Decimal(302) * Decimal("1.006")
    assert taker.fetch_balance()["USD"]["used"] == 0
    maker.cancel_all_orders("SOL/USD")


def test_client_order_id_is_accepted_once(new_client: Callable[..., Client]) -> None:
    client = new_client(USD="1000")
    oid = client.uuid()
    first = client.create_order("BTC/USD", "limit", "buy", 0.01, 10000, {"clientOrderId": oid})
    again = client.create_order("BTC/USD", "limit", "buy", 0.01, 10000, {"clientOrderId": oid})
    assert again["id"] == first["id"]
    assert client.fetch_order("", None, {"clientOrderId": oid})["id"] == first["id"]
    with pytest.raises(ccxt.ExchangeError):
        client.create_order("BTC/USD", "limit", "buy", 0.02, 10000, {"clientOrderId": oid})
    client.cancel_order("", "BTC/USD", {"clientOrderId": oid})
    eventually(lambda: client.fetch_balance()["USD"]["used"] == 0)


def test_errors_are_the_clients_own_exceptions(exchange: Exchange, new_client: Callable[..., Client]) -> None:
    client, other = new_client(USD="100"), new_client(USD="1000")
    client.load_markets()
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order("BTC/USD", "limit", "buy", 1, 50000)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("3f1a1de9-7c6b-4d2b-8d6f-3a5f2f3c9c11", "BTC/USD")
    with pytest.raises(ccxt.InvalidOrder):
        client.fetch_order("not-an-id")
    theirs = other.create_order("BTC/USD", "limit", "buy", 0.01, 10000)
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order(theirs["id"])
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(theirs["id"], "BTC/USD")
    other.cancel_order(theirs["id"], "BTC/USD")
    eventually(lambda: other.fetch_order(theirs["id"])["status"] == "canceled")
    with pytest.raises(ccxt.OrderNotFound):
        other.cancel_order(theirs["id"], "BTC/USD")  # Order already done
    with pytest.raises(ccxt.InvalidOrder):
        client.privatePostOrders({"product_id": "BTC-USD", "side": "buy", "type": "limit", "price": "1.001", "size": "1"})
    with pytest.raises(ccxt.InvalidOrder):
        client.privatePostOrders({"product_id": "NO-SUCH", "side": "buy", "type": "limit", "price": "1", "size": "1"})
    key = Key(client.apiKey, client.secret, client.password)
    for wrong in ({"key": "f" * 32}, {"secret": "d3Jvbmc="}, {"passphrase": "wrong"}):
        stranger = rest_client(exchange, replace(key, **wrong))
        with pytest.raises(ccxt.AuthenticationError):
            stranger.fetch_balance()
        stranger.session.close()
    assert client.fetch_balance()["USD"] == {"free": 100.0, "used": 0.0, "total": 100.0}
