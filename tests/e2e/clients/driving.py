"""Clients in processes of their own: a `Driver` calls the methods of an unmodified client and gives what it answers.

The other end is `drivers/stdio.py` or `node/stdio.mjs`. `Refused` is the exception that the client raised there.
"""

import json
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from e2e.waiting import eventually

from bench.client import Key
from local.addresses import REPOSITORY

HERE = Path(__file__).resolve().parent
PYTHON = REPOSITORY / ".venv-clients" / "bin" / "python"
WITHIN_S = 60


class Refused(Exception):
    """What the client raised: its class, the classes above it, the HTTP status if the client tells it."""

    def __init__(self, answer: dict) -> None:
        super().__init__(f"{answer['error']}: {answer['message']}")
        self.kind: str = answer["error"]
        self.bases: list[str] = answer.get("bases", [])
        self.status: int | None = answer.get("status")
        self.message: str = answer["message"]


class Part:
    """One object of a driver; `part.method(*arguments)` is called over there."""

    def __init__(self, driver: "Driver", name: str) -> None:
        self._driver = driver
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., object]:
        return lambda *args, **kwargs: self._driver.ask(self._name, method, args, kwargs)


class Driver:
    """A running driver. `driver["private"]` is one of the objects it serves."""

    def __init__(self, script: str, settings: dict[str, str]) -> None:
        path = HERE / script
        command = ["node", str(path)] if path.suffix == ".mjs" else [str(PYTHON), str(path)]
        self._process = subprocess.Popen([*command, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, cwd=path.parent)
        self._words: list[str] = []  # of standard error: read always, or a full pipe would stop the client
        self._reader = threading.Thread(target=self._read_words, daemon=True)
        self._reader.start()

    def _read_words(self) -> None:
        for line in self._process.stderr:
            self._words.append(line)

    def __getitem__(self, name: str) -> Part:
        return Part(self, name)

    def ask(self, on: str, call: str, args: tuple = (), kwargs: dict | None = None) -> object:
        """The method's result; Refused if it raised. AssertionError with the client's words if the driver ended."""
        request = {"on": on, "call": call, "args": args}
        if kwargs:
            request["kwargs"] = kwargs
        watchdog = threading.Timer(WITHIN_S, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            self._process.wait(10)
            self._reader.join(5)
            raise AssertionError(f"the client ended at {on}.{call}: {''.join(self._words[-30:])}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer)
        return answer["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(5)
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.stderr.close()


def settings_of(exchange: object, key: Key, product_id: str) -> dict[str, str]:
    """What a driver is told: where the exchange is, and who it trades for."""
    return {"trading": exchange.trading, "websocket": exchange.websocket, "key": key.key, "secret": key.secret,
            "passphrase": key.passphrase, "product_id": product_id}


def kinds(messages: list[dict]) -> list[str]:
    return [message["type"] for message in messages]


def seen(feed: Part, *wanted: str, arguments: tuple = ()) -> list[dict]:
    """All messages of a feed object once one of each wanted type is among them."""
    return eventually(lambda: set(wanted) <= set(kinds(found := feed.messages(*arguments))) and found)
