"""How many open orders an account may have in a market: every way to place one, what does not count, and what frees a place."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from exchange.markets import listing
from tests.unit.order_engine import Engine

MOST = 3
REFUSED = ("too_many_open_orders", f"an account has at most {MOST} open orders in BTC-USD; cancel one first")


@pytest.fixture(autouse=True)
def _few() -> Iterator[None]:
    market = listing().markets["BTC-USD"]
    before = market.max_open_orders
    object.__setattr__(market, "max_open_orders", MOST)
    yield
    object.__setattr__(market, "max_open_orders", before)


@pytest.fixture
def engine(api):
    return Engine(api)


def fill_up(api, user="ann") -> list[str]:
    api.fund(user, USD="1000", BTC="5")
    return [api.place(user, price="10", time_in_force=how, **more).body["id"] for how, more in (
        ("GTC", {}), ("GTT", {"cancel_after": "hour"}), ("GTC", {"stop": "loss", "stop_price": "12", "side": "sell"}))]


def refusal(answer) -> tuple[str, str]:
    assert answer.status == 400
    return answer.body["code"], answer.body["message"]


def test_one_more_is_refused_and_changes_nothing(api):
    fill_up(api)
    sent, balances = api.sent(), api.call("api_list_accounts", user="ann").body
    for _ in range(2):
        assert refusal(api.place("ann", price="10")) == REFUSED
    assert refusal(api.place("ann", price="10", stop="loss", stop_price="12", side="sell")) == REFUSED
    assert api.sent() == sent and api.call("api_list_accounts", user="ann").body == balances
    assert len(api.call("api_list_orders", user="ann", query="status=all").body) == MOST


def test_what_cannot_rest_others_and_other_markets_are_not_counted(api):
    fill_up(api)
    api.fund("bob", USD="1000")
    assert [answer.status for answer in (
        api.place("ann", price="10", time_in_force="IOC"), api.place("ann", price="10", time_in_force="FOK"),
        api.place("ann", price="10", product_id="ETH-USD"), api.place("bob", price="10"))] == [200] * 4


def test_who_repeats_an_order_learns_that_it_stands(api):
    api.fund("ann", USD="1000")
    names = [str(uuid4()) for _ in range(MOST + 1)]
    first = [api.place("ann", price="10", client_oid=name).body["id"] for name in names[:MOST]]
    again = [api.place("ann", price="10", client_oid=name) for name in names]
    assert [answer.body.get("id") for answer in again] == [*first, None]
    assert refusal(api.place("ann", price="11", client_oid=names[0]))[0] == "duplicate_client_oid"


def test_a_place_is_free_when_an_order_is_done(api, engine):
    first, *_ = fill_up(api)
    engine.run()
    api.call("api_cancel_order", user="ann", method="DELETE", parameters={"order_id": first})
    assert refusal(api.place("ann", price="10")) == REFUSED, "until it is canceled it may trade"
    engine.run()
    assert api.place("ann", price="10").status == 200


def test_a_batch_places_as_many_as_may_be(api):
    api.fund("ann", USD="1000")
    order = {"product_id": "BTC-USD", "side": "buy", "price": "10", "size": "1"}
    answer = api.call("api_place_orders", user="ann", method="POST", path="/orders/batch", body={"orders": [order] * 5})
    found = [row.get("status") or (row["code"], row["message"]) for row in answer.body["orders"]]
    assert found == ["pending"] * MOST + [REFUSED] * 2
    assert len(api.sent()) == MOST
