"""Posting to connections, against a small HTTP server that answers as @connections does."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from exchange.adapters.aws import posts


@pytest.fixture
def endpoint(monkeypatch):
    """The requests it got, as (method, connection, body). The connection's name is the status it answers with."""
    requests = []

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.close_connection = self.path.endswith("hangup")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = unquote(self.path.rsplit("/", 1)[-1])
            requests.append((self.command, connection, body))
            status = int(connection) if connection.isdigit() else 200
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_DELETE = do_GET = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    for name, value in {"CONNECTIONS_ENDPOINT": f"http://127.0.0.1:{server.server_port}/feed", "AWS_ACCESS_KEY_ID": "x",
                        "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(posts, "FIRST_PAUSE_S", 0.001)
    yield requests
    posts._forget_connection()
    server.shutdown()
    server.server_close()


def test_a_post_arrives_as_it_was_written(endpoint):
    posts.post("abc=", '{"type":"match"}')
    assert endpoint == [("POST", "abc=", b'{"type":"match"}')]


@pytest.mark.parametrize(("status", "meaning"), [(410, posts.Gone), (413, posts.PostRefused), (400, posts.PostRefused)])
def test_what_the_service_answers(endpoint, status, meaning):
    with pytest.raises(meaning):
        posts.post(str(status), "{}")
    assert len(endpoint) == 1


def test_throttling_is_tried_again_before_the_connection_is_given_up(endpoint):
    with pytest.raises(posts.PostRefused):
        posts.post("429", "{}")
    assert len(endpoint) == 3


def test_a_fault_of_the_service_is_told_from_a_refusal(endpoint, monkeypatch):
    with pytest.raises(posts.PostFailed):
        posts.post("503", "{}")
    with pytest.raises(posts.PostFailed):
        posts.disconnect("500")
    assert len(endpoint) == 6
    monkeypatch.setenv("CONNECTIONS_ENDPOINT", "http://127.0.0.1:1/feed")
    with pytest.raises(posts.PostFailed):
        posts.post("abc", "{}")


def test_a_connection_that_the_service_closed_is_made_again(endpoint):
    posts.post("hangup", "1")
    posts.post("abc", "2")
    assert [body for _, _, body in endpoint] == [b"1", b"2"]


@pytest.mark.parametrize("token", ["", "session+token/=="])
@pytest.mark.parametrize("connection", ["abc=", "L0SM9cOFvHcCIhw=", "a b/c?d"])
def test_the_signature_is_botocores(monkeypatch, token, connection):
    from urllib.parse import quote

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    for name, value in {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
                        "AWS_SESSION_TOKEN": token}.items():
        monkeypatch.setenv(name, value)
    path = f"/feed/@connections/{quote(connection, safe='')}"
    request = AWSRequest("POST", f"https://api.example.com{path}", data=b"{}")
    SigV4Auth(Credentials("AKID", "secret", token or None), "execute-api", "eu-west-1").add_auth(request)
    now = time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    ours = posts.signed_headers("POST", "api.example.com", path, b"{}", now)
    assert ours["authorization"] == request.headers["Authorization"]


def test_disconnecting(endpoint):
    posts.disconnect("abc")
    posts.disconnect("410")  # gone already
    assert [method for method, *_ in endpoint] == ["DELETE", "DELETE"]


def test_whether_a_connection_is_there(endpoint):
    assert posts.is_there("abc=") and not posts.is_there("410")
    for status in ("403", "500"):
        with pytest.raises(posts.PostFailed):
            posts.is_there(status)
