"""An answer of AWS that lacks what its operation always has is no answer, but a fault of the service.

A server that dies while it answers, or another one on its port, can leave an answer of status 200 with an empty body, or with
one that is no JSON: botocore makes an empty dict of either. Some calls would take that for the truth (no such row, no snapshot
yet, the entry is written). So every client of the exchange is made by `client` or is that of a `tables.Table`, and raises
HalfAnswer instead: for botocore and pynamodb a failure like others, for who calls a retryable fault. Whether the operation took
effect is unknown, as after a connection that was lost.

Nor does any of them wait for long for a service that does not answer at all. botocore would wait a minute, five times over; a
function of the API has ten seconds, and what it could have said of the trouble is lost when it is ended for them.
"""

from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from exchange.faults import RetryableFault

# Together with the pause between the tries, of a second at most, less than the 10 s of an operation of the API.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TRIES = 1, 3, 2

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


def client(service: str, *, config: Config | None = None, **options: str) -> Any:
    """A boto3 client that raises HalfAnswer, and botocore's exceptions within 9 s where nobody answers. `config`: for who is no
    function, and has other limits."""
    import boto3  # the tables' clients do without

    limits = Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S,
                    retries={"total_max_attempts": TRIES, "mode": "standard"})
    made = boto3.client(service, config=config or limits, **options)
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
