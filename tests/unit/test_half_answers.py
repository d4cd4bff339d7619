"""Answers of AWS that are none: a server of our own stands for a service that dies while it answers, or for another one that
has its port."""

import ast
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBException

from exchange.adapters import api_keys, connections, custody_secret, market_status
from exchange.adapters.aws import answers, metrics
from exchange.adapters.aws.answers import HalfAnswer
from exchange.adapters.aws.journal import DynamoJournal
from exchange.adapters.aws.queue import SqsQueue
from exchange.adapters.aws.snapshots import S3Snapshots
from exchange.adapters.service_faults import SERVICE_FAULTS
from exchange.faults import RetryableFault
from local import user
from local.addresses import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KEY = "0" * 32
TABLES = {api_keys._Row: "keys", api_keys._Owner: "keys", custody_secret._Row: "keys", market_status._Row: "status",
          connections._Row: "connections"}
# Bodies of status 200. The second is what botocore makes {"message": ...} of; the others are JSON of somebody else.
BODIES = {"empty": b"", "cut": b'{"Item": {"key": {"S": "00', "page": b"<html>hello</html>", "other": b'{"hello": "world"}'}


class Service(http.server.ThreadingHTTPServer):
    """Answers every request with `body`; `told`: the length it announces, when that is not the body's."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.body = b""
        self.told: int | None = None
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(self.headers.get("X-Amz-Target", self.path).rpartition(".")[2])
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body) if self.server.told is None else self.server.told))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Service]:
    with Service() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def service(server: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    server.body, server.told = b"", None
    server.asked.clear()
    for name, value in {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "AWS_ENDPOINT_URL": server.url, "API_KEY_KMS_KEY_ID": "key",
                        "CUSTODY_SECRET_ROW": "custody"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(custody_secret, "_kept", None)
    for model, table in TABLES.items():
        monkeypatch.setattr(model.Meta, "table_name", table)
        monkeypatch.setattr(model, "_connection", None)
    for kept in (api_keys._found, api_keys._used, api_keys._noted):
        kept.clear()
    api_keys._kms.cache_clear()
    yield server
    api_keys._kms.cache_clear()


def known_key() -> api_keys.ApiKey:
    return api_keys.ApiKey(KEY, 1000, "u", "p", "", frozenset(), "", b"", b"", "")


def make_key() -> object:
    return api_keys.create_key(account=1000, user_id="u", profile_id="p", label="", scopes=frozenset())


def read_again() -> object:
    api_keys._found[KEY] = -1e9, known_key()
    return api_keys.find_key(KEY)


# Each place where an answer is read, or where its absence would be taken for success.
CALLS: dict[str, Callable[[], object]] = {
    "kms-encrypt": lambda: api_keys.encrypt(KEY, "secret"),
    "kms-decrypt": lambda: api_keys.decrypt(KEY, b"blob"),
    "custody-encrypt": custody_secret.make_secret,
    "custody-secret": custody_secret.current_secret,
    "key-made": make_key,
    "key-found": lambda: api_keys.find_key(KEY),
    "key-found-again": read_again,
    "key-exists": lambda: api_keys.key_exists(KEY),
    "keys-listed": lambda: api_keys.list_keys(1000),
    "key-deleted": lambda: api_keys.delete_key(1000, KEY),
    "status": lambda: market_status.MarketStatus().get("BTC-USD"),
    "status-newest": lambda: market_status.MarketStatus().newest("BTC-USD"),
    "connection-opened": lambda: connections.open_connection("c"),
    "connection-found": lambda: connections.find_connection("c"),
    "connection-subscribed": lambda: connections.subscribe("c", [("full", "BTC-USD")]),
    "connection-closed": lambda: connections.close_connection("c"),
    "connections-scanned": lambda: connections.connections_of("BTC-USD"),
    "journal-append": lambda: DynamoJournal("journal").append(market="M", seq=1, entry=b"x"),
    "journal-get": lambda: DynamoJournal("journal").get(market="M", seq=1),
    "journal-after": lambda: DynamoJournal("journal").after(market="M", seq=1),
    "journal-head": lambda: DynamoJournal("journal").head(market="M"),
    "queue-sent": lambda: SqsQueue().send(queue="http://q/a.fifo", group="g", dedup_id="d", body="b"),
    "queue-depth": lambda: SqsQueue().depth("http://q/a.fifo"),
    "queue-identity": lambda: SqsQueue().identity("http://q/a.fifo"),
    "snapshot-newest": lambda: S3Snapshots("bucket").newest(market="M"),
    "metrics": lambda: metrics.queue_ages_s(["q"]),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_lacks_its_content_is_a_fault_of_the_service(service: Service, call: Callable[[], object], body: bytes) -> None:
    service.body = body
    with pytest.raises(SERVICE_FAULTS):
        call()
    assert len(set(service.asked)) == 1, "nothing went on after it"


def test_it_is_a_failure_to_the_clients_and_a_retryable_fault_to_us(service: Service) -> None:
    with pytest.raises(HalfAnswer, match="kms answered Encrypt without CiphertextBlob") as told:
        api_keys.encrypt(KEY, "secret")
    assert isinstance(told.value, RetryableFault) and isinstance(told.value, BotoCoreError)
    with pytest.raises(PynamoDBException, match="dynamodb answered BatchGetItem without Responses and"):
        read_again()
    assert KEY in api_keys._found, "what was known stays known"


def test_a_note_of_use_that_fails_so_is_left_out(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    api_keys.note_use(known_key(), 1e9)
    assert "the use of a key was not noted" in caplog.text and service.asked == ["UpdateItem"]


def test_a_connection_that_ends_within_an_answer(service: Service) -> None:
    service.body, service.told = b'{"CiphertextBlob": "', 1000
    with pytest.raises(BotoCoreError):
        api_keys.encrypt(KEY, "secret")


def test_what_may_be_empty_may_be(service: Service) -> None:
    service.body = b"{}"
    assert SqsQueue().receive(queue="http://q/a.fifo") == []


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_user_is_told_that_the_pool_did_not_answer(service: Service, body: bytes) -> None:
    service.body = body
    run = Run(emulator=service.url, application=service.url, region="us-east-1", user_pool_id="p", user_pool_client_id="c")
    with pytest.raises(user.Refused, match="was not signed up: cognito-idp answered SignUp without UserSub"):
        user.make_user(run, email="a@example.com")
    with pytest.raises(user.Refused, match="was not signed in: the user pool asks for something else"):
        user.sign_in(run, email="a@example.com", password="p")


@pytest.mark.parametrize("body", [BODIES["cut"], BODIES["page"]])
def test_an_answer_of_the_exchange_that_is_no_json_is_told(service: Service, body: bytes) -> None:
    service.body = body
    with pytest.raises(user.Refused, match=f"GET {service.url}: "):
        user.call(service.url)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_key_that_could_not_be_encrypted_is_503_and_leaves_nothing(server: Service, api, monkeypatch, body: bytes) -> None:
    server.body, server.told = body, None
    asked = {"user": "ann", "method": "POST", "body": {}}
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_KMS", server.url)
        api_keys._kms.cache_clear()
        answer = api.call("api_create_api_key", **asked)
        assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        answer = api.call("api_admin_set_custody_secret", user="olga", groups=["operators"], method="POST",
                          body={"reason": "a test"})
        assert answer.status == 503
    api_keys._kms.cache_clear()
    assert api.call("api_list_api_keys", user="ann").body == []
    assert custody_secret.current_secret() is None
    made = api.call("api_create_api_key", **asked).body
    assert [row["key"] for row in api.call("api_list_api_keys", user="ann").body] == [made["key"]]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_table_that_is_no_table_opens_no_market_and_refuses_no_key(server: Service, api, monkeypatch, body: bytes) -> None:
    """An empty answer is not taken for `no such key` (401) or `no row: the market is online`."""
    server.body, server.told = body, None
    key = api.call("api_create_api_key", user="ann", method="POST", body={}).body
    api.fund("ann", USD="1000")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    for model in TABLES:
        monkeypatch.setattr(model, "_connection", None)
    with api.unchanged():
        assert api.call("api_list_accounts", key=key).status == 503
        assert api.place("ann").status == 503


SOURCES = [*(ROOT / "layers/exchange/python/exchange").rglob("*.py"), *(ROOT / "functions").rglob("*.py"),
           *(ROOT / "local").rglob("*.py")]


def test_every_client_is_made_by_the_rule() -> None:
    """But for RDS, whose client signs a token and asks nobody."""
    made = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_client = isinstance(node, ast.Attribute) and node.attr in ("client", "resource", "Session") and \
                isinstance(node.value, ast.Name) and node.value.id == "boto3"
            if is_client or (isinstance(node, ast.ImportFrom) and node.module == "pynamodb.models"):
                made.append(path.relative_to(ROOT / "layers/exchange/python/exchange/adapters").as_posix())
    assert sorted(made) == ["aws/answers.py", "aws/tables.py", "postgres/connection.py"]


def test_what_must_be_there_is_what_the_service_describes() -> None:
    """A name with a slip of the pen would make every answer a half one."""
    for service, operations in answers._ALWAYS.items():
        model = answers.client(service, region_name="us-east-1").meta.service_model
        for operation, names in operations.items():
            assert set(names) <= set(model.operation_model(operation).output_shape.members), (service, operation)
