"""A warm worker process: calls Lambda handlers, one invocation at a time, over a socket that it was forked with.

Frames in both directions: u32 little-endian length, then JSON. In: `{"function", "id", "deadline_ms", "event"}`. Out: the
handler's result as `{"ok": ...}`, or `{"error", "type"}`. Handlers are imported when first called (or named at start),
under names of their own, and kept: module-level state lives as long as it would in a Lambda environment. While a function
runs, the process has that function's environment variables and rights (`border.py`) and no other function's.
"""

import argparse
import importlib.util
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from exchange.adapters.clients import make_clients
from local.border import Border
from local.nursery import PID
from local.plan import FunctionPlan, Plan, read_plan
from local.processes import die_with_parent, freeze_memory, report_ready

MOST_RESULT_BYTES = 6_291_556  # Lambda's
_LENGTH = struct.Struct("<I")
_HTTP_ANSWER = {"statusCode": int, "headers": dict, "body": str, "isBase64Encoded": bool}


class ResponseSizeTooLarge(Exception):
    """What the function answered is more than Lambda hands on; it has run all the same."""


class LambdaContext:
    """What handlers read of the context object."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, function: FunctionPlan, request_id: str, deadline_ms: int,
                 stopping: Callable[[], bool] = lambda: False) -> None:
        self.aws_request_id = request_id
        self._function = function
        # Counted on a clock that nobody puts right.
        self._ends_at_s = time.monotonic() + deadline_ms / 1000 - time.time()
        self._stopping = stopping

    @property
    def function_name(self) -> str:
        return self._function.name

    @property
    def invoked_function_arn(self) -> str:
        return self._function.arn

    @property
    def memory_limit_in_mb(self) -> str:
        return str(self._function.memory_mb)

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self._function.name}"

    @property
    def log_stream_name(self) -> str:
        return f"local/{os.getpid()}"

    def get_remaining_time_in_millis(self) -> int:
        """None when the process was asked to end: a handler that runs for long ends its work then."""
        return 0 if self._stopping() else max(0, int((self._ends_at_s - time.monotonic()) * 1000))


class Handlers:
    """The imported handlers of this process and the environment switching between them. `enter_border`: told which function
    runs from now on."""

    def __init__(self, plan: Plan, enter_border: Callable[[str], None] = lambda name: None) -> None:
        self._plan = plan
        self._enter_border = enter_border
        self._loaded: dict[str, Callable[[Any, Any], Any]] = {}
        self._base = dict(os.environ)
        self._current = ""
        self._changes: dict[tuple[str, str], list[tuple[bytes, bytes | None]]] = {}
        self.stopping = False

    def load(self, name: str) -> Callable[[Any, Any], Any]:
        """The function's handler, imported at the first call with the function's environment."""
        handler = self._loaded.get(name)
        if handler is None:
            function = self._plan.functions[name]
            self.enter(name)
            handler = self._loaded[name] = _import_handler(function)
        return handler

    def call(self, name: str, event: Any, *, request_id: str, deadline_ms: int) -> Any:
        """The handler's answer; what it raises passes through."""
        handler = self.load(name)
        self.enter(name)
        return handler(event, LambdaContext(self._plan.functions[name], request_id, deadline_ms,
                                            lambda: self.stopping))

    def enter(self, name: str) -> None:
        """Gives the process the environment of one function. Cheap: only what differs from the last one changes."""
        if name == self._current:
            return
        changes = self._changes.get((self._current, name))
        if changes is None:
            old, new = self._environment(self._current), self._environment(name)
            changes = [(os.fsencode(key), os.fsencode(new[key]) if key in new else None)
                       for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            self._changes[self._current, name] = changes
        for key, value in changes:
            if value is None:
                del os.environb[key]
            else:
                os.environb[key] = value
        self._current = name
        self._enter_border(name)

    def _environment(self, name: str) -> dict[str, str]:
        if not name:
            return self._base
        function = self._plan.functions[name]
        return self._base | function.environment | {
            "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "LAMBDA_TASK_ROOT": function.folder,
            "_HANDLER": function.handler}


def bounded_handlers(plan: Plan) -> Handlers:
    """Handlers that do what their roles allow and no more. Once in a process, before any handler is imported."""
    border = Border(plan)
    border.install()
    return Handlers(plan, border.enter)


def _import_handler(function: FunctionPlan) -> Callable[[Any, Any], Any]:
    module_name, _, attribute = function.handler.rpartition(".")
    path = Path(function.folder) / (module_name.replace(".", "/") + ".py")
    unique = "lambda_" + "".join(letter if letter.isalnum() else "_" for letter in function.name)
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"the handler of {function.name} is missing: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
        return getattr(module, attribute)
    except BaseException:
        del sys.modules[unique]
        raise


def encode_result(result: Any) -> bytes:
    """As JSON. Lambda's own encoder: what it refuses (Decimal, datetime) must be refused here too. The answer of an HTTP
    function holds nothing of that kind, and is encoded by a quicker one."""
    if type(result) is dict and {name: type(value) for name, value in result.items()} == _HTTP_ANSWER and (
            {*map(type, result["headers"].values())} <= {str}):
        try:
            return orjson.dumps(result)
        except TypeError:  # half of a surrogate pair, which is no text
            pass
    return json.dumps(result).encode()


def serve(channel: socket.socket, handlers: Handlers) -> None:
    """Answers invocations until the other end closes."""
    reader = channel.makefile("rb", buffering=1 << 16)
    while True:
        head = reader.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return
        request = orjson.loads(reader.read(_LENGTH.unpack(head)[0]))
        try:
            result = handlers.call(request["function"], request["event"], request_id=request["id"],
                                   deadline_ms=request["deadline_ms"])
            encoded = encode_result(result)
            if len(encoded) > MOST_RESULT_BYTES:
                raise ResponseSizeTooLarge(f"Response payload size ({len(encoded)} bytes) exceeded maximum allowed payload size"
                                           f" ({MOST_RESULT_BYTES} bytes).")
            answer = b'{"ok":' + encoded + b"}"
        except Exception as error:  # noqa: BLE001 (the outermost handler: the invocation failed, the environment lives on)
            traceback.print_exc()
            answer = orjson.dumps({"error": str(error), "type": type(error).__name__})
        channel.sendall(_LENGTH.pack(len(answer)) + answer)


def fork_workers(control: socket.socket, handlers: Handlers) -> None:
    """Forks a worker for each socket that comes, until the other end closes; see local/nursery.py."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
    nursery = os.getpid()
    while True:
        message, channels, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL, nursery)
            random.seed()
            serve(socket.socket(fileno=channels[0]), handlers)
            os._exit(0)
        os.close(channels[0])
        handle = os.pidfd_open(pid)
        socket.send_fds(control, [PID.pack(pid)], [handle])
        os.close(handle)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--ready", type=int, required=True)
    parser.add_argument("--load", default="")
    arguments = parser.parse_args()
    handlers = bounded_handlers(read_plan(arguments.plan))
    for name in filter(None, arguments.load.split(",")):
        try:
            handlers.load(name)
            make_clients()
        except Exception:  # noqa: BLE001 (reported again, to the caller, by each invocation)
            traceback.print_exc()
    freeze_memory()
    report_ready(arguments.ready)
    fork_workers(socket.socket(fileno=arguments.control), handlers)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
