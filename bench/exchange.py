"""A running exchange for benchmarks and end-to-end tests: `python -m local run` on a folder and ports of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import psycopg

from bench.client import Key
from local.addresses import REPOSITORY, DataFolder, Run

START_TIMEOUT_S = 180
FAUCET = {"USD": "1000000", "BTC": "20", "ETH": "400", "SOL": "10000"}


class RunningExchange:
    """Started on entering, stopped on leaving. Addresses are those of `run.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen | None = None
        self.run = Run()

    def __enter__(self) -> "RunningExchange":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life

    def start(self) -> None:
        """Starts the exchange and waits until it is ready; RuntimeError with its output when it is not."""
        log = self.folder / "run.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local", "run", "--data", str(self.folder), "--ports", "free", "--quiet"],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            run = DataFolder(self.folder).read_run()
            if run is not None and run.state == "ready" and run.supervisor_pid == self._process.pid:
                self.run = run
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the exchange did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops it as Ctrl-C does and waits."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def kill(self) -> None:
        """SIGKILL of the supervisor; the kernel takes its children along."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def refresh(self) -> Run:
        """run.json as it is now: process ids change when a part is started again."""
        self.run = DataFolder(self.folder).read_run() or self.run
        return self.run

    def parts(self) -> dict[str, int]:
        """Name and process id of each part, the supervisor's own included."""
        return {"supervisor": self.run.supervisor_pid, **self.refresh().pids}

    # --- addresses

    @property
    def trading(self) -> str:
        return self.run.trading

    @property
    def application(self) -> str:
        return self.run.application

    @property
    def websocket(self) -> str:
        return self.run.websocket

    @property
    def dsn(self) -> str:
        return self.run.dsn

    # --- users

    def new_token(self) -> str:
        """The access token of a new user who signed up and in through Cognito."""
        email, password = f"{uuid.uuid4().hex[:12]}@example.com", f"Aa1-{uuid.uuid4().hex}"
        self._cognito("SignUp", {"ClientId": self.run.user_pool_client_id, "Username": email, "Password": password,
                                 "UserAttributes": [{"Name": "email", "Value": email}]})
        answer = self._cognito("InitiateAuth", {
            "ClientId": self.run.user_pool_client_id, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": email, "PASSWORD": password}})
        return answer["AuthenticationResult"]["AccessToken"]

    def new_key(self, token: str, scopes: tuple[str, ...] = ("view", "trade", "transfer")) -> Key:
        """A new API key of the token's user."""
        answer = self.post("/api-keys", {"scopes": list(scopes)}, token)
        return Key(answer["key"], answer["secret"], answer["passphrase"])

    def funded_key(self, balances: dict[str, str] = FAUCET) -> Key:
        """The API key of a new user with these balances from the faucet."""
        token = self.new_token()
        for currency, amount in balances.items():
            self.post("/deposits/faucet", {"currency": currency, "amount": amount}, token)
        return self.new_key(token)

    def funded_keys(self, count: int) -> list[Key]:
        return [self.funded_key() for _ in range(count)]

    def get(self, path: str) -> object:
        """The JSON of a public GET."""
        with urllib.request.urlopen(self.trading + path, timeout=20) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict, token: str) -> dict:
        """The JSON of a POST on the application door; RuntimeError when it is refused."""
        return self._send(self.application + path, body, {"Authorization": f"Bearer {token}"})

    def wait_until_settled(self, within_s: float = 60) -> None:
        """Until no order is pending."""
        deadline = time.monotonic() + within_s
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while connection.execute("SELECT count(*) FROM orders WHERE status = 'pending'").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError("orders are still pending")
                time.sleep(0.05)

    def _cognito(self, operation: str, body: dict) -> dict:
        return self._send(self.run.emulator, body, {
            "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}", "Content-Type": "application/x-amz-json-1.1"})

    @staticmethod
    def _send(url: str, body: dict, headers: dict[str, str]) -> dict:
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"} | headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"POST {url}: {error.code} {error.read().decode(errors='replace')}") from None
