"""The order and account operations through the door: what a trader sees, from the faucet to the settled fill."""

from uuid import UUID, uuid4

import psycopg
import pytest

from exchange.adapters.market_status import MarketStatus
from exchange.adapters.postgres import orders
from exchange.adapters.postgres.settlement import PostgresLedger
from exchange.api import placing
from exchange.commands import CommandKind
from exchange.events import CORE_VERSION
from exchange.journal import JournalEntry
from exchange.markets import listing
from tests.unit.order_engine import Engine


@pytest.fixture
def engine(api):
    return Engine(api)


def test_an_order_is_answered_pending_listed_and_queued(api):
    api.fund("ann", USD="1000")
    oid = str(uuid4())
    answer = api.place("ann", client_oid=oid, time_in_force="GTC")
    assert answer.status == 200
    order = answer.body
    assert {name: order[name] for name in ("status", "price", "size", "filled_size", "fill_fees", "settled", "client_oid")} == {
        "status": "pending", "price": "100.00", "size": "1.00000000", "filled_size": "0.00000000", "fill_fees": "0.00000000",
        "settled": False, "client_oid": oid}
    assert order["created_at"].endswith("Z")
    for parameters in ({"order_id": order["id"]}, {"order_id": f"client:{oid}"}, {"order_id": f"client%3A{oid}"}):
        assert api.call("api_get_order", user="ann", parameters=parameters).body == order
    assert api.call("api_list_orders", user="ann").body == [order]
    command, = api.sent()
    assert (command.kind, str(command.order_id), str(command.client_oid)) == (CommandKind.PLACE, order["id"], oid)


def test_the_same_client_oid_answers_with_the_same_order_or_is_refused(api):
    api.fund("ann", USD="1000")
    oid = str(uuid4())
    first, again = api.place("ann", client_oid=oid), api.place("ann", client_oid=oid, price="100.00", size=1)
    assert first.body == again.body
    other = api.place("ann", client_oid=oid, price="101")
    assert (other.status, other.body["code"]) == (400, "duplicate_client_oid")
    assert len(api.sent()) == 1
    api.fund("bob", USD="1000")
    assert api.place("bob", client_oid=oid).body["id"] != first.body["id"]


def test_a_trade_from_faucet_to_ledger(api, engine):
    api.fund("ann", USD="1000")
    api.fund("bob", BTC="2")
    api.place("bob", side="sell", size="1")
    bought = api.place("ann", size="0.5", price="110").body
    engine.run()
    order = api.call("api_get_order", user="ann", parameters={"order_id": bought["id"]}).body
    assert (order["status"], order["done_reason"], order["settled"]) == ("done", "filled", True)
    assert (order["filled_size"], order["executed_value"], order["fill_fees"]) == ("0.50000000", "50.00000000", "0.30000000")
    accounts = {row["currency"]: row for row in api.call("api_list_accounts", user="ann").body}
    assert (accounts["USD"]["balance"], accounts["USD"]["hold"]) == ("949.70000000", "0.00000000")
    assert accounts["BTC"]["available"] == "0.50000000"
    usd = {"account_id": accounts["USD"]["id"]}
    assert api.call("api_get_account", user="ann", parameters=usd).body == accounts["USD"]
    rows = api.call("api_get_account_ledger", user="ann", parameters=usd).body
    assert [(row["type"], row["amount"], row["balance"]) for row in rows] == [
        ("fee", "-0.30000000", "949.70000000"), ("match", "-50.00000000", "950.00000000"),
        ("transfer", "1000.00000000", "1000.00000000")]
    assert rows[0]["details"] == {"order_id": bought["id"], "product_id": "BTC-USD", "trade_id": "1"}
    fill, = api.call("api_list_fills", user="ann", query="product_id=BTC-USD").body
    assert (fill["liquidity"], fill["side"], fill["price"], fill["size"], fill["fee"], fill["usd_volume"]) == (
        "T", "buy", "100.00", "0.50000000", "0.30000000", "50.00000000")
    assert api.call("api_list_fills", user="ann", query=f"order_id={bought['id']}").body == [fill]
    assert api.call("api_get_fees", user="ann").body == {
        "maker_fee_rate": "0.004000", "taker_fee_rate": "0.006000", "usd_volume": "50.00000000"}
    held = {row["currency"]: row for row in api.call("api_list_accounts", user="bob").body}["BTC"]
    hold, = api.call("api_get_account_holds", user="bob", parameters={"account_id": held["id"]}).body
    assert (hold["amount"], hold["type"], held["hold"]) == ("0.50000000", "order", "0.50000000")


def test_an_order_that_stands_is_answered_although_it_would_be_refused_by_now(api):
    """Who sends an order again because its answer was lost learns that it stands, also when its market was halted meanwhile."""
    api.fund("ann", USD="1000")
    oid = str(uuid4())
    first = api.place("ann", client_oid=oid).body
    MarketStatus().halt("BTC-USD", reason="test")
    placing.market_status.forget()
    assert api.place("ann").body["code"] == "cancel_only"
    assert api.place("ann", client_oid=oid).body == first
    assert api.place("ann", client_oid=oid, price="101").body["code"] == "duplicate_client_oid"
    assert api.place("ann", client_oid=str(uuid4())).body["code"] == "cancel_only"
    assert api.place("bob", client_oid=oid).body["code"] == "cancel_only"
    order = {"product_id": "BTC-USD", "side": "buy", "price": "100", "size": "1", "client_oid": oid}
    batch = api.call("api_place_orders", user="ann", method="POST", body={"orders": [
        order, order | {"client_oid": str(uuid4())}]}).body
    assert [row.get("id") or row["code"] for row in batch["orders"]] == [first["id"], "cancel_only"]


def test_cancel_one_and_all(api, engine):
    api.fund("ann", USD="1000")
    ids = [api.place("ann", price=str(price)).body["id"] for price in (10, 20, 30)]
    engine.run()
    answer = api.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": ids[0]},
                      body={"product_id": "BTC/USD"})
    assert (answer.status, answer.body) == (200, ids[0])
    engine.run()
    assert [row["id"] for row in api.call("api_list_orders", user="ann").body] == [ids[2], ids[1]]
    again = api.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": ids[0]})
    assert (again.status, again.body["message"]) == (400, "Order already done")
    assert api.call("api_cancel_orders", user="ann", method="DELETE", query="product_id=ETH-USD").body == []
    assert api.call("api_cancel_orders", user="ann", method="DELETE", body={"product_id": "BTC/USD"}).body == ids[1:]
    engine.run()
    assert api.call("api_list_orders", user="ann").body == []
    done = api.call("api_list_orders", user="ann", query="status=done").body
    assert [row["done_reason"] for row in done] == ["canceled"] * 3
    usd = next(row for row in api.call("api_list_accounts", user="ann").body if row["currency"] == "USD")
    assert (usd["balance"], usd["hold"]) == ("1000.00000000", "0.00000000")


@pytest.mark.parametrize("kept", [32, 0], ids=["prepared", "more kinds of pages than are kept"])
def test_pages_neither_skip_nor_repeat(api, monkeypatch, kept):
    monkeypatch.setattr(orders, "_PAGES_KEPT", kept)
    monkeypatch.setattr(orders, "_pages", {})
    api.fund("ann", USD="1000")
    ids = [api.place("ann", price="1").body["id"] for _ in range(7)][::-1]
    seen, query = [], "limit=3"
    while True:
        page = api.call("api_list_orders", user="ann", query=query)
        seen += [row["id"] for row in page.body]
        if "cb-after" not in page.headers:
            break
        api.place("ann", price="1")
        query = f"limit=3&after={page.headers['cb-after']}"
    assert seen == ids
    newest = api.call("api_list_orders", user="ann", query="limit=2")
    older = api.call("api_list_orders", user="ann", query=f"limit=2&after={newest.headers['cb-after']}")
    back = api.call("api_list_orders", user="ann", query=f"limit=2&before={older.headers['cb-before']}")
    assert back.body == newest.body


def test_a_failed_send_leaves_the_order_pending_and_the_sweep_sends_it(api, monkeypatch):
    api.fund("ann", USD="1000")
    class Broken:
        def send(self, **_):
            raise ConnectionError("no queue")

    with monkeypatch.context() as patch:
        patch.setattr(placing, "command_queue", Broken)
        answer = api.place("ann")
    assert (answer.status, answer.body["status"], api.sent()) == (200, "pending", [])
    cancel = api.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": answer.body["id"]})
    assert cancel.status == 200
    sweep = api.load("audit_sweep_orders")
    assert sweep.lambda_handler({}, None) == {}
    with psycopg.connect(api.dsn) as connection:
        connection.execute("UPDATE orders SET created_at = created_at - interval '31 s',"
                           " cancel_requested_at = cancel_requested_at - interval '31 s'")
    assert sweep.lambda_handler({}, None) == {"BTC-USD": {"orders": 1, "cancels": 1, "amends": 0}}
    assert [command.kind for command in api.sent()] == [CommandKind.CANCEL, CommandKind.PLACE, CommandKind.CANCEL]
    engine = Engine(api)
    engine.run()
    order = api.call("api_get_order", user="ann", parameters={"order_id": answer.body["id"]}).body
    assert (order["status"], order["done_reason"]) == ("done", "canceled")


def test_the_sweep_waits_for_settlement(api, monkeypatch):
    """What is in the journal and not settled yet must not be sent again."""
    api.fund("ann", USD="1000")
    api.place("ann")
    with psycopg.connect(api.dsn) as connection:
        connection.execute("UPDATE orders SET created_at = created_at - interval '31 s'")
    entry = JournalEntry(
        market="BTC-USD", seq=1, at_ms=1, queue_identity=1, first_queue_sequence=1, last_queue_sequence=1, resume_offset=0,
        core_version=CORE_VERSION, state_hash=0, feed_sequence=0, prev_hash=bytes(32), commands=b"", events=b"")
    sweep = api.load("audit_sweep_orders")
    sweep.journal().append(market="BTC-USD", seq=1, entry=entry.encoded)
    assert sweep.lambda_handler({}, None) == {}
    PostgresLedger(listing()).apply(entry)
    assert sweep.lambda_handler({}, None) == {"BTC-USD": {"orders": 1, "cancels": 0, "amends": 0}}


def test_the_settle_function_takes_nudges(api):
    api.fund("ann", USD="1000")
    order = api.place("ann").body
    engine = Engine(api)
    command, = api.sent()
    entry = JournalEntry(
        market="BTC-USD", seq=1, at_ms=command.issued_at_ms, queue_identity=1, first_queue_sequence=1, last_queue_sequence=1,
        resume_offset=0, core_version=CORE_VERSION, state_hash=0, feed_sequence=0, prev_hash=bytes(32), commands=command.pack(),
        events=engine.book.apply(command.issued_at_ms, command.pack(), 10**6))
    settle = api.load("ledger_settle_fills")
    settle.follower._journal.append(market="BTC-USD", seq=1, entry=entry.encoded)
    nudge = {"Records": [{"messageId": "1", "body": '{"market": "BTC-USD", "seq": 1}'}]}
    for _ in range(2):
        assert settle.lambda_handler(nudge, None) == {"batchItemFailures": []}
    assert api.call("api_get_order", user="ann", parameters={"order_id": order["id"]}).body["status"] == "open"
    assert UUID(order["id"]) == command.order_id
