"""Our own connection over TLS, as ElastiCache serverless wants it: in the cloud the token bucket of every request is behind it.

A real Valkey behind a process' end of TLS, with a certificate made here; the Valkey that the tests have speaks none itself.
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.adapters.redis import buckets
from exchange.adapters.redis.buckets import BucketsUnavailable, take_shared
from exchange.adapters.redis.node import Node, Refused
from tests.unit.tls_end import TlsEnd, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


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
