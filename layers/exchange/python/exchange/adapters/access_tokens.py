"""Cognito access tokens where no authorizer has checked them: the WebSocket's `subscribe`.

The pool's public keys are fetched once per environment, and again for a key id never seen, at most once a minute.
"""

import json
import os
import time
import urllib.request

import jwt

from exchange.faults import RetryableFault

FETCH_AT_MOST_EVERY_S = 60

_keys: dict[str, jwt.PyJWK] = {}
_fetched_at = -FETCH_AT_MOST_EVERY_S


class BadToken(ValueError):
    """Not a good access token of our pool and client; the text says why."""


class KeysUnavailable(RetryableFault):
    """The pool's keys cannot be read."""


def user_of(token: str) -> str:
    """The user id (`sub`) of a good access token. Raises BadToken or KeysUnavailable."""
    pool = os.environ["USER_POOL_ID"]
    try:
        key = _key(jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(token, key.key, algorithms=["RS256"],
                            issuer=f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com/{pool}",
                            options={"verify_aud": False, "require": ["exp", "iss", "sub"]})
    except BadToken:
        raise
    except (jwt.PyJWTError, ValueError) as error:  # ValueError: text that cannot be encoded
        raise BadToken(f"invalid token: {type(error).__name__}") from None
    client_id = os.environ.get("USER_POOL_CLIENT_ID")
    if claims.get("token_use") != "access" or (client_id and claims.get("client_id") != client_id):
        raise BadToken("invalid token: not an access token of this exchange")
    return claims["sub"]


def _key(key_id: object) -> jwt.PyJWK:
    global _fetched_at
    if key_id not in _keys and time.monotonic() - _fetched_at >= FETCH_AT_MOST_EVERY_S:
        _keys.update(_fetch())
        _fetched_at = time.monotonic()
    if not isinstance(key_id, str) or key_id not in _keys:
        raise BadToken("invalid token: signed by an unknown key")
    return _keys[key_id]


def _fetch() -> dict[str, jwt.PyJWK]:
    pool = os.environ["USER_POOL_ID"]
    base = os.environ.get("AWS_ENDPOINT_URL") or f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com"
    try:
        with urllib.request.urlopen(f"{base}/{pool}/.well-known/jwks.json", timeout=3) as answer:
            document = json.load(answer)
    except (OSError, ValueError) as error:
        raise KeysUnavailable(f"the keys of {pool} cannot be read: {error}") from error
    return {key["kid"]: jwt.PyJWK(key, "RS256") for key in document["keys"]}
