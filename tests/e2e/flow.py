"""A random order flow of several accounts through the public API, and what the exchange must look like afterwards."""

import asyncio
import json
import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

import aiohttp
import psycopg
import redis
from e2e.conftest import Exchange

import matching_core
from bench.client import Key, Trader
from exchange.adapters.embedded.journal import PostgresJournal
from exchange.adapters.redis import keys as views_keys
from exchange.events import Event, EventKind
from exchange.journal import GENESIS_HASH, decode_entry
from exchange.markets import Market, listing

MIDDLE = {"BTC-USD": "50000", "ETH-USD": "3000", "ETH-BTC": "0.06", "SOL-USD": "150"}
SIZE_LOTS = {"BTC-USD": 1000, "ETH-USD": 10_000, "ETH-BTC": 10, "SOL-USD": 1000}


@dataclass
class Sent:
    """What a flow sent and what it was answered."""

    places: int = 0
    cancels: int = 0
    refused: int = 0
    order_ids: list[str] = field(default_factory=list)

    @property
    def commands(self) -> int:
        return self.places + self.cancels


class FeedBook:
    """A listener of `level2` and `full` for all markets that keeps the books as any client would."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
        self.sequences: dict[str, int] = {}
        self.full: dict[str, list[int]] = {}
        self.received: set[str] = set()
        self.ready = asyncio.Event()

    async def run(self, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            await socket.send_json({"type": "subscribe", "product_ids": list(MIDDLE), "channels": ["level2", "full"]})
            async for message in socket:
                self.take(json.loads(message.data))

    def take(self, message: dict) -> None:
        kind, product = message["type"], message.get("product_id")
        assert kind != "error", message
        if kind == "snapshot":
            self.books[product] = {
                side: {Decimal(price): Decimal(size) for price, size in message[side]} for side in ("bids", "asks")}
            self.sequences[product] = message["sequence"]
            if len(self.books) == len(MIDDLE):
                self.ready.set()
        elif kind == "l2update":
            assert message["previous_sequence"] == self.sequences[product], "no gap between updates"
            self.sequences[product] = message["sequence"]
            book = self.books[product]
            for side, price, size in message["changes"]:
                levels = book["bids" if side == "buy" else "asks"]
                if Decimal(size) == 0:
                    levels.pop(Decimal(price), None)
                else:
                    levels[Decimal(price)] = Decimal(size)
            bids, asks = book["bids"], book["asks"]
            assert not bids or not asks or max(bids) < min(asks), f"{product}: crossed after {message['sequence']}"
        elif kind in ("received", "open", "match", "done", "change", "activate"):
            sequences = self.full.setdefault(product, [])
            assert not sequences or message["sequence"] == sequences[-1] + 1, f"gapless: {sequences[-1]} then {message}"
            sequences.append(message["sequence"])
            if kind == "received":
                self.received.add(message["order_id"])


def random_order(rng: random.Random) -> dict:
    """An order around the middle; one in ten a market order, one in ten IOC."""
    product = rng.choice(list(MIDDLE))
    market = listing().markets[product]
    side = rng.choice(["buy", "sell"])
    size = market.format_size(rng.randint(1, 10) * SIZE_LOTS[product])
    body = {"product_id": product, "side": side, "stp": rng.choice(["dc", "co", "cn", "cb"])}
    if rng.random() < 0.1:
        if side == "buy" and rng.random() < 0.5:
            return body | {"type": "market", "funds": market.format_value(
                market.price_ticks(MIDDLE[product]) * SIZE_LOTS[product] * rng.randint(1, 5))}
        return body | {"type": "market", "size": size}
    middle = market.price_ticks(MIDDLE[product])
    ticks = middle + round(rng.gauss(0, middle * 0.0004))
    return body | {"type": "limit", "size": size, "price": market.format_price(ticks),
                   "time_in_force": "IOC" if rng.random() < 0.1 else "GTC"}


async def run_flow(exchange: Exchange, keys: list[Key], commands: int, seed: int, *, concurrency: int = 24,
                   tolerate_outages: bool = False, sent: Sent | None = None, within_s: float = 400) -> Sent:
    """Sends at least `commands` accepted commands and notes them in `sent`, also if it is canceled. With outages a request
    without an answer, or with a 5xx, is no failure and another one follows."""
    rng = random.Random(seed)
    sent = sent or Sent()
    commands += sent.commands
    live: list[tuple[Trader, str]] = []

    async def one(trader: Trader) -> None:
        try:
            if live and rng.random() < 0.3:
                owner, order_id = live.pop(rng.randrange(len(live)))
                status, answer = await owner.request("DELETE", f"/orders/{order_id}")
                if status == 200:
                    assert answer == order_id
                    sent.cancels += 1
                elif status < 500:
                    assert answer["message"] in ("Order already done", "order not found"), answer
                    sent.refused += 1
            else:
                status, answer = await trader.request("POST", "/orders", random_order(rng))
                if status == 200:
                    sent.places += 1
                    sent.order_ids.append(answer["id"])
                    live.append((trader, answer["id"]))
                elif status < 500:
                    assert answer["message"] == "Insufficient funds" or answer["code"] == "no_reference_price", answer
                    sent.refused += 1
            assert status < 500 or tolerate_outages, answer
        except (aiohttp.ClientError, TimeoutError):
            if not tolerate_outages:
                raise
            await asyncio.sleep(0.2)

    deadline = time.monotonic() + within_s

    async def worker(trader: Trader) -> None:
        while sent.commands < commands:
            assert exchange.process.poll() is None or tolerate_outages, "the exchange ended"
            assert time.monotonic() < deadline, f"{sent.commands} of {commands} commands within {within_s} s"
            await one(trader)

    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        traders = [Trader(session, exchange.trading, key) for key in keys]
        await asyncio.gather(*(worker(traders[number % len(traders)]) for number in range(concurrency)))
    return sent


def wait_until_settled(exchange: Exchange, within_s: float = 120, *, tolerate_outages: bool = False) -> None:
    """Until no order is pending, and settlement and views stand at the journal's head in every market, twice in a row. With
    outages a server that does not answer, because it was killed last, has the same time to come back."""
    deadline = time.monotonic() + within_s
    quiet = 0
    while quiet < 2:
        try:
            left = unsettled(exchange)
        except (psycopg.OperationalError, redis.ConnectionError) as outage:
            if not tolerate_outages:
                raise
            left = outage
        quiet = 0 if left else quiet + 1
        assert time.monotonic() < deadline, f"pending orders, queued messages, markets behind: {left}"
        time.sleep(0.1)


def unsettled(exchange: Exchange) -> tuple[int, int, list[str]] | None:
    """Pending orders, queued messages, and the markets whose settlement or views stand behind the journal; None: nothing."""
    with psycopg.connect(exchange.dsn, autocommit=True) as connection, redis.Redis.from_url(exchange.redis) as views:
        pending, queued = connection.execute(
            """SELECT (SELECT count(*) FROM orders WHERE status = 'pending'),
                      (SELECT count(*) FROM embedded.queue_messages WHERE queue NOT LIKE '%%dead%%')""").fetchone()
        heads = connection.execute(
            """SELECT market, j.seq, c.seq FROM (SELECT market, max(seq) AS seq FROM embedded.journal GROUP BY market) AS j
                 LEFT JOIN settle_cursors AS c USING (market)""").fetchall()
        behind = [market for market, head, settled in heads
                  if not head == settled == int(views.hget(views_keys.key(market, "cursor"), "seq") or 0)]
    return (pending, queued, behind) if pending or queued or behind else None


def check_journal_and_books(exchange: Exchange) -> dict[str, matching_core.Book]:
    """I4, I5, I6: each market's journal replays on a fresh book, and REST shows the same book."""
    journal = PostgresJournal(exchange.dsn)
    books = {}
    for market in listing().markets.values():
        book, previous, seq = matching_core.Book.create(), GENESIS_HASH, 0
        while page := journal.after(market=market.id, seq=seq, limit=500):
            for raw in page:
                entry = decode_entry(raw)
                assert (entry.seq, entry.prev_hash) == (seq + 1, previous)
                assert book.apply(entry.at_ms, entry.commands, 400_000) == entry.events
                assert book.state_hash() == entry.state_hash
                seq, previous = entry.seq, entry.hash
        rest = exchange.get(f"/products/{market.id}/book?level=2")
        assert rest["sequence"] == book.sequence
        for side, number in (("bids", 1), ("asks", 2)):
            assert [(Decimal(price), Decimal(size), count) for price, size, count in rest[side]] == [
                (Decimal(market.format_price(price)), Decimal(market.format_size(lots)), count)
                for price, lots, count in book.levels(number, 1 << 30)], f"{market.id} {side}"
        books[market.id] = book
    journal.close()
    return books


def check_feed(exchange: Exchange, feed: FeedBook) -> None:
    """I9: the feed client's books are the REST books, at the same sequence."""
    for product, book in feed.books.items():
        rest = exchange.get(f"/products/{product}/book?level=2")
        assert feed.sequences[product] == rest["sequence"], product
        for side in ("bids", "asks"):
            assert book[side] == {Decimal(price): Decimal(size) for price, size, _ in rest[side]}, f"{product} {side}"


def check_ledger(exchange: Exchange, amended: Collection[str] = ()) -> None:
    """I1, I2, I3, I7, I10 in SQL, over everything there is. `amended`: orders that may have traded at an earlier limit."""
    with psycopg.connect(exchange.dsn) as connection:
        def rows(query: str) -> list[tuple]:
            return connection.execute(query).fetchall()

        assert rows("SELECT asset, sum(amount) FROM postings GROUP BY asset HAVING sum(amount) <> 0") == [], "I1"
        assert rows("SELECT entry_id, asset FROM postings GROUP BY entry_id, asset HAVING sum(amount) <> 0") == [], "I1"
        assert rows("SELECT * FROM balances WHERE held < 0 OR (available < 0)") == [], "I2"
        assert rows("""SELECT b.account_no, b.asset, b.held, o.needed FROM balances AS b
            FULL JOIN (SELECT account_no, asset, sum(amount) AS needed FROM holds_needed GROUP BY 1, 2) AS o
            USING (account_no, asset)
            WHERE coalesce(b.held, 0) <> coalesce(o.needed, 0)""") == [], "I3"
        assert rows("""SELECT b.account_no, b.asset FROM balances AS b
            LEFT JOIN (SELECT account_no, asset, sum(amount) AS posted FROM postings GROUP BY 1, 2) AS p
            USING (account_no, asset) WHERE b.available + b.held <> coalesce(p.posted, 0)""") == [], "balance = postings"
        assert rows("SELECT id FROM orders WHERE status = 'done' AND hold <> 0") == [], "I10"
        assert rows("""SELECT market, trade_id FROM fills GROUP BY market, trade_id
            HAVING count(*) <> 2 OR count(DISTINCT side) <> 2 OR count(DISTINCT price) <> 1 OR count(DISTINCT size) <> 1
            """) == [], "I7: each trade once for each side"
        beyond = rows("""SELECT f.order_id FROM fills AS f JOIN orders AS o ON o.id = f.order_id
            WHERE o.price IS NOT NULL AND ((o.side = 'buy' AND f.price > o.price) OR (o.side = 'sell' AND f.price < o.price))
            """)
        assert {str(order_id) for order_id, in beyond} <= set(amended), "I7: within the limit"
        assert rows("""SELECT o.id FROM orders AS o LEFT JOIN (SELECT order_id, sum(size) AS size, sum(price * size) AS value,
            sum(fee) AS fee FROM fills GROUP BY 1) AS f ON f.order_id = o.id
            WHERE o.filled_size <> coalesce(f.size, 0) OR o.executed_value <> coalesce(f.value, 0)
               OR o.fill_fees <> coalesce(f.fee, 0)""") == [], "I7: orders = fills"


def check_every_trade_settled(exchange: Exchange) -> int:
    """I7: the trades of the journal are the fills of the ledger, once for each side; how many there are."""
    journal = PostgresJournal(exchange.dsn)
    with psycopg.connect(exchange.dsn) as connection:
        trades = 0
        for market in listing().markets.values():
            wanted, seq = [], 0
            while page := journal.after(market=market.id, seq=seq, limit=500):
                for raw in page:
                    entry = decode_entry(raw)
                    wanted += [_trade(market, event) for event in entry.unpack_events() if event.kind == EventKind.TRADE]
                    seq = entry.seq
            found = connection.execute("SELECT trade_id, price, size FROM fills WHERE market = %s AND liquidity = 'M'"
                                       " ORDER BY trade_id", (market.id,)).fetchall()
            assert found == wanted, market.id
            trades += len(wanted)
    journal.close()
    return trades


def _trade(market: Market, event: Event) -> tuple[int, Decimal, Decimal]:
    return (event.trade_id, Decimal(market.format_price(event.price_ticks)), Decimal(market.format_size(event.size_lots)))

