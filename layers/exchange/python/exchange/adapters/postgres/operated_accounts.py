"""Accounts as operators see and change them: search, one account with its balances, freeze, tier; and what the house earned."""

from uuid import UUID

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, repeatable
from exchange.api.pages import Page

_ACCOUNT = f"""a.account_no AS number, a.profile_id::text AS id, a.user_id, a.tier, a.frozen,
    {ISO_TIME.format('a.created_at')} AS created_at"""


def search(query: str | None, page: Page) -> list[dict]:
    """Users' accounts, newest first, one row more than the page holds if there are more. `query`: an account's number, its
    profile id, the id of one of its balances, or the beginning of its user's id; none for all."""
    conditions, values = ["a.kind = 'trader'"], []
    if query is not None:
        found, bound = ["starts_with(a.user_id, %s)"], [query]
        if query.isascii() and query.isdigit() and len(query) < 19:
            found.append("a.account_no = %s")
            bound.append(int(query))
        try:
            uuid = UUID(query)
        except ValueError:
            pass
        else:
            found += ["a.profile_id = %s", "a.account_no IN (SELECT account_no FROM balances WHERE id = %s)"]
            bound += [uuid, uuid]
        conditions.append(f"({' OR '.join(found)})")
        values += bound
    statement, values = page.select(table="accounts a", columns=_ACCOUNT, conditions=conditions, values=values,
                                    key="a.account_no")
    return page.in_order(_rows(statement, values))


def find(profile_id: UUID) -> dict | None:
    """The account with its balances, counts of open orders and withdrawals, and what operators did to it; or None."""
    found = _rows(f"SELECT {_ACCOUNT} FROM accounts a WHERE a.profile_id = %s AND a.kind = 'trader'", (profile_id,))
    if not found:
        return None
    account, number = found[0], found[0]["number"]
    account["balances"] = _rows(
        "SELECT asset, available::text, held::text, (available + held)::text AS balance FROM balances WHERE account_no = %s"
        " ORDER BY asset", (number,))
    account |= _rows(
        "SELECT (SELECT count(*) FROM orders WHERE account_no = %s AND status <> 'done') AS open_orders, (SELECT count(*)"
        " FROM transfers WHERE account_no = %s AND status IN ('requested', 'approved', 'sent')) AS open_withdrawals",
        (number, number))[0]
    account["actions"] = _rows(
        f"SELECT action, tier, reason, operator, {ISO_TIME.format('created_at')} AS created_at FROM account_actions"
        " WHERE account_no = %s ORDER BY number DESC LIMIT 100", (number,))
    return account


def set_frozen(account: int, frozen: bool, *, operator: str, reason: str) -> str:
    """done, unchanged or unknown_account. Once it is done no hold of the account can grow. One transaction."""
    return _outcome("SELECT set_frozen(%s, %s, %s, %s)", (account, frozen, operator, reason))


def set_tier(account: int, tier: str, *, operator: str, reason: str) -> str:
    """done, unchanged or unknown_account. The tier sets the account's withdrawal limits. One transaction."""
    return _outcome("SELECT set_tier(%s, %s, %s, %s)", (account, tier, operator, reason))


def collected_fees() -> list[dict]:
    """(market or None for withdrawals, asset, amount) of each house account's balance."""
    return _rows("SELECT c.market, b.asset, (b.available + b.held)::text AS amount FROM balances b"
                 " LEFT JOIN settle_cursors c ON c.fee_account = b.account_no"
                 " WHERE b.account_no BETWEEN 2 AND 999 ORDER BY c.market, b.asset", ())


def _outcome(statement: str, values: tuple) -> str:
    return repeatable(lambda connection: connection.execute(statement, values).fetchone())[0]


def _rows(statement: str, values: tuple | list) -> list[dict]:
    return repeatable(
        lambda connection: connection.cursor(row_factory=dict_row).execute(statement, values).fetchall())
