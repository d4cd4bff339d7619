"""What the custody tells us, signed: `POST /custody/notices`.

    x-custody-timestamp   seconds since 1970, within 300 s of our clock
    x-custody-signature   hex HMAC-SHA256(secret, timestamp + "." + body)

A notice has an id of the custody's; the same one is taken once, whatever the window. Checked before anything is read of the
body, and in a time that does not depend on where the signature is wrong.
"""

import hmac
from dataclasses import dataclass
from uuid import UUID

from exchange.api.errors import BadRequest, Unauthorized
from exchange.api.request import Request, parse_uuid
from exchange.api.withdrawals import listed_asset
from exchange.markets import Asset
from exchange.money import MoneyError

WINDOW_S = 300


@dataclass(frozen=True, slots=True)
class DepositNotice:
    """Coins came in at one of our addresses."""

    id: str
    asset: Asset
    address: str
    amount: str


@dataclass(frozen=True, slots=True)
class PayoutNotice:
    """The last word on a withdrawal that was sent."""

    id: str
    transfer_id: UUID
    settled: bool
    reference: str


def notice_signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `x-custody-signature` must be."""
    return hmac.digest(secret.encode(), f"{timestamp}.".encode("utf-8", "surrogatepass") + body, "sha256").hex()


def check_notice(request: Request, secret: str | None) -> None:
    """Raises Unauthorized unless the request is signed and recent."""
    timestamp, given = request.headers.get("x-custody-timestamp", ""), request.headers.get("x-custody-signature", "")
    # Without a secret nothing can be right; the comparison is made all the same.
    wanted = notice_signature(secret or "", timestamp, request.body)
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogatepass")) or secret is None:
        raise Unauthorized("invalid notice signature", "invalid_notice_signature")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12
            and abs(request.received_at_ms / 1000 - int(timestamp)) <= WINDOW_S):
        raise Unauthorized("notice timestamp expired", "notice_expired")


def parse_notice(body: dict) -> DepositNotice | PayoutNotice:
    """The notice in a parsed body; BadRequest for anything else."""
    notice_id = _word(body, "id")
    if body.get("type") == "deposit":
        asset = listed_asset(body.get("currency"))
        try:
            units = asset.parse(body.get("amount"))
        except MoneyError as error:
            raise BadRequest(f"Invalid amount: {error}", "invalid_amount") from None
        if not 0 < units < 10 ** (15 + asset.scale):
            raise BadRequest("Invalid amount: it is out of range", "invalid_amount")
        return DepositNotice(notice_id, asset, _word(body, "address"), asset.format(units))
    if body.get("type") == "payout":
        transfer_id = parse_uuid(body.get("transfer_id"))
        if transfer_id is None or not isinstance(body.get("settled"), bool):
            raise BadRequest("a payout has transfer_id, a UUID, and settled, true or false", "invalid_notice")
        return PayoutNotice(notice_id, transfer_id, body["settled"], _word(body, "reference"))
    raise BadRequest("type is neither deposit nor payout", "invalid_notice")


def _word(body: dict, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= 128 or any(not "!" <= letter <= "~" for letter in value):
        raise BadRequest(f"{field}: wanted 1 to 128 printable characters", "invalid_notice")
    return value
