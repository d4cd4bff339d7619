"""Amends, batches and the dead man's switch through the door, the naive core and the ledger."""

import threading
from uuid import uuid4

import psycopg
import pytest
import redis

from exchange.adapters.postgres import cancel_switches
from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.redis import connection as redis_connection
from exchange.adapters.redis import keys
from exchange.api import placing
from exchange.commands import CommandKind
from tests.unit.ledger_world import check_books
from tests.unit.order_engine import Engine


@pytest.fixture
def engine(api):
    api.fund("ann", USD="10000", BTC="5")
    api.fund("bob", USD="10000", BTC="5")
    return Engine(api)


def shown(api, order_id, user="ann"):
    return api.call("api_get_order", user=user, parameters={"order_id": order_id}).body


def held(api, currency="USD", user="ann"):
    return next(row["hold"] for row in api.call("api_list_accounts", user=user).body if row["currency"] == currency)


def amend(api, order_id, user="ann", **body):
    return api.call("api_amend_order", user=user, method="PUT", parameters={"order_id": order_id}, body=body)


def batch(api, user="ann", **body):
    return api.call("api_place_orders", user=user, method="POST", path="/orders/batch", body=body)


def at_once(count, work):
    """What `count` threads, each with a connection of its own, are answered."""
    answers = []

    def run():
        answers.append(work())
        ledger_connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


LIMIT = {"product_id": "BTC-USD", "side": "buy", "price": "100", "size": "1"}


def test_an_amend_holds_before_and_gives_back_after(api, engine):
    order_id = api.place("ann").body["id"]
    engine.run()
    answer = amend(api, order_id, price="110", size="0.5")
    assert (answer.status, answer.body["price"], answer.body["new_price"], answer.body["new_size"]) == (
        200, "100.00", "110.00", "0.50000000")
    # Until the engine has answered, the whole size may trade at the dearer price.
    assert held(api) == "110.66000000"
    again = amend(api, order_id, price="120")
    assert (again.status, again.body["code"]) == (400, "amend_in_progress")
    engine.run()
    order = shown(api, order_id)
    assert (order["price"], order["size"], order["status"], held(api)) == ("110.00", "0.50000000", "open", "55.33000000")
    assert amend(api, f"client:{uuid4()}", price="1").status == 404
    with psycopg.connect(api.dsn) as connection:
        check_books(connection)


def test_a_total_that_has_traded_cancels(api, engine):
    order_id = api.place("ann").body["id"]
    api.place("bob", side="sell", size="0.4")
    engine.run()
    assert amend(api, order_id, size="0.3").status == 200
    engine.run()
    order = shown(api, order_id)
    assert (order["status"], order["done_reason"], order["filled_size"], held(api)) == (
        "done", "canceled", "0.40000000", "0.00000000")
    assert amend(api, order_id, size="2").body["message"] == "Order already done"


def test_amends_that_are_refused(api, engine):
    order_id = api.place("ann").body["id"]
    assert amend(api, order_id, size="2").body["code"] == "order_not_open"  # pending
    engine.run()
    stop = api.place("ann", stop_price="110").body["id"]
    engine.run()
    with api.unchanged():
        for body, code in (({}, "invalid_amend"), ({"price": None}, "invalid_amend"), ({"price": True}, "invalid_price"),
                           ({"price": "100.001"}, "price_too_precise"), ({"size": "0"}, "size_too_small"),
                           ({"size": "200"}, "insufficient_funds"), ({"size": "0.001"}, "funds_too_small"),
                           ({"price": "1", "deadline": "2020-01-01"}, "deadline_passed")):
            answer = amend(api, order_id, **body)
            assert (answer.status, answer.body["code"]) == (400, code), body
        assert amend(api, stop, price="1").body["code"] == "order_not_open"
        assert amend(api, order_id, user="bob", price="1").status == 404


def test_a_price_outside_the_band_is_refused_at_the_door_where_the_last_trade_is_known(api, engine, redis_url, monkeypatch):
    """As when it is placed. Where the last trade is not known the engine says it, and the order stays as it was."""
    def last_trade(price_ticks):
        with redis.Redis.from_url(redis_url) as client:
            client.hset(keys.key("BTC-USD", "cursor"), "touch", f",,,,,,{price_ticks}")
        placing._last_trades.clear()

    buy = api.place("ann", price="99").body["id"]
    sell = api.place("ann", side="sell", price="101").body["id"]
    engine.run()
    last_trade(10_000)
    before, sent = api.ledger(), len(api.sent())
    far = amend(api, buy, price="150.01")
    assert (far.status, far.body["code"], far.body["message"]) == (
        400, "outside_band", "price is too far from the last trade: the most is 150.00")
    assert amend(api, sell, price="49.99", size="0.5").body["message"].endswith("the least is 50.00")
    assert (api.ledger(), len(api.sent())) == (before, sent), "nothing is held, noted or sent"
    assert amend(api, sell, price="900").status == amend(api, buy, price="150").status == 200
    engine.run()
    assert (shown(api, buy)["price"], shown(api, sell)["price"]) == ("150.00", "900.00")
    # Where the price stays, the band has moved away from the order and not the order out of the band.
    last_trade(5_000)
    assert amend(api, buy, size="0.9").status == 200
    engine.run()
    assert amend(api, buy, price="150", size="0.8").status == 200
    engine.run()
    # A stop order that waits cannot be amended at all; that is what is said of it.
    stop = api.place("ann", side="buy", price="74", stop="entry", stop_price="74").body["id"]
    engine.run()
    assert amend(api, stop, price="800").body["code"] == "order_not_open"
    placing._last_trades.clear()
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    redis_connection.client.cache_clear()
    assert amend(api, buy, price="151").status == 200


def test_the_engine_has_the_last_word_on_the_band_of_an_amend(api, engine):
    """Here nobody knows the last trade at the door."""
    api.place("ann", side="sell", price="100", size="0.1")
    api.place("bob", price="100", size="0.1")
    order_id = api.place("ann", price="99").body["id"]
    engine.run()
    assert amend(api, order_id, price="151").status == 200
    assert held(api) == "151.90600000"
    engine.run()
    assert (shown(api, order_id)["price"], shown(api, order_id)["status"], held(api)) == ("99.00", "open", "99.59400000")


def test_the_sweep_sends_an_amend_again_and_the_engine_answers_it(api, engine, monkeypatch):
    class Broken:
        def send(self, **_):
            raise ConnectionError("no queue")

    order_id = api.place("ann").body["id"]
    engine.run()
    with monkeypatch.context() as patch:
        patch.setattr(placing, "command_queue", Broken)
        assert amend(api, order_id, price="110").status == 200
    with psycopg.connect(api.dsn) as connection:
        connection.execute("UPDATE orders SET amend_requested_at = amend_requested_at - interval '31 s'")
    assert api.load("audit_sweep_orders").lambda_handler({}, None) == {"BTC-USD": {"orders": 0, "cancels": 0, "amends": 1}}
    engine.run()
    assert (shown(api, order_id)["price"], held(api)) == ("110.00", "110.66000000")
    # One that comes too late is refused, and that settles it as well.
    with monkeypatch.context() as patch:
        patch.setattr(placing, "command_queue", Broken)
        amend(api, order_id, price="120")
    with psycopg.connect(api.dsn) as connection:
        connection.execute("UPDATE orders SET amend_requested_at = amend_requested_at - interval '31 s'")
    api.load("audit_sweep_orders").lambda_handler({}, None)
    engine.run(later_ms=240_001)
    assert (shown(api, order_id)["price"], held(api)) == ("110.00", "110.66000000")
    assert amend(api, order_id, price="90").status == 200


def test_amends_that_race_hold_once(api, engine):
    order_id = api.place("ann").body["id"]
    engine.run()
    api.load("api_amend_order")
    assert sorted(at_once(4, lambda: amend(api, order_id, price="110").status)) == [200, 400, 400, 400]
    assert held(api) == "110.66000000"


def test_a_batch_is_one_message_and_each_is_answered_on_its_own(api, engine):
    first, second = (api.place("ann", price=price).body["id"] for price in ("10", "20"))
    engine.run()
    before = messages(api)
    oid = str(uuid4())
    answer = batch(api, product_id="BTC-USD", cancels=[first, str(uuid4()), "nonsense", 5],
                   orders=[{"side": "buy", "price": "30", "size": "1", "client_oid": oid},
                           {"side": "buy", "price": "1000000", "size": "1"}, {"side": "sell", "price": "5000", "size": "1"},
                           {"side": "sell", "price": "0.001", "size": "1"}, "order",
                           {"product_id": "ETH-USD", "side": "buy", "price": "1", "size": "1"}])
    assert answer.status == 200
    assert [row if isinstance(row, str) else row["code"] for row in answer.body["cancels"]] == [
        first, "order_not_found", "invalid_order_id", "invalid_order_id"]
    assert [row.get("status") or row["code"] for row in answer.body["orders"]] == [
        "pending", "insufficient_funds", "pending", "price_too_precise", "invalid_json", "pending"]
    assert sorted(queue for queue, _ in messages(api) - before) == ["BTC-USD", "ETH-USD"]
    assert [command.kind for command in api.sent()[-3:]] == [CommandKind.CANCEL, CommandKind.PLACE, CommandKind.PLACE]
    engine.run()
    live = {row["id"] for row in api.call("api_list_orders", user="ann", query="product_id=BTC-USD").body}
    assert live == {second, answer.body["orders"][0]["id"], answer.body["orders"][2]["id"]}
    again = batch(api, product_id="BTC-USD", cancels=[f"client:{oid}", first],
                  orders=[{"side": "buy", "price": "30", "size": "1", "client_oid": oid}])
    assert again.body["orders"][0]["id"] == answer.body["orders"][0]["id"] == again.body["cancels"][0]
    assert again.body["cancels"][1]["code"] == "order_already_done"
    with psycopg.connect(api.dsn) as connection:
        check_books(connection)


def messages(api):
    with psycopg.connect(api.dsn) as connection:
        return {(queue.removeprefix("test-commands-").removesuffix(".fifo"), dedup) for queue, dedup in connection.execute(
            "SELECT queue, dedup_id FROM embedded.queue_messages").fetchall()}


def test_a_batch_that_was_not_sent_goes_again_as_one_message_under_its_name(api, engine, monkeypatch):
    """The queue could not tell a repeat of a single order from the batch's message that it may still hold."""
    class Broken:
        def send(self, **_):
            raise ConnectionError("no queue")

    rested = api.place("ann").body["id"]
    engine.run()
    with monkeypatch.context() as patch:
        patch.setattr(placing, "command_queue", Broken)
        answer = batch(api, orders=[LIMIT, LIMIT | {"price": "99"}], cancels=[rested])
    assert [row["status"] for row in answer.body["orders"]] == ["pending", "pending"]
    assert answer.body["cancels"][0]["code"] == "unavailable"
    before = messages(api)
    with psycopg.connect(api.dsn) as connection:
        connection.execute("UPDATE orders SET created_at = created_at - interval '31 s'")
        name, = connection.execute("SELECT DISTINCT sent_in::text FROM orders WHERE sent_in IS NOT NULL").fetchone()
    api.load("audit_sweep_orders").lambda_handler({}, None)
    assert messages(api) - before == {("BTC-USD", name)}
    engine.run()
    assert [shown(api, row["id"])["status"] for row in answer.body["orders"]] == ["open", "open"]


def test_what_is_no_batch_and_no_switch(api):
    for body in ({}, {"orders": []}, {"orders": [LIMIT] * 51}, {"orders": [LIMIT] * 26, "cancels": ["x"] * 25},
                 {"orders": LIMIT}, {"cancels": "all"}):
        answer = batch(api, **body)
        assert (answer.status, answer.body["code"]) == (400, "invalid_batch")
    for timeout_s in (None, "60", 60.5, True, -1, 1, 4, 86_401, 10**30, [], {}):
        answer = api.call("api_cancel_after", user="ann", method="POST", body={"timeout_s": timeout_s})
        assert (answer.status, answer.body["code"]) == (400, "invalid_timeout")
    assert api.sent() == [] and cancel_switches.next_s() is None


def test_batches_that_race_for_one_balance(api):
    """10,000 USD and six batches of three orders that hold 1,006 each, over two assets: nine fit, and nobody deadlocks."""
    api.fund("ann", USD="10000", BTC="5")
    orders = [LIMIT | {"price": "1000"}, LIMIT | {"side": "sell", "price": "2000", "size": "0.1"},
              LIMIT | {"price": "1000"}, LIMIT | {"price": "1000", "product_id": "ETH-USD"}]
    api.load("api_place_orders")
    answers = at_once(6, lambda: batch(api, orders=orders).body["orders"])
    placed = [row for answer in answers for row in answer if row.get("status") == "pending"]
    assert sum(row["side"] == "buy" for row in placed) == 9 and sum(row["side"] == "sell" for row in placed) == 6
    with psycopg.connect(api.dsn) as connection:
        check_books(connection)


def test_the_switch_cancels_unless_it_is_set_anew(api, engine, monkeypatch):
    def switch(timeout_s):
        return api.call("api_cancel_after", user="ann", method="POST", body={"timeout_s": timeout_s})

    def expire():
        with psycopg.connect(api.dsn) as connection:
            connection.execute("UPDATE cancel_switches SET cancel_at = now()")

    watch = api.load("engine_cancel_after")
    monkeypatch.setattr(watch, "WATCH_S", 0)
    order_id = api.place("ann").body["id"]
    other = api.place("ann", product_id="ETH-USD", size="1").body["id"]
    bobs = api.place("bob", price="50").body["id"]
    engine.run()
    assert switch(60).body["cancel_at"] < switch(90).body["cancel_at"]
    assert watch.lambda_handler({}, None) == {"fired": 0}
    expire()
    assert switch(60).status == 200
    assert watch.lambda_handler({}, None) == {"fired": 0}
    assert switch(0).body == {"timeout_s": 0}
    assert cancel_switches.next_s() is None
    switch(60)
    expire()
    assert watch.lambda_handler({}, None) == {"fired": 1}
    assert watch.lambda_handler({}, None) == {"fired": 0}
    engine.run()
    assert shown(api, order_id)["done_reason"] == "canceled"
    assert shown(api, bobs, "bob")["status"] == "open"
    assert [str(command.order_id) for command in api.sent("ETH-USD") if command.kind == CommandKind.CANCEL] == [other]


def test_the_switch_is_watched_to_the_second(api, engine, monkeypatch):
    watch = api.load("engine_cancel_after")
    api.place("ann")
    engine.run()
    cancel_switches.set_switch(1000, 1)
    assert watch.lambda_handler({}, None) == {"fired": 1}
    assert api.sent()[-1].kind == CommandKind.CANCEL


LISTS = [
    ("", ["20.00", "30.00", "10.00"]), ("sorting=asc", ["10.00", "30.00", "20.00"]),
    ("sortedBy=price", ["30.00", "20.00", "10.00"]), ("sortedBy=price&sorting=asc", ["10.00", "20.00", "30.00"]),
    ("sortedBy=size&sorting=desc", ["30.00", "10.00", "20.00"]), ("start_date=2099-01-01", []),
    ("end_date=2099-01-01", ["20.00", "30.00", "10.00"]), ("end_date=2020-01-01T00:00:00Z", []),
    ("status[]=pending", ["20.00", "30.00", "10.00"]), ("status%5B%5D=done", []),
]


def test_orders_sorted_and_within_dates_page_by_page(api):
    api.fund("ann", USD="1000")
    for price, size in (("10", "2"), ("30", "3"), ("20", "1")):
        api.place("ann", price=price, size=size)
    for query, prices in LISTS:
        seen, cursor = [], ""
        for _ in range(4):
            page = api.call("api_list_orders", user="ann", query=f"{query}&limit=1{cursor}")
            assert page.status == 200, page.body
            seen += [row["price"] for row in page.body]
            if "cb-after" not in page.headers:
                break
            cursor = f"&after={page.headers['cb-after']}"
        assert seen == prices, query
        if len(prices) == 3:
            back = api.call("api_list_orders", user="ann", query=f"{query}&limit=5&before={page.headers['cb-before']}")
            assert [row["price"] for row in back.body] == prices[:2], query


def test_fills_within_dates(api, engine):
    api.place("bob", side="sell", size="0.4")
    api.place("ann", size="0.4")
    engine.run()
    query = "product_id=BTC-USD"
    assert len(api.call("api_list_fills", user="ann", query=f"{query}&start_date=2020-01-01&end_date=2099-01-01").body) == 1
    assert api.call("api_list_fills", user="ann", query=f"{query}&start_date=2099-01-01").body == []
    assert api.call("api_list_fills", user="ann", query=f"{query}&end_date=2020-01-01").body == []
