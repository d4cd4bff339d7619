"""A signed HTTP client for the benchmarks and the end-to-end tests. Not a client library: use ccxt for trading."""

import base64
import hmac
import json
import time
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True)
class Key:
    """An API key as `POST /api-keys` shows it once."""

    key: str
    secret: str
    passphrase: str

    def headers(self, method: str, path: str, body: str = "") -> dict[str, str]:
        """The CB-ACCESS headers of a request, as every client of this API makes them."""
        timestamp = f"{time.time():.3f}"
        signed = hmac.digest(base64.b64decode(self.secret), f"{timestamp}{method}{path}{body}".encode(), "sha256")
        return {"CB-ACCESS-KEY": self.key, "CB-ACCESS-SIGN": base64.b64encode(signed).decode(),
                "CB-ACCESS-TIMESTAMP": timestamp, "CB-ACCESS-PASSPHRASE": self.passphrase,
                "Content-Type": "application/json"}


class Trader:
    """One account's connection to the trading API at `base`. Answers are (status, parsed JSON)."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: Key) -> None:
        self._session = session
        self._base = base
        self.key = key

    async def request(self, method: str, path: str, body: dict | None = None) -> tuple[int, object]:
        text = json.dumps(body) if body is not None else ""
        headers = self.key.headers(method, path, text)
        async with self._session.request(method, self._base + path, data=text or None, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> object:
        """The answer of a GET that must succeed."""
        status, body = await self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body}")
        return body

    async def place(self, product_id: str, side: str, size: str, price: str | None = None, **more: object) -> dict:
        """Places a limit order (a market order without `price`); the answered order. RuntimeError if it is refused."""
        body = {"product_id": product_id, "side": side, "size": size, **more}
        body |= {"type": "limit", "price": price} if price is not None else {"type": "market"}
        status, answer = await self.request("POST", "/orders", body)
        if status != 200:
            raise RuntimeError(f"POST /orders {body}: {status} {answer}")
        return answer
