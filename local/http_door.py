"""An HTTP API: routes, authorizer, CORS, limits, and the payload 2.0 event of the function behind the route.

Path and query reach the function exactly as they were sent, because clients sign them. Every answer that is not the
function's own is the one error shape: `message`, `code`, `request_id`. Kept lean: this runs once per request.
"""

import asyncio
import base64
import http
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from local.addresses import ACCOUNT
from local.invoker import InvocationFailed, InvocationTimedOut, Invoker, Overloaded, WorkerDied
from local.jwt_check import JwtAuthorizer, KeysUnavailable, Unauthorized
from local.plan import ApiPlan
from local.routes import Match, Router
from local.screen import Screen

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 10_240
BODY_WITHIN_S = 30
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
# Said by who writes the answer, not by functions.
_OF_THE_CONNECTION = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}
_WITHOUT_BODY = {204, 304}
# Error codes are made of them, so they are the same whatever Python says: 3.13 renamed these two.
_REASONS = {status.value: status.phrase for status in http.HTTPStatus} | {
    413: "Request Entity Too Large", 422: "Unprocessable Entity"}


@dataclass(slots=True)
class Asked:
    """A request as an event tells of it. `headers` in lower case, several of one name joined; path and query as sent."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    cookies: list[str]
    source_ip: str | None
    body: bytes = b""


class HttpAnswer(NamedTuple):
    """What goes back. `headers` without those of the connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: Sequence[str] = ()

    def encode(self, more: dict[str, str]) -> bytes:
        """As it goes over the wire on a connection that stays open, `more` headers with it. Raises BadAnswer for headers that
        are not one line of text each."""
        lines = [f"{name}: {value}" for headers in (self.headers, more) for name, value in headers.items()]
        lines += [f"Set-Cookie: {cookie}" for cookie in self.cookies]
        if self.status not in _WITHOUT_BODY:
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join((f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}", *lines, "", ""))
        if head.count("\n") != len(lines) + 2 or head.count("\r") != len(lines) + 2 or "\0" in head:
            raise BadAnswer("a header has several lines")
        try:
            return head.encode() + (self.body if self.status not in _WITHOUT_BODY else b"")
        except UnicodeEncodeError as failure:
            raise BadAnswer(str(failure)) from None

    def for_framework(self) -> web.Response:
        """As aiohttp sends it."""
        made = web.Response(status=self.status, body=self.body, headers=self.headers)
        for cookie in self.cookies:
            made.headers.add("Set-Cookie", cookie)
        return made


class HttpDoor:
    """Answers the requests of one HTTP API; `handle` is an aiohttp low-level handler. A request in its usual form comes without
    aiohttp, see `plain_requests`: what that asks for is `route` and `answer`."""

    def __init__(self, api: ApiPlan, *, invoker: Invoker, jwt: JwtAuthorizer, host: str,
                 screen: Screen | None = None) -> None:
        self._api = api
        self._router = Router(api)
        self._invoker = invoker
        self._jwt = jwt
        self._host = host
        self._screen = screen
        self._cors = Cors(api.cors) if api.cors else None
        self._id_head = base64.urlsafe_b64encode(os.urandom(6)).decode().rstrip("=")
        self._id_next = 0
        self._clock = (0, "", "")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = self._next_id()
        headers = request.headers
        cors = self._cors.headers(headers.get("Origin")) if self._cors else None
        if cors is not None and request.method == "OPTIONS" and "Access-Control-Request-Method" in headers:
            return web.Response(status=204, headers=cors | self._cors.preflight)
        answer = await self._handle(request, request_id)
        answer.headers["apigw-requestid"] = request_id
        if cors:
            answer.headers.update(cors)
        return answer

    def route(self, method: str, path: str) -> Match | None:
        """The route of an API's request, None for one that aiohttp is to answer."""
        match = self._router.match(method, path)
        return None if self._screen is not None and match is not None and match.route.key == "$default" else match

    async def answer(self, asked: Asked, match: Match) -> bytes:
        """The answer on a connection that stays open."""
        request_id = self._next_id()
        cors = self._cors.headers(asked.headers.get("origin")) if self._cors else None
        self._tell_time()
        more = {"apigw-requestid": request_id, "Date": self._clock[2], **(cors or {})}
        try:
            claims = None
            if match.route.authorizer is not None:
                claims = await self._jwt.claims(asked.headers.get("authorization"), match.route.authorizer)
            answer = await self._invoke(asked, match, claims, request_id)
        except Unauthorized:
            answer = refusal(401, "Unauthorized", request_id)
        except KeysUnavailable:
            answer = refusal(503, "Service Unavailable", request_id)
        try:
            return answer.encode(more)
        except BadAnswer:
            return refusal(500, "Internal Server Error", request_id).encode(more)

    def _next_id(self) -> str:
        self._id_next += 1
        return f"{self._id_head}{self._id_next:08x}="

    async def _handle(self, request: web.BaseRequest, request_id: str) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # an absolute URL in the request line
            path = "/" + path.partition("://")[2].partition("/")[2]
        match = self._router.match(request.method, path)
        if match is None or match.route.key == "$default":
            page = self._screen.answer(request, path) if self._screen is not None else None
            if page is not None:
                return page
        if match is None:
            return error(404, "NotFound", request_id)
        if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > MAX_HEADER_BYTES:
            return error(431, "Request Header Fields Too Large", request_id)
        claims = None
        if match.route.authorizer is not None:
            try:
                claims = await self._jwt.claims(request.headers.get("Authorization"), match.route.authorizer)
            except Unauthorized:
                return error(401, "Unauthorized", request_id)
            except KeysUnavailable:
                return error(503, "Service Unavailable", request_id)
        body = b""
        if request.body_exists:
            if (request.content_length or 0) > request.client_max_size:
                return error(413, "Request Entity Too Large", request_id)
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            try:
                async with asyncio.timeout(BODY_WITHIN_S):
                    body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return error(413, "Request Entity Too Large", request_id)
            except TimeoutError:
                return error(408, "Request Timeout", request_id)
        headers, cookies = collect((name.lower(), value) for name, value in request.headers.items())
        asked = Asked(request.method, path, query, headers, cookies, request.remote, body)
        return (await self._invoke(asked, match, claims, request_id)).for_framework()

    async def _invoke(self, asked: Asked, match: Match, claims: dict[str, Any] | None, request_id: str) -> HttpAnswer:
        try:
            return response(await self._invoker.invoke(match.route.function, self._event(asked, match, claims, request_id)))
        except Overloaded:
            return refusal(503, "Service Unavailable", request_id, {"Retry-After": "1"})
        except InvocationTimedOut:
            return refusal(504, "Endpoint request timed out", request_id)
        except WorkerDied:
            return refusal(502, "Bad Gateway", request_id)
        except (InvocationFailed, BadAnswer):
            return refusal(500, "Internal Server Error", request_id)

    def _tell_time(self) -> float:
        now = time.time()
        if int(now) != self._clock[0]:
            parts = time.gmtime(now)
            self._clock = (int(now), time.strftime("%d/%b/%Y:%H:%M:%S +0000", parts),
                           time.strftime("%a, %d %b %Y %H:%M:%S GMT", parts))
        return now

    def _event(self, asked: Asked, match: Match, claims: dict[str, Any] | None, request_id: str) -> dict[str, Any]:
        now, headers = self._tell_time(), asked.headers
        context: dict[str, Any] = {
            "accountId": ACCOUNT, "apiId": self._api.id, "domainName": headers.get("host", self._host),
            "domainPrefix": self._api.door, "requestId": request_id, "routeKey": match.route.key, "stage": "$default",
            "time": self._clock[1], "timeEpoch": int(now * 1000),
            "http": {"method": asked.method, "path": asked.path, "protocol": "HTTP/1.1", "sourceIp": asked.source_ip,
                     "userAgent": headers.get("user-agent", "")}}
        if claims is not None:
            context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        event: dict[str, Any] = {
            "version": "2.0", "routeKey": match.route.key, "rawPath": asked.path, "rawQueryString": asked.query,
            "headers": headers, "requestContext": context, "isBase64Encoded": False}
        if asked.cookies:
            event["cookies"] = asked.cookies
        if asked.query:
            values: dict[str, str] = {}
            for name, value in parse_qsl(asked.query, keep_blank_values=True):
                values[name] = f"{values[name]},{value}" if name in values else value
            event["queryStringParameters"] = values
        if match.parameters:
            event["pathParameters"] = match.parameters
        if asked.body:
            event["body"], event["isBase64Encoded"] = encode_body(asked.body, headers.get("content-type", ""))
        return event


def collect(given: Iterable[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """(headers, cookies) of an event, from names in lower case and values in their order."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in given:
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";") if part.strip()]
        elif name in headers:
            headers[name] += "," + value
        else:
            headers[name] = value
    return headers, cookies


class BadAnswer(Exception):
    """The function's answer is no payload 2.0 answer."""


def encode_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as the event carries it, and whether that is base64: all but text is, and text that is no UTF-8."""
    if not content_type or content_type.lower().startswith(_TEXT_TYPES):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


def response(result: Any) -> HttpAnswer:
    """The HTTP answer in a function's result; without `statusCode` the whole result is the body. Raises BadAnswer."""
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpAnswer(200, {"Content-Type": "application/json"}, orjson.dumps(result))
    try:
        status = int(result["statusCode"])
        body = result.get("body") or ""
        raw = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode("utf-8")
        headers = {name: str(value) for name, value in (result.get("headers") or {}).items()}
        cookies = [str(cookie) for cookie in result.get("cookies") or ()]
    except (TypeError, ValueError, AttributeError) as failure:
        raise BadAnswer(str(failure)) from None
    names = {*map(str.lower, headers)}
    if "content-type" not in names:
        headers["Content-Type"] = "application/json" if not raw or raw[:1] in b"{[\"" else "text/plain; charset=utf-8"
    if names & _OF_THE_CONNECTION:
        headers = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}
    return HttpAnswer(status, headers, raw, cookies)


def refusal(status: int, message: str, request_id: str, headers: dict[str, str] | None = None) -> HttpAnswer:
    """Our one error shape, for what the gateway itself answers."""
    code = _REASONS.get(status, "error").lower().replace(" ", "_").replace("-", "_")
    body = orjson.dumps({"message": message, "code": code, "request_id": request_id})
    return HttpAnswer(status, {"Content-Type": "application/json", "x-request-id": request_id, **(headers or {})}, body)


def error(status: int, message: str, request_id: str, headers: dict[str, str] | None = None) -> web.Response:
    """`refusal` for aiohttp."""
    return refusal(status, message, request_id, headers).for_framework()


class Cors:
    """The CORS configuration of an HTTP API."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._origins = configuration.get("AllowOrigins", [])
        self._exposed = ",".join(configuration.get("ExposeHeaders", []))
        self._credentials = str(configuration.get("AllowCredentials", False)).lower() == "true"
        self.preflight = {"Access-Control-Allow-Methods": ",".join(configuration.get("AllowMethods", [])),
                          "Access-Control-Allow-Headers": ",".join(configuration.get("AllowHeaders", []))}
        if "MaxAge" in configuration:
            self.preflight["Access-Control-Max-Age"] = str(configuration["MaxAge"])

    def headers(self, origin: str | None) -> dict[str, str] | None:
        """What is added to an answer to this origin; None when it may not read it."""
        if not origin or ("*" not in self._origins and origin not in self._origins):
            return None
        allowed = "*" if "*" in self._origins else origin
        headers = {"Access-Control-Allow-Origin": allowed}
        if allowed != "*":
            headers["Vary"] = "Origin"
        if self._exposed:
            headers["Access-Control-Expose-Headers"] = self._exposed
        if self._credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers


class JsonErrors(RequestHandler):
    """aiohttp's connection handler with its own errors (unreadable requests, mostly) in our shape."""

    def handle_error(self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
                     message: str | None = None) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("part of the answer was sent")
        if status >= 500:
            self.logger.error("error handling a request", exc_info=exc)
        answer = error(status, _REASONS.get(status, "Error"), os.urandom(8).hex())
        answer.force_close()
        return answer


class HttpServer(web.Server):
    """aiohttp's low-level server (no router, no middleware) with our limits and error shape."""

    def __init__(self, handler: Any, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        super().__init__(handler, request_factory=self._request, access_log=None, keepalive_timeout=75,
                         max_line_size=MAX_HEADER_BYTES, max_field_size=MAX_HEADER_BYTES, auto_decompress=False)
        self._max_body_bytes = max_body_bytes

    def __call__(self) -> RequestHandler:
        return JsonErrors(self, loop=asyncio.get_running_loop(), **self._kwargs)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop,
                               client_max_size=self._max_body_bytes)
