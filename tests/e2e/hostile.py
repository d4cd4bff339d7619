"""Clients who do what they should not, all at once, and what was promised to them.

Each of the flows runs over and over beside the others until `stop`: the same order sent several times in parallel, batches,
amends of what may just be traded, cancels of everything, withdrawals asked for twice and canceled while an operator approves
them, accounts frozen in the middle, deposit notices in parallel, keys deleted while they are used. An answer that never came
promises nothing; one that came is noted, and `check` holds the ledger against it.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import psycopg
from e2e.conftest import Exchange
from e2e.flow import MIDDLE, random_order

from bench.client import Key, Trader
from exchange.api.custody_notices import notice_signature
from exchange.markets import listing


@dataclass
class Promises:
    """What was answered with 200."""

    order_ids: set[str] = field(default_factory=set)
    by_client_oid: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    by_idem: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    deposits: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    notices: int = 0  # sent, answered or not
    canceled: set[str] = field(default_factory=set)
    amended: set[str] = field(default_factory=set)
    answers: Counter = field(default_factory=Counter)


class Hostile:
    """The flows of some accounts. `owners`: an access token and a key for each; `operator`: an operator's token."""

    def __init__(self, exchange: Exchange, session: aiohttp.ClientSession, owners: list[tuple[str, Key]], operator: str,
                 seed: int) -> None:
        self.exchange, self.session, self.operator = exchange, session, operator
        self.application, self.trading = exchange.application, exchange.trading
        self.tokens = [token for token, _ in owners]
        self.traders = [Trader(session, self.trading, key) for _, key in owners]
        self.rng = random.Random(seed)
        self.promises = Promises()
        self.live: list[tuple[Trader, str]] = []
        self.withdrawals: list[tuple[str, str]] = []
        self.stop = asyncio.Event()

    async def run(self, secret: str, addresses: list[str], profiles: list[str]) -> None:
        """Until `stop`. `secret`: the custody's; `addresses`: for deposits of BTC; `profiles`: who may be frozen."""
        async def over_and_over(name: str, once: Callable[[], Awaitable[None]], pause_s: float) -> None:
            while not self.stop.is_set():
                try:
                    await once()
                except (aiohttp.ClientError, TimeoutError, ConnectionError) as failure:
                    self.promises.answers[f"{name} {type(failure).__name__}"] += 1
                    await asyncio.sleep(0.1)
                await asyncio.sleep(pause_s)
        flows = [("replay", self.replay, 0.05), ("batch", self.batch, 0.05), ("amend", self.amend, 0.02),
                 ("order", self.order, 0), ("order", self.order, 0), ("cancel all", self.cancel_all, 1.0),
                 ("withdraw", self.withdraw, 0.2), ("withdraw", self.withdraw_back, 0.2),
                 ("decide", self.decide, 0.2), ("freeze", lambda: self.freeze(profiles), 0.5),
                 ("deposit", lambda: self.deposit(secret, addresses), 0.3), ("key", self.key, 0.5)]
        await asyncio.gather(*(over_and_over(*flow) for flow in flows))

    # --- requests

    async def say(self, name: str, trader: Trader, method: str, path: str, body: object = None) -> object:
        """The answer of a request that succeeded, else None."""
        status, answer = await trader.request(method, path, body)
        self.note(name, status, answer)
        return answer if status == 200 else None

    async def ask(self, name: str, token: str, method: str, path: str, body: object = None) -> object:
        """The same on the application door."""
        async with self.session.request(method, self.application + path, json=body,
                                        headers={"Authorization": f"Bearer {token}"}) as made:
            status, answer = made.status, await made.json(content_type=None)
        self.note(name, status, answer)
        return answer if status == 200 else None

    def note(self, name: str, status: int, answer: object) -> None:
        code = answer.get("code", "") if status != 200 and isinstance(answer, dict) else ""
        self.promises.answers[f"{name} {status} {code}".strip()] += 1
        # An emulator that dies while it answers sends a 200 without a body: the key's cipher is missing in it.
        assert status != 500 or name == "new key", (name, answer)

    def trader(self) -> Trader:
        return self.rng.choice(self.traders)

    def took(self, trader: Trader, order: dict) -> None:
        self.promises.order_ids.add(order["id"])
        self.live.append((trader, order["id"]))
        if len(self.live) > 300:
            del self.live[:100]

    def any_order(self) -> dict:
        """Of every kind."""
        body, chance = random_order(self.rng), self.rng.random()
        if body["type"] != "limit" or body["time_in_force"] != "GTC" or chance > 0.4:
            return body
        market = listing().markets[body["product_id"]]
        if chance < 0.1:
            ticks = market.price_ticks(MIDDLE[market.id])
            away = ticks // 500 * (1 if body["side"] == "buy" else -1)
            stop = "entry" if body["side"] == "buy" else "loss"
            return body | {"stop": stop, "stop_price": market.format_price(ticks + away)}
        if chance < 0.2:
            lots = market.size_lots(body["size"])
            return body | {"display_size": market.format_size(max(1, lots // 3))}
        if chance < 0.3:
            return body | {"time_in_force": "GTT", "expire_time": time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.rng.randint(1, 20)))}
        return body | {"post_only": True}

    # --- flows

    async def order(self) -> None:
        trader = self.trader()
        if self.live and self.rng.random() < 0.3:
            owner, order_id = self.rng.choice(self.live)
            await self.cancel(owner, order_id)
        elif answer := await self.say("place", trader, "POST", "/orders", self.any_order()):
            self.took(trader, answer)

    async def cancel(self, owner: Trader, order_id: str) -> None:
        if answer := await self.say("cancel", owner, "DELETE", f"/orders/{order_id}"):
            self.promises.canceled.add(answer)

    async def replay(self) -> None:
        """One order six times in parallel; somebody's client that tries again."""
        trader, oid = self.trader(), str(uuid4())
        body = self.any_order() | {"client_oid": oid}

        async def once(body: dict) -> None:
            if answer := await self.say("replay", trader, "POST", "/orders", body):
                self.promises.by_client_oid[oid].add(answer["id"])
                self.took(trader, answer)
        other = body | {"stp": "cb" if body["stp"] != "cb" else "cn"}
        done = await asyncio.gather(*(once(body) for _ in range(5)), once(other), return_exceptions=True)
        await asyncio.gather(self.cancel(trader, f"client:{oid}"), once(body))
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure

    async def batch(self) -> None:
        trader = self.trader()
        mine = [order_id for owner, order_id in self.live if owner is trader]
        cancels = self.rng.sample(mine, min(len(mine), self.rng.randint(0, 10)))
        orders = [self.any_order() for _ in range(self.rng.randint(1, 15))]
        if answer := await self.say("batch", trader, "POST", "/orders/batch", {"cancels": cancels, "orders": orders}):
            self.promises.canceled |= {order_id for order_id in answer["cancels"] if isinstance(order_id, str)}
            for order in answer["orders"]:
                if "id" in order:
                    self.took(trader, order)

    async def amend(self) -> None:
        if not self.live:
            return
        owner, order_id = self.rng.choice(self.live)
        body = random_order(self.rng)
        self.promises.amended.add(order_id)  # answered or not
        await self.say("amend", owner, "PUT", f"/orders/{order_id}", self.rng.choice([
            {"price": body.get("price", "1")}, {"size": body.get("size", "1")}, {"price": "1", "size": "1"}]))

    async def cancel_all(self) -> None:
        trader = self.trader()
        product = self.rng.choice(["", *(f"?product_id={product}" for product in MIDDLE)])
        await asyncio.gather(self.say("cancel all", trader, "DELETE", f"/orders{product}"),
                             self.say("place", trader, "POST", "/orders", self.any_order()),
                             self.say("cancel all", trader, "DELETE", f"/orders{product}"))

    async def withdraw(self) -> None:
        """The same withdrawal three times in parallel, beside an order for the same money."""
        number = self.rng.randrange(len(self.traders))
        trader, idem = self.traders[number], str(uuid4())
        method = (await self.say("methods", trader, "GET", "/payment-methods") or [{}])[0].get("id")
        body = {"currency": "USD", "amount": str(self.rng.choice([20, 500, 20_000])), "payment_method_id": method, "idem": idem}

        async def once() -> None:
            if answer := await self.say("withdraw", trader, "POST", "/withdrawals/payment-method", body):
                self.promises.by_idem[idem].add(answer["id"])
                if answer["status"] == "requested":
                    self.withdrawals.append((self.tokens[number], answer["id"]))
        await asyncio.gather(once(), once(), once(), self.order())

    async def withdraw_back(self) -> None:
        """Canceled by its owner, approved and refused, at once."""
        if self.withdrawals:
            token, transfer = self.withdrawals.pop(self.rng.randrange(len(self.withdrawals)))
            path = f"/admin/withdrawals/{transfer}"
            await asyncio.gather(self.ask("cancel withdrawal", token, "DELETE", f"/withdrawals/{transfer}"),
                                 self.ask("approve", self.operator, "POST", f"{path}/approve", {"reason": "test"}),
                                 self.ask("refuse", self.operator, "POST", f"{path}/refuse", {"reason": "test"}))

    async def decide(self) -> None:
        rows = await self.ask("list", self.operator, "GET", "/admin/withdrawals?status=requested&limit=5")
        for row in rows or []:
            await self.ask("approve", self.operator, "POST", f"/admin/withdrawals/{row['id']}/approve", {"reason": "test"})

    async def freeze(self, profiles: list[str]) -> None:
        path = f"/admin/accounts/{self.rng.choice(profiles)}"
        await self.ask("freeze", self.operator, "POST", f"{path}/freeze", {"reason": "test"})
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        while not await self.ask("unfreeze", self.operator, "POST", f"{path}/unfreeze", {"reason": "test"}):
            await asyncio.sleep(0.2)

    async def deposit(self, secret: str, addresses: list[str]) -> None:
        """One notice, five times in parallel."""
        notice = {"id": str(uuid4()), "type": "deposit", "currency": "BTC", "amount": "0.01",
                  "address": self.rng.choice(addresses)}
        raw, timestamp = json.dumps(notice).encode(), str(int(time.time()))
        headers = {"x-custody-timestamp": timestamp, "x-custody-signature": notice_signature(secret, timestamp, raw)}

        async def once() -> None:
            async with self.session.post(f"{self.trading}/custody/notices", data=raw, headers=headers) as made:
                status, answer = made.status, await made.json(content_type=None)
            self.note("deposit", status, answer)
            if status == 200:
                self.promises.deposits[notice["id"]].add(answer["id"])
        self.promises.notices += 1
        await asyncio.gather(*(once() for _ in range(5)))

    async def key(self) -> None:
        """A key that is deleted while it is used."""
        token = self.rng.choice(self.tokens)
        made = await self.ask("new key", token, "POST", "/api-keys", {"scopes": ["view", "trade"]})
        if made is None:
            return
        trader = Trader(self.session, self.trading,
                        Key(key=made["key"], secret=made["secret"], passphrase=made["passphrase"]))

        async def use() -> None:
            for _ in range(5):
                if answer := await self.say("place by a key", trader, "POST", "/orders", self.any_order()):
                    self.promises.order_ids.add(answer["id"])

        async def delete() -> None:
            while not await self.ask("delete key", token, "DELETE", f"/api-keys/{made['key']}"):
                await asyncio.sleep(0.1)
                if not any(row["key"] == made["key"] for row in
                           await self.ask("list keys", token, "GET", "/api-keys") or [made]):
                    break
        used = asyncio.gather(use(), use(), return_exceptions=True)
        try:
            await delete()
        finally:
            await used


def check_promises(exchange: Exchange, promises: Promises) -> None:
    """What was acknowledged is there, once."""
    with psycopg.connect(exchange.dsn) as connection:
        def rows(query: str) -> list[tuple]:
            return connection.execute(query).fetchall()
        status = {str(order_id): status for order_id, status in rows("SELECT id, status FROM orders")}
        assert promises.order_ids <= status.keys(), "I8: an acknowledged order is lost"
        assert not [order_id for order_id in promises.order_ids if status[order_id] == "pending"], "I8: unresolved"
        assert rows("SELECT account_no, client_oid FROM orders WHERE client_oid IS NOT NULL GROUP BY 1, 2 "
                    "HAVING count(*) > 1") == []
        assert {len(ids) for ids in promises.by_client_oid.values()} <= {1}, "one client_oid, one order"
        assert {len(ids) for ids in promises.by_idem.values()} <= {1}, "one idem, one withdrawal"
        assert {len(ids) for ids in promises.deposits.values()} <= {1}, "one notice, one deposit"
        transfers = {str(row[0]) for row in rows("SELECT id FROM transfers")}
        assert {next(iter(ids)) for ids in (*promises.by_idem.values(), *promises.deposits.values())} <= transfers
        (credited,), = rows("SELECT count(*) FROM transfers WHERE kind = 'deposit' AND asset = 'BTC' AND amount = 0.01")
        assert len(promises.deposits) <= credited <= promises.notices, "a notice is credited once"
        assert not [order_id for order_id in promises.canceled if status[order_id] != "done"], "canceled, and lives"
