"""Fee tiers: what counts as volume, when a tier applies, and that holds and fees are those of the order's own rates."""

from dataclasses import replace
from decimal import Decimal

import pytest

from exchange.adapters.postgres import fee_rates
from exchange.adapters.postgres import orders as ledger_orders
from exchange.markets import FeeTier, listing, parse_listing
from tests.unit.ledger_world import check_books, money
from tests.unit.order_engine import Engine

ANN = "ann"


@pytest.fixture
def clock(monkeypatch):
    """The cache's clock, in the test's hand."""
    now = [1000.0]
    monkeypatch.setattr(fee_rates.time, "monotonic", lambda: now[0])
    fee_rates._volumes.clear()
    yield now
    fee_rates._volumes.clear()


def traded(database, account, market, value, days_ago=0, size=1):
    database.execute("INSERT INTO trading_volumes VALUES (%s, %s, (now() AT TIME ZONE 'UTC')::date - %s, %s, %s)",
                     (account, market, days_ago, value, size))


@pytest.mark.parametrize(("volume", "rates"), [
    ("0", (4000, 6000)), ("9999.99999999", (4000, 6000)), ("10000", (2500, 4000)), ("49999", (2500, 4000)),
    ("50000", (1500, 2500)), ("1e12", (300, 1200))])
def test_a_tier_begins_at_its_volume(volume, rates):
    assert listing().fee_rates(listing().markets["BTC-USD"], Decimal(volume)) == rates


def test_a_tier_never_makes_a_market_dearer():
    cheap = replace(listing().markets["BTC-USD"], maker_fee_ppm=0, taker_fee_ppm=5000)
    assert listing().fee_rates(cheap, Decimal(10_000)) == (0, 4000)


@pytest.mark.parametrize("tiers", [[("10", 1, 1), ("10", 0, 0)], [("10", 1, 1), ("5", 2, 2)], [("10", -1, 1)]])
def test_a_listing_with_impossible_tiers_is_refused(tiers):
    rows = [{"volume": volume, "maker_fee_ppm": maker, "taker_fee_ppm": taker} for volume, maker, taker in tiers]
    with pytest.raises(ValueError, match="fee_tiers"):
        parse_listing({"assets": {}, "markets": {}, "fee_tiers": rows})
    assert parse_listing({"assets": {}, "markets": {}, "fee_tiers": rows[:0]}).fee_tiers == ()
    assert isinstance(listing().fee_tiers[0], FeeTier)


def test_the_volume_is_of_thirty_days_in_dollars(exchange, database, clock):
    ann = exchange.account(ANN, USD="1000")
    traded(database, ann, "BTC-USD", 100, days_ago=0)
    traded(database, ann, "ETH-USD", 30, days_ago=29)
    traded(database, ann, "BTC-USD", 7000, days_ago=30)  # too old
    traded(database, ann, "ETH-BTC", 2)  # no price of BTC yet
    assert fee_rates.volume_30_days(ann) == 130
    bob = exchange.account("bob", BTC="1")
    exchange.settle(exchange.place(bob, "sell", "1", "200"), exchange.place(ann, "buy", "1", "200"))
    database.execute("DELETE FROM trading_volumes WHERE market = 'BTC-USD' AND day < (now() AT TIME ZONE 'UTC')::date - 40")
    assert fee_rates.volume_30_days(ann) == 130 + 2 * 200


def test_what_was_traded_in_thirty_days_in_base(api, database, redis_url):
    """As it is settled, per market, own fills only; and what is older than the window does not count."""
    api.fund(ANN, USD="1000")
    api.fund("bob", BTC="2")
    assert api.call("api_get_trailing_volume", user=ANN).body == []
    api.place(ANN, price="100", size="0.25")
    api.place(ANN, price="101", size="0.5")
    api.place("bob", side="sell", price="100", size="0.6")
    Engine(api).run()
    ann, bob = (database.execute("SELECT account_no FROM accounts WHERE user_id = %s", (user,)).fetchone()[0]
                for user in (ANN, "bob"))
    traded(database, ann, "ETH-USD", 30, days_ago=29, size="0.125")
    traded(database, ann, "ETH-USD", 30, days_ago=30, size="7")  # too old
    traded(database, ann, "SOL-USD", 30, days_ago=31, size="7")
    assert ledger_orders.sizes_30_days(ann) == {"BTC-USD": "0.60000000", "ETH-USD": "0.12500000"}
    assert ledger_orders.sizes_30_days(bob) == {"BTC-USD": "0.60000000"}
    rows = api.call("api_get_trailing_volume", user=ANN).body
    assert [(row["product_id"], row["volume"]) for row in rows] == [("BTC-USD", "0.60000000"), ("ETH-USD", "0.12500000")]
    assert api.call("api_get_trailing_volume").status == 401


def test_a_tier_applies_within_a_minute_and_costs_no_query_before(exchange, database, clock, monkeypatch):
    ann, market = exchange.account(ANN), listing().markets["BTC-USD"]
    assert fee_rates.fee_rates(ann, market) == (4000, 6000)
    traded(database, ann, "BTC-USD", 10_000)
    clock[0] += 59
    with monkeypatch.context() as patch:
        patch.setattr(fee_rates, "repeatable", lambda _: pytest.fail("a round trip on the hot path"))
        assert fee_rates.fee_rates(ann, market) == (4000, 6000)
    clock[0] += 2
    assert fee_rates.fee_rates(ann, market) == (2500, 4000)


def test_an_order_keeps_its_rates_from_hold_to_fee(api, database):
    """Ann's order is placed at the base tier and filled when she has long reached the next one: hold and fee are of her
    order's rates; her next order is cheaper in both."""
    api.fund(ANN, USD="1000")
    api.fund("bob", BTC="2")
    first = api.place(ANN, price="100", size="1").body
    ann, = database.execute("SELECT account_no FROM accounts WHERE user_id = %s", (ANN,)).fetchone()
    traded(database, ann, "BTC-USD", 60_000)
    fee_rates._volumes.clear()
    assert api.call("api_get_fees", user=ANN).body == {
        "maker_fee_rate": "0.001500", "taker_fee_rate": "0.002500", "usd_volume": "60000.00000000"}
    api.place(ANN, price="100", size="1")
    holds = [str(row[0]) for row in database.execute("SELECT hold FROM orders WHERE account_no = %s ORDER BY number", (ann,))]
    assert holds == ["100.60000000", "100.25000000"]
    engine = Engine(api)
    engine.run()
    api.place("bob", side="sell", price="100", size="2")
    engine.run()
    rows = database.execute("SELECT fill_fees FROM orders WHERE account_no = %s ORDER BY number", (ann,))
    fees = [str(fee) for fee, in rows]
    assert fees == ["0.40000000", "0.15000000"]
    assert money(database, ann) == {"BTC": "2+0", "USD": "799.45+0"}
    order = ledger_orders.find(ann, client_oid=None, order_id=first["id"])
    assert (order["status"], order["done_reason"]) == ("done", "filled")
    check_books(database)
