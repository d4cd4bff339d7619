"""What operators did: one row per act, written before it, never changed.

`action` is `<what>.<verb>`: `market.halt`, `account.freeze`. Written by the operators' operations, through here only.
"""

from uuid import UUID, uuid4

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.api.pages import Page

_COLUMNS = f"number, id::text, {ISO_TIME.format('at')} AS at, operator, action, subject, reason, details"


def record(*, operator: str, action: str, subject: str, reason: str, details: dict | None = None) -> UUID:
    """Writes the act down and answers its id. One statement; the id makes it repeatable."""
    action_id = uuid4()
    repeatable(lambda connection: connection.execute(
        "INSERT INTO operator_actions (id, operator, action, subject, reason, details) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING", (action_id, operator, action, subject, reason, Jsonb(details or {}))))
    return action_id


def list_actions(page: Page, *, subject: str | None = None) -> list[dict]:
    """Newest first, one row more than the page holds if there are more; of one subject, or of all."""
    conditions, values = (["subject = %s"], [subject]) if subject else (["true"], [])
    statement, values = page.select(table="operator_actions", columns=_COLUMNS, conditions=conditions, values=values)
    return page.in_order(repeatable(
        lambda connection: connection.cursor(row_factory=dict_row).execute(statement, values).fetchall()))
