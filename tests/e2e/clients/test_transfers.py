"""Deposits, withdrawals and what else an account has besides orders, through clients that check or convert every field."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import ccxt
import pytest
from e2e.clients.ccxt_clients import rest_client
from e2e.clients.conftest import RICH
from e2e.clients.driving import Driver
from e2e.waiting import eventually

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

ADDRESS = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"


@pytest.fixture(scope="module")
def client(exchange: Exchange, key: Key) -> Iterator[ccxt.coinbaseexchange]:
    """It has put ADDRESS into its address book, where a new one waits for 10 s."""
    made = rest_client(exchange, key)
    made.load_markets()
    made.privatePostAddressBook({"addresses": [{"currency": "BTC", "to": {"address": ADDRESS}, "label": "cold"}]})
    yield made
    made.session.close()


def test_coinbase_pro_node_checks_each_transfer(client: ccxt.coinbaseexchange, key: Key, drive: Callable[..., Driver]) -> None:
    """It validates transfers and payment methods against schemas of its own."""
    driver = drive("node/coinbase_pro_node.mjs", key=key)
    deposits = driver["rest.transfer"].getTransfers("deposit")["data"]
    assert sorted(row["currency"] for row in deposits) == sorted(RICH)
    assert driver["rest.transfer"].getTransfer(deposits[0]["id"])["amount"] == deposits[0]["amount"]
    assert driver["rest.transfer"].getTransfers("withdraw")["data"] == []
    assert [row["currency"] for row in driver["rest.withdraw"].getPaymentMethods()] == ["USD"]
    assert [row["active"] for row in driver["rest.profile"].listProfiles()] == [True]
    assert driver["rest.user"].verifyAuthentication() and isinstance(driver["rest.user"].getTrailingVolume(), list)
    wallets = driver["rest.account"].listCoinbaseAccounts()
    btc = next(row for row in wallets if row["currency"] == "BTC")
    assert driver["rest.account"].generateDepositAddress(btc["id"])["address"]


def test_coinbasepro_converts_each_transfer(client: ccxt.coinbaseexchange, key: Key, drive: Callable[..., Driver]) -> None:
    private = drive("drivers/coinbasepro_driver.py", key=key)["private"]
    transfers = private.get_all_transfers()
    assert {Decimal(row["amount"]) for row in transfers} == {Decimal(amount) for amount in RICH.values()}
    assert Decimal(private.get_transfer(transfers[0]["id"])["amount"]) == Decimal(transfers[0]["amount"])
    btc = next(row for row in private.get_accounts() if row["currency"] == "BTC")
    assert [Decimal(row["amount"]) for row in private.get_account_transfers(btc["id"])] == [10]
    assert [row["address"] for row in private.get_address_book()] == [ADDRESS]
    assert Decimal(private.get_crypto_withdrawal_fee_estimate("BTC", ADDRESS)["fee"]) > 0
    assert [row["currency"] for row in private.get_payment_methods()] == ["USD"]
    wallet = next(row for row in private.get_coinbase_accounts() if row["currency"] == "BTC")
    assert private.generate_crypto_address(wallet["id"])["address"]


def test_ccxt_deposits_and_withdraws(client: ccxt.coinbaseexchange) -> None:
    assert {row["currency"] for row in client.fetch_deposits()} == set(RICH)
    assert [(row["currency"], row["amount"], row["status"]) for row in client.fetch_deposits("BTC")] == [("BTC", 10, "ok")]
    assert client.fetch_withdrawals() == []
    address = client.create_deposit_address("BTC")
    assert address["address"] and address["currency"] == "BTC"
    with pytest.raises(ccxt.ExchangeError, match="not in the address book"):
        client.withdraw("BTC", 0.01, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")

    def withdraw() -> dict | None:
        try:
            return client.withdraw("BTC", 0.01, ADDRESS)
        except ccxt.ExchangeError as refused:
            assert "waiting time" in str(refused)
            return None

    asked = eventually(withdraw, 30)
    assert asked["id"] and asked["amount"] == 0.01
    row, = client.fetch_withdrawals("BTC")
    assert (row["id"], row["type"], row["currency"], row["address"]) == (asked["id"], "withdrawal", "BTC", ADDRESS)
    assert row["status"] in ("pending", "ok") and row["fee"]["cost"] > 0
    assert row["amount"] + row["fee"]["cost"] == pytest.approx(0.01)
    assert client.fetch_balance()["BTC"]["free"] == 9.99
    with pytest.raises(ccxt.InsufficientFunds):
        client.withdraw("BTC", 9.995, ADDRESS)
    assert {row["id"] for row in client.fetch_deposits_withdrawals("BTC")} > {asked["id"]}


def test_ccxt_readers_of_the_account(client: ccxt.coinbaseexchange) -> None:
    method, = client.fetch_payment_methods()
    paid = client.withdraw("USD", 20, "none", {"payment_method_id": method["id"]})
    assert paid["id"] in {row["id"] for row in client.fetch_withdrawals("USD")}
    left = client.privateGetUsersSelfExchangeLimits()["transfer_limits"]["exchange_withdraw"]["USD"]
    assert Decimal(left["max"]) - Decimal(left["remaining"]) == 20
    profile, = client.privateGetProfiles()
    assert client.privateGetProfilesId({"id": profile["id"]})["id"] == profile["id"]
    assert isinstance(client.privateGetUsersSelfTrailingVolume(), list)
    assert client.fetch_tickers(["BTC/USD", "ETH/BTC"]) is not None
    assert client.publicGetProductsVolumeSummary()
