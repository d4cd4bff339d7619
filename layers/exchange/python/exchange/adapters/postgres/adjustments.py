"""Adjustments: an amount put onto an account or taken off, asked for by one operator and decided by another.

The decision and its entry are one function of the database (0011_wallet.sql), one transaction; that two operators took part
is a constraint of the table.
"""

from uuid import UUID

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, once, repeatable
from exchange.api.pages import Page

_ROW = f"""j.number, j.id::text, a.profile_id::text AS account_id, j.asset, j.amount::text, j.reason, j.status, j.requested_by,
    j.decided_by, {ISO_TIME.format('j.created_at')} AS created_at, {ISO_TIME.format('j.decided_at')} AS decided_at"""
_FROM = "adjustments j JOIN accounts a ON a.account_no = j.account_no"


def request(adjustment_id: UUID, *, account: int, asset: str, amount: str, reason: str, operator: str) -> str:
    """requested, repeated (the same terms under this id), conflict or unknown_account. May be repeated."""
    return repeatable(lambda connection: connection.execute(
        "SELECT request_adjustment(%s, %s, %s, %s::text::numeric, %s, %s)",
        (adjustment_id, account, asset, amount, reason, operator)).fetchone())[0]


def decide(adjustment_id: UUID, *, approve: bool, operator: str) -> str:
    """approved, refused, unknown, already_decided, same_operator or insufficient_funds."""
    # Not repeated: a second try after a lost connection would only say `already_decided`.
    return once(lambda connection: connection.execute(
        "SELECT decide_adjustment(%s, %s, %s)", (adjustment_id, approve, operator)).fetchone())[0]


def find(adjustment_id: UUID) -> dict | None:
    rows = _rows(f"SELECT {_ROW} FROM {_FROM} WHERE j.id = %s", (adjustment_id,))
    return rows[0] if rows else None


def list_adjustments(status: str | None, page: Page) -> list[dict]:
    """All, or those in one status, newest first, one row more than the page holds if there are more."""
    conditions, values = (["j.status = %s"], [status]) if status is not None else (["true"], [])
    statement, values = page.select(table=_FROM, columns=_ROW, conditions=conditions, values=values, key="j.number")
    return page.in_order(_rows(statement, values))


def _rows(statement: str, values: tuple | list) -> list[dict]:
    return repeatable(
        lambda connection: connection.cursor(row_factory=dict_row).execute(statement, values).fetchall())
