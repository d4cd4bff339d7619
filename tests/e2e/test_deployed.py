"""The template, deployed: one order placed, matched, settled and pushed through the AWS APIs (SQS, DynamoDB, Lambda)."""

import asyncio
import json
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from e2e.deployed import Deployed
from e2e.waiting import eventually
from websockets.asyncio.client import connect

from bench.client import Key
from exchange.events import EventKind, unpack_events
from exchange.journal import GENESIS_HASH, check_follows, decode_entry

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WITHIN_S = 60
MARKET = "BTC-USD"


@pytest.fixture(scope="module")
def database(postgres_dsn: str):
    """An empty database for the functions, of the session's server."""
    name = f"deployed_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_dsn.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def deployed(database: str, tmp_path_factory: pytest.TempPathFactory):
    with Deployed(tmp_path_factory.mktemp("deployed"), dsn=database) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def traders(deployed: Deployed) -> tuple[Key, Key]:
    """Two users with money: one sells on the trading door, one buys; both keys made on the application door."""
    keys = []
    for currency, amount in (("BTC", "1"), ("USD", "100000")):
        token = deployed.new_token()
        status, answer = deployed.call("Application", "POST", "/deposits/faucet",
                                       {"currency": currency, "amount": amount}, token=token)
        assert status == 200, f"{answer}\n{deployed.log()}"
        status, answer = deployed.call("Application", "POST", "/api-keys", {}, token=token)
        assert status == 200, f"{answer}\n{deployed.log()}"
        keys.append(Key(answer["key"], answer["secret"], answer["passphrase"]))
    return keys[0], keys[1]


def test_an_order_goes_all_the_way(deployed: Deployed, traders: tuple[Key, Key], database: str) -> None:
    seller, buyer = traders
    messages = asyncio.run(trade_while_listening(deployed, seller, buyer))

    # matched: the journal is in DynamoDB and chains
    table = deployed.client("dynamodb")
    rows = table.query(TableName="exchange-sandbox-journal", KeyConditionExpression="market = :market",
                       ExpressionAttributeValues={":market": {"S": MARKET}})["Items"]
    seq, last_hash, trades = 0, GENESIS_HASH, []
    for row in sorted(rows, key=lambda row: int(row["seq"]["N"])):
        entry = decode_entry(row["entry"]["B"])
        check_follows(entry, market=MARKET, seq=seq, prev_hash=last_hash)
        seq, last_hash = entry.seq, entry.hash
        trades += [event for event in unpack_events(entry.events) if event.kind == EventKind.TRADE]
    assert len(trades) == 1

    # pushed: the snapshot came before the trade, and the trade is the journal's
    kinds = [message["type"] for message in messages]
    assert kinds.index("subscriptions") < kinds.index("snapshot") < kinds.index("match")
    [match] = [message for message in messages if message["type"] == "match"]
    assert (Decimal(match["price"]), Decimal(match["size"]), match["side"]) == (Decimal("50000"), Decimal("0.1"), "sell")
    assert match["trade_id"] == trades[0].trade_id

    # settled: both accounts and the ledger as a whole
    eventually(lambda: balance(deployed, buyer, "BTC") == Decimal("0.1"), WITHIN_S)
    eventually(lambda: balance(deployed, seller, "USD") == Decimal("4980"), WITHIN_S)  # 5,000 less 0.4 % maker fee
    assert balance(deployed, buyer, "USD") == Decimal("94970")  # less 0.6 % taker fee
    assert balance(deployed, seller, "BTC") == Decimal("0.9")
    with psycopg.connect(database) as connection:
        sums = connection.execute("SELECT asset, sum(amount) FROM postings GROUP BY asset").fetchall()
    assert sums and all(total == 0 for _, total in sums), sums


def test_a_token_is_checked_by_the_authorizer(deployed: Deployed) -> None:
    status, answer = deployed.call("Application", "GET", "/accounts")
    assert status == 401
    assert answer["message"]
    status, _ = deployed.call("Application", "GET", "/accounts", token="not.a.token")
    assert status == 401


def test_the_operators_stack_stands_behind_the_application_door(deployed: Deployed) -> None:
    """Another stack's routes: the door's own authorizer, its own function."""
    assert deployed.call("Application", "GET", "/admin/fees")[0] == 401
    status, answer = deployed.call("Application", "GET", "/admin/fees", token=deployed.new_token())
    assert (status, answer["code"]) == (403, "scope_missing"), f"{answer}\n{deployed.log()}"
    status, answer = deployed.call("Application", "GET", "/admin/fees", token=deployed.new_token(group="operators"))
    assert status == 200 and {row["product_id"] for row in answer["markets"]} >= {MARKET}, f"{answer}\n{deployed.log()}"
    assert deployed.call("Trading", "GET", "/admin/fees")[0] == 404


def test_public_data_is_open_on_both_doors(deployed: Deployed) -> None:
    for door in ("Application", "Trading"):
        status, products = deployed.call(door, "GET", "/products")
        assert status == 200, f"{products}\n{deployed.log()}"
        assert MARKET in [product["id"] for product in products]


async def trade_while_listening(deployed: Deployed, seller: Key, buyer: Key) -> list[dict]:
    """Places two crossing orders and answers the feed's messages up to the match."""
    messages: list[dict] = []
    async with connect(deployed.feed_url, open_timeout=30) as feed:
        await feed.send(json.dumps({"type": "subscribe", "product_ids": [MARKET], "channels": ["level2", "matches"]}))
        await collect(feed, messages, until="snapshot")
        for key, side in ((seller, "sell"), (buyer, "buy")):
            order = {"product_id": MARKET, "side": side, "type": "limit", "price": "50000", "size": "0.1"}
            status, answer = await asyncio.to_thread(deployed.call, "Trading", "POST", "/orders", order, key=key)
            assert status == 200, f"{answer}\n{deployed.log()}"
            assert answer["status"] == "pending"
        await collect(feed, messages, until="match")
    return messages


async def collect(feed, messages: list[dict], *, until: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not messages or messages[-1]["type"] != until:
            messages.append(json.loads(await feed.recv()))
            assert messages[-1]["type"] != "error", messages[-1]


def balance(deployed: Deployed, key: Key, currency: str) -> Decimal:
    status, accounts = deployed.call("Trading", "GET", "/accounts", key=key)
    assert status == 200, f"{accounts}\n{deployed.log()}"
    return Decimal(next(row["balance"] for row in accounts if row["currency"] == currency))


def test_the_deploy_is_of_this_template(deployed: Deployed) -> None:
    """What stands in for Aurora and Valkey was not made by CloudFormation, and everything else was."""
    types = set()
    for page in deployed.client("cloudformation").get_paginator("list_stack_resources").paginate(
            StackName="Exchange-sandbox-Data"):
        types |= {resource["ResourceType"] for resource in page["StackResourceSummaries"]}
    assert "AWS::DynamoDB::Table" in types and "AWS::Cognito::UserPool" in types
    assert not types & {"AWS::RDS::DBCluster", "AWS::ElastiCache::ServerlessCache"}
