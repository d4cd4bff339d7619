"""`python -m local.demo`: the demo market's process, a part of `make run`.

    accounts and keys (a process of its own) -> draw from the faucet -> cancel what an earlier run left -> quote and trade

It may die at any moment and be started again. What it does stands in `demo.state.json`, for `make status`; what goes wrong in
its log, each sentence once a minute at most.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import aiohttp

from exchange.markets import Listing, listing
from local.addresses import DataFolder, Run
from local.demo.accounts import MAKER, TAKER, DemoAccounts, faucet_id
from local.demo.bots import Bot, bots
from local.demo.client import Client, Refused, Unreachable
from local.demo.prices import Prices
from local.processes import report_ready

SEED = 20
STATE_EVERY_S = 10
CANCEL_AFTER_S = 90


class Teller:
    """Prints a sentence, and not again within a minute."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._told.get(text, -60) >= 60:
            self._told = {known: at for known, at in self._told.items() if now - at < 60} | {text: now}
            print(text, flush=True)


async def trade(run: Run, folder: DataFolder) -> None:
    await _prepare(folder)
    accounts, told = DemoAccounts(folder.path), Teller()
    connector = aiohttp.TCPConnector(limit=16)
    async with aiohttp.ClientSession(connector=connector) as session:
        clients = [Client(session, run.trading, accounts.login(email)) for email in (MAKER, TAKER)]
        for client in clients:
            await _draw(client, listing(), told)
            await client.call("DELETE", "/orders")
        prices = Prices(SEED)
        await _go_on_from_the_last_trades(session, run, listing(), prices)
        team = bots(listing(), *clients, prices, seed=SEED)
        await asyncio.gather(_tell_state(folder.path, team, clients), keep_switch(clients[0], told),
                             *(bot.run(told) for bot in team))


async def _prepare(folder: DataFolder) -> None:
    """The accounts and their keys. In a process of its own: it needs the AWS client, which the bots do not."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "local.demo.prepare", "--data", str(folder.path))
    try:
        if await child.wait() != 0:
            raise RuntimeError("the demo's accounts could not be made")
    finally:
        if child.returncode is None:
            child.kill()


async def _draw(client: Client, listed: Listing, told: Teller) -> None:
    """All that the faucet gives an account; with the same id each time, so that it is drawn once."""
    for asset in listed.assets.values():
        if asset.faucet_limit != "0":
            try:
                await client.call("POST", "/deposits/faucet", {"currency": asset.id, "amount": asset.faucet_limit,
                                                               "id": faucet_id(client.account.email, asset.id)})
            except Refused as refused:
                told(f"{client.account.email}: {asset.id} from the faucet: {refused}")


async def _go_on_from_the_last_trades(session: aiohttp.ClientSession, run: Run, listed: Listing, prices: Prices) -> None:
    for market in listed.markets.values():
        if market.quote.id != "USD":
            continue
        async with session.get(f"{run.trading}/products/{market.id}/ticker") as answer:
            last = (await answer.json(content_type=None)).get("price") if answer.status == 200 else None
        if last is not None and float(last) > 0:
            prices.walk(market.base.id).start_at(float(last))


async def keep_switch(maker: Client, told: Teller) -> None:
    """The maker's dead man's switch: when the bots are gone, so are its quotes soon after."""
    while True:
        try:
            await maker.call("POST", "/orders/cancel-after", {"timeout_s": CANCEL_AFTER_S})
        except (Refused, Unreachable) as failed:
            told(f"the dead man's switch: {failed}")
        await asyncio.sleep(CANCEL_AFTER_S / 3)


async def _tell_state(path: Path, team: list[Bot], clients: list[Client]) -> None:
    since = time.time()
    while True:
        state = {"since": since, "at": time.time(), "bots": {bot.name: bot.state for bot in team},
                 "requests": {client.account.email.partition("@")[0]: dict(client.counts) for client in clients}}
        temporary = path / "demo.state.new"
        temporary.write_text(json.dumps(state, indent=1))
        os.replace(temporary, path / "demo.state.json")
        await asyncio.sleep(STATE_EVERY_S)


async def _until_stopped(run: Run, folder: DataFolder) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work, stopping = asyncio.ensure_future(trade(run, folder)), asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if work.done():
        work.result()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ready", type=int, required=True)
    arguments = parser.parse_args()
    folder = DataFolder(arguments.data)
    run = folder.read_run()
    if run is None or not run.user_pool_id:
        sys.exit("no exchange runs on this folder")
    report_ready(arguments.ready)
    asyncio.run(_until_stopped(run, folder))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
