"""An operator halts a market, lets it collect orders for an auction, or opens it: the status row and a command.

    halt            record -> status row -> HALT -> tell the feed
    auction, resume record -> AUCTION or UNCROSS -> status row, if it is still the one that was looked at -> tell the feed

The command is in the market's queue and so in the journal, behind the orders that were acknowledged before it. Opening by
UNCROSS trades what an auction left crossed at one price, then the market matches as usual. A crash between two steps leaves a
market that takes fewer orders than it could, never more; the same act may be repeated.

Called by `functions/api_admin_steer_market`.
"""

from uuid import UUID

from exchange.adapters.halt import send_command, tell_status
from exchange.adapters.market_status import MarketStatus, StatusChanged
from exchange.adapters.postgres.operator_actions import record
from exchange.commands import CommandKind
from exchange.market_modes import HALT, Move, Status


class WrongStatus(ValueError):
    """The market is not in a status from which this move is allowed. The message is for the operator."""


class NotAcknowledged(ValueError):
    """The market halted for a broken invariant, and the operator has not said that it is understood and put right."""


def steer(market: str, move: Move, *, reason: str, operator: str, acknowledged: bool) -> tuple[UUID, Status]:
    """(id of the recorded act, the new status). Raises WrongStatus, NotAcknowledged, StatusChanged."""
    statuses = MarketStatus()
    seen = statuses.newest(market)
    if seen.status not in move.allowed_from:
        raise WrongStatus(f"{market} is {seen.status}, {move.name} is for {' and '.join(sorted(move.allowed_from))}")
    if seen.broken and move is not HALT and not acknowledged:
        raise NotAcknowledged(f"{market} was halted because an invariant is broken ({seen.reason}): it takes "
                              "acknowledge_broken_invariant to open it")
    action = record(operator=operator, action=f"market.{move.name}", subject=market, reason=reason, details={
        "from": seen.status, "broken": seen.broken, "acknowledged": acknowledged, "was": seen.reason})
    dedup_id = f"operator:{action}"
    if move.closes:
        status = statuses.halt(market, reason=reason, by=operator, broken=False)
        send_command(market, move.command, dedup_id=dedup_id)
        tell_status(market, status)
        return action, status
    send_command(market, move.command, dedup_id=dedup_id)
    try:
        status = statuses.move(market, seen, to=move.to, reason=reason, by=operator)
    except StatusChanged:
        if statuses.newest(market).halted:
            # Its HALT may stand before our command in the queue, and must have the last word.
            send_command(market, CommandKind.HALT, dedup_id=f"{dedup_id}:halt")
        raise
    tell_status(market, status)
    return action, status
