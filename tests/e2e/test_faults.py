"""SIGKILL of every part under load, alone and all together: nothing acknowledged is lost, nothing happens twice."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from e2e.conftest import Exchange
from e2e.flow import (
    Sent,
    check_every_trade_settled,
    check_journal_and_books,
    check_ledger,
    run_flow,
    wait_until_settled,
)
from e2e.waiting import eventually

from bench.client import Trader
from local.user import Refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FUNDS = {"USD": "1000000", "BTC": "20", "ETH": "400", "SOL": "10000"}


def flow_with(exchange: Exchange, commands: int, seed: int, disturb) -> Sent:
    """A flow of commands while `disturb` runs beside it, over and over."""
    keys = [exchange.funded_key(FUNDS) for _ in range(4)]

    async def both() -> Sent:
        flow = asyncio.ensure_future(run_flow(exchange, keys, commands, seed, concurrency=8, tolerate_outages=True))
        disturbance = asyncio.ensure_future(disturb(flow))
        await asyncio.gather(flow, disturbance)  # the first that fails ends both
        return flow.result()

    return asyncio.run(both())


def check_nothing_lost(exchange: Exchange, sent: Sent) -> None:
    """Every acknowledged order is known and resolved, and all the invariants hold."""
    import psycopg

    wait_until_settled(exchange, within_s=200, tolerate_outages=True)
    with psycopg.connect(exchange.dsn) as connection:
        known = {str(row[0]) for row in connection.execute("SELECT id FROM orders WHERE status <> 'pending'")}
    assert set(sent.order_ids) <= known, "I8: an acknowledged order is lost"
    check_ledger(exchange)
    check_every_trade_settled(exchange)
    eventually(lambda: not differences(exchange), within_s=90)


def differences(exchange: Exchange) -> str:
    """What still differs between the journal's books and those that REST shows: views may be a moment behind."""
    try:
        check_journal_and_books(exchange)
    except (AssertionError, OSError) as difference:
        return str(difference) or "different"
    return ""


def test_sigkill_of_each_part_under_load(start_exchange: Callable[..., Exchange]) -> None:
    """Workers, gateway, consumers, PostgreSQL, Valkey: each is killed at least once while orders come in."""
    rng = random.Random(3)
    exchange = start_exchange()
    killed: list[str] = []

    async def kill_one_after_the_other(flow: asyncio.Future) -> None:
        names = sorted(name for name in exchange.parts() if name not in ("supervisor", "emulator"))
        rng.shuffle(names)
        for name in names * 3:
            await asyncio.sleep(rng.uniform(0.3, 1.0))
            if flow.done():
                break
            assert exchange.process.poll() is None, exchange.process.communicate()[1]
            if pid := exchange.parts().get(name):
                os.kill(pid, signal.SIGKILL)
                killed.append(name)

    sent = flow_with(exchange, 6000, 4, kill_one_after_the_other)  # a quick machine takes 3000 before all were killed
    assert {"gateway", "postgres", "valkey"} <= set(killed), killed
    assert any("engine" in name for name in killed) and any("settle" in name for name in killed), killed
    check_nothing_lost(exchange, sent)


def test_everything_killed_and_started_again_under_load(start_exchange: Callable[..., Exchange]) -> None:
    """SIGKILL of the supervisor takes all children along; a new run on the same folder goes on where it was."""
    exchange = start_exchange()
    keys = [exchange.funded_key(FUNDS) for _ in range(4)]
    sent = Sent()

    async def rounds() -> None:
        # Ports change with each start, so the flow is cut into rounds that each ask for the address again.
        for number in range(3):
            flow = asyncio.ensure_future(run_flow(exchange, keys, 400, seed=number, concurrency=8, tolerate_outages=True,
                                                  sent=sent))
            if number < 2:
                await asyncio.sleep(1.5)
                exchange.kill_all()
                flow.cancel()
                await asyncio.gather(flow, return_exceptions=True)
                await asyncio.to_thread(exchange.start)
            else:
                await flow

    asyncio.run(rounds())
    assert sent.places > 100
    check_nothing_lost(exchange, sent)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(start_exchange: Callable[..., Exchange], small_disk: Path) -> None:
    """Nothing that is written is answered as done while the disk is full; when there is room all goes on by itself."""
    exchange = start_exchange(small_disk / "data")
    owner = exchange.new_user()
    keys, refused = [], []

    def make_keys(how_often: int) -> None:
        for _ in range(how_often):
            try:
                keys.append(exchange.api_key(owner))
            except Refused as failure:
                refused.append(failure.code)

    async def fill_the_disk(flow: asyncio.Future) -> None:
        for _ in range(2):
            await asyncio.sleep(2)
            with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(1 << 16))
            await asyncio.to_thread(make_keys, 2)
            await asyncio.sleep(4)
            assert exchange.process.poll() is None, exchange.process.communicate()[1]
            (small_disk / "filler").unlink()
            await asyncio.to_thread(make_keys, 1)

    sent = flow_with(exchange, 800, 5, fill_the_disk)
    check_nothing_lost(exchange, sent)
    assert keys and set(refused) == {"unavailable"}
    exchange.kill_all()
    exchange.start()

    async def use_keys() -> None:
        async with aiohttp.ClientSession() as session:
            for key in keys:
                await Trader(session, exchange.trading, key).get("/accounts")
    asyncio.run(use_keys())
