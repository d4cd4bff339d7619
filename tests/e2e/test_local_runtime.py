"""The local runtime itself, with handlers that tell what they saw: start, faults, limits, stop.

The wiring is the real template's; only the folder of handlers is another one (`--functions`), so that a failure here is the
runtime's and not a function's.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import aiohttp
import psycopg
import pytest
from e2e.asking import answer_to
from e2e.conftest import Exchange, whole_exchange
from e2e.processes import children_of, running
from e2e.waiting import eventually

from bench.exchange import PASSWORD
from cdk.operations import OPERATIONS
from exchange.adapters.embedded.queue import PostgresQueue
from local.addresses import REPOSITORY
from local.user import sign_in

ECHO = """
    import json, os
    def lambda_handler(event, context):
        return {"statusCode": 200, "body": json.dumps({"pid": os.getpid(), "event": event, "name": context.function_name})}
"""
ROUTE = """
    import os
    def lambda_handler(event, context):
        context = event["requestContext"]
        with open(os.environ["SNAPSHOT_DIR"] + "-routes", "a") as file:
            file.write(f"{context['routeKey']} {context['connectionId']} {event['body']}\\n")
        return {"statusCode": 200}
"""
HANDLERS = {
    "api_get_time": """
        import os, time
        def lambda_handler(event, context):
            query = event.get("queryStringParameters", {})
            if "die" in query:
                os.kill(os.getpid(), 9)
            if "raise" in query:
                raise ValueError("asked to")
            time.sleep(float(query.get("sleep", 0)))
            return {"statusCode": 200, "body": "{}"}
    """,
    "api_list_currencies": """
        import boto3
        def lambda_handler(event, context):
            try:
                boto3.client("dynamodb").scan(TableName="exchange-sandbox-api-keys")
            except Exception as error:
                return {"statusCode": 200, "body": str(error)}
    """,
    "auth_confirm_sandbox_user": """
        import os
        def lambda_handler(event, context):
            assert os.nice(0) < 19, "somebody waits for this, who does not wait for what runs in the background"
            event["response"]["autoConfirmUser"] = True
            return event
    """,
    # Consumers write what they were given; a body `slow` holds its batch up, `poison` fails it, `append` writes the journal.
    "ledger_settle_fills": """
        import os, time
        def lambda_handler(event, context):
            failures = []
            for record in event["Records"]:
                body = record["body"]
                if body == "slow":
                    with open(os.environ["SNAPSHOT_DIR"] + "-seen", "a") as file:
                        file.write("slow-begun\\n")
                    time.sleep(3)
                if body == "append":
                    from exchange.adapters.ports import journal
                    try:
                        journal().append(market="BTC-USD", seq=1, entry=b"")
                    except Exception as error:
                        body = str(error)
                if failures or (body == "flaky" and record["attributes"]["ApproximateReceiveCount"] == "1"):
                    failures.append({"itemIdentifier": record["messageId"]})
                    continue
                with open(os.environ["SNAPSHOT_DIR"] + "-seen", "a") as file:
                    file.write(body + "\\n")
            return {"batchItemFailures": failures}
    """,
    "ws_connect": """
        def lambda_handler(event, context):
            return {"statusCode": 403 if "refuse" in (event["queryStringParameters"] or {}) else 200}
    """,
    "ws_disconnect": """
        import os
        def lambda_handler(event, context):
            with open(os.environ["SNAPSHOT_DIR"] + "-gone", "a") as file:
                file.write(event["requestContext"]["connectionId"] + "\\n")
            return {"statusCode": 200}
    """,
    "ws_subscribe": ROUTE, "ws_default": ROUTE,
}
NOTHING = "def lambda_handler(event, context):\n    return {'batchItemFailures': []}\n"


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a handler for every operation of the table."""
    folder = tmp_path_factory.mktemp("functions")
    for operation in OPERATIONS:
        (folder / operation.name).mkdir()
        text = HANDLERS.get(operation.name) or (ECHO if operation.routes else NOTHING)
        (folder / operation.name / "handler.py").write_text(textwrap.dedent(text))
    return folder


@pytest.fixture(scope="module")
def runtime(handlers: Path):
    """A runtime for the tests that leave it whole."""
    limits = {"LOCAL_WEBSOCKET_IDLE_S": "4", "LOCAL_WEBSOCKET_BUFFER_BYTES": "200000"}
    with whole_exchange("--functions", str(handlers), environment=limits) as running:
        yield running


def answer_of(url: str, **options) -> tuple[int, dict, dict]:
    """(status, headers, parsed body) of a request, whatever the status."""
    status, headers, body = answer_to(urllib.request.Request(url, **options), 30)
    return status, dict(headers), json.loads(body or b"null")


# --- the HTTP doors


def test_event_carries_path_and_query_as_they_were_sent(runtime: Exchange) -> None:
    status, headers, body = answer_of(
        f"{runtime.trading}/orders/client%3Aab%2Fc?b=2&a=1&a=%20x", headers={"X-Mixed-Case": "Value", "Cookie": "a=1; b=2"})
    event = body["event"]
    assert status == 200 and headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert event["rawPath"] == "/orders/client%3Aab%2Fc" and event["rawQueryString"] == "b=2&a=1&a=%20x"
    assert event["pathParameters"] == {"order_id": "client:ab/c"}
    assert event["queryStringParameters"] == {"b": "2", "a": "1, x"}
    assert event["headers"]["x-mixed-case"] == "Value" and event["cookies"] == ["a=1", "b=2"]
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1" and event["version"] == "2.0"
    assert "authorizer" not in event["requestContext"]


def test_bodies_that_are_no_text_arrive_as_base64(runtime: Exchange) -> None:
    body = answer_of(f"{runtime.trading}/orders", data=b"\xff\x00", method="POST", headers={"Content-Type": "x/y"})[2]
    assert body["event"]["body"] == "/wA=" and body["event"]["isBase64Encoded"] is True
    body = answer_of(f"{runtime.trading}/orders", data=b'{"a":1}', method="POST",
                     headers={"Content-Type": "Application/JSON"})[2]
    assert body["event"]["body"] == '{"a":1}' and body["event"]["isBase64Encoded"] is False


@pytest.mark.parametrize(("path", "status", "message"), [
    ("/time?raise=1", 500, "Internal Server Error"),
    ("/time?die=1", 502, "Bad Gateway"), ("/time?sleep=30", 504, "Endpoint request timed out")])
def test_own_errors_have_the_one_shape(runtime: Exchange, path: str, status: int, message: str) -> None:
    found, _, body = answer_of(runtime.trading + path)
    assert (found, body["message"]) == (status, message)
    assert body["code"] and body["request_id"]
    assert answer_of(f"{runtime.trading}/time")[0] == 200, "the next request is served"


def test_limits_of_body_and_headers(runtime: Exchange) -> None:
    host, port = runtime.trading.removeprefix("http://").split(":")
    status, _, body = answer_of(f"{runtime.trading}/orders", data=b"x" * (10 * 1024 * 1024 + 1), method="POST")
    assert (status, body["message"]) == (413, "Request Entity Too Large")
    status, _, body = answer_of(f"{runtime.trading}/time", headers={f"X-{n}": "y" * 4000 for n in range(3)})
    assert status == 431 and body["message"]
    for rubbish in (b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(rubbish)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.") and b" 400 " in head.partition(b"\r\n")[0] and json.loads(body)["message"]


def test_tokens_are_checked_on_the_application_door_only(runtime: Exchange) -> None:
    token = runtime.new_user()
    good = answer_of(f"{runtime.application}/orders", headers={"Authorization": f"Bearer {token}"})
    assert good[0] == 200
    claims = good[2]["event"]["requestContext"]["authorizer"]["jwt"]["claims"]
    assert claims["token_use"] == "access" and claims["client_id"] == runtime.user_pool_client_id and claims["sub"]
    head, payload, signature = token.split(".")
    forged = f"{head}.{payload}.{signature[:-6]}AAAAAA"
    for bad in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": f"Bearer {forged}"}, {"Authorization": "Basic eA=="}):
        status, _, body = answer_of(f"{runtime.application}/orders", headers=bad)
        assert (status, body["message"]) == (401, "Unauthorized")
    assert answer_of(f"{runtime.application}/time")[0] == 200, "public"
    assert answer_of(f"{runtime.trading}/orders")[0] == 200, "the trading door has no authorizer"


def test_cors_on_the_browser_door(runtime: Exchange) -> None:
    status, headers, _ = answer_of(f"{runtime.application}/orders", method="OPTIONS", headers={
        "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"})
    assert status == 204 and headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    headers = answer_of(f"{runtime.application}/orders", headers={"Origin": "http://localhost:3000"})[1]
    assert "cb-after" in headers["Access-Control-Expose-Headers"], "also on an error"
    assert "Access-Control-Allow-Origin" not in answer_of(f"{runtime.trading}/time", headers={"Origin": "http://x"})[1]


def test_more_requests_than_workers_wait_their_turn(runtime: Exchange) -> None:
    async def many() -> list[int]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            async def one() -> int:
                async with session.get(f"{runtime.trading}/time?sleep=0.02") as answer:
                    return answer.status
            return await asyncio.gather(*(one() for _ in range(200)))

    assert set(asyncio.run(many())) == {200}


def test_a_function_does_what_its_role_allows_in_a_worker_and_in_a_consumer(runtime: Exchange) -> None:
    """`api_list_currencies` has no rights, `ledger_settle_fills` may read the journal."""
    with urllib.request.urlopen(f"{runtime.trading}/currencies", timeout=30) as answer:
        said = answer.read().decode()
    assert said.startswith("An error occurred (AccessDeniedException) when calling the Scan operation: User: arn:aws:sts::")
    assert "/exchange-sandbox-api_list_currencies is not authorized to perform: dynamodb:Scan on resource: arn:aws:" in said
    send(runtime, "append")
    eventually(lambda: any("dynamodb:PutItem on resource" in line for line in seen(runtime)))


# --- the WebSocket door


def routes(exchange: Exchange, identifier: str) -> list[tuple[str, str]]:
    """Route and body of each message that reached a function from this connection, in order."""
    lines = (exchange.data / "snapshots-routes").read_text().splitlines()
    parts = [line.split(" ", 2) for line in lines]
    return [(route, body) for route, known, body in parts if known == identifier]


async def subscribe(exchange: Exchange, connection: aiohttp.ClientWebSocketResponse) -> str:
    """Sends a `subscribe` and answers the connection's id, as the function behind the route learned it."""
    mark = uuid4().hex
    await connection.send_str(json.dumps({"type": "subscribe", "mark": mark}))

    def found() -> str | None:
        file = exchange.data / "snapshots-routes"
        lines = file.read_text().splitlines() if file.exists() else []
        return next((line.split()[1] for line in lines if mark in line and line.startswith("subscribe ")), None)

    return await asyncio.to_thread(eventually, found)


def test_websocket_routes_pushes_and_410(runtime: Exchange) -> None:
    async def talk() -> str:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{runtime.websocket}/?refuse=1")
            assert refused.value.status == 403
            async with session.ws_connect(runtime.websocket) as connection:
                identifier = await subscribe(runtime, connection)
                texts = ['{"type": "no such"}', "no json", '{"type": "$connect"}', "[1]"]
                for text in texts:
                    await connection.send_str(text)
                await asyncio.to_thread(eventually, lambda: routes(runtime, identifier)[1:] == [
                    ("$default", text) for text in texts])
                url = f"{runtime.connections}/@connections/{identifier.replace('=', '%3D')}"
                for number in range(50):
                    async with session.post(url, data=str(number)) as answer:
                        assert answer.status == 200
                assert [await connection.receive_str(timeout=5) for _ in range(50)] == [str(n) for n in range(50)]
                async with session.post(url, data=b"x" * (128 * 1024 + 1)) as answer:
                    assert answer.status == 413
            await asyncio.sleep(0.2)
            async with session.post(url, data="late") as answer:
                assert answer.status == 410 and answer.headers["x-amzn-ErrorType"] == "GoneException"
            return identifier

    identifier = asyncio.run(talk())
    gone = runtime.data / "snapshots-gone"
    eventually(lambda: gone.exists() and identifier in gone.read_text())


def test_websocket_limits(runtime: Exchange) -> None:
    async def limits() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(runtime.websocket) as connection:  # idle for too long
                message = await connection.receive(timeout=8)
                assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1001
            async with session.ws_connect(runtime.websocket) as connection:
                await connection.send_str("x" * (32 * 1024 + 1))
                message = await connection.receive(timeout=5)
                assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1009
            # What is posted to a listener that does not read is refused in the end, and it can be cut off.
            connection = await session.ws_connect(runtime.websocket)
            identifier = await subscribe(runtime, connection)
            connection._response.connection.transport.pause_reading()
            statuses = []
            for _ in range(400):
                url = f"{runtime.connections}/@connections/{identifier}"
                async with session.post(url, data=b"x" * 100_000) as answer:
                    statuses.append(answer.status)
                if answer.status != 200:
                    break
            assert statuses[-1] == 429 and answer.headers["x-amzn-ErrorType"] == "LimitExceededException"
            async with session.delete(url) as answer:
                assert answer.status == 204
            await asyncio.sleep(0.2)
            async with session.post(url, data=b"x") as answer:
                assert answer.status == 410
            await connection.close()

    asyncio.run(limits())


# --- consumers and faults


def seen(exchange: Exchange) -> list[str]:
    file = exchange.data / "snapshots-seen"
    return file.read_text().splitlines() if file.exists() else []


def send(exchange: Exchange, *bodies: str) -> None:
    with psycopg.connect(exchange.dsn) as connection:
        name = connection.execute("SELECT queue FROM embedded.queues WHERE queue LIKE '%settle.fifo'").fetchone()[0]
    queue = PostgresQueue(exchange.dsn)
    for number, body in enumerate(bodies):
        queue.send(queue=name, group="BTC-USD", dedup_id=f"{time.time_ns()}-{number}", body=body)
    queue.close()


def test_a_failed_part_of_a_batch_comes_again_in_order(runtime: Exchange) -> None:
    send(runtime, "one", "flaky", "three")
    eventually(lambda: seen(runtime)[-3:] == ["one", "flaky", "three"])


def test_what_is_scheduled_gives_way_to_who_is_answered(exchange: Exchange) -> None:
    pids = eventually(lambda: len((found := exchange.health())["background"]) == 4 and found)
    niceness = {part: {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids[part]} for part in ("workers", "background")}
    assert niceness == {"workers": {os.nice(0)}, "background": {19}}


def test_every_part_comes_back_after_sigkill(start_exchange: Callable[..., Exchange], handlers: Path) -> None:
    exchange = start_exchange(None, "--functions", str(handlers))
    token = exchange.new_user("kept@example.com")
    # A consumer dies within a batch: given back at once, not after its visibility timeout of two minutes.
    send(exchange, "slow", "after")
    eventually(lambda: "slow-begun" in seen(exchange))
    exchange.kill_and_wait(exchange.consumer("ledger_settle_fills"))
    eventually(lambda: seen(exchange)[-2:] == ["slow", "after"], within_s=15)
    for part in ("postgres", "valkey", "emulator", "gateway"):
        exchange.kill_and_wait(part)
        eventually(lambda: answer_of(f"{exchange.trading}/time")[0] == 200)
    # Users survive the emulator's death, tokens included: the pool and its keys are the same.
    assert sign_in(exchange.run, email="kept@example.com", password=PASSWORD)
    assert answer_of(f"{exchange.application}/orders", headers={"Authorization": f"Bearer {token}"})[0] == 200
    send(exchange, "once more")
    eventually(lambda: seen(exchange)[-1] == "once more")
    worker = exchange.health()["workers"][0]
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: worker not in (pids := exchange.health()["workers"]) and len(pids) >= 4)
    assert exchange.stop() == 0


def test_sigkill_of_the_supervisor_leaves_nothing_and_loses_nothing(start_exchange: Callable[..., Exchange],
                                                                    handlers: Path) -> None:
    exchange = start_exchange(None, "--functions", str(handlers))
    exchange.new_user("kept@example.com")
    with psycopg.connect(exchange.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        memory = Path(f"/proc/{connection.info.backend_pid}/maps").read_text()
    assert "pg_dynshmem" in memory and "/dev/shm" not in memory, "a killed server would leave it there"
    pool, pids = exchange.user_pool_id, children_of(exchange.process.pid)
    assert len(pids) > 15
    exchange.kill_all()
    eventually(lambda: not running(pids))
    again = start_exchange(exchange.data, "--functions", str(handlers))
    assert again.user_pool_id == pool
    assert sign_in(again.run, email="kept@example.com", password=PASSWORD)
    with psycopg.connect(again.dsn) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_stop_leaves_no_process_and_a_restart_finds_everything(start_exchange: Callable[..., Exchange],
                                                               handlers: Path) -> None:
    exchange = start_exchange(None, "--functions", str(handlers))
    exchange.new_user("kept@example.com")
    pool, pids = exchange.user_pool_id, children_of(exchange.process.pid)
    assert exchange.stop(signal.SIGINT) == 0
    assert not running(pids) and exchange.run.state == "stopped"
    again = start_exchange(exchange.data, "--functions", str(handlers))
    assert again.user_pool_id == pool and sign_in(again.run, email="kept@example.com", password=PASSWORD)
    assert again.stop() == 0
    fresh = start_exchange(exchange.data, "--functions", str(handlers), "--fresh")
    assert fresh.user_pool_id != pool
    pids = children_of(fresh.process.pid)
    fresh.process.stdin.close()
    assert fresh.process.wait(40) == 0 and not running(pids), "it stops when who started it is no more"


# --- refusals


def start_refused(*arguments: str) -> str:
    """What a start says that must fail."""
    done = subprocess.run([sys.executable, "-m", "local", "run", "--quiet", *arguments], cwd=REPOSITORY, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_a_second_instance_on_the_same_folder_is_refused(runtime: Exchange) -> None:
    message = start_refused("--data", str(runtime.data), "--ports", "free")
    assert "Another exchange" in message and str(runtime.process.pid) in message
    assert answer_of(f"{runtime.trading}/time")[0] == 200


def test_a_taken_port_is_named(runtime: Exchange, tmp_path: Path) -> None:
    port = runtime.trading.rpartition(":")[2]
    message = start_refused("--data", str(tmp_path), "--ports", f"0,{port},0")
    assert f"Port {port} for the trading door" in message and "--ports" in message


def test_status_tells_the_state(runtime: Exchange, tmp_path: Path) -> None:
    def status(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "local", "status", "--data", str(folder)], cwd=REPOSITORY,
                              capture_output=True, text=True)

    assert (found := status(runtime.data)).returncode == 0 and ": ready" in found.stdout and runtime.trading in found.stdout
    assert status(tmp_path).returncode == 1


def test_a_part_that_keeps_dying_ends_the_run(start_exchange: Callable[..., Exchange], handlers: Path,
                                              tmp_path: Path) -> None:
    exchange = start_exchange(None, "--functions", str(handlers))
    postgres = exchange.data / "postgres" / "postgresql.auto.conf"
    postgres.write_text("no_such_setting = 1\n")
    pids = children_of(exchange.process.pid)
    exchange.kill("postgres")
    assert exchange.process.wait(60) == 1
    message = exchange.process.stderr.read()
    assert "postgres keeps dying" in message and "no_such_setting" in message
    assert not running(pids)
