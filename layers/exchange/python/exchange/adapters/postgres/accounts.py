"""Accounts, balances, the account's ledger and its holds.

Reads are single statements. A page is asked for by the number of its neighbour (`Page`), so it neither skips nor repeats
rows when others are added meanwhile.
"""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.adapters.prepared import Prepared
from exchange.api.pages import Page
from exchange.markets import listing

_BALANCE = "id::text, asset, available::text, held::text, (available + held)::text AS balance, frozen"
_BALANCES = Prepared(f"SELECT {_BALANCE} FROM balances WHERE account_no = %s ORDER BY asset")


def open_account(user_id: str) -> tuple[int, str]:
    """(account number, profile id) of a user; opens the account with its balance rows on first use. One transaction."""
    row = repeatable(lambda connection: connection.execute(
        "SELECT account_no, profile_id::text FROM open_account(%s, %s)",
        (user_id, list(listing().assets))).fetchone())
    return row[0], row[1]


def opened_at(account: int) -> str:
    """When the account was opened, ISO 8601."""
    return repeatable(lambda connection: connection.execute(
        f"SELECT {ISO_TIME.format('created_at')} FROM accounts WHERE account_no = %s", (account,)).fetchone())[0]


@dataclass(frozen=True, slots=True)
class Deposit:
    """`outcome`: credited, repeated (this external id was credited before), conflict (it was, with other terms), over_limit or
    unknown_account."""

    outcome: str
    transfer_id: str | None
    created_at: str | None


def deposit(account: int, asset: str, amount: str, *, method: str, external_id: str, limit: str | None = None) -> Deposit:
    """Credits `amount` once per external id, as an entry against custody. One transaction; may be repeated.

    `limit`: the most that this account may receive of the asset by this method in all.
    """
    row = repeatable(lambda connection: connection.execute(
        f"SELECT outcome, transfer_id::text, {ISO_TIME.format('created_at')} FROM credit_deposit("
        "%s, %s, %s::text::numeric, %s, %s, %s::text::numeric)",
        (account, asset, amount, method, external_id, limit)).fetchone())
    return Deposit(*row)


def list_balances(account: int) -> list[dict]:
    """All balance rows of the account, by asset."""
    return repeatable(lambda connection: _BALANCES.read(connection, (account,)))


def find_balance(account: int, balance_id: UUID) -> dict | None:
    """The account's balance row with this id, or None. Somebody else's is None too."""
    rows = _rows(f"SELECT {_BALANCE} FROM balances WHERE id = %s AND account_no = %s", (balance_id, account))
    return rows[0] if rows else None


def list_postings(account: int, asset: str, page: Page) -> list[dict]:
    """The account's ledger in one asset, newest first, one row more than the page holds if there are more."""
    statement, values = page.select(
        table="postings p JOIN ledger_entries e ON e.id = p.entry_id",
        columns=f"""p.id AS number, p.id, p.amount::text, p.balance_after::text AS balance, p.type, p.order_id::text,
            p.trade_id, e.market AS product_id, e.transfer_id::text, {ISO_TIME.format('p.created_at')} AS created_at""",
        conditions=["p.account_no = %s", "p.asset = %s"], values=[account, asset], key="p.id")
    return page.in_order(_rows(statement, values))


def list_holds(account: int, asset: str, page: Page) -> list[dict]:
    """What the account's live orders and withdrawals hold of one asset, newest first, one row more than the page if there are
    more. Both draw their numbers from one sequence while they hold the balance's row, so no number appears late."""
    statement, values = page.select(
        table="holds_needed",
        columns=f"number, type, id::text, amount::text, {ISO_TIME.format('created_at')} AS created_at",
        conditions=["account_no = %s", "asset = %s", "amount > 0"], values=[account, asset])
    return page.in_order(_rows(statement, values))


def _rows(statement: str, values: tuple | list) -> list[dict]:
    return repeatable(
        lambda connection: connection.cursor(row_factory=dict_row).execute(statement, values).fetchall())
