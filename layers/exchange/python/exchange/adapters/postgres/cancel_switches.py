"""The dead man's switches: by when an account must have spoken, or all its orders are canceled.

The database's clock decides, for who sets a switch and for who looks. A switch is removed only after the cancels were sent and
only if it was not set anew meanwhile, so a crash between the two cancels twice and never not at all.
"""

from exchange.adapters.postgres.connection import ISO_TIME, repeatable


def set_switch(account: int, timeout_s: int) -> str:
    """(Re)starts the account's switch; the time it runs out, ISO 8601."""
    return repeatable(lambda connection: connection.execute(
        "INSERT INTO cancel_switches (account_no, cancel_at) VALUES (%s, now() + make_interval(secs => %s))"
        " ON CONFLICT (account_no) DO UPDATE SET cancel_at = EXCLUDED.cancel_at, set_at = now()"
        f" RETURNING {ISO_TIME.format('cancel_at')}", (account, timeout_s)).fetchone())[0]


def remove_switch(account: int) -> None:
    """Switches it off; nothing happens to one that is off."""
    repeatable(lambda connection: connection.execute("DELETE FROM cancel_switches WHERE account_no = %s", (account,)))


def run_out() -> list[tuple[int, int]]:
    """(account, when in ms since 1970) of each switch whose time has come, oldest first."""
    return repeatable(lambda connection: connection.execute(
        "SELECT account_no, (extract(epoch FROM cancel_at) * 1000)::bigint FROM cancel_switches WHERE cancel_at <= now()"
        " ORDER BY cancel_at LIMIT 1000").fetchall())


def remove_run_out(account: int) -> None:
    """Removes the account's switch if its time has come still."""
    repeatable(lambda connection: connection.execute(
        "DELETE FROM cancel_switches WHERE account_no = %s AND cancel_at <= now()", (account,)))


def next_s() -> float | None:
    """Seconds until the next switch runs out, None where none is set."""
    return repeatable(lambda connection: connection.execute(
        "SELECT extract(epoch FROM min(cancel_at) - now())::float8 FROM cancel_switches").fetchone())[0]
