"""The base of the DynamoDB tables' models. Their clients raise `answers.HalfAnswer`, which pynamodb wraps as it does all
failures, and have its time-outs."""

from typing import Any

from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from exchange.adapters.aws.answers import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TRIES, watch


class TableMeta:
    """What the `Meta` of every table is derived from."""

    connect_timeout_seconds = CONNECT_TIMEOUT_S
    read_timeout_seconds = READ_TIMEOUT_S
    max_retry_attempts = TRIES - 1


class Table(Model):
    """A row of a table, to be derived with a `Meta` (a TableMeta) that names it."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        known = cls._connection
        table = super()._get_connection()
        if table is not known:
            # pynamodb makes the connection itself, without a say in its class.
            table.connection.__class__ = _Watched
        return table


def condition_failed(error: PynamoDBException) -> bool:
    """Whether a write found that its condition does not hold. pynamodb's own `cause_response_code` raises AttributeError where
    the service did not answer in time."""
    response = getattr(error.cause, "response", None) or {}
    return response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"


class _Watched(Connection):
    """Makes its client at the first call, and again where that one found no credentials."""

    _known: Any = None

    @property
    def client(self) -> Any:
        made = super().client
        if made is not self._known:
            watch(made.meta.events)
            self._known = made
        return made
