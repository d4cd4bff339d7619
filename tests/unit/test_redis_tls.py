"""Our own connection over TLS, as ElastiCache serverless wants it: in the cloud the token bucket of every request is behind it.

A real Valkey behind a process' end of TLS, with a certificate made here; the Valkey that the tests have speaks none itself.
"""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.adapters.redis import buckets
from exchange.adapters.redis.buckets import BucketsUnavailable, take_shared
from exchange.adapters.redis.node import Node, Refused


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey of a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class TlsEnd:
    """Takes TLS connections and hands what comes on to a Valkey. `close_all` ends them as a server does that has enough."""

    def __init__(self, certificate: Path, behind: tuple[str, int]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._open: list[tuple[ssl.SSLSocket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.connections = 0
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self._server.accept()
            except OSError:
                return
            try:
                outer = self._context.wrap_socket(made, server_side=True)
            except OSError:  # the client does not trust the certificate
                made.close()
                continue
            self.connections += 1
            pair = outer, socket.create_connection(self._behind)
            self._open.append(pair)
            for source, target in (pair, pair[::-1]):
                self._threads.append(threading.Thread(target=self._pass_on, args=(source, target)))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 14):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close_all(self) -> None:
        for outer, inner in self._open:
            for one in (outer, inner):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)
        for pair in self._open:
            for one in pair:
                one.close()
        self._open = []

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._threads[0].join(5)
        self.close_all()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def end(certificate: Path, redis_server: tuple[str, int], redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsEnd]:
    """REDIS_URL leads through it, and its certificate is trusted."""
    made = TlsEnd(certificate, redis_server)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{made.port}")
    yield made
    buckets.close()
    made.stop()


def test_a_bucket_over_tls(end: TlsEnd) -> None:
    """Two tokens, one a minute, over one connection; the script is loaded by the first request."""
    answers = [take_shared("b", 60_000_000, 120_000_000, 1) for _ in range(3)]
    assert [allowed for allowed, _ in answers] == [True, True, False]
    assert end.connections == 1


def test_answers_of_many_records(end: TlsEnd) -> None:
    ours = Node(f"rediss://127.0.0.1:{end.port}/1", 3)
    value = b"x" * 300_000
    assert ours.run([("SET", "large", value), ("GET", "large"), ("LLEN", "none")]) == [b"OK", value, 0]
    assert ours.run([("GET", "large")], together=True) == [value]
    with pytest.raises(Refused):
        ours.run([("NONSENSE",)])
    ours.close()


def test_a_connection_that_the_server_closed_is_made_anew(end: TlsEnd) -> None:
    assert take_shared("b", 1, 10**9, 1)[0]
    end.close_all()
    assert take_shared("b", 1, 10**9, 1)[0]
    assert end.connections == 2


def test_a_certificate_that_is_not_trusted(end: TlsEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(BucketsUnavailable, match="certificate verify failed"):
        take_shared("b", 1, 10**9, 1)


def test_a_certificate_of_another_host(end: TlsEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://localhost:{end.port}")
    with pytest.raises(BucketsUnavailable, match="certificate verify failed"):
        take_shared("b", 1, 10**9, 1)


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the handshake: a connection is accepted by the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(BucketsUnavailable):
            take_shared("b", 1, 10**9, 1)
        assert time.monotonic() - began < 2
    buckets.close()
