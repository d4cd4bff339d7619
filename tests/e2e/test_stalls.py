"""Parts that hang instead of dying: stopped by SIGSTOP under load, and let go on. Clients are answered in time, what does not
need the part goes on, and afterwards all is as if nothing had been."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
import pytest
from e2e.conftest import Exchange, whole_exchange
from e2e.flow import FeedBook, check_feed, unsettled
from e2e.processes import stopped
from e2e.test_faults import FUNDS, check_nothing_lost, flow_with
from e2e.test_hostile import Listener
from e2e.waiting import eventually

from bench.client import Trader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# A place in the line of the gateway, and then a function's own time; and what a busy machine adds.
ANSWERED_WITHIN_S = 15 + 10 + 3


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """One for the tests of this file."""
    with whole_exchange() as running:
        yield running


class Asked(NamedTuple):
    """A request and how it was answered. Seconds from the start of the asking."""

    path: str
    at_s: float
    status: int
    took_s: float


@dataclass
class Asking:
    """Asks for public pages all the time."""

    base: str
    paths: tuple[str, ...] = ("/time", "/products/BTC-USD/book?level=2")

    async def run(self, for_s: float) -> list[Asked]:
        """Until all that was asked within the time is answered."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            began = time.monotonic()

            async def ask(path: str) -> Asked:
                at = time.monotonic()
                async with session.get(self.base + path) as answer:
                    await answer.read()
                return Asked(path, at - began, answer.status, time.monotonic() - at)
            asked = []
            while time.monotonic() - began < for_s:
                asked += [asyncio.ensure_future(ask(path)) for path in self.paths]
                await asyncio.sleep(0.25)
            return await asyncio.gather(*asked)


def kept(exchange: Exchange) -> dict[str, int]:
    """The parts that nothing but their death ends. A consumer's process is ended, and started again, when a batch takes longer
    than its function has."""
    return {name: pid for name, pid in exchange.parts().items() if not name.startswith("exchange-")}


def test_the_database_hangs(exchange: Exchange) -> None:
    before = kept(exchange)
    asked: list[Asked] = []

    async def hang(flow: asyncio.Future) -> None:
        await asyncio.sleep(0.5)
        with stopped(exchange.pids["postgres"]):
            asked.extend(await Asking(exchange.application).run(15))
        asked_again = await Asking(exchange.application).run(2)
        assert {each.status for each in asked_again} == {200}

    sent = flow_with(exchange, 400, 11, hang)
    assert {each.status for each in asked} <= {200, 503}, asked
    assert max(each.took_s for each in asked) < ANSWERED_WITHIN_S
    late = [each for each in asked if each.at_s > 12]
    assert [each for each in late if each.status != 200 or each.took_s > 5] == [], "known by then, and others have workers"
    assert kept(exchange) == before
    eventually(lambda: swept(exchange), within_s=90)
    check_nothing_lost(exchange, sent)


def swept(exchange: Exchange) -> bool:
    """Whether nothing is left. An order that was committed after its function had been ended is sent by the sweep, once it is
    30 s old; here without waiting for the minute."""
    time.sleep(1)
    return exchange.invoke("audit_sweep_orders") and unsettled(exchange) is None


def test_the_views_hang(exchange: Exchange) -> None:
    """Orders are placed, matched and settled all the same; who asks for the views is told so."""
    before = kept(exchange)
    seller, buyer = (exchange.funded_key(FUNDS) for _ in range(2))

    async def trade() -> list[float]:
        took_s = []
        async with aiohttp.ClientSession() as session:
            for _ in range(4):
                started = time.monotonic()
                for key, side in ((seller, "sell"), (buyer, "buy")):
                    order = await Trader(session, exchange.trading, key).place("SOL-USD", side, "1", "150")
                took_s.append(time.monotonic() - started)
            until = time.monotonic() + 20
            while (await Trader(session, exchange.trading, key).get(f"/orders/{order['id']}"))["status"] != "done":
                assert time.monotonic() < until
                await asyncio.sleep(0.2)
        return took_s

    async def hang(flow: asyncio.Future) -> None:
        with stopped(exchange.pids["valkey"]):
            trading = asyncio.ensure_future(trade())
            asked = await Asking(exchange.application).run(8)
            assert max(await trading) < 12
        assert {each.status for each in asked if each.path == "/time"} == {200}
        assert 503 in {each.status for each in asked}
        assert max(each.took_s for each in asked) < 8
        eventually_ok = await Asking(exchange.application).run(5)
        assert {each.status for each in eventually_ok if each.at_s > 3} == {200}

    sent = flow_with(exchange, 200, 12, hang)
    assert kept(exchange) == before
    check_nothing_lost(exchange, sent)


def test_a_consumer_hangs(exchange: Exchange) -> None:
    """Its market stands still, until it is ended and started again. The other markets go on."""
    part = exchange.consumer("engine_match_orders", "BTC-USD")
    before = exchange.parts()

    async def hang(flow: asyncio.Future) -> None:
        await asyncio.sleep(0.5)
        with stopped(before[part]):
            await asyncio.to_thread(eventually, lambda: exchange.pids.get(part, before[part]) != before[part], within_s=45)

    sent = flow_with(exchange, 200, 14, hang)
    assert exchange.parts() | {part: 0} == before | {part: 0}
    check_nothing_lost(exchange, sent)


def test_everything_hangs(exchange: Exchange) -> None:
    """As when the machine is suspended: longer than any function has, within the 30 s that a signature is good for."""
    feed = Listener()  # what was being pushed when all was stopped may come twice
    before = kept(exchange)

    async def hang(flow: asyncio.Future) -> None:
        listening = asyncio.ensure_future(feed.run(exchange.websocket))
        await asyncio.wait_for(feed.ready.wait(), 30)
        with stopped(exchange.process.pid):
            asking = asyncio.ensure_future(Asking(exchange.application).run(1))
            await asyncio.sleep(21)
        asked = await asking
        assert {each.status for each in asked} <= {200, 503}
        assert {each.status for each in asked} & {200}, "what came meanwhile is read and answered"
        at_once = await Asking(exchange.application).run(8)
        assert {each.status for each in at_once if each.at_s > 5} == {200}
        assert not listening.done(), "the listener's connection is the same"
        await flow
        await asyncio.to_thread(wait_and_compare, exchange, feed)
        listening.cancel()

    sent = flow_with(exchange, 600, 13, hang)
    assert kept(exchange) == before
    check_nothing_lost(exchange, sent)


def wait_and_compare(exchange: Exchange, feed: FeedBook) -> None:
    def same() -> bool:
        try:
            check_feed(exchange, feed)
        except AssertionError:
            return False
        return True
    eventually(same, within_s=60)
