"""The base of the DynamoDB tables' models. Their clients raise `answers.HalfAnswer`, which pynamodb wraps as it does all
failures."""

from typing import Any

from pynamodb.connection import Connection, TableConnection
from pynamodb.models import Model

from exchange.adapters.aws.answers import watch


class Table(Model):
    """A row of a table, to be derived with a `Meta` that names it."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        known = cls._connection
        table = super()._get_connection()
        if table is not known:
            # pynamodb makes the connection itself, without a say in its class.
            table.connection.__class__ = _Watched
        return table


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
