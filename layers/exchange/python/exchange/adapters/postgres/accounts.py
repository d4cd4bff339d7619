"""Accounts, balances, the account's ledger and its holds; deposits.

Reads are single statements. A page is asked for by the number of its neighbour (`Page`), so it neither skips nor repeats
rows when others are added meanwhile.
"""

from exchange.adapters.postgres.connection import repeatable
from exchange.markets import listing


def open_account(user_id: str) -> tuple[int, str]:
    """(account number, profile id) of a user; opens the account with its balance rows on first use. One transaction."""
    row = repeatable(lambda connection: connection.execute(
        "SELECT account_no, profile_id::text FROM open_account(%s, %s)",
        (user_id, list(listing().assets))).fetchone())
    return row[0], row[1]
