"""The address book (where an account may withdraw crypto to, and from when on) and its deposit addresses."""

from uuid import UUID

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import ISO_TIME, once, repeatable

MOST_ADDRESSES = 100

_ENTRY = f"""id::text, asset, address, destination_tag, label, usable_at <= now() AS usable,
    {ISO_TIME.format('created_at')} AS created_at, {ISO_TIME.format('usable_at')} AS usable_at"""


class TooManyAddresses(ValueError):
    """The account's address book is full; nothing was added."""


def list_addresses(account: int) -> list[dict]:
    """The account's address book, newest first; at most MOST_ADDRESSES rows."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(
        f"SELECT {_ENTRY} FROM withdrawal_addresses WHERE account_no = %s AND deleted_at IS NULL ORDER BY number DESC",
        (account,)).fetchall())


def add_addresses(account: int, entries: list[tuple[str, str, str, str]], *, wait_s: int) -> list[dict]:
    """Adds (asset, address, destination tag, label) and answers the rows. One that is there stays as it is, its waiting time
    included, so a repeat changes nothing. One transaction; raises TooManyAddresses."""
    def add(connection):
        with connection.transaction():
            connection.execute("SELECT FROM accounts WHERE account_no = %s FOR NO KEY UPDATE", (account,))
            connection.cursor().executemany(
                "INSERT INTO withdrawal_addresses (account_no, asset, address, destination_tag, label, usable_at)"
                " VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s)) ON CONFLICT DO NOTHING",
                [(account, *entry, wait_s) for entry in entries])
            count, = connection.execute("SELECT count(*) FROM withdrawal_addresses"
                                        " WHERE account_no = %s AND deleted_at IS NULL", (account,)).fetchone()
            if count > MOST_ADDRESSES:
                raise TooManyAddresses(f"{count} addresses, at most {MOST_ADDRESSES}")
            return [connection.cursor(row_factory=dict_row).execute(
                f"SELECT {_ENTRY} FROM withdrawal_addresses WHERE account_no = %s AND deleted_at IS NULL AND asset = %s"
                " AND address = %s AND destination_tag = %s", (account, *entry[:3])).fetchone() for entry in entries]
    return repeatable(add)


def delete_address(account: int, address_id: UUID) -> bool:
    """Takes the address out of the book; False if the account has no such address."""
    return once(lambda connection: connection.execute(
        "UPDATE withdrawal_addresses SET deleted_at = now() WHERE id = %s AND account_no = %s AND deleted_at IS NULL",
        (address_id, account)).rowcount) == 1


def keep_deposit_address(account: int, asset: str, address: str) -> dict:
    """The account's deposit address in this asset: `address` at first, the same one from then on."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(
        "WITH made AS (INSERT INTO deposit_addresses (account_no, asset, address) VALUES (%s, %s, %s)"
        " ON CONFLICT (account_no, asset) DO UPDATE SET asset = EXCLUDED.asset RETURNING *)"
        f" SELECT id::text, asset, address, {ISO_TIME.format('created_at')} AS created_at FROM made",
        (account, asset, address)).fetchone())


def account_of(asset: str, address: str) -> int | None:
    """The account whose deposit address in this asset it is, or None."""
    row = repeatable(lambda connection: connection.execute(
        "SELECT account_no FROM deposit_addresses WHERE asset = %s AND address = %s", (asset, address)).fetchone())
    return row[0] if row else None
