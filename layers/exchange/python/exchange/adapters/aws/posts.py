"""Posting to WebSocket connections: API Gateway's @connections at CONNECTIONS_ENDPOINT."""

import os
from functools import lru_cache

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Posts run in this many threads at once; each needs a connection of its own.
POSTS_AT_ONCE = 16


class Gone(Exception):
    """The connection does not exist any more."""


class PostRefused(Exception):
    """The service would not take the message for this connection, after retries: too slow a reader, or too large."""


@lru_cache(maxsize=1)
def _client():
    return boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["CONNECTIONS_ENDPOINT"], config=Config(
        connect_timeout=2, read_timeout=5, max_pool_connections=POSTS_AT_ONCE,
        retries={"mode": "standard", "total_max_attempts": 3}, parameter_validation=False))


def post(connection_id: str, text: str) -> None:
    """Hands one message over. Raises Gone or PostRefused; a service out of reach raises botocore's error."""
    try:
        _client().post_to_connection(ConnectionId=connection_id, Data=text.encode())
    except ClientError as error:
        raise _meaning(error) from error


def disconnect(connection_id: str) -> None:
    """Ends a connection; one that is gone already is no error."""
    try:
        _client().delete_connection(ConnectionId=connection_id)
    except ClientError as error:
        if not isinstance(_meaning(error), Gone):
            raise


def _meaning(error: ClientError) -> Exception:
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if status == 410:
        return Gone(str(error))
    if status in (400, 413, 429):
        return PostRefused(str(error))
    return error
