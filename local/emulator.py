"""Runs MiniStack so that what it answered survives its death. Started with the interpreter of `.venv-ministack`.

MiniStack saves its state when it is stopped gracefully, and only then. This wrapper stands before its ASGI application:
after a request that changed users, tables or keys, the answer waits until the service's state is saved (one save for all
that wait, so a burst costs few). Its own saving at shutdown stays on. Nothing of `local` may be imported here: another
environment, another interpreter.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
import urllib.request

# What only reads (by the head of the operation's name), or changes what may be lost (tokens): answered at once.
_READS = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "TransactGet", "Encrypt", "Decrypt", "GenerateData",
          "ReEncrypt")
_TOKENS = {"InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge", "SignOut",
           "GlobalSignOut"}
_SERVICES = {"AWSCognitoIdentityProviderService": "cognito", "DynamoDB_20120810": "dynamodb", "TrentService": "kms"}
_EVERYTHING_EVERY_S = 15
_NOT_SAVED = json.dumps({"__type": "InternalServerError", "message": "the state could not be saved"}).encode()


def changed_service(scope: dict) -> str | None:
    """The service whose state a request changes, or None."""
    for name, value in scope.get("headers", ()):
        if name == b"x-amz-target":
            prefix, _, operation = value.decode("latin-1").partition(".")
            if operation.startswith(_READS) or operation in _TOKENS:
                return None
            return _SERVICES.get(prefix)
    return None


class NotSaved(Exception):
    """A service's state is not on disk, for example because the disk is full."""


class Saver:
    """Saves a service's state; all who wait while one save runs share the next one. Raises NotSaved."""

    def __init__(self, app_module, persistence) -> None:
        self._app = app_module
        self._persistence = persistence
        self._running: dict[str, asyncio.Task] = {}
        self._next: dict[str, asyncio.Task] = {}

    async def save(self, service: str) -> None:
        waiting = self._next.get(service)
        if waiting is None:
            waiting = asyncio.ensure_future(self._after(service, self._running.get(service)))
            self._next[service] = waiting
        await asyncio.shield(waiting)

    async def _after(self, service: str, running: asyncio.Task | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        else:
            await asyncio.sleep(0)  # requests that are being answered in this turn of the loop join
        task = self._next.pop(service)
        self._running[service] = task
        try:
            get_state = self._app._build_persistence_save_dict().get(service)
            state = get_state() if get_state else None
            if state is not None:
                await asyncio.to_thread(self._save, service, state)
        finally:
            if self._running.get(service) is task:
                del self._running[service]

    def _save(self, service: str, state: object) -> None:
        """MiniStack only logs that it failed; where it did not there is another file of that name."""
        path = os.path.join(self._persistence.STATE_DIR, f"{service}.json")
        before = _identity(path)
        self._persistence.save_state(service, state)
        if _identity(path) == before:
            raise NotSaved(service)

    async def save_everything_regularly(self) -> None:
        """A safety net for services that are not saved before the answer."""
        while True:
            await asyncio.sleep(_EVERYTHING_EVERY_S)
            self._persistence.save_all({name: state for name, state in self._app._build_persistence_save_dict().items()
                                        if name not in _SERVICES.values()})


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def call_triggers_of_the_runtime(lambda_service) -> None:
    """Cognito's triggers are functions of ours, which MiniStack does not have: it asks the gateway to call them.

    These are internals of the pinned version; a name that is gone is an AttributeError at start, not a lost trigger.
    """
    for name in ("_get_func_record_for_ref", "_execution_record_for_config", "_execute_function_with_config_scope"):
        getattr(lambda_service, name)

    def execute(record: dict, event: dict) -> dict:
        request = urllib.request.Request(
            f"{os.environ['LOCAL_INVOKE_URL']}/2015-03-31/functions/{record['arn']}/invocations", method="POST",
            data=json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read().decode()
            return {"body": body, "error": answer.headers.get("X-Amz-Function-Error")}

    lambda_service._get_func_record_for_ref = lambda arn: ({"arn": arn}, {"arn": arn}, arn)
    lambda_service._execution_record_for_config = lambda record, config: record
    lambda_service._execute_function_with_config_scope = execute


def saving(application, saver: Saver):
    """The ASGI application that answers a change when it is on disk, and with an error when it does not get there."""

    async def answer(scope, receive, send) -> None:
        service = changed_service(scope) if scope["type"] == "http" else None
        if service is None:
            await application(scope, receive, send)
            return
        is_refused = False

        async def send_when_saved(message: dict) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start" and message["status"] < 400:
                try:
                    await saver.save(service)
                except NotSaved:
                    is_refused = True
                    await send({"type": "http.response.start", "status": 500,
                                "headers": [(b"content-type", b"application/x-amz-json-1.1")]})
                    await send({"type": "http.response.body", "body": _NOT_SAVED})
            if not is_refused:
                await send(message)

        await application(scope, receive, send_when_saved)

    return answer


def main() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as app_module
    from ministack.core import persistence
    from ministack.services import lambda_svc

    call_triggers_of_the_runtime(lambda_svc)
    saver = Saver(app_module, persistence)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        config = Config()
        config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
        config.keep_alive_timeout = 75
        config.loglevel = "WARNING"
        config.accesslog = None
        config.graceful_timeout = 2
        regular = asyncio.ensure_future(saver.save_everything_regularly())
        await serve(saving(app_module.app, saver), config, shutdown_trigger=stop.wait)
        regular.cancel()

    asyncio.run(run())
    # Threads of services must not hold up the end: the state is on disk.
    if threading.active_count() > 1:
        os._exit(0)


if __name__ == "__main__":
    main()
