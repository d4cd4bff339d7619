"""Calls handlers as the gateway would, against a real ledger, embedded queues and moto's DynamoDB and KMS.

`Api` loads `functions/<name>/handler.py` anew for each test, because handlers read their environment at import;
`doors` gives one.
"""

import base64
import importlib.util
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import boto3
import psycopg
from moto import mock_aws

from exchange.adapters import api_keys, connections, custody_secret, halt, market_status, ports
from exchange.adapters.embedded import QueueSpec, install
from exchange.adapters.postgres import fee_rates
from exchange.api import auth, placing
from exchange.api.auth import signature
from exchange.commands import Command, decode_message
from exchange.markets import listing
from tests.documented import check_answer

FUNCTIONS = Path(__file__).resolve().parent.parent / "functions"
PREFIX = "https://sqs.test/000000000000/test-commands-"
CLIENT_ID = "client-1"


class Answer:
    """A handler's answer with its body parsed."""

    def __init__(self, raw: dict) -> None:
        self.status = raw["statusCode"]
        self.headers = raw["headers"]
        self.body = json.loads(raw["body"])


class Api:
    """The operations by name; `call` builds the payload 2.0 event."""

    def __init__(self, dsn: str, monkeypatch) -> None:
        self.dsn = dsn
        environment = {
            "EXCHANGE_PORTS": "embedded", "EMBEDDED_DSN": dsn, "COMMAND_QUEUE_URL_PREFIX": PREFIX, "SANDBOX": "1",
            "USER_POOL_CLIENT_ID": CLIENT_ID, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "MARKET_STATUS_TABLE": "market-status", "API_KEYS_TABLE": "api-keys",
            "CUSTODY_SECRET_ROW": "custody:notices", "CONNECTIONS_TABLE": "connections", "FEED_SHARDS": "2",
            **{f"{name.upper()}_QUEUE_URL": f"https://sqs.test/000000000000/test-{name}.fifo"
               for name in ("settle", "feed", "push", "beat")}}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.setattr(market_status._Row.Meta, "table_name", "market-status")
        for model in (api_keys._Row, api_keys._Owner, custody_secret._Row):
            monkeypatch.setattr(model.Meta, "table_name", "api-keys")
        monkeypatch.setattr(connections._Row.Meta, "table_name", "connections")
        for model in (market_status._Row, api_keys._Row, api_keys._Owner, custody_secret._Row, connections._Row):
            monkeypatch.setattr(model, "_connection", None)
        # Another test may have imported this module while it had the queue replaced.
        monkeypatch.setattr(halt, "command_queue", ports.command_queue)
        for cached in (ports.command_queue, ports.journal, api_keys._kms):
            cached.cache_clear()
        auth._callers.clear()
        placing.market_status.forget()
        placing._last_trades.clear()
        for kept in (api_keys._found, api_keys._used, api_keys._noted):
            kept.clear()
        monkeypatch.setattr(custody_secret, "_kept", None)
        fee_rates._volumes.clear()
        client = boto3.client("dynamodb")
        for table, key in (("market-status", "market"), ("api-keys", "key"), ("connections", "connection_id")):
            client.create_table(TableName=table, BillingMode="PAY_PER_REQUEST",
                                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}])
        monkeypatch.setenv("API_KEY_KMS_KEY_ID", boto3.client("kms").create_key()["KeyMetadata"]["KeyId"])
        queues = [*(f"test-commands-{market}.fifo" for market in listing().markets), "test-push.fifo", "test-feed.fifo"]
        install(dsn, [QueueSpec(name) for name in queues])
        self._loaded: dict = {}

    def close(self) -> None:
        """Closes the connections of the ports."""
        for cached in (ports.command_queue, ports.journal):
            if cached.cache_info().currsize:
                cached().close()
            cached.cache_clear()

    def load(self, name: str):
        """The function's handler module."""
        if name not in self._loaded:
            spec = importlib.util.spec_from_file_location(f"handler_{name}", FUNCTIONS / name / "handler.py")
            self._loaded[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(self._loaded[name])
        return self._loaded[name]

    def call(self, name: str, *, user: str | None = None, key: dict | None = None, method: str = "GET", path: str = "/",
             query: str = "", body: object = None, parameters: dict | None = None, headers: dict | None = None,
             claims: dict | None = None, groups: list | None = None, source_ip: str = "192.0.2.1") -> Answer:
        """One request: by `user` (a token's claims), signed by `key` (a created key), or by nobody."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = dict(headers or {})
        if key is not None:
            timestamp = str(int(time.time()))
            signed = signature(key["secret"], timestamp, method, path + (f"?{query}" if query else ""), raw)
            headers = {"cb-access-key": key["key"], "cb-access-sign": signed, "cb-access-timestamp": timestamp,
                       "cb-access-passphrase": key["passphrase"]} | headers
        context = {"requestId": f"request-{uuid4()}", "http": {"method": method, "path": path, "sourceIp": source_ip}}
        if user is not None:
            claims = {"sub": user, "token_use": "access", "client_id": CLIENT_ID}
            if groups:
                claims["cognito:groups"] = f"[{' '.join(groups)}]"
        if claims is not None:
            context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        event = {"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "requestContext": context,
                 "body": base64.b64encode(raw).decode() if raw else None, "isBase64Encoded": bool(raw),
                 "pathParameters": parameters or {}}
        answer = Answer(self.load(name).lambda_handler(event, None))
        assert answer.headers["x-request-id"] == context["requestId"]
        if answer.status >= 400:
            assert set(answer.body) == {"message", "code", "request_id"}, answer.body
            assert all(isinstance(value, str) and value for value in answer.body.values())
        elif isinstance(answer.body, dict):
            assert "message" not in answer.body and not isinstance(answer.body.get("code"), str)
            assert None not in answer.body.values()
        check_answer(name, method=method, path=path, parameters=set(parameters or {}), status=answer.status, body=answer.body)
        return answer

    def fund(self, user: str, **funds: str) -> None:
        """Draws from the faucet."""
        for currency, amount in funds.items():
            answer = self.call("api_deposit_faucet", user=user, method="POST", body={"currency": currency, "amount": amount})
            assert answer.status == 200, answer.body

    def place(self, user: str, **fields: object) -> Answer:
        body = {"product_id": "BTC-USD", "side": "buy", "price": "100", "size": "1"} | fields
        return self.call("api_place_order", user=user, method="POST", path="/orders",
                         body={name: value for name, value in body.items() if value is not None})

    def sent(self, market: str = "BTC-USD") -> list[Command]:
        """All commands in the market's queue, in order, left where they are."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute("SELECT body FROM embedded.queue_messages WHERE queue = %s ORDER BY sequence",
                                      (f"test-commands-{market}.fifo",)).fetchall()
        records = b"".join(decode_message(body) for body, in rows)
        return [Command.unpack(records[start:start + 112]) for start in range(0, len(records), 112)]

    def told(self) -> list[str]:
        """The markets whose status the feed was asked to tell, in order."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute("SELECT body FROM embedded.queue_messages WHERE queue = %s ORDER BY sequence",
                                      ("test-feed.fifo",)).fetchall()
        return [body["status"]["of"] for body in (json.loads(text) for text, in rows) if "status" in body]

    def ledger(self) -> dict[str, list]:
        """Every row of the tables that money and orders live in, and the queued messages."""
        tables = ("accounts", "balances", "orders", "fills", "ledger_entries", "postings", "transfers", "transfer_steps",
                  "withdrawal_addresses", "deposit_addresses", "adjustments", "account_actions",
                  "embedded.queue_messages")
        with psycopg.connect(self.dsn) as connection:
            return {table: sorted(connection.execute(f"SELECT t::text FROM {table} t").fetchall()) for table in tables}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens within must not change a row of these."""
        before = self.ledger()
        yield
        assert self.ledger() == before


@contextmanager
def doors(dsn: str, monkeypatch) -> Iterator[Api]:
    """An `Api` beside moto's services."""
    with mock_aws():
        made = Api(dsn, monkeypatch)
        yield made
        made.close()
