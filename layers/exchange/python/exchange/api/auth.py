"""Who is asking: a Cognito access token on the application API, or a signed request on the trading API.

The same functions stand behind both doors. A token has been checked by the gateway's authorizer, which leaves its claims
in the event; what remains is that it is an access token of our client. On the trading API there is no authorizer, because
it never sees the body that the signature covers: base64(HMAC-SHA256(decoded secret, timestamp + METHOD + path and query +
body)), all exactly as sent.

Order of the checks, each with the word that real clients match on: key present, timestamp within 30 s, `Invalid API Key`,
`invalid signature`, `Invalid Passphrase`, `IP does not match IP whitelist`. The signature comes before the passphrase, so that
a passphrase can be guessed by nobody who lacks the secret, and both before the address, which says that the others were right.
"""

import base64
import hmac
import os

from exchange.api.addresses import is_within
from exchange.api.errors import Unauthorized
from exchange.api.request import Caller, Request

TIMESTAMP_WINDOW_S = 30
KEY_SCOPES = frozenset(("view", "trade", "transfer"))
TOKEN_SCOPES = KEY_SCOPES | {"keys"}

# One environment serves many callers and an account's numbers never change, so they are looked up once.
_CALLERS_KEPT = 10_000
_callers: dict[str, tuple[int, str]] = {}


def authenticate(request: Request) -> Caller:
    """The caller behind the request's token or signature; raises Unauthorized. A first token opens the account."""
    if request.claims is not None:
        return _from_token(request.claims)
    return _from_signature(request)


def signature(secret: str, timestamp: str, method: str, path_and_query: str, body: bytes) -> str:
    """The CB-ACCESS-SIGN of a request; `secret` is base64 as it was shown to the user."""
    message = f"{timestamp}{method.upper()}{path_and_query}".encode("utf-8", "surrogatepass") + body
    return base64.b64encode(hmac.digest(base64.b64decode(secret), message, "sha256")).decode("ascii")


def check_signed(headers: dict[str, str], method: str, path_and_query: str, body: bytes, now_ms: int,
                 source_ip: str) -> Caller:
    """The caller whose API key signed this; headers in lower case. Also serves the WebSocket's signed subscribe."""
    from exchange.adapters.api_keys import find_key, note_use, passphrase_matches

    key_id = headers.get("cb-access-key", "")
    if not key_id:
        raise Unauthorized("CB-ACCESS-KEY header is required", "credentials_missing")
    timestamp = headers.get("cb-access-timestamp", "")
    try:
        age_s = now_ms / 1000 - float(timestamp)
    except (ValueError, OverflowError):
        raise Unauthorized("invalid timestamp", "timestamp_invalid") from None
    if not abs(age_s) <= TIMESTAMP_WINDOW_S:  # written so that a NaN fails it
        raise Unauthorized("request timestamp expired", "timestamp_expired")
    key = find_key(key_id)
    if key is None:
        raise Unauthorized("Invalid API Key", "invalid_api_key")
    wanted = signature(key.secret, timestamp, method, path_and_query, body)
    if not _same(wanted, headers.get("cb-access-sign", "")):
        raise Unauthorized("invalid signature", "invalid_signature")
    if not passphrase_matches(key, headers.get("cb-access-passphrase", "")):
        raise Unauthorized("Invalid Passphrase", "invalid_passphrase")
    if key.allowed_addresses and not is_within(source_ip, key.allowed_addresses):
        raise Unauthorized("IP does not match IP whitelist", "address_not_allowed")
    note_use(key, now_ms / 1000)
    return Caller(account=key.account, user_id=key.user_id, profile_id=key.profile_id, scopes=key.scopes & KEY_SCOPES)


def _from_signature(request: Request) -> Caller:
    query = f"?{request.query_string}" if request.query_string else ""
    return check_signed(request.headers, request.method, request.path + query, request.body, request.received_at_ms,
                        request.source_ip)


def _from_token(claims: dict[str, str]) -> Caller:
    if claims.get("token_use") != "access" or not claims.get("sub"):
        raise Unauthorized("an access token is required", "token_invalid")
    client_id = os.environ.get("USER_POOL_CLIENT_ID")
    if client_id and claims.get("client_id") != client_id:
        raise Unauthorized("the token is of another client", "token_invalid")
    user_id = claims["sub"]
    account, profile_id = _callers.get(user_id) or _open_account(user_id)
    # The authorizer hands groups over as text such as "[traders operators]", the local gateway may as a list.
    groups = claims.get("cognito:groups") or ()
    names = groups.strip("[]").replace(",", " ").split() if isinstance(groups, str) else groups
    scopes = TOKEN_SCOPES | {"operate"} if "operators" in names else TOKEN_SCOPES
    return Caller(account=account, user_id=user_id, profile_id=profile_id, scopes=scopes)


def _open_account(user_id: str) -> tuple[int, str]:
    from exchange.adapters.postgres.accounts import open_account

    if len(_callers) >= _CALLERS_KEPT:
        _callers.clear()
    found = _callers[user_id] = open_account(user_id)
    return found


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogatepass"))
