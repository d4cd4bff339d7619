"""An answer of AWS that lacks what its operation always has is no answer, but a fault of the service.

A server that dies while it answers, or another one on its port, can leave an answer of status 200 with an empty body, or with
one that is no JSON: botocore makes an empty dict of either. Some calls would take that for the truth (no such row, no snapshot
yet, the entry is written). So every client of the exchange is made by `client` or is that of a `tables.Table`, and raises
HalfAnswer instead: for botocore and pynamodb a failure like others, for who calls a retryable fault. Whether the operation took
effect is unknown, as after a connection that was lost.
"""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

from exchange.faults import RetryableFault

if TYPE_CHECKING:
    from botocore.config import Config

# By service and operation. An answer about a row that is not there, and one to a write, have the capacity that was consumed:
# pynamodb asks for it with each call. What is not named here may be empty by right: ReceiveMessage without a message, or what
# answers nothing but a status.
_ALWAYS = {
    "cloudwatch": {"GetMetricData": ("MetricDataResults",)},
    "cognito-idp": {"SignUp": ("UserSub",), "CreateUserPool": ("UserPool",), "CreateUserPoolClient": ("UserPoolClient",)},
    "dynamodb": {"GetItem": ("ConsumedCapacity",), "PutItem": ("ConsumedCapacity",), "DeleteItem": ("ConsumedCapacity",),
                 "UpdateItem": ("Attributes",), "Query": ("Items",), "Scan": ("Items",),
                 "BatchGetItem": ("Responses", "UnprocessedKeys"), "DescribeTable": ("Table",)},
    "kms": {"Encrypt": ("CiphertextBlob",), "Decrypt": ("Plaintext",), "CreateKey": ("KeyMetadata",)},
    "s3": {"ListObjectsV2": ("KeyCount",), "ListBuckets": ("Buckets",)},
    "sqs": {"SendMessage": ("SequenceNumber",), "GetQueueAttributes": ("Attributes",)},
}


class HalfAnswer(RetryableFault, BotoCoreError):
    """A service answered 200 without what that answer always has."""

    fmt = "{service} answered {operation} without {missing}"


def client(service: str, *, config: "Config | None" = None, **options: str) -> Any:
    """A boto3 client that raises HalfAnswer."""
    import boto3  # the tables' clients do without

    made = boto3.client(service, config=config, **options)
    watch(made.meta.events)
    return made


def watch(events: Any) -> None:
    """The client whose events these are raises HalfAnswer from now on."""
    events.register("after-call", _refuse_half_answers)


def _refuse_half_answers(*, http_response: Any, parsed: dict, model: Any, **_: object) -> None:
    if http_response.status_code >= 300:
        return
    service = model.service_model.service_name
    missing = [name for name in _ALWAYS.get(service, {}).get(model.name, ()) if name not in parsed]
    if missing:
        raise HalfAnswer(service=service, operation=model.name, missing=" and ".join(missing))
