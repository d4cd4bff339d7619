"""Stop orders, orders with an end, icebergs and deadlines through the door, the naive core and the ledger."""

import time
from uuid import uuid4

import psycopg
import pytest
import redis

from exchange.adapters.redis import connection, keys
from exchange.api import placing
from tests.unit.ledger_world import check_books
from tests.unit.order_engine import Engine


@pytest.fixture
def engine(api):
    api.fund("ann", USD="10000", BTC="5")
    api.fund("bob", USD="10000", BTC="5")
    return Engine(api)


def shown(api, order_id, user="ann"):
    return api.call("api_get_order", user=user, parameters={"order_id": order_id}).body


def trade_at(api, engine, price):
    """Bob sells to and buys from himself by way of Ann: one trade at `price`."""
    api.place("bob", side="sell", size="0.05", price=price)
    api.place("ann", side="buy", size="0.05", price=price, time_in_force="IOC")
    engine.run()


def test_a_stop_waits_and_then_trades(api, engine):
    stop = api.place("ann", side="sell", size="1", price="88", stop="loss", stop_price="90").body
    assert (stop["type"], stop["stop"], stop["stop_price"], stop["status"]) == ("limit", "loss", "90.00", "pending")
    engine.run()
    assert shown(api, stop["id"])["status"] == "active"
    assert [row["id"] for row in api.call("api_list_orders", user="ann", query="status=active").body] == [stop["id"]]
    api.place("bob", side="buy", size="1", price="89")
    trade_at(api, engine, "89.5")
    done = shown(api, stop["id"])
    assert (done["status"], done["done_reason"], done["filled_size"]) == ("done", "filled", "1.00000000")
    with psycopg.connect(api.dsn) as connection:
        check_books(connection)


def test_a_market_stop_holds_for_its_worst_price_and_gives_back_the_rest(api, engine, redis_url):
    stop = api.place("ann", type="market", price=None, size="1", stop_price="100").body
    assert (stop["type"], stop["stop"], "price" in stop) == ("market", "entry", False)
    usd = next(row for row in api.call("api_list_accounts", user="ann").body if row["currency"] == "USD")
    assert usd["hold"] == "110.66000000"  # 100 + 10 %, and 0.6 % of that
    api.place("bob", side="sell", size="1", price="101")
    trade_at(api, engine, "100")
    assert shown(api, stop["id"])["executed_value"] == "101.00000000"
    usd = next(row for row in api.call("api_list_accounts", user="ann").body if row["currency"] == "USD")
    assert usd["hold"] == "0.00000000"
    with psycopg.connect(api.dsn) as connection:
        check_books(connection)


def test_a_limit_outside_the_band_is_refused_at_the_door_where_the_last_trade_is_known(api, engine, redis_url, monkeypatch):
    """The views' word is a second old at most; without it the order goes to the engine, which looks again."""
    api.fund("ann", USD="90000")

    def last_trade(price_ticks):
        with redis.Redis.from_url(redis_url) as client:
            client.hset(keys.key("BTC-USD", "cursor"), "touch", f",,,,,,{price_ticks}")

    assert api.place("ann", price="200").status == 200, "nothing has traded yet"
    last_trade(10_000)
    assert api.place("ann", price="200").status == 200, "asked for a moment ago"
    placing._last_trades.clear()
    answer = api.place("ann", price="150.01")
    assert (answer.status, answer.body["code"]) == (400, "outside_band")
    assert answer.body["message"] == "price is too far from the last trade: the most is 150.00"
    assert api.place("ann", side="sell", price="49.99").body["message"].endswith("the least is 50.00")
    held = [row["hold"] for row in api.call("api_list_accounts", user="ann").body if row["currency"] == "BTC"]
    assert held == ["0.00000000"], "what was refused holds nothing"
    assert api.place("ann", price="150").status == api.place("ann", side="sell", price="50").status == 200
    assert api.place("ann", price="200", stop="entry", stop_price="190").status == 200, "it waits, wherever the price is now"
    batch = api.call("api_place_orders", user="ann", method="POST", path="/orders/batch", body={
        "product_id": "BTC-USD", "orders": [{"side": "buy", "price": price, "size": "1"} for price in ("151", "1")]})
    assert [row.get("code") for row in batch.body["orders"]] == ["outside_band", None]
    placing._last_trades.clear()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    connection.client.cache_clear()
    assert api.place("ann", price="151").status == 200
    until_s, price = placing._last_trades["BTC-USD"]
    assert price is None and until_s > time.monotonic() + placing.LAST_TRADE_KEPT_S, "nor is it asked for at once again"


def test_an_order_with_an_end(api, engine):
    order = api.place("ann", time_in_force="GTT", cancel_after="min").body
    assert order["expire_time"] > order["created_at"]
    engine.run()
    assert shown(api, order["id"]) | {"status": "pending"} == order
    engine.run(later_ms=60_001)
    done = shown(api, order["id"])
    assert (done["status"], done["done_reason"]) == ("done", "canceled")


def test_an_iceberg(api, engine):
    order = api.place("ann", side="sell", max_floor="0.25").body
    assert (order["display_size"], order["max_floor"], order["size"]) == ("0.25000000", "0.25000000", "1.00000000")
    engine.run()
    api.place("bob", size="0.6")
    engine.run()
    assert shown(api, order["id"])["filled_size"] == "0.60000000"


def test_a_deadline(api, engine):
    order = api.place("ann", deadline="2099-01-01T00:00:00Z").body
    late = api.place("ann", deadline="2020-01-01T00:00:00Z")
    assert (late.status, late.body["code"]) == (400, "deadline_passed")
    engine.run()
    assert shown(api, order["id"])["status"] == "open"


def test_a_limit_outside_the_band_is_rejected(api, engine):
    trade_at(api, engine, "100")
    order = api.place("ann", price="151").body
    engine.run()
    refused = shown(api, order["id"])
    assert (refused["status"], refused["done_reason"], refused["reject_reason"]) == ("rejected", "rejected", "outside_band")


def test_refused_orders_are_listed_by_their_own_status(api, engine):
    """One of each way to end, one that rests: what the filters give, alone and together."""
    resting = api.place("bob", side="sell", price="100", size="2").body["id"]
    filled = api.place("ann", price="100", size="1").body["id"]
    refused = api.place("ann", price="100", post_only=True, client_oid=(oid := str(uuid4()))).body["id"]
    canceled = api.place("ann", price="90", time_in_force="IOC").body["id"]
    live = api.place("ann", price="80").body["id"]
    engine.run()

    def listed(query, user="ann"):
        return [row["id"] for row in api.call("api_list_orders", user=user, query=query).body]

    everything = [live, canceled, refused, filled]
    assert listed("") == listed("status=open") == [live] and listed("", "bob") == [resting]
    assert listed("status=done") == [canceled, filled]
    assert listed("status=rejected") == [refused]
    assert listed("status=done&status=rejected") == listed("status=rejected,done") == [canceled, refused, filled]
    assert listed("status=rejected&status=open") == [live, refused]
    assert listed("status=open,pending,active,done") == [live, canceled, filled]
    assert listed("status=open,pending,active,rejected") == [live, refused]
    assert listed("status=all") == listed("status=all&status=rejected") == everything
    assert listed("status=rejected&product_id=ETH-USD") == [] and listed("status=rejected", "bob") == []
    row = shown(api, refused)
    assert (row["status"], row["settled"], row["reject_reason"], row["filled_size"]) == (
        "rejected", True, "post_only_would_cross", "0.00000000") and row["done_at"]
    again = api.place("ann", price="100", post_only=True, client_oid=oid).body
    assert (again["id"], again["status"]) == (refused, "rejected"), "a repeat tells what became of it"
    for name, method in (("api_cancel_order", "DELETE"), ("api_amend_order", "PUT")):
        answer = api.call(name, user="ann", method=method, parameters={"order_id": refused}, body={"size": "2"})
        assert (answer.status, answer.body["message"]) == (400, "Order already done")
    wrong = api.call("api_list_orders", user="ann", query="status=refused")
    assert (wrong.status, wrong.body["code"]) == (400, "invalid_status")


def test_a_repeated_client_oid_compares_all_terms(api, engine):
    terms = {"client_oid": str(uuid4()), "stop_price": "110", "max_floor": "0.5", "time_in_force": "GTT", "cancel_after": "day"}
    first, again = api.place("ann", **terms), api.place("ann", **terms)
    assert (first.status, again.body) == (200, first.body)
    for change in ({"stop_price": "111"}, {"stop": "loss"}, {"max_floor": "0.4"}, {"stop_price": None}):
        other = api.place("ann", **terms | change)
        assert (other.status, other.body["code"]) == (400, "duplicate_client_oid"), change
