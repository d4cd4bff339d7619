"""The bots' way to the exchange: signed requests to the trading door, one at a time per bot and market."""

import base64
import hmac
import json
import time
from collections import Counter

import aiohttp

from local.demo.accounts import Account

TIMEOUT_S = 10


class Refused(Exception):
    """The exchange said no. `code` is of docs/API.md, empty where there was none."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class Unreachable(Exception):
    """No answer, or one of a service that is away: worth another try after a pause."""


class Client:
    """One account at the trading door. `counts`: requests that went well and answers that were refusals, by code."""

    def __init__(self, session: aiohttp.ClientSession, base: str, account: Account) -> None:
        self._session = session
        self._base = base
        self.account = account
        self.counts: Counter[str] = Counter()

    async def call(self, method: str, path: str, body: dict | None = None) -> object:
        """The parsed answer. Raises Refused, Unreachable."""
        text = json.dumps(body) if body is not None else ""
        try:
            async with self._session.request(method, self._base + path, data=text or None,
                                             headers=self._headers(method, path, text),
                                             timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as answer:
                parsed = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{method} {path}: {type(error).__name__} {error}") from None
        if answer.status == 200:
            self.counts[f"{method} {path.partition('?')[0].split('/')[1]}"] += 1
            return parsed
        told = parsed if isinstance(parsed, dict) else {}
        if answer.status >= 500 or answer.status == 429:
            raise Unreachable(f"{method} {path}: {answer.status} {told.get('message', '')}")
        self.counts[f"refused {told.get('code', answer.status)}"] += 1
        raise Refused(answer.status, str(told.get("code", "")), str(told.get("message", "")))

    def _headers(self, method: str, path: str, body: str) -> dict[str, str]:
        timestamp = f"{time.time():.3f}"
        signed = hmac.digest(base64.b64decode(self.account.secret), f"{timestamp}{method}{path}{body}".encode(), "sha256")
        return {"CB-ACCESS-KEY": self.account.key, "CB-ACCESS-SIGN": base64.b64encode(signed).decode(),
                "CB-ACCESS-TIMESTAMP": timestamp, "CB-ACCESS-PASSPHRASE": self.account.passphrase,
                "Content-Type": "application/json"}
