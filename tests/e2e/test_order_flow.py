"""20,000 commands of six accounts through the public API; then books, ledger and feed are one and the same truth."""

import asyncio
from collections.abc import Callable

import pytest
from e2e.conftest import Exchange
from e2e.flow import (
    FeedBook,
    check_every_trade_settled,
    check_feed,
    check_journal_and_books,
    check_ledger,
    run_flow,
    wait_until_settled,
)

pytestmark = pytest.mark.slow

COMMANDS = 20_000
FUNDS = {"USD": "1000000", "BTC": "20", "ETH": "400", "SOL": "10000"}


@pytest.mark.timeout(600)
def test_books_ledger_and_feed_agree_after_20_000_commands(start_exchange: Callable[..., Exchange]) -> None:
    exchange = start_exchange()
    keys = [exchange.funded_key(FUNDS) for _ in range(6)]

    async def flow() -> tuple[FeedBook, int, list[str]]:
        feed = FeedBook()
        listening = asyncio.ensure_future(feed.run(exchange.websocket))
        await asyncio.wait_for(feed.ready.wait(), 20)
        sent = await run_flow(exchange, keys, COMMANDS, seed=1)
        await asyncio.to_thread(wait_until_settled, exchange)
        for _ in range(600):
            if listening.done() or feed.received.issuperset(sent.order_ids):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # the level updates behind the last order
        if listening.done():
            listening.result()
        listening.cancel()
        return feed, sent.commands, sent.order_ids

    feed, commands, order_ids = asyncio.run(flow())
    assert commands >= COMMANDS
    assert feed.received.issuperset(order_ids), "every accepted order was published"
    check_journal_and_books(exchange)
    check_feed(exchange, feed)
    check_ledger(exchange)
    assert check_every_trade_settled(exchange) > 1000, "the flow must trade"
