"""Posting to connections, against a small HTTP server that answers as @connections does."""

import calendar
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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
    path, signed_path = posts._paths("/feed", connection)
    assert path == f"/feed/@connections/{quote(connection, safe='')}"
    request = AWSRequest("POST", f"https://api.example.com{path}", data=b"{}")
    SigV4Auth(Credentials("AKID", "secret", token or None), "execute-api", "eu-west-1").add_auth(request)
    now_s = calendar.timegm(time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    lines = posts.signed_lines("POST", "api.example.com", signed_path, b"{}", now_s).splitlines()
    ours = dict(line.split(": ", 1) for line in lines)
    assert ours["authorization"] == request.headers["Authorization"]
    assert {name: ours.get(name) for name in ("host", "x-amz-date", "x-amz-security-token")} == {
        "host": "api.example.com", "x-amz-date": request.headers["X-Amz-Date"], "x-amz-security-token": token or None}


def test_disconnecting(endpoint):
    posts.disconnect("abc")
    posts.disconnect("410")  # gone already
    assert [method for method, *_ in endpoint] == ["DELETE", "DELETE"]


def test_whether_a_connection_is_there(endpoint):
    assert posts.is_there("abc=") and not posts.is_there("410")
    for status in ("403", "500"):
        with pytest.raises(posts.PostFailed):
            posts.is_there(status)


# --- answers byte by byte

@pytest.fixture
def answering(monkeypatch):
    """`answering(*answers, secure=None)`: a server that gives each connection's requests these bytes in turn, and then closes;
    the number of connections it has had."""
    listeners = []

    def start(*answers: bytes | list[bytes], secure: ssl.SSLContext | None = None) -> list[int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        connections: list[int] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                    connections.append(1)
                    client = secure.wrap_socket(client, server_side=True) if secure else client
                    with client:
                        for answer in answers:
                            if not client.recv(65536):
                                break
                            for part in answer if isinstance(answer, list) else [answer]:
                                client.sendall(part)
                                time.sleep(0.005)
                except OSError:
                    if listener.fileno() < 0:
                        return
        threading.Thread(target=serve, daemon=True).start()
        host = "localhost" if secure else "127.0.0.1"
        for name, value in {"CONNECTIONS_ENDPOINT": f"http{'s' if secure else ''}://{host}:{listener.getsockname()[1]}/feed",
                            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        return connections

    monkeypatch.setattr(posts, "FIRST_PAUSE_S", 0.001)
    yield start
    posts._forget_connection()
    for listener in listeners:
        listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_an_answer_in_pieces(answering):
    connections = answering([OK[index:index + 1] for index in range(len(OK))], OK)
    posts.post("a", "1")
    posts.post("a", "2")
    assert len(connections) == 1


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n{}", b"HTTP/1.1 200 \r\n\r\n", OK + b"more",
])
def test_an_answer_whose_end_is_not_told_is_the_last_of_its_connection(answering, answer):
    connections = answering(answer, OK)
    posts.post("a", "1")
    posts.post("a", "2")
    assert len(connections) == 2


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.1 200", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 20x OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
])
def test_what_is_no_answer_is_a_fault_of_the_service(answering, answer):
    connections = answering(answer)
    with pytest.raises(posts.PostFailed):
        posts.post("a", "1")
    assert len(connections) == posts.ATTEMPTS


def test_over_tls_and_only_to_who_can_show_its_certificate(answering, monkeypatch, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
                   .sign(key, hashes.SHA256()))
    file, certificates = tmp_path / "server.pem", tmp_path / "certificates.pem"
    certificates.write_bytes(certificate.public_bytes(Encoding.PEM))
    file.write_bytes(certificates.read_bytes() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(file)
    posts._tls_context.cache_clear()
    answering(OK, secure=secure)
    with pytest.raises(posts.PostFailed, match="CERTIFICATE_VERIFY_FAILED"):
        posts.post("a", "1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    posts._tls_context.cache_clear()
    connections = answering(OK, OK, secure=secure)
    posts.post("a", "1")
    posts.post("a", "2")
    assert len(connections) == 1
    posts._tls_context.cache_clear()
