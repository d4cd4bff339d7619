"""The two bots, one task per market: the maker keeps its quotes where they should be, the taker trades at random times.

Both look at what they own now and then and lean against what they have too much of, and sizes shrink with what is left: so
neither runs dry, though fees leave the two of them. A market that is halted, a service that is away: a pause, then again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from exchange.markets import Listing, Market
from exchange.money import parse_decimal
from local.demo.client import Client, Refused, Unreachable
from local.demo.prices import Prices
from local.demo.quotes import Quote, plan, size_lots, style_of

BALANCES_EVERY_S = 20.0
PAUSES_S = (1, 2, 5, 10, 20)
HALTED = frozenset(("cancel_only", "limit_only"))


class Purse:
    """What an account owns, by asset, as of the last look; and what it started with."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looked_at = -BALANCES_EVERY_S
        self.total: dict[str, float] = {}
        self.available: dict[str, float] = {}

    async def look(self) -> None:
        if time.monotonic() - self._looked_at < BALANCES_EVERY_S:
            return
        self._looked_at = time.monotonic()
        for row in await self._client.call("GET", "/accounts"):
            self.total[row["currency"]] = float(row["balance"])
            self.available[row["currency"]] = float(row["available"])

    def lean(self, market: Market, prices: Prices) -> float:
        """-1 (all is quote: buy) to 1 (all is base: sell), 0 where half of what is for this pair is base."""
        base = self.total.get(market.base.id, 0.0) * prices.value(market.base.id)
        quote = self.total.get(market.quote.id, 0.0) * prices.value(market.quote.id)
        return (base - quote) / (base + quote) if base + quote > 0 else 0.0

    def scale(self, asset: str, value: float, prices: Prices) -> float:
        """How much of `value` dollars there is money for, at most 1; a tenth of what it owns is the most it sets out."""
        return min(1.0, self.total.get(asset, 0.0) * prices.value(asset) / 10 / value) if value else 1.0


class Bot:
    """What both have in common: `run` does `_turn` again and again, and waits out what goes wrong."""

    def __init__(self, name: str, client: Client, market: Market, prices: Prices, purse: Purse, *, seed: int) -> None:
        self.name = f"{name} {market.id}"
        self.state = "starting"
        self._client = client
        self._market = market
        self._prices = prices
        self._purse = purse
        self._style = style_of(market.id)
        self._rng = random.Random(f"{seed} {self.name}")

    async def run(self, told: Callable[[str], None]) -> None:
        failures = 0
        while True:
            try:
                await self._purse.look()
                self._prices.advance(time.monotonic())
                await self._turn()
                failures, self.state = 0, "trading"
            except Refused as refused:
                if refused.status in (401, 403):
                    raise
                self.state = "waiting: the market is halted" if refused.code in HALTED else f"refused: {refused.code}"
                if refused.code not in HALTED:
                    told(f"{self.name}: {refused}")
                await asyncio.sleep(5)
            except Unreachable as away:
                self.state = "waiting: the exchange does not answer"
                told(f"{self.name}: {away}")
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
            await asyncio.sleep(self._pause_s())

    async def _turn(self) -> None:
        raise NotImplementedError

    def _pause_s(self) -> float:
        raise NotImplementedError


class Maker(Bot):
    """Quotes around the walk's price, moved a little against what it owns too much of."""

    async def _turn(self) -> None:
        market, prices = self._market, self._prices
        price = prices.price(market.base.id, market.quote.id) * (1 - 0.0005 * self._purse.lean(market, prices))
        middle = price * 10**market.quote_places / market.tick_step
        changes = plan(
            market, self._style, middle=middle, unit_value=prices.value(market.base.id), live=await self._live(), rng=self._rng,
            scale={side: self._purse.scale(asset, self._style.layer_value, prices)
                   for side, asset in (("buy", market.quote.id), ("sell", market.base.id))})
        for quote in changes.cancel:
            await self._forgiven(self._client.call("DELETE", f"/orders/{quote.id}"), {"order_already_done", "order_not_found"})
        dry: set[str] = set()
        for quote in changes.place:
            if quote.side not in dry and not await self._forgiven(self._client.call("POST", "/orders", {
                    "product_id": market.id, "side": quote.side, "type": "limit", "post_only": True,
                    "price": market.format_price(quote.price_ticks), "size": market.format_size(quote.size_lots)}),
                    {"insufficient_funds", "size_too_small"}):
                dry.add(quote.side)

    async def _live(self) -> list[Quote]:
        rows = await self._client.call("GET", f"/orders?product_id={self._market.id}&limit=200")
        return [Quote(row["side"], self._market.price_ticks(row["price"]), self._market.size_lots(row["size"]), row["id"])
                for row in rows if "price" in row]

    @staticmethod
    async def _forgiven(request: Awaitable[object], codes: set[str]) -> bool:
        """Whether it went through; refusals with these codes are part of the trade."""
        try:
            await request
            return True
        except Refused as refused:
            if refused.code not in codes:
                raise
            return False

    def _pause_s(self) -> float:
        return self._style.round_s * self._rng.uniform(0.8, 1.2)


class Taker(Bot):
    """Small market orders, as often bought as sold but for what it owns too much of."""

    async def _turn(self) -> None:
        market, prices = self._market, self._prices
        side = "sell" if self._rng.random() < 0.5 + 0.4 * self._purse.lean(market, prices) else "buy"
        spent = market.quote.id if side == "buy" else market.base.id
        value = self._style.taker_value * min(8.0, self._rng.lognormvariate(0, 0.9))
        value *= self._purse.scale(spent, value * 4, prices)
        lots = size_lots(market, value, prices.value(market.base.id))
        least = float(parse_decimal(market.min_funds)) * 1.1 * prices.value(market.quote.id)
        lots = max(lots, size_lots(market, least, prices.value(market.base.id)) + 1)
        try:
            await self._client.call("POST", "/orders", {"product_id": market.id, "side": side, "type": "market",
                                                        "size": market.format_size(lots)})
        except Refused as refused:
            # An empty book has no price for a market order yet.
            if refused.code not in ("insufficient_funds", "no_reference_price"):
                raise

    def _pause_s(self) -> float:
        return min(30.0, self._rng.expovariate(1 / self._style.taker_every_s))


def bots(listing: Listing, maker: Client, taker: Client, prices: Prices, *, seed: int) -> list[Bot]:
    """Both for every listed market."""
    purses = {client: Purse(client) for client in (maker, taker)}
    return [kind(name, client, market, prices, purses[client], seed=seed)
            for market in listing.markets.values()
            for kind, name, client in ((Maker, "maker", maker), (Taker, "taker", taker))]
