"""docs/FEED.md is executed: its requests are taken, its answers given, its client follows the feed, its tables are complete."""

import json
import random
import re
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import pytest

from exchange.commands import Side
from exchange.feed import messages
from exchange.feed.levels import Levels, checksum
from exchange.feed.requests import BadRequest, parse_message, parse_subscribe
from exchange.feed.routing import Buffered, Outgoing, Subscriber, greeting, route
from exchange.feed.sockets import refusal, subscriptions_message
from exchange.feed.state import MarketState
from exchange.markets import listing
from tests.unit.feed_world import MARKET, World, texts_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "FEED.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def inline_json() -> list[dict]:
    """Whole JSON objects between backticks; `...` stands for more of the same."""
    found = re.findall(r"`(\{\"type\".*?\})`", PAGE)
    return [json.loads(text.replace(", ...", "")) for text in found]


def test_the_subscribe_example_is_taken_and_answered_as_it_says():
    (example,) = blocks("json")
    request = parse_subscribe(parse_message(example), listing().markets)
    answer = json.loads(subscriptions_message(request.wanted))
    (told,) = [message for message in inline_json() if message["type"] == "subscriptions"]
    assert answer["channels"][:len(told["channels"])] == told["channels"] and set(answer) == set(told)


def test_the_error_example_is_what_comes():
    (told,) = [message for message in inline_json() if message["type"] == "error"]
    with pytest.raises(BadRequest) as refused:
        parse_subscribe({"type": "subscribe", "product_ids": ["DOGE-USD"], "channels": ["level2"]}, listing().markets)
    assert json.loads(refusal(refused.value)) == told


def test_the_checksum_example():
    market = listing().markets[MARKET]
    section = PAGE.partition("\n## Checksum\n")[2].partition("\n## ")[0]
    levels = re.findall(r"(\d+\.\d\d) x (\d\.\d{8})", section)
    rows = {market.price_ticks(price): (market.size_lots(size), 1) for price, size in levels}
    bids, asks = dict(list(rows.items())[:2]), dict(list(rows.items())[2:])
    (text,) = [block.strip() for block in re.findall(r"```\n(.*?)```", section, re.S)]
    assert text == ":".join(f"{price}:{size}" for price, size in levels)
    assert checksum(market, Levels(Side.BUY, bids), Levels(Side.SELL, asks)) == int(re.search(r"checksum (\d{5,})", section)[1])


class Feed:
    """A state with a subscriber of each kind; `run` gives what one entry sends to each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.state = MarketState(MARKET)
        self.subscribers = [
            Subscriber("levels", 1, frozenset(("level2",))), Subscriber("public", 1, frozenset(("full", "ticker"))),
            *(Subscriber(f"of {account}", 1, frozenset(("user",)), account, "u", "p") for account in range(1, 6))]

    def run(self, *commands) -> dict[str, list[dict]]:
        buffered, outgoing = Buffered(self.state.sequence), Outgoing()
        step = self.state.apply(self.world.run(*commands))
        buffered.add(step.events, step.levels)
        route(self.world.market, self.state, buffered, self.subscribers, outgoing)
        return texts_of(outgoing)

    def greet(self, *channels: str) -> list[dict]:
        return [json.loads(text) for text in greeting(self.world.market, self.state, channels)]


@pytest.fixture
def book_class():
    names: dict = {}
    exec("\n".join(blocks("python")), names)
    return names["Book"]


def test_the_client_of_the_page_has_the_engines_book(book_class, monkeypatch):
    """Also from a snapshot that was cut, and through messages that are posted again."""
    monkeypatch.setattr(messages, "MAX_LEVEL_BYTES", 400)
    rng, world = random.Random(3), World()
    feed, book, sent, parts = Feed(world), None, [], 0
    for number in range(120):
        news = feed.run(*world.random_batch_of_all(rng, rng.randint(1, 4))).get("levels", [])
        if number == 60:
            book, news = book_class(), feed.greet("level2")
            parts = len(news)
        if book is None:
            continue
        sent += news
        # The last ones are posted again, in order.
        again = sent[-rng.randint(1, 6):] if number > 70 and rng.random() < 0.3 else []
        for message in [*news, *again]:
            book.take(message)
        assert book.sequence == world.book.sequence
        for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
            assert [list(level) for level in book.best(name, None)] == world.core_levels(side)
        if news:
            assert book.checksum() == news[-1]["checksum"]
    assert parts > 1 and len(sent) > 40
    with pytest.raises(LookupError):
        book.take({"type": "l2update", "sequence": book.sequence + 9, "previous_sequence": book.sequence + 1, "changes": []})


def test_the_table_of_messages_names_every_field_and_no_other():
    table = PAGE.partition("\n## Messages\n")[2].partition("\n## ")[0]
    documented: dict[str, set[str]] = defaultdict(set)
    for line in table.splitlines():
        if line.startswith("| `"):
            _, names, fields, _ = line.split("|", 3)
            for name in re.findall(r"`(\w+)`", names):
                documented[name] |= set(re.findall(r"`(\w+)", fields))
    everywhere = set(re.findall(r"`(\w+)`", table.partition("except")[0]))
    of_owners = set(re.findall(r"`(\w+)", table.partition("Whoever is signed in")[2]))
    world, rng = World(), random.Random(5)
    feed = Feed(world)
    found: dict[str, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    # An amend that is refused, of an order with all that it may have.
    maker = world.place("buy", "90.00", "0.01", post_only=True, client_oid=UUID(int=10**9 - 1))
    first = [world.place("sell", "110.00", "0.01", account=2), maker, world.amend(maker.order_id, price="110.00", account=1)]
    for number in range(250):
        commands = first + world.random_batch_of_all(rng, rng.randint(1, 4))
        commands.append(world.place("buy", "100.00", "0.01", client_oid=UUID(int=10**9 + number)))
        # Repeats of an order that rests and of one that waits.
        commands += [world.place("buy", "1.00", "0.01", order=UUID(int=10**10)),
                     world.place("sell", "1.00", "0.01", stop="1.00", order=UUID(int=10**10 + 1))]
        first = []
        for connection, sent in feed.run(*commands).items():
            for message in sent:
                (owners if connection.startswith("of") else found)[message["type"]] |= set(message)
    for message in feed.greet("level2", "matches", "ticker"):
        found[message["type"]] |= set(message)
    found["heartbeat"] |= set(messages.heartbeat(world.market, feed.state, 0))
    found["status"] |= set(messages.status([], []))
    found["amend_rejected"] = owners.pop("amend_rejected")  # which has no other receivers
    assert set(found) == set(documented)
    for kind, fields in found.items():
        assert fields - everywhere - {"type"} <= documented[kind], kind
    for kind, fields in owners.items():
        known = documented[kind] | documented["received"] if kind == "activate" else documented[kind]
        assert {field.replace("taker_", "maker_") for field in fields - everywhere - known} <= of_owners, kind
    # Every name of the table's fields is a field that was seen.
    values = {"STP", "modify_order", "true", "filled", "canceled", "rejected", "time", "no", "self", "fill", "expired", "level",
              "level2", "GET"}
    for kind, fields in documented.items():
        of_its_row = found["match"] | found["last_match"] if kind == "last_match" else found[kind]
        assert fields - values - documented.keys() <= of_its_row | everywhere, kind
