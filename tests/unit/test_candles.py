"""Candles from the journal: recorded in PostgreSQL, joined with the views, against a count by hand; and old trades."""

import json
import random
from decimal import Decimal

import orjson
import psycopg
import pytest
import redis

from exchange.adapters.postgres.candles import PostgresCandles
from exchange.adapters.redis.view_store import RedisViewStore
from exchange.events import EventKind
from exchange.feed.candles import GRANULARITIES_S, CandleRecorder, regroup
from exchange.feed.publisher import FeedPublisher
from exchange.feed.statistics import Bucket
from exchange.follower import StaleCursor
from exchange.journal import JournalBroken, decode_entry
from exchange.markets import listing
from tests.unit.feed_world import MARKET, START_MS, MemoryQueue, World, nudge
from tests.unit.handlers import http_event, load_handler


class Traded(World):
    """A world whose trades are all known: (at_ms, price, size, maker's side), oldest first."""

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        self.client = redis.Redis.from_url(redis_url)
        self.publisher = FeedPublisher(
            markets=listing().markets, views=RedisViewStore(self.client), journal=self.journal, queue=MemoryQueue(),
            push_queue_url="push", shards=1, account_of=lambda user_id: (0, ""), connections_of=lambda market: [],
            status=str, cancel_all=None)
        self.store = PostgresCandles(listing())
        self.recorder = CandleRecorder(journal=self.journal, store=self.store, page=7)

    def days(self, hours: int, rng: random.Random) -> None:
        """About a trade per hour, at irregular times, published as it goes."""
        for _ in range(hours):
            self.at_ms += rng.randint(1, 7_200_000)
            batch = [self.place(rng.choice(("buy", "sell")), f"100.{rng.randint(0, 30):02}", f"0.00{rng.randint(1, 99):02}",
                                account=rng.randint(1, 5)) for _ in range(3)]
            self.publisher.handle(MARKET, [json.loads(nudge(self.run(*batch)))])

    def trades(self) -> list[tuple[int, Decimal, Decimal]]:
        return [(entry.at_ms, Decimal(self.market.format_price(event.price_ticks)),
                 Decimal(self.market.format_size(event.size_lots)))
                for entry in map(decode_entry, self.journal.entries) for event in entry.unpack_events()
                if event.kind == EventKind.TRADE]

    def counted(self, granularity_s: int, from_s: int, to_s: int) -> list[list]:
        """The rows by hand, newest first."""
        spans: dict[int, list] = {}
        for at_ms, price, size in self.trades():
            if from_s <= at_ms // 1000 < to_s:
                spans.setdefault(at_ms // 1000 // granularity_s * granularity_s, []).append((price, size))
        return [[start, min(p for p, _ in span), max(p for p, _ in span), span[0][0], span[-1][0], sum(s for _, s in span)]
                for start, span in sorted(spans.items(), reverse=True)]


@pytest.fixture
def world(redis_url, ledger_dsn):
    world = Traded(redis_url)
    yield world
    world.client.close()


def candles(query: str, status: int = 200, product: str = MARKET) -> list | dict:
    answer = load_handler("api_list_candles").lambda_handler(
        http_event("/products/x/candles", query=query, parameters={"product_id": product}), None)
    assert answer["statusCode"] == status, answer
    return json.loads(answer["body"], parse_float=Decimal)


@pytest.mark.parametrize("granularity_s", GRANULARITIES_S)
def test_candles_of_weeks_are_the_trades_counted_by_hand(world, granularity_s):
    """Old ones come from PostgreSQL, those of the last 24 hours from the views; the recorder is behind, as it always is."""
    rng = random.Random(granularity_s)
    world.days(120, rng)
    assert world.recorder.catch_up(MARKET) == 120
    world.days(6, rng)
    end_s = world.at_ms // 1000
    for back in (0, 40, 299):
        to_s = (end_s - back * granularity_s) // granularity_s * granularity_s + granularity_s
        from_s = to_s - 300 * granularity_s
        rows = candles(f"granularity={granularity_s}&start={from_s}&end={to_s - 1}")
        assert rows == world.counted(granularity_s, from_s, to_s)
        assert len(rows) <= 300 and all(Decimal(row[1]) <= Decimal(row[4]) <= Decimal(row[2]) for row in rows)
    assert len(world.counted(3600, 0, end_s)) > 60 and len(world.trades()) > 100


def test_a_rebuild_gives_the_same_rows_whatever_the_pages(world, ledger_dsn):
    world.days(40, random.Random(4))
    world.recorder.catch_up(MARKET)
    with psycopg.connect(ledger_dsn, autocommit=True) as database:
        def rows() -> list:
            return database.execute("SELECT * FROM candles ORDER BY 1, 2, 3").fetchall()
        before, cursor = rows(), world.store.cursor(MARKET)
        assert len(before) > 20 and cursor[0] == 40
        for page in (1, 3, 1000):
            world.store.forget(MARKET)
            assert rows() == []
            CandleRecorder(journal=world.journal, store=world.store, page=page).catch_up(MARKET)
            assert rows() == before and world.store.cursor(MARKET) == cursor


def test_each_trade_counts_once_though_two_record_and_one_dies(world, ledger_dsn):
    world.days(20, random.Random(5))

    class Dies(Exception):
        pass

    class Faulty(PostgresCandles):
        """Every third save loses its answer after the commit, or its work before it."""

        saves = 0

        def save(self, market, **what):
            Faulty.saves += 1
            if Faulty.saves % 3 == 1:
                super().save(market, **what)
                raise Dies()
            if Faulty.saves % 3 == 2:
                raise Dies()
            super().save(market, **what)

    late = world.store.cursor(MARKET)
    while True:
        try:
            if CandleRecorder(journal=world.journal, store=Faulty(listing()), page=2).catch_up(MARKET) == 0:
                break
        except Dies:
            continue
    with pytest.raises(StaleCursor):
        world.store.save(MARKET, after=late[0], seq=1, hash_=bytes(32), candles={(60, 60): Bucket(1, 1, 1, 1, 1, 1)})
    with psycopg.connect(ledger_dsn) as database:
        for granularity_s in (60, 3600):
            assert database.execute("SELECT sum(trades), sum(volume) FROM candles WHERE granularity_s = %s",
                                    (granularity_s,)).fetchone() == (
                len(world.trades()), sum(size for _, _, size in world.trades()))


def test_it_stops_while_there_is_time_and_goes_on_where_it_was(world):
    world.days(20, random.Random(6))
    left = iter((100.0, 100.0, 4.0))
    assert world.recorder.catch_up(MARKET, lambda: next(left)) == 14
    assert world.recorder.catch_up(MARKET) == 6


def test_a_broken_chain_is_not_recorded(world):
    world.days(3, random.Random(6))
    world._hash = bytes(32)
    world.run(world.place("buy", "1", "1"))
    with pytest.raises(JournalBroken):
        CandleRecorder(journal=world.journal, store=world.store, page=2).catch_up(MARKET)
    assert world.store.cursor(MARKET)[0] == 2


def test_the_scheduled_function_records_every_market(world, monkeypatch):
    world.days(5, random.Random(7))
    for name, value in {"EXCHANGE_PORTS": "embedded", "EMBEDDED_DSN": "dbname=none"}.items():
        monkeypatch.setenv(name, value)
    handler = load_handler("feed_record_candles")
    handler.recorder = world.recorder
    assert handler.lambda_handler({}, None) == {"entries": 5}
    assert handler.lambda_handler({}, None) == {"entries": 0}


def test_regroup_keeps_the_first_open_and_the_last_close():
    parts = [(0, Bucket(5, 9, 4, 6, 1, 1)), (60, Bucket(7, 8, 3, 8, 2, 2)), (300, Bucket(1, 1, 1, 1, 1, 1))]
    assert regroup(parts, 300) == {0: Bucket(5, 9, 3, 8, 3, 3), 300: Bucket(1, 1, 1, 1, 1, 1)}
    assert regroup([], 60) == {}


@pytest.mark.parametrize(("query", "message"), [
    ("granularity=61", "Unsupported granularity"), ("granularity=x", "Unsupported granularity"),
    ("granularity=0", "Unsupported granularity"), ("granularity=-60", "Unsupported granularity"),
    ("granularity=60.0", "Unsupported granularity"), ("granularity=%2060", "Unsupported granularity"),
    ("granularity=60&start=1700000000&end=1700018001", "granularity too small for the requested time range. Count of "
     "aggregations requested exceeds 300"),
    ("start=2023-01-01&end=yesterday", "Invalid end: 'yesterday' is no ISO 8601 time"),
    ("start=&end=5", None), ("start=2023-01-02T00:00:00Z&end=2023-01-01T00:00:00Z", "Invalid time range: start is after end"),
    ("start=9999999999999999&end=1700000000", "Invalid start: '9999999999999999' is out of range"),
    ("start=NaN&end=NaN", "Invalid start: 'NaN' is no ISO 8601 time"), ("start=%ff&end=%00", "Invalid start: '\ufffd' is no "
     "ISO 8601 time"), ("start=1e9&end=1e9", "Invalid start: '1e9' is no ISO 8601 time")])
def test_ranges_that_are_none(world, query, message):
    if message is None:
        assert candles(query) == []
    else:
        assert candles(query, 400)["message"] == message


@pytest.mark.parametrize(("start", "end"), [
    ("2023-11-14T22:13:20Z", "2023-11-14T22:20:00Z"), ("2023-11-14T22:13:20.000Z", "2023-11-14T22:20:00.999Z"),
    ("2023-11-14T23:13:20+01:00", "2023-11-14T22:20:00"), ("2023-11-14T23:13:20%2B01:00", "2023-11-14T22:20"),
    ("1700000000", "1700000400")])
def test_times_as_clients_write_them(world, start, end):
    assert START_MS == 1_700_000_000_000
    world.at_ms = START_MS + 59_990  # 22:14:20: in the minute of 22:14
    world.publisher.handle(MARKET, [json.loads(nudge(world.run(
        world.place("sell", "100.10", "0.25"), world.place("buy", "100.10", "0.25", account=2))))])
    assert candles(f"start={start}&end={end}") == [
        [1_700_000_040, Decimal("100.1"), Decimal("100.1"), Decimal("100.1"), Decimal("100.1"), Decimal("0.25")]]


def test_without_a_range_the_newest_300_spans(world, monkeypatch):
    world.days(3, random.Random(1))
    handler = load_handler("api_list_candles")
    monkeypatch.setattr("exchange.api.request.time.time_ns", lambda: world.at_ms * 1_000_000)
    for query in ("granularity=86400", "granularity=86400&start=2023-01-01", "granularity=86400&end=nonsense"):
        answer = handler.lambda_handler(http_event("/", query=query, parameters={"product_id": MARKET}), None)
        assert json.loads(answer["body"], parse_float=Decimal) == world.counted(86400, 0, 2**40)
    monkeypatch.setattr("exchange.api.request.time.time_ns", lambda: (world.at_ms + 301 * 60_000) * 1_000_000)
    assert candles("") == []


@pytest.mark.parametrize("product", ["XRP-USD", "", "BTC/USD"])
def test_an_unknown_product(world, product):
    assert candles("", 404, product)["message"] == "NotFound"


# --- trades older than the views

def trades(query: str) -> tuple[list[dict], dict]:
    answer = load_handler("api_list_trades").lambda_handler(
        http_event("/products/x/trades", query=query, parameters={"product_id": MARKET}), None)
    assert answer["statusCode"] == 200, answer
    return orjson.loads(answer["body"]), answer["headers"]


@pytest.fixture
def many_trades(world, ledger_dsn, exchange):
    """1,300 trades in the views and as settled fills; 1,000 stay in the views."""
    for _ in range(13):
        batch = []
        for number in range(100):
            batch += [world.place("sell" if number % 2 else "buy", "100.00", "0.5"),
                      world.place("buy" if number % 2 else "sell", "100.00", "0.5", account=2)]
        world.publisher.handle(MARKET, [json.loads(nudge(world.run(*batch)))])
    with psycopg.connect(ledger_dsn, autocommit=True) as database:
        account = exchange.account(USD="100000000", BTC="1")
        order = exchange.place(account, "buy", "1", "100").order_id
        database.execute("ALTER TABLE fills DISABLE TRIGGER ALL")
        for entry in map(decode_entry, world.journal.entries):
            for event in entry.unpack_events():
                if event.kind == EventKind.TRADE:
                    maker, taker = ("buy", "sell") if event.side == 1 else ("sell", "buy")
                    for side, liquidity in ((maker, "M"), (taker, "T")):
                        database.execute(
                            "INSERT INTO fills (market, trade_id, side, order_id, account_no, liquidity, price, size, value,"
                            " fee, journal_seq, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, 0, %s,"
                            " to_timestamp(%s::float8 / 1000))",
                            (MARKET, event.trade_id, side, order, account, liquidity,
                             world.market.format_price(event.price_ticks), world.market.format_size(event.size_lots),
                             entry.seq, entry.at_ms))
    return world


def test_pages_go_from_the_views_into_the_ledger_without_a_seam(many_trades):
    whole, _ = trades("limit=1000")
    assert [row["trade_id"] for row in whole] == list(range(1300, 300, -1))
    seen, after, pages = [], "", 0
    while after is not None:
        rows, headers = trades(f"limit=170{after}")
        seen += rows
        pages += 1
        after = f"&after={headers['cb-after']}" if "cb-after" in headers else None
    assert [row["trade_id"] for row in seen] == list(range(1300, 0, -1)) and pages == 8
    assert seen[:1000] == whole
    by_side = {row["trade_id"]: row["side"] for row in seen}
    assert by_side[1000] != by_side[1001] and by_side[1000] == by_side[998] == by_side[100]
    assert {tuple(sorted(row)) for row in seen} == {("price", "side", "size", "time", "trade_id")}
    assert {len(row["time"]) for row in seen} == {27} and {row["price"] for row in seen} == {"100.00"}


def test_pages_upwards_and_windows(many_trades):
    for cursor, limit in ((0, 100), (250, 100), (299, 5), (300, 5), (301, 5), (1290, 100), (1300, 5), (5000, 5)):
        rows, headers = trades(f"before={cursor}&limit={limit}")
        assert [row["trade_id"] for row in rows] == list(range(min(1300, cursor + limit), cursor, -1)), cursor
    rows, headers = trades("before=290&after=310&limit=100")
    assert [row["trade_id"] for row in rows] == list(range(309, 290, -1)) and "cb-after" not in headers
    rows, headers = trades("before=290&after=310&limit=12")
    assert [row["trade_id"] for row in rows] == list(range(309, 297, -1)) and headers["cb-after"] == "298"
    many_trades.client.flushall()
    assert [row["trade_id"] for row in trades("limit=3")[0]] == [1300, 1299, 1298]  # while the views are made again
