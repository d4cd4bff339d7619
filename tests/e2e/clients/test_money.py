"""Over a busy run no unit of any asset appears or is lost: as clients see it, and in SQL."""

from decimal import Decimal

import psycopg
import pytest
from e2e.clients.ccxt_clients import rest_client
from e2e.clients.churn import churn, clear
from e2e.clients.conftest import RICH

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

pytestmark = pytest.mark.slow

MARKET = "SOL-USD"


def owned(exchange: Exchange, keys: list[Key]) -> dict[str, Decimal]:
    """What the accounts have together, per asset, exactly as the API answers it."""
    total = dict.fromkeys(RICH, Decimal(0))
    for key in keys:
        client = rest_client(exchange, key)
        for row in client.fetch_balance()["info"]:
            assert Decimal(row["balance"]) == Decimal(row["available"]) + Decimal(row["hold"])
            assert Decimal(row["available"]) >= 0 and Decimal(row["hold"]) >= 0
            total[row["currency"]] += Decimal(row["balance"])
        client.session.close()
    return total


def paid(exchange: Exchange, keys: list[Key]) -> tuple[Decimal, Decimal]:
    """The fees of the accounts' orders by their fills, and by their ledgers, in quote."""
    by_fills = by_ledger = Decimal(0)
    for key in keys:
        client = rest_client(exchange, key)
        client.load_markets()
        after = None
        while True:
            rows = client.privateGetFills({"product_id": MARKET, **({"after": after} if after else {})})
            by_fills += sum((Decimal(row["fee"]) for row in rows), Decimal(0))
            after = client.last_response_headers.get("cb-after")
            if not after:
                break
        account = next(row["id"] for row in client.fetch_accounts() if row["code"] == "USD")
        after = None
        while True:
            rows = client.privateGetAccountsIdLedger({"id": account, **({"after": after} if after else {})})
            by_ledger -= sum((Decimal(row["amount"]) for row in rows if row["type"] == "fee"), Decimal(0))
            after = client.last_response_headers.get("cb-after")
            if not after:
                break
        client.session.close()
    return by_fills, by_ledger


def in_the_ledger(exchange: Exchange) -> dict[str, Decimal]:
    """What all accounts have, those that take the fees included, per asset; checks that postings sum to zero (I1, I2)."""
    with psycopg.connect(exchange.dsn, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM balances WHERE available < 0 OR held < 0").fetchone() == (0,)
        sums = connection.execute("SELECT asset, sum(amount) FROM postings GROUP BY asset").fetchall()
        assert sums and all(total == 0 for _, total in sums)
        return dict(connection.execute("SELECT asset, sum(available + held) FROM balances GROUP BY asset").fetchall())


def test_no_unit_appears_or_is_lost(exchange: Exchange) -> None:
    keys = [exchange.funded_key(RICH) for _ in range(2)]
    before, ledger_before = owned(exchange, keys), in_the_ledger(exchange)
    assert before == {currency: 2 * Decimal(amount) for currency, amount in RICH.items()}
    churn(exchange, keys, MARKET, steps=160, seed=11)
    clear(exchange, keys)
    exchange.wait_until_settled()
    after = owned(exchange, keys)
    by_fills, by_ledger = paid(exchange, keys)
    assert by_fills == by_ledger > 0
    assert {currency: before[currency] - after[currency] for currency in before} == {
        "USD": by_fills, "BTC": 0, "ETH": 0, "SOL": 0}
    assert in_the_ledger(exchange) == ledger_before
