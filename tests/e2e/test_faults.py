"""SIGKILL of every part under load, alone and all together: nothing acknowledged is lost, nothing happens twice."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

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

    wait_until_settled(exchange, within_s=200)
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

    sent = flow_with(exchange, 3000, 4, kill_one_after_the_other)
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


def test_nothing_is_left_behind(start_exchange: Callable[..., Exchange]) -> None:
    """After SIGKILL of the supervisor every child ends by itself within seconds."""
    exchange = start_exchange()
    pids = list(exchange.parts().values())
    exchange.kill_all()
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if running(pid)] == []


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
