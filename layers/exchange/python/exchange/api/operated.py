"""The public objects that operators read: accounts and adjustments; and the account that a path or a body names."""

from uuid import UUID

from exchange.adapters.postgres import operated_accounts
from exchange.api.errors import NotFound
from exchange.api.render import at_scale
from exchange.markets import listing


def account_of(profile_id: UUID | None) -> dict:
    """The account's row; NotFound for none."""
    account = operated_accounts.find(profile_id) if profile_id is not None else None
    if account is None:
        raise NotFound()
    return account


def operated_account(row: dict) -> dict:
    """An account of a list, or, with its balances, a single one."""
    shown = {"id": row["id"], "number": row["number"], "user_id": row["user_id"], "tier": row["tier"],
             "status": "frozen" if row["frozen"] else "active", "created_at": row["created_at"]}
    if "balances" in row:
        shown["balances"] = [
            {"currency": balance["asset"], **{name: at_scale(balance[column], scale_of(balance["asset"])) for name, column in
                                              (("balance", "balance"), ("available", "available"), ("hold", "held"))}}
            for balance in row["balances"]]
        shown["actions"] = [{name: value for name, value in action.items() if value is not None} for action in row["actions"]]
        shown |= {"open_orders": row["open_orders"], "open_withdrawals": row["open_withdrawals"]}
    return shown


def adjustment_object(row: dict) -> dict:
    shown = {name: row[name] for name in ("id", "account_id", "reason", "status", "requested_by", "created_at", "decided_by",
                                          "decided_at") if row[name] is not None}
    return shown | {"currency": row["asset"], "amount": at_scale(row["amount"], scale_of(row["asset"]))}


def scale_of(asset: str) -> int:
    """Of an asset that is not listed any more, the ledger's own."""
    listed = listing().assets.get(asset)
    return listed.scale if listed else 8
