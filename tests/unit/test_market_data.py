"""The public REST operations on a real Valkey: row shapes, pages, errors."""

import json
import random
from types import SimpleNamespace

import orjson
import pytest
import redis

from exchange.adapters.market_status import Status
from exchange.adapters.redis.market_views import MarketViews
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.commands import CommandKind, Side
from exchange.feed.publisher import FeedPublisher
from exchange.markets import listing
from tests.unit.feed_world import MARKET, MemoryQueue, World, nudge
from tests.unit.handlers import http_event, load_handler


@pytest.fixture
def world(redis_url):
    world = World()
    client = redis.Redis.from_url(redis_url)
    publisher = FeedPublisher(
        markets=listing().markets, views=RedisViewStore(client), journal=world.journal, queue=MemoryQueue(),
        push_queue_url="push", shards=1, account_of=lambda user_id: (0, ""), connections_of=lambda market: [],
        status=str, cancel_all=None)
    world.publish = lambda *entries: publisher.handle(MARKET, [json.loads(nudge(entry)) for entry in entries])
    yield world
    client.close()


def get(name: str, *, product: str = MARKET, query: str = "", status: int = 200) -> object:
    answer = load_handler(name).lambda_handler(
        http_event(f"/products/{product}", query=query, parameters={"product_id": product}), None)
    assert answer["statusCode"] == status, answer
    get.headers = answer["headers"]
    return orjson.loads(answer["body"])


def filled(world: World, entries: int = 30) -> None:
    rng = random.Random(2)
    world.publish(*(world.run(*world.random_batch(rng, 10)) for _ in range(entries)))


def test_book_levels_are_one_book(world):
    filled(world)
    one, two, three = (get("api_get_book", query=f"level={level}") for level in (1, 2, 3))
    assert get("api_get_book") == one
    for book in (one, two, three):
        assert set(book) == {"bids", "asks", "sequence", "auction_mode", "time"}
        assert book["sequence"] == world.book.sequence and book["time"].endswith("Z")
    for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
        assert [[price, size] for price, size, _ in two[name]] == world.core_levels(side)
        assert one[name] == two[name][:1]
        assert [order_id.replace("-", "") for _, _, order_id in three[name]] == [
            raw.hex() for raw, *_ in world.book.orders(side)]
        assert sum(count for _, _, count in two[name]) == len(three[name])
        assert all(isinstance(count, int) for _, _, count in two[name])


def test_a_book_in_an_auction_may_be_crossed_and_says_so(world):
    world.publish(world.run(world.command(CommandKind.AUCTION), world.place("buy", "101.00", "1", display="0.25"),
                            world.place("sell", "99.00", "2", account=2)))
    for level in (1, 2, 3):
        book = get("api_get_book", query=f"level={level}")
        assert book["auction_mode"] is True
        assert (book["bids"][0][:2], book["asks"][0][:2]) == (["101.00", "0.25000000"], ["99.00", "2.00000000"])
    world.publish(world.run(world.command(CommandKind.UNCROSS)))
    book = get("api_get_book", query="level=3")
    assert (book["auction_mode"], book["bids"], book["asks"][0][1]) == (False, [], "1.00000000")


@pytest.mark.parametrize("level", ["0", "4", "x", "-1", "1.0", "2%20", "99999999999999999999999"])
def test_a_level_that_does_not_exist(world, level):
    assert set(get("api_get_book", query=f"level={level}", status=400)) == {"message", "code", "request_id"}


@pytest.mark.parametrize("name", ["api_get_book", "api_list_trades", "api_get_ticker", "api_get_stats", "api_get_product"])
@pytest.mark.parametrize("product", ["XRP-USD", "btc-usd", "BTC/USD", "", "x" * 5000, "BTC-USD\x00", "\ud800"])
def test_an_unknown_product(world, name, product, monkeypatch):
    answer = get(name, product=product, status=404)
    assert (answer["message"], answer["code"]) == ("NotFound", "not_found")


@pytest.mark.parametrize("name", ["api_get_book", "api_list_trades", "api_list_candles", "api_get_ticker", "api_get_stats"])
def test_a_market_without_an_entry_and_without_redis(world, ledger_dsn, name, monkeypatch):
    get(name)
    from exchange.adapters.redis import connection
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    connection.client.cache_clear()
    assert get(name, status=503)["code"] == "unavailable"


def test_trades_by_pages(world):
    filled(world)
    newest = world.book.last_trade_id
    rows = get("api_list_trades", query="limit=1000")
    assert [row["trade_id"] for row in rows] == list(range(newest, 0, -1))
    assert set(rows[0]) == {"trade_id", "side", "size", "price", "time"} and "cb-after" not in get.headers
    seen, query = [], "limit=7"
    while True:
        page = get("api_list_trades", query=query)
        seen += page
        if "cb-after" not in get.headers:
            break
        assert get.headers["cb-before"] == str(page[0]["trade_id"])
        query = f"limit=7&after={get.headers['cb-after']}"
    assert seen == rows
    newer = get("api_list_trades", query="limit=3&before=5")
    assert [row["trade_id"] for row in newer] == [8, 7, 6]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "before=x", "after=-1", "after=1e3"])
def test_pages_that_are_none(world, query):
    assert get("api_list_trades", query=query, status=400)["message"]


def test_side_of_a_trade_is_the_makers_and_of_a_ticker_the_takers(world):
    world.publish(world.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "0.4", account=2)))
    (trade,) = get("api_list_trades")
    assert (trade["side"], trade["price"], trade["size"]) == ("sell", "100.00", "0.40000000")
    ticker = get("api_get_ticker")
    assert (ticker["side"], ticker["price"], ticker["ask"], ticker["trade_id"]) == ("buy", "100.00", "100.00", 1)
    assert "bid" not in ticker


def test_statistics_count_the_last_24_hours_of_the_clock(world, monkeypatch):
    world.publish(world.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "0.4", account=2)))
    handler = load_handler("api_get_stats")
    event = http_event("/products/BTC-USD/stats", parameters={"product_id": MARKET})
    for later_ms, open_, volume in ((0, "100.00", "0.40000000"), (90_000_000, None, "0.00000000")):
        handler.views._now_ms = lambda later_ms=later_ms: world.at_ms + later_ms
        row = orjson.loads(handler.lambda_handler(event, None)["body"])
        assert (row.get("open"), row["volume"], row["volume_30day"], row["last"]) == (
            open_, volume, "0.40000000", "100.00")


def looked_at(views: MarketViews) -> tuple:
    ticker = views.ticker(MARKET)
    return ticker, dict(views.minutes(MARKET)), views.volumes([MARKET, "ETH-USD"]), views.spark_lines([MARKET, "ETH-USD"])


@pytest.mark.parametrize("seed", range(4))
def test_who_has_looked_before_sees_what_somebody_new_sees(world, redis_url, seed):
    rng = random.Random(seed)
    clock = [0]
    old = [MarketViews(now_ms=lambda: clock[0]) for _ in range(3)]
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(60):
            world.at_ms += rng.choice((0, 1, 900, 40_000, 61_000, 3_700_000, 26 * 3_600_000, 31 * 86_400_000))
            if rng.random() < 0.8:
                world.publish(world.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "0.4", account=2),
                                        world.place("buy", "100.00", "0.6", account=3)))
            elif rng.random() < 0.3:  # as if the views had been rebuilt, with fewer minutes than before
                first, *_ = client.hkeys(f"feed:{{{MARKET}}}:minutes") or [b"none"]
                client.hdel(f"feed:{{{MARKET}}}:minutes", first)
                client.hset(f"feed:{{{MARKET}}}:cursor", "epoch", f"another-{rng.random()}")
                break
            clock[0] = world.at_ms + rng.choice((-200_000, -61_000, -1, 0, 5, 61_000, 7_000_000, 50 * 3_600_000))
            for views in old:
                if rng.random() < 0.6:
                    assert looked_at(views) == looked_at(MarketViews(now_ms=lambda: clock[0]))
        for views in old:
            assert looked_at(views) == looked_at(MarketViews(now_ms=lambda: clock[0]))
        client.flushall()
        assert [looked_at(views)[1:] for views in old] == [
            ({}, {MARKET: (0, 0), "ETH-USD": (0, 0)}, {MARKET: [], "ETH-USD": []})] * 3


def test_a_day_of_trades_is_read_once(world, redis_url):
    world.publish(world.run(world.place("sell", "100.00", "1"), world.place("buy", "100.00", "0.4", account=2)))
    views = MarketViews(now_ms=lambda: world.at_ms)
    with redis.Redis.from_url(redis_url) as client:
        def whole_hashes() -> int:
            return client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]
        views.ticker(MARKET)
        before = whole_hashes()
        for later_ms in (0, 61_000, 3_600_000):
            world.at_ms += later_ms
            looked_at(views)
        # The other market has no views: it is looked for anew each time, which costs nothing.
        assert whole_hashes() == before + 3 * 2 * 2


def test_volumes_and_spark_lines_of_all_markets_in_one_look(world, redis_url):
    def trade(price: str, size: str, later_ms: int) -> None:
        world.at_ms += later_ms
        world.publish(world.run(world.place("sell", price, size), world.place("buy", price, size, account=2)))
    trade("100.00", "0.4", 0)
    trade("101.00", "0.1", 2 * 3_600_000)
    trade("102.00", "0.1", 60_000)
    market = world.market
    views = MarketViews(now_ms=lambda: world.at_ms)
    assert views.volumes([MARKET, "ETH-USD"]) == {
        MARKET: (market.size_lots("0.6"), market.size_lots("0.6")), "ETH-USD": (0, 0)}
    lines = views.spark_lines([MARKET, "ETH-USD"], step_s=3600)
    assert [row[1:] for row in lines[MARKET]] == [tuple(market.price_ticks(price) for price in prices) for prices in (
        ("101.00", "102.00", "101.00", "102.00"), ("100.00", "100.00", "100.00", "100.00"))]
    assert lines["ETH-USD"] == [] and all(at % 3600 == 0 for at, *_ in lines[MARKET])
    views = MarketViews(now_ms=lambda: world.at_ms + 23 * 3_600_000)
    assert views.volumes([MARKET])[MARKET] == (market.size_lots("0.2"), market.size_lots("0.6"))
    assert [row[-1] for row in views.spark_lines([MARKET])[MARKET]] == [market.price_ticks("102.00")]
    assert views.volumes([]) == {} == views.spark_lines([])


def test_products(monkeypatch):
    for name in ("api_list_products", "api_get_product"):
        handler = load_handler(name)
        monkeypatch.setattr(handler, "statuses", SimpleNamespace(
            get=lambda market: Status("halted" if market == "ETH-BTC" else "online", "secret reason", "")))
        answer = handler.lambda_handler(http_event("/products", parameters={"product_id": "ETH-BTC"}), None)
        rows = orjson.loads(answer["body"])
        if name == "api_get_product":
            assert rows["cancel_only"] and rows["trading_disabled"] and "secret" not in rows["status_message"]
            continue
        assert [row["id"] for row in rows] == list(listing().markets)
        for row in rows:
            assert row["id"].count("-") == 1 and None not in row.values()
            assert {"base_increment", "quote_increment", "min_market_funds", "max_slippage_percentage"} <= set(row)


def test_currencies():
    handler = load_handler("api_list_currencies")
    rows = orjson.loads(handler.lambda_handler(http_event("/currencies"), None)["body"])
    assert [row["id"] for row in rows] == list(listing().assets)
    assert rows[0]["max_precision"] == "0.00000001" and rows[0]["details"]["type"] == "fiat"
    one = handler.lambda_handler(http_event("/currencies/BTC", parameters={"currency_id": "BTC"}), None)
    assert orjson.loads(one["body"])["id"] == "BTC"
    for unknown in ("XRP", "btc", "../BTC", "BTC\x00"):
        answer = handler.lambda_handler(http_event("/currencies/x", parameters={"currency_id": unknown}), None)
        assert (answer["statusCode"], orjson.loads(answer["body"])["message"]) == (404, "NotFound")


def test_time_and_signatures_on_public_routes():
    for headers in ({}, {"CB-ACCESS-KEY": "", "CB-ACCESS-SIGN": "", "CB-ACCESS-TIMESTAMP": "nonsense"}):
        answer = load_handler("api_get_time").lambda_handler(http_event("/time", headers=headers), None)
        body = orjson.loads(answer["body"])
        assert isinstance(body["epoch"], float) and body["iso"].startswith("20") and answer["statusCode"] == 200
