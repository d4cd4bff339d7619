"""Transfers as their owner and the operators read them: deposits and withdrawals with their state, newest first.

A page's cursor is a transfer's number. An account's transfers draw theirs while they hold the account's row, withdrawals
also while they hold the queue of requests: no number appears after a larger one that a page may have shown.
"""

from uuid import UUID

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.api.pages import Page

_ROW = f"""t.number, t.id::text, t.kind, t.method, t.asset, t.amount::text, t.fee::text, (t.amount - t.fee)::text AS subtotal,
    t.status, t.destination, t.destination_tag, t.reference, t.external_id, b.id::text AS account_id, a.user_id,
    a.profile_id::text, {ISO_TIME.format('t.created_at')} AS created_at, {ISO_TIME.format('t.completed_at')} AS completed_at,
    {ISO_TIME.format('t.ended_at')} AS ended_at"""
_FROM = """transfers t JOIN accounts a ON a.account_no = t.account_no
    JOIN balances b ON (b.account_no, b.asset) = (t.account_no, t.asset)"""


def find(transfer_id: UUID, *, account: int | None = None) -> dict | None:
    """The transfer with its steps, or None; with an account, only if it is that account's."""
    def read(connection):
        row = connection.cursor(row_factory=dict_row).execute(
            f"SELECT {_ROW} FROM {_FROM} WHERE t.id = %s AND t.account_no = coalesce(%s, t.account_no)",
            (transfer_id, account)).fetchone()
        if row is not None:
            row["steps"] = connection.cursor(row_factory=dict_row).execute(
                f"SELECT status, actor, note, {ISO_TIME.format('created_at')} AS created_at FROM transfer_steps"
                " WHERE transfer_id = %s ORDER BY number", (transfer_id,)).fetchall()
        return row
    return repeatable(read)


def list_transfers(account: int, *, kind: str | None, asset: str | None, page: Page) -> list[dict]:
    """The account's transfers, newest first, one row more than the page holds if there are more."""
    return _page({"t.account_no": account, "t.kind": kind, "t.asset": asset}, page)


def list_withdrawals(status: str | None, page: Page) -> list[dict]:
    """Everybody's withdrawals, for operators; all or those in one status."""
    return _page({"t.kind": "withdrawal", "t.status": status}, page)


def _page(wanted: dict[str, object], page: Page) -> list[dict]:
    given = {column: value for column, value in wanted.items() if value is not None}
    statement, values = page.select(table=_FROM, columns=_ROW, conditions=[f"{column} = %s" for column in given],
                                    values=list(given.values()), key="t.number")
    return page.in_order(repeatable(
        lambda connection: connection.cursor(row_factory=dict_row).execute(statement, values).fetchall()))
