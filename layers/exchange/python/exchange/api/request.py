"""What a handler sees of an HTTP request: the gateway's payload 2.0 event, taken apart once.

Path, query string and body stay exactly as sent, because signatures are over those bytes. Bodies are parsed by content
and never by `Content-Type`, which real clients leave out or misspell. JSON numbers become `int` or `Decimal`, never float.
"""

import base64
import binascii
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NoReturn
from urllib.parse import parse_qsl
from uuid import UUID

from exchange.api.errors import BadRequest, NotFound
from exchange.times import BadTime, parse_time_ms

MAX_BODY_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, once their credentials have been checked. `profile_id` is the account's public id."""

    account: int
    user_id: str
    profile_id: str
    scopes: frozenset[str]


@dataclass(slots=True)
class Request:
    """One HTTP request. `caller` is None on public operations, and only there."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    path_parameters: dict[str, str]
    request_id: str
    source_ip: str
    received_at_ms: int
    claims: dict[str, str] | None = None
    caller: Caller | None = None
    _queried: dict[str, list[str]] | None = None

    def query(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter; an empty one counts as absent."""
        values = self.query_all(name)
        return values[-1] if values else default

    def query_all(self, name: str) -> list[str]:
        """All values of a repeatable query parameter, in order, empty ones left out."""
        if self._queried is None:
            self._queried = {}
            try:
                for key, value in parse_qsl(self.query_string, max_num_fields=100):
                    self._queried.setdefault(key, []).append(value)
            except ValueError:
                raise BadRequest("the query string has more than 100 parameters", "bad_query") from None
        return self._queried.get(name, [])

    def query_int(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from the query within low..high; BadRequest otherwise."""
        text = self.query(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
            raise BadRequest(f"{name} is {text[:40]!r}, wanted a whole number from {low} to {high}", "bad_query")
        return int(text)

    def query_choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of the choices from the query; BadRequest otherwise."""
        value = self.query(name, default)
        if value not in choices:
            raise BadRequest(f"{name} is {value[:40]!r}, wanted {', '.join(choices)}", "bad_query")
        return value

    def query_time_ms(self, name: str) -> int | None:
        """Milliseconds since 1970 of a time in the query, None for none; BadRequest otherwise."""
        text = self.query(name)
        try:
            return None if text is None else parse_time_ms(text)
        except BadTime as error:
            raise BadRequest(f"{name}: {error}", "bad_query") from None

    def path_parameter(self, name: str) -> str:
        return self.path_parameters.get(name, "").rstrip("/")

    def path_uuid(self, name: str) -> UUID:
        """A UUID from the path; NotFound where it is none, because no such thing can exist."""
        uuid = parse_uuid(self.path_parameter(name))
        if uuid is None:
            raise NotFound()
        return uuid

    def json(self) -> dict:
        """The body's JSON object; `{}` for an empty body. BadRequest for anything else."""
        if not self.body:
            return {}
        try:
            document = json.loads(self.body, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError, InvalidOperation):  # the last: an exponent of twenty digits
            raise BadRequest("the body is not valid JSON", "invalid_json") from None
        if not isinstance(document, dict):
            raise BadRequest("the body is not a JSON object", "invalid_json")
        return document


def parse_uuid(text: object) -> UUID | None:
    """A UUID in its usual form of 36 characters, or None."""
    if not isinstance(text, str) or len(text) != 36 or text[8] != "-" or text[13] != "-":
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def from_event(event: dict) -> Request:
    """The request in a payload 2.0 event. BadRequest for a body that is too long or is not the base64 it says it is."""
    context = event["requestContext"]
    http = context["http"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            raw_body = base64.b64decode(body, validate=True)
        except binascii.Error:
            raise BadRequest("the body is not base64", "invalid_body") from None
    else:
        raw_body = body.encode("utf-8", "surrogatepass")
    if len(raw_body) > MAX_BODY_BYTES:
        raise BadRequest(f"the body has {len(raw_body)} bytes, at most {MAX_BODY_BYTES} are taken", "invalid_body")
    authorizer = context.get("authorizer") or {}
    return Request(
        method=http["method"], path=event["rawPath"], query_string=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()}, body=raw_body,
        path_parameters=event.get("pathParameters") or {}, request_id=context.get("requestId", ""),
        source_ip=http.get("sourceIp", ""), received_at_ms=time.time_ns() // 1_000_000,
        claims=(authorizer.get("jwt") or {}).get("claims"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
