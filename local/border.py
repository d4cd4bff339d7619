"""The border between a function and AWS's services: each call is checked against the running function's role before it leaves.

    handler ── boto3, pynamodb ─────────────── botocore's event ──┐
            ── queue, journal, snapshots (embedded) ── wrapper ───┼──> Border.check ──> refused in AWS's words, or goes on
            ── @connections, PostgreSQL ────────────── wrapper ───┘

The emulator and the embedded ports ask nobody for rights, so a right that a role lacks would be found by the first deploy. An
embedded port is asked what its counterpart in the cloud would be: `PORTS` says which calls of AWS each method stands for, and
the ports' contract tests hold it against what the adapters of AWS really call. A function in the VPC reaches only services with
an endpoint there. Installed by the processes that run handlers (`worker`, `consumer`, `once`), before they import one. Loads of
botocore only what a function has loaded.
"""

import os
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from exchange.adapters import ports
from exchange.adapters.aws import posts
from exchange.adapters.postgres import connection
from local.addresses import ACCOUNT, REGION
from local.plan import FunctionPlan, Plan
from local.rights import Context, Rights, no_context, rights_of

# The IAM action of each operation that a function calls, by service (actions have no case, and SQS writes its own small). One
# that is not here raises: whoever calls a new one looks its action up in AWS's Service Authorization Reference.
ACTIONS = {
    "cloudwatch": {"GetMetricData": "GetMetricData"},
    "dynamodb": {name: name for name in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan")},
    "kms": {"Encrypt": "Encrypt", "Decrypt": "Decrypt"},
    "s3": {"GetObject": "GetObject", "PutObject": "PutObject", "ListObjectsV2": "ListBucket"},
    "sqs": {name: name.lower() for name in ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility",
                                            "GetQueueAttributes")},
}
# By service, where an endpoint of the VPC has another name; and how a refusal is called, where not AccessDeniedException.
_ENDPOINTS = {"cloudwatch": "monitoring"}
_REFUSALS = dict.fromkeys(("cloudwatch", "s3", "sqs"), ("AccessDenied", 403))
_KEY_EQUALS = re.compile(r"(#?\w+) = (:\w+)")

Params = dict[str, Any]
Calls = Iterable[tuple[str, str, Params]]


class UnknownCall(Exception):
    """A function calls an operation that ACTIONS does not have, or a resource by a name that is not understood."""


class Border:
    """Knows which function runs: `enter` says so. `check` raises what the service, or its silence, would be to the caller."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rights: dict[str, Rights] = {}
        self._function: FunctionPlan | None = None

    def enter(self, name: str) -> None:
        self._function = self._plan.functions.get(name)

    def install(self) -> None:
        """All later sessions of botocore, and the adapters, ask from now on."""
        import botocore

        botocore.register_initializer(lambda session: session.register("before-parameter-build", self._before_call))
        ports.command_queue = self._guarded(ports.command_queue, PORTS["command_queue"])
        ports.journal = self._guarded(ports.journal, PORTS["journal"])
        ports.snapshot_store = self._guarded(ports.snapshot_store, PORTS["snapshot_store"])
        posts._once = self._posting(posts._once)
        # With each statement: the connection may be one that another function of this worker has opened.
        connection.connection = self._signed_in(connection.connection)
        connection.password = self._signed_in(connection.password)

    def check(self, service: str, operation: str, params: Params) -> None:
        """Raises ClientError for what the role does not allow, ConnectTimeoutError for what the function has no way to."""
        function = self._function
        if function is None:
            return  # the runtime's own
        try:
            action = f"{service}:{ACTIONS[service][operation]}"
        except KeyError:
            raise UnknownCall(f"{function.name} calls {operation} of {service}: its action is not in local/border.py") from None
        if not _reaches(function, service):
            from botocore.exceptions import ConnectTimeoutError

            raise ConnectTimeoutError(endpoint_url=f"https://{service}.{REGION}.amazonaws.com/")
        for resource in _resources(service, params):
            if refused := self._refusal(function, action, resource, _context(self._plan.tables, params)):
                from botocore.exceptions import ClientError

                code, status = _REFUSALS.get(service, ("AccessDeniedException", 400))
                raise ClientError({"Error": {"Code": code, "Message": refused},
                                   "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}}}, operation)

    def _refusal(self, function: FunctionPlan, action: str, resource: str, context: Context) -> str | None:
        rights = self._rights.get(function.name)
        if rights is None:
            rights = self._rights[function.name] = rights_of(self._plan, function)
        refused = rights.refusal(action, resource, context)
        return refused and (f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{function.role}/{function.name} is not authorized to"
                            f" perform: {action} on resource: {resource} {refused}")

    # --- where the calls pass

    def _before_call(self, *, params: Params, model: Any, **_: object) -> None:
        self.check(model.service_model.service_name, model.name, params)

    def _guarded(self, factory: Callable[[], Any], methods: dict[str, tuple]) -> Callable[[], Any]:
        """A port with the methods that are in the table, and no others."""
        return lru_cache(maxsize=1)(lambda: SimpleNamespace(**{
            name: self._asking(getattr(factory(), name), *row) for name, row in methods.items()}))

    def _asking(self, method: Callable, subjects: Callable[..., Iterable[str]], calls: Callable[[str], Calls]) -> Callable:
        allowed: set[tuple[str, str]] = set()  # what is on an order's path is asked for once

        def call(*args: Any, **kwargs: Any) -> Any:
            name = self._function.name if self._function else ""
            for subject in subjects(*args, **kwargs):
                if (name, subject) not in allowed:
                    for service, operation, params in calls(subject):
                        self.check(service, operation, params)
                    allowed.add((name, subject))
            return method(*args, **kwargs)
        return call

    def _posting(self, once: Callable[[str, str, bytes], int]) -> Callable[[str, str, bytes], int]:
        def post(method: str, connection_id: str, body: bytes) -> int:
            if function := self._function:
                if not _reaches(function, "execute-api"):
                    raise TimeoutError("timed out")
                resource = f"{function.arns['connections']}/{method}/@connections/{connection_id}"
                if refused := self._refusal(function, "execute-api:ManageConnections", resource, no_context):
                    print(refused, flush=True)
                    return 403
            return once(method, connection_id, body)
        return post

    def _signed_in(self, of_the_database: Callable[[], Any]) -> Callable[[], Any]:
        allowed: set[str] = set()

        def ask() -> Any:
            if (function := self._function) and function.name not in allowed:
                if function.reaches is None:
                    raise connection.DatabaseUnavailable(f"no connection to the database: {function.name} is not in the VPC")
                if refused := self._refusal(function, "rds-db:connect", function.arns["database"], no_context):
                    raise connection.DatabaseUnavailable(f"no connection to the database: PAM authentication failed: {refused}")
                allowed.add(function.name)
            return of_the_database()
        return ask


def _reaches(function: FunctionPlan, service: str) -> bool:
    there = function.reaches is None or _ENDPOINTS.get(service, service) in function.reaches
    if not there:
        print(f"{function.name} is in the VPC, which has no endpoint for {service}", flush=True)
    return there


# --- what a call asks for

def _resources(service: str, params: Params) -> list[str]:
    """The ARNs of what the call names."""
    match service:
        case "dynamodb":
            tables = params["RequestItems"] if "RequestItems" in params else (params["TableName"],)
            return [f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}" for table in tables]
        case "sqs":
            return [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{params['QueueUrl'].rsplit('/', 1)[-1]}"]
        case "s3":
            return [f"arn:aws:s3:::{params['Bucket']}" + (f"/{params['Key']}" if "Key" in params else "")]
        case "kms":
            if "/" in params["KeyId"]:
                raise UnknownCall(f"a key is named {params['KeyId']}, wanted its id")
            return [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{params['KeyId']}"]
    return ["*"]


def _context(tables: dict[str, str], params: Params) -> Context:
    """The values of the conditions' keys; those of DynamoDB are of the one table, or of the first of several."""
    def values(key: str) -> list[str]:
        match key:
            case "dynamodb:LeadingKeys":
                return [next(iter(value.values())) for value in _leading(tables, params)]
            case "dynamodb:Attributes":
                return [*params.get("Item", ()), *params.get("Key", ()), *params.get("ExpressionAttributeNames", {}).values()]
            case "s3:prefix":
                return [params["Prefix"]] if "Prefix" in params else []
        return []
    return values


def _leading(tables: dict[str, str], params: Params) -> list[dict[str, str]]:
    """The partition keys that are asked for, as DynamoDB writes values."""
    found = []
    for table, rows in params.get("RequestItems", {}).items():
        found += [row[tables[table]] for row in rows["Keys"]]
    if "TableName" in params:
        name = tables[params["TableName"]]
        found += [params[part][name] for part in ("Key", "Item") if part in params]
        for left, right in _KEY_EQUALS.findall(params.get("KeyConditionExpression", "")):
            if params.get("ExpressionAttributeNames", {}).get(left, left) == name:
                found.append(params["ExpressionAttributeValues"][right])
    return found


# --- what an embedded port's method would call in the cloud, for the queue or the market that it is about

def _queue(queue: str, **_: object) -> Iterable[str]:
    return (queue,)


def _queues(messages: list[Any]) -> Iterable[str]:
    return {message.queue for message in messages}


def _market(*, market: str, **_: object) -> Iterable[str]:
    return (market,)


def _sqs(operation: str) -> Callable[[str], Calls]:
    return lambda queue: [("sqs", operation, {"QueueUrl": queue})]


def _journal(operation: str, part: str, *attributes: str) -> Callable[[str], Calls]:
    return lambda market: [("dynamodb", operation, {"TableName": os.environ["JOURNAL_TABLE"], part: {
        "market": {"S": market}, **dict.fromkeys(attributes)}})]


def _journal_range(market: str) -> Calls:
    return [("dynamodb", "Query", {"TableName": os.environ["JOURNAL_TABLE"], "KeyConditionExpression": "market = :0",
                                   "ExpressionAttributeValues": {":0": {"S": market}}})]


def _object(operation: str) -> Callable[[str], Calls]:
    """Of any seq: all of a market's objects are in one folder."""
    return lambda market: [("s3", operation, {"Bucket": os.environ["SNAPSHOT_BUCKET"], "Key": f"snapshots/{market}/0"})]


def _newest_object(market: str) -> Calls:
    listing = {"Bucket": os.environ["SNAPSHOT_BUCKET"], "Prefix": f"snapshots/{market}/"}
    return [("s3", "ListObjectsV2", listing), *_object("GetObject")(market)]


PORTS: dict[str, dict[str, tuple[Callable[..., Iterable[str]], Callable[[str], Calls]]]] = {
    "command_queue": {
        "send": (_queue, _sqs("SendMessage")), "send_all": (_queues, _sqs("SendMessage")),
        "send_hints": (_queues, _sqs("SendMessage")), "receive": (_queue, _sqs("ReceiveMessage")),
        "acknowledge": (_queues, _sqs("DeleteMessage")), "release": (_queues, _sqs("ChangeMessageVisibility")),
        "depth": (_queue, _sqs("GetQueueAttributes")), "identity": (_queue, _sqs("GetQueueAttributes"))},
    "journal": {
        "append": (_market, _journal("PutItem", "Item", "seq", "entry")), "get": (_market, _journal("GetItem", "Key", "seq")),
        "after": (_market, _journal_range), "head": (_market, _journal_range)},
    "snapshot_store": {
        "put": (_market, _object("PutObject")), "newest": (_market, _newest_object), "get": (_market, _object("GetObject"))},
}
