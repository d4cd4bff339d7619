"""From the body of a withdrawal to what the ledger is asked for, and the public objects of transfers and addresses.

The amount in the body leaves the account and the fee comes off it, unless `add_network_fee_to_total` says that the fee comes
on top. `idem`, a UUID of the client's, makes a request repeatable. Every refusal is a BadRequest with a documented code.
"""

import os
from uuid import UUID, uuid4

from exchange.adapters.postgres.withdrawals import WithdrawalRequest
from exchange.adapters.sandbox_custody import payment_method_id
from exchange.api.errors import BadRequest
from exchange.api.render import at_scale
from exchange.api.request import Caller, parse_uuid
from exchange.markets import Asset, listing
from exchange.money import MoneyError

CRYPTO, PAYMENT_METHOD = "crypto", "payment-method"
MAX_ADDRESS, MAX_TAG, MAX_LABEL = 128, 64, 64


def listed_asset(value: object) -> Asset:
    """The asset that a `currency` field names."""
    asset = listing().assets.get(value) if isinstance(value, str) else None
    if asset is None:
        raise BadRequest("currency is not listed", "currency_not_found")
    return asset


def parse_withdrawal(body: dict, method: str, caller: Caller) -> WithdrawalRequest:
    """The request in a parsed body; BadRequest where it cannot be made."""
    asset = listed_asset(body.get("currency"))
    if asset.withdrawal is None or (asset.kind == "crypto") != (method == CRYPTO):
        raise BadRequest(f"{asset.id} cannot be withdrawn by {method}", "currency_not_withdrawable")
    amount, fee = _units(body, asset), asset.parse(asset.withdrawal.fee)
    if _flag(body, "add_network_fee_to_total"):
        amount += fee
    if amount < asset.parse(asset.withdrawal.min):
        raise BadRequest(f"Invalid amount: the least is {asset.withdrawal.min} {asset.id}", "invalid_amount")
    idem = body.get("idem")
    given = uuid4() if idem is None else parse_uuid(idem)
    if given is None:
        raise BadRequest("idem is no UUID", "invalid_idem")
    destination, tag = _destination(body, asset, method, caller)
    return WithdrawalRequest(
        id=uuid4(), account=caller.account, asset=asset, method=method, amount=asset.format(amount), fee=asset.format(fee),
        external_id=f"withdrawal:{caller.account}:{given}", destination=destination, destination_tag=tag, actor=caller.user_id)


def refuse_outcome(outcome: str, asset: Asset) -> None:
    """Raises the error of an outcome of `withdrawals.request` that is none of the good ones."""
    if outcome == "conflict":
        raise BadRequest("idem was used before, for a different withdrawal", "duplicate_idem")
    if outcome == "account_frozen":
        raise BadRequest("account is frozen: no new orders and no withdrawals", "account_frozen")
    if outcome == "unknown_address":
        raise BadRequest("crypto_address is not in the address book, add it there first", "address_not_in_book")
    if outcome == "waiting_address":
        raise BadRequest("crypto_address is new, its waiting time is not over", "address_waiting")
    if outcome == "over_limit":
        raise BadRequest(f"the account's limit of {asset.id} in 24 hours is reached", "withdrawal_limit_reached")
    if outcome == "insufficient_funds":
        raise BadRequest("Insufficient funds", "insufficient_funds")


def parse_addresses(body: dict) -> list[tuple[str, str, str, str]]:
    """(asset, address, destination tag, label) of each of `addresses`; 1 to 50 of them."""
    rows = body.get("addresses")
    if not isinstance(rows, list) or not 1 <= len(rows) <= 50:
        raise BadRequest("addresses: wanted a list of 1 to 50", "invalid_addresses")
    entries = []
    for row in rows:
        to = row.get("to") if isinstance(row, dict) else None
        if not isinstance(to, dict):
            raise BadRequest("addresses: each has currency and to, an object with an address", "invalid_addresses")
        asset = listed_asset(row.get("currency"))
        if asset.kind != "crypto":
            raise BadRequest(f"{asset.id} cannot be withdrawn by {CRYPTO}", "currency_not_withdrawable")
        entries.append((asset.id, _text(to, "address", MAX_ADDRESS), _text(to, "destination_tag", MAX_TAG, default=""),
                        _label(row.get("label"))))
    return entries


def transfer_object(row: dict) -> dict:
    """The public transfer of a row of `adapters.postgres.transfers`."""
    scale = listing().assets[row["asset"]].scale
    withdrawal = row["kind"] == "withdrawal"
    details = {"subtotal": at_scale(row["subtotal"], scale), "fee": at_scale(row["fee"], scale), "method": row["method"]}
    if row["method"] == PAYMENT_METHOD:
        details["coinbase_payment_method_id"] = row["destination"]
    elif row["destination"] is not None:
        details["crypto_address"] = details["sent_to_address"] = row["destination"]
    if row["destination_tag"]:
        details["destination_tag"] = row["destination_tag"]
    if row["reference"] is not None:
        details["crypto_transaction_hash" if row["method"] == CRYPTO else "reference"] = row["reference"]
    shown = {"id": row["id"], "type": "withdraw" if withdrawal else "deposit", "created_at": row["created_at"],
             "account_id": row["account_id"], "user_id": row["user_id"], "profile_id": row["profile_id"],
             "currency": row["asset"], "amount": at_scale(row["amount"], scale), "status": row["status"], "details": details}
    if row["completed_at"] is not None:
        shown["completed_at"] = shown["processed_at"] = row["completed_at"]
    elif row["ended_at"] is not None:
        shown["canceled_at"] = row["ended_at"]
    if withdrawal:
        shown["idem"] = row["external_id"].rpartition(":")[2]
    if "steps" in row:
        shown["steps"] = [{"status": step["status"], "created_at": step["created_at"],
                           **({"note": step["note"]} if step["note"] else {})} for step in row["steps"]]
    return shown


def address_object(row: dict) -> dict:
    """The public entry of the address book; `address_book_entry_pending_until` while its waiting time lasts."""
    tag = {"destination_tag": row["destination_tag"]} if row["destination_tag"] else {}
    shown = {"id": row["id"], "currency": row["asset"], "address": row["address"], "display_address": row["address"],
             "label": row["label"], "address_info": {"address": row["address"], "display_address": row["address"], **tag},
             "address_booked": True, "trusted": row["usable"], "address_book_added_at": row["created_at"], **tag}
    if not row["usable"]:
        shown["address_book_entry_pending_until"] = row["usable_at"]
    return shown


def sandbox() -> bool:
    return os.environ.get("SANDBOX") == "1"


def _destination(body: dict, asset: Asset, method: str, caller: Caller) -> tuple[str, str]:
    if method == CRYPTO:
        return _text(body, "crypto_address", MAX_ADDRESS), _text(body, "destination_tag", MAX_TAG, default="")
    wanted: UUID | None = parse_uuid(body.get("payment_method_id"))
    if wanted is None or wanted != payment_method_id(caller.profile_id, asset.id):
        raise BadRequest("payment_method_id is none of yours", "payment_method_not_found")
    return str(wanted), ""


def _units(body: dict, asset: Asset) -> int:
    try:
        units = asset.parse(body.get("amount"))
    except MoneyError as error:
        raise BadRequest(f"Invalid amount: {error}", "invalid_amount") from None
    if units <= 0 or units >= 10 ** (15 + asset.scale):
        raise BadRequest("Invalid amount: it is out of range", "invalid_amount")
    return units


def _text(body: dict, name: str, longest: int, default: str | None = None) -> str:
    value = body.get(name)
    if value is None and default is not None:
        return default
    # One word of printable ASCII; an address with a space in it is a mistake on its way to a loss.
    if not isinstance(value, str) or len(value) > longest or not (value or default == "") or any(
            not "!" <= letter <= "~" for letter in value):
        raise BadRequest(f"Invalid {name}: wanted 1 to {longest} printable characters", f"invalid_{name}")
    return value


def _label(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_LABEL or not value.isprintable():
        raise BadRequest(f"Invalid label: wanted at most {MAX_LABEL} printable characters", "invalid_label")
    return value


def _flag(body: dict, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"Invalid {name}: wanted true or false", f"invalid_{name}")
    return value
