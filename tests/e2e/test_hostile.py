"""Everything that clients and operators can do at once, while parts are killed or hang at random: every promise is kept."""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable

import aiohttp
import psutil
import pytest
from e2e.conftest import Exchange
from e2e.flow import FeedBook, check_every_trade_settled, check_feed, check_ledger, wait_until_settled
from e2e.hostile import Hostile, Promises, check_promises
from e2e.processes import stopped
from e2e.test_faults import FUNDS, differences
from e2e.waiting import eventually

# How long, and from what; for a search: make soak-exchange SECONDS=600 SEED=7
FOR_S = float(os.environ.get("HOSTILE_S", "40"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
LONGEST_HANG_S = min(15.0, FOR_S / 10)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(FOR_S + 860)]
AUDITS = ("audit_check_ledger", "audit_check_whole_ledger", "audit_replay_journal", "engine_snapshot_book")


def test_everything_at_once_while_parts_die(start_exchange: Callable[..., Exchange]) -> None:
    exchange = start_exchange()
    owners = []
    for _ in range(5):
        token = exchange.new_user(balances=FUNDS)
        owners.append((token, exchange.api_key(token)))
    operator = exchange.new_operator()
    secret = exchange.post("/admin/custody-secret", {"reason": "test"}, operator)["secret"]
    profiles = [exchange.get("/profiles", token)[0]["id"] for token, _ in owners]
    addresses = []
    for token, _ in owners:
        btc = next(row["id"] for row in exchange.get("/accounts", token) if row["currency"] == "BTC")
        addresses.append(exchange.post(f"/coinbase-accounts/{btc}/addresses", {}, token)["address"])

    async def rounds() -> Hostile:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0),
                                         timeout=aiohttp.ClientTimeout(total=60)) as session:
            hostile = Hostile(exchange, session, owners, operator, SEED)
            running = asyncio.ensure_future(hostile.run(secret, addresses, profiles))
            disturbing = asyncio.ensure_future(disturb(exchange, random.Random(SEED), hostile.stop))
            listening = asyncio.ensure_future(listen(exchange))
            ends_at = asyncio.get_running_loop().time() + FOR_S
            while asyncio.get_running_loop().time() < ends_at or not enough(hostile.promises):
                done, _ = await asyncio.wait({running, disturbing, listening}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            hostile.stop.set()
            await asyncio.gather(running, disturbing)
            await asyncio.to_thread(wait_until_settled, exchange, 200, tolerate_outages=True)
            listening.cancel()
            return hostile

    hostile = asyncio.run(rounds())
    promises = hostile.promises
    print(dict(promises.answers))
    check_promises(exchange, promises)
    check_ledger(exchange, promises.amended)
    check_every_trade_settled(exchange)
    eventually(lambda: not differences(exchange), within_s=90)
    for audit in AUDITS:
        eventually(lambda audit=audit: exchange.invoke(audit), within_s=60)
    assert [row for row in exchange.get("/admin/markets", operator) if row["status"] != "online"] == []
    assert exchange.get("/admin/invariants", operator)["findings"] == []
    asyncio.run(check_a_listener(exchange))


def enough(promises: Promises) -> bool:
    """On a slow machine a part that was killed is away for long."""
    return len(promises.order_ids) > 100 and len(promises.by_client_oid) > 10 and bool(promises.by_idem and promises.deposits)


async def disturb(exchange: Exchange, rng: random.Random, stop: asyncio.Event) -> None:
    """One part after the other, the emulator too, is killed, or hangs for a while, until `stop`."""
    while not stop.is_set():
        await asyncio.sleep(rng.uniform(0.5, 2.5))
        assert exchange.process.poll() is None, exchange.process.communicate()[1]
        name = rng.choice(sorted(set(exchange.parts()) - {"supervisor"}))
        hangs = rng.random() < 0.25
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess, KeyError):  # it has just died of another's death
            if not hangs:
                exchange.kill(name)
                continue
            with stopped(exchange.pids[name]):
                await asyncio.sleep(rng.uniform(0.2, LONGEST_HANG_S))


class Listener(FeedBook):
    """One that skips what it has seen, as docs/FEED.md tells it: a publisher or a push that died says it again."""

    def take(self, message: dict) -> None:
        # The gateway's, when no function answered; a feed that was started again.
        if message.get("type", "error") == "error":
            raise ConnectionError(message["message"])
        product, sequence = message.get("product_id"), message.get("sequence", 0)
        if message["type"] == "l2update":
            if sequence <= self.sequences[product]:
                return
            # Sizes are absolute: one that begins before where we are is good, too.
            message = message | {"previous_sequence": max(message["previous_sequence"], self.sequences[product])}
        if message["type"] not in ("l2update", "snapshot") and sequence and sequence <= self.full.get(product, [0])[-1]:
            return
        super().take(message)


async def listen(exchange: Exchange) -> None:
    """A listener whose connection is lost whenever the gateway dies, and who begins anew; its book never contradicts itself."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await Listener().run(exchange.websocket)
        await asyncio.sleep(0.3)


async def check_a_listener(exchange: Exchange) -> None:
    feed = FeedBook()
    following = asyncio.ensure_future(feed.run(exchange.websocket))
    await asyncio.wait_for(feed.ready.wait(), 30)
    await asyncio.to_thread(check_feed, exchange, feed)
    following.cancel()
