"""The demo's accounts: made at the first start and used again at every other; the sign-in for a newcomer beside them.

`demo.json` in the data folder holds their passwords and API keys; only its owner can read it. `prepare` makes what is missing.
"""

import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

MAKER, TAKER, NEWCOMER = "demo-maker@example.com", "demo-taker@example.com", "demo@example.com"


@dataclass
class Account:
    """One account's sign-in and, once made, its API key."""

    email: str
    password: str
    key: str = ""
    secret: str = ""
    passphrase: str = ""


class DemoAccounts:
    """The file."""

    def __init__(self, data: Path) -> None:
        self._path = data / "demo.json"

    def login(self, email: str) -> Account:
        """Draws a password at the first call and answers the same one ever after."""
        kept = self._read()
        if email not in kept:
            kept[email] = asdict(Account(email, f"Play-money-{secrets.randbelow(9_000) + 1_000}"))
            self._write(kept)
        return Account(**kept[email])

    def keep(self, account: Account) -> None:
        self._write(self._read() | {account.email: asdict(account)})

    def _read(self) -> dict[str, dict]:
        try:
            return json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}

    def _write(self, kept: dict[str, dict]) -> None:
        temporary = self._path.with_suffix(".new")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(kept, file, indent=1)
        os.replace(temporary, self._path)


def faucet_id(email: str, currency: str) -> str:
    """Names an account's one draw of a currency, so that asking again credits nothing twice."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"demo:{email}:{currency}"))
