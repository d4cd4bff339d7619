"""`python -m local.demo.prepare`: signs the demo's users up where they are missing and gives the bots their keys.

Through the public APIs only, as any user. May be repeated: what is there is used again; a key that the exchange no longer
knows, because its data was lost, is made anew.
"""

import argparse
import sys
from pathlib import Path

from local.addresses import DataFolder, Run
from local.demo.accounts import MAKER, NEWCOMER, TAKER, Account, DemoAccounts, faucet_id
from local.user import Refused, call, faucet_limits, sign_in, sign_up

# What the newcomer finds; the rest of the faucet is left for trying it.
NEWCOMERS_FUNDS = {"USD": "50000", "BTC": "1", "ETH": "10"}


def prepare(run: Run, accounts: DemoAccounts) -> None:
    for email in (MAKER, TAKER):
        _give_key(run, accounts, accounts.login(email))
    token = _token(run, accounts.login(NEWCOMER))
    for currency, amount in NEWCOMERS_FUNDS.items():
        if currency in faucet_limits():
            try:
                call(f"{run.application}/deposits/faucet", token=token, method="POST",
                     body={"currency": currency, "amount": amount, "id": faucet_id(NEWCOMER, currency)})
            except Refused as refused:
                print(f"{NEWCOMER}: {refused}", flush=True)


def _give_key(run: Run, accounts: DemoAccounts, account: Account) -> None:
    token = _token(run, account)
    if account.key and account.key in {row["key"] for row in call(f"{run.application}/api-keys", token=token)}:
        return
    made = call(f"{run.application}/api-keys", token=token, method="POST",
                body={"label": account.email.partition("@")[0], "scopes": ["view", "trade", "transfer"]})
    accounts.keep(Account(account.email, account.password, made["key"], made["secret"], made["passphrase"]))


def _token(run: Run, account: Account) -> str:
    sign_up(run, email=account.email, password=account.password)
    return sign_in(run, email=account.email, password=account.password)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    folder = DataFolder(parser.parse_args().data)
    run = folder.read_run()
    if run is None:
        sys.exit("no exchange runs on this folder")
    prepare(run, DemoAccounts(folder.path))


if __name__ == "__main__":
    main()
