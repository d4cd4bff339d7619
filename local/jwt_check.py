"""What the HTTP API's JWT authorizer does: the signature against the pool's published keys, issuer, client, expiry.

A token that was good is remembered until it expires, so that a signature is checked once and not per request.
"""

import asyncio
import sys
import time
from typing import Any

import aiohttp
import jwt

MAX_REMEMBERED = 20_000
# An unknown key id makes us look again, but a flood of forged tokens must not become a flood of look-ups.
REFRESH_AT_MOST_EVERY_S = 5


class Unauthorized(Exception):
    """The token is missing or not good; the caller learns no more than that."""


class KeysUnavailable(Exception):
    """The pool's keys were never read and cannot be read now: nobody can say whether the token is good."""


class JwtAuthorizer:
    """Checks tokens of the pools behind one emulator."""

    def __init__(self, emulator_url: str) -> None:
        self._emulator_url = emulator_url
        self._keys: dict[str, dict[str, Any]] = {}
        self._refreshed: dict[str, float] = {}
        self._remembered: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._lock = asyncio.Lock()

    async def claims(self, authorization: str | None, authorizer: dict[str, Any]) -> dict[str, Any]:
        """The claims of a `Bearer` token; raises Unauthorized, KeysUnavailable."""
        token = _bearer(authorization)
        remembered = self._remembered.get((token, authorizer["issuer"]))
        if remembered is not None and remembered[0] > time.time():
            return remembered[1]
        try:
            key_id = jwt.get_unverified_header(token)["kid"]
            key = await self._key(authorizer["issuer"], key_id)
            claims = jwt.decode(token, key, algorithms=["RS256"], issuer=authorizer["issuer"],
                                options={"verify_aud": False, "require": ["exp", "iss"]})
        except (jwt.PyJWTError, KeyError) as error:
            raise Unauthorized(str(error)) from None
        # As the service does it: `aud`, or `client_id` where there is none; our users come with access tokens only.
        if claims.get("aud", claims.get("client_id")) not in authorizer["audience"]:
            raise Unauthorized("another client's token")
        if claims.get("token_use") != "access":
            raise Unauthorized("not an access token")
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        as_strings = {name: _as_text(value) for name, value in claims.items()}
        self._remembered[token, authorizer["issuer"]] = (claims["exp"], as_strings)
        return as_strings

    async def _key(self, issuer: str, key_id: str) -> Any:
        if key_id not in self._keys.get(issuer, {}):
            async with self._lock:
                if (key_id not in self._keys.get(issuer, {})
                        and time.monotonic() - self._refreshed.get(issuer, -1e9) > REFRESH_AT_MOST_EVERY_S):
                    await self._refresh(issuer)
        if issuer not in self._keys:
            raise KeysUnavailable(issuer)
        return self._keys[issuer][key_id]

    async def _refresh(self, issuer: str) -> None:
        self._refreshed[issuer] = time.monotonic()
        url = f"{self._emulator_url}/{issuer.rsplit('/', 1)[-1]}/.well-known/jwks.json"
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                document = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            print(f"the keys of {issuer} cannot be read: {error!r}", file=sys.stderr)
            return
        self._keys[issuer] = {key["kid"]: jwt.PyJWK(key, "RS256").key for key in document.get("keys", [])}


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthorized("no token")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    # The service also takes the token alone.
    if not token and scheme.count(".") == 2:
        return scheme
    raise Unauthorized("no bearer token")


def _as_text(value: Any) -> str:
    """The authorizer hands every claim on as a string; a list as `[a b]`."""
    if isinstance(value, list):
        return "[" + " ".join(str(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
