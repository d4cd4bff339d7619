"""The demo market's prices and quotes, and what the bots do when the exchange says no or nothing."""

import asyncio
import os
import random
import stat

import pytest

from exchange.markets import listing
from local.demo.__main__ import CANCEL_AFTER_S, keep_switch
from local.demo.accounts import MAKER, DemoAccounts
from local.demo.bots import Maker, Purse, Taker
from local.demo.client import Refused, Unreachable
from local.demo.prices import FARTHEST, Prices
from local.demo.quotes import BUSY, Quote, plan, slot_of, style_of

MARKET = listing().markets["BTC-USD"]
MIDDLE = 60_000 * 100.0
WHOLE = {"buy": 1.0, "sell": 1.0}


def quotes(live=(), middle=MIDDLE, seed=1, scale=WHOLE, most=100):
    return plan(MARKET, BUSY, middle=middle, unit_value=60_000.0, live=live, rng=random.Random(seed), scale=scale, most=most)


def settled(middle=MIDDLE):
    """What the maker has in the book once it has placed everything."""
    return [Quote(quote.side, quote.price_ticks, quote.size_lots, f"{index}")
            for index, quote in enumerate(quotes(middle=middle).place)]


def test_the_same_seed_gives_the_same_prices_and_they_stay_near() -> None:
    def run(seed: int) -> list[float]:
        prices = Prices(seed)
        prices.price("BTC", "USD")
        seen = []
        for second in range(20_000):
            prices.advance(float(second))
            seen.append(prices.price("BTC", "USD"))
        return seen

    first = run(1)
    assert first == run(1) != run(2)
    assert all(60_000 * (1 - FARTHEST) * 0.99 < price < 60_000 * (1 + FARTHEST) * 1.01 for price in first)
    assert len(set(first)) > 19_000


def test_pairs_agree_with_each_other() -> None:
    prices = Prices(1)
    for asset in ("BTC", "ETH"):
        prices.walk(asset)
    for second in range(100):
        prices.advance(float(second))
    assert prices.price("ETH", "BTC") == pytest.approx(prices.price("ETH", "USD") / prices.price("BTC", "USD"))


def test_an_empty_book_is_filled_on_both_sides_and_never_crosses() -> None:
    for seed in range(50):
        placed = quotes(seed=seed).place
        assert len(placed) == 2 * BUSY.layers
        assert max(quote.price_ticks for quote in placed if quote.side == "buy") < MIDDLE
        assert min(quote.price_ticks for quote in placed if quote.side == "sell") > MIDDLE
        assert all(quote.size_lots > 0 for quote in placed)
        assert len({(quote.side, slot_of(quote, BUSY, MIDDLE)) for quote in placed}) == len(placed)


@pytest.mark.parametrize("moved_bp", [-200, -10, -3, 3, 10, 200])
def test_after_a_move_the_book_follows_within_few_rounds(moved_bp: int) -> None:
    live, middle = settled(), MIDDLE * (1 + moved_bp / 10_000)
    for round_ in range(12):
        changes = quotes(live, middle, seed=round_, most=8)
        assert len(changes.cancel) <= 8 and len(changes.place) <= 8
        live = [quote for quote in live if quote not in changes.cancel] + [
            Quote(quote.side, quote.price_ticks, quote.size_lots, f"{round_}.{index}")
            for index, quote in enumerate(changes.place)]
    bids = [quote.price_ticks for quote in live if quote.side == "buy"]
    asks = [quote.price_ticks for quote in live if quote.side == "sell"]
    assert max(bids) < middle < min(asks)
    assert len(live) >= 2 * BUSY.layers - 2


def test_what_stands_on_the_wrong_side_goes_first() -> None:
    live = settled()
    crossing = next(quote for quote in live if quote.side == "sell")
    changes = quotes(live, MIDDLE * 1.0005, most=2)
    assert crossing in changes.cancel


def test_without_money_a_side_is_not_quoted() -> None:
    assert {quote.side for quote in quotes(scale={"buy": 0.0, "sell": 1.0}).place} == {"sell"}


def test_passwords_are_drawn_once_and_only_for_the_owner(tmp_path) -> None:
    first = DemoAccounts(tmp_path).login(MAKER)
    assert DemoAccounts(tmp_path).login(MAKER) == first and len(first.password) >= 12
    first.key = "k"
    DemoAccounts(tmp_path).keep(first)
    assert DemoAccounts(tmp_path).login(MAKER).key == "k"
    assert stat.S_IMODE(os.stat(tmp_path / "demo.json").st_mode) == 0o600


class Exchange:
    """Answers what a test says, and notes what was asked."""

    def __init__(self, answers) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answers = answers

    async def call(self, method, path, body=None):
        self.asked.append((method, path.partition("?")[0]))
        answer = self._answers(method, path, body)
        if isinstance(answer, Exception):
            raise answer
        return answer


def rows(**balances):
    return [{"currency": name, "balance": amount, "available": amount, "hold": "0"} for name, amount in balances.items()]


def bot(kind, exchange, market="BTC-USD"):
    made = kind("bot", exchange, listing().markets[market], Prices(1), Purse(exchange), seed=1)
    made._pause_s = lambda: 0.0
    return made


async def turns(made, enough, told=lambda text: None):
    task = asyncio.ensure_future(made.run(told))
    for _ in range(2000):
        await asyncio.sleep(0)
        if enough() or task.done():
            break
    task.cancel()
    await asyncio.wait({task})
    return task


@pytest.mark.parametrize(("side", "balances"), [("sell", {"BTC": "20", "USD": "1000"}),
                                                ("buy", {"BTC": "0", "USD": "1000000"})])
def test_the_taker_leans_against_what_it_has_too_much_of(side, balances) -> None:
    bodies = []

    def answer(method, path, body):
        if path == "/accounts":
            return rows(**balances)
        bodies.append(body)
        return {}

    asyncio.run(turns(bot(Taker, Exchange(answer)), lambda: len(bodies) >= 60))
    of_side = [body for body in bodies if body["side"] == side]
    assert len(of_side) > 40
    assert all(MARKET.size_lots(body["size"]) > 0 and body["type"] == "market" for body in bodies)


def test_a_halted_market_and_a_lost_exchange_are_waited_out(monkeypatch) -> None:
    pauses, told = [], []
    real_sleep = asyncio.sleep

    async def sleep(seconds):
        pauses.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr("local.demo.bots.asyncio.sleep", sleep)
    troubles = [Refused(400, "cancel_only", "Cancel only mode"), Unreachable("gone"), Unreachable("gone"),
                Refused(400, "odd", "?")]

    def answer(method, path, body):
        if path == "/accounts":
            return rows(BTC="20", USD="1000000")
        return troubles.pop(0) if troubles else []

    made = bot(Maker, Exchange(answer))
    asyncio.run(turns(made, lambda: made.state == "trading", told.append))
    assert made.state == "trading" and not troubles
    assert [seconds for seconds in pauses if seconds > 0] == [5, 1, 2, 5]
    assert len(told) == 3


def test_a_key_that_is_refused_ends_the_bot() -> None:
    made = bot(Taker, Exchange(lambda *_: Refused(401, "invalid_api_key", "Invalid API Key")))
    task = asyncio.run(turns(made, lambda: False))
    assert isinstance(task.exception(), Refused)


def test_every_listed_market_has_a_style_and_bitcoin_moves_most() -> None:
    styles = {market: style_of(market) for market in listing().markets}
    assert min(styles, key=lambda market: styles[market].taker_every_s) == "BTC-USD"


def test_the_makers_switch_is_set_again_and_again_also_after_a_failure(monkeypatch) -> None:
    asked, told = [], []
    answers = [Unreachable("gone"), Refused(403, "scope_missing", "no"), {}, {}]

    async def call(method, path, body):
        asked.append((method, path, body["timeout_s"]))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if not answers:
            raise asyncio.CancelledError

    async def sleep(seconds):
        assert seconds < CANCEL_AFTER_S / 2

    class Client:
        pass

    Client.call = staticmethod(call)
    monkeypatch.setattr("local.demo.__main__.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_switch(Client(), told.append))
    assert asked == [("POST", "/orders/cancel-after", CANCEL_AFTER_S)] * 4
    assert len(told) == 2
