"""Every minute: asks the custody to pay what is approved, and what was sent before and has no answer yet.

    begin (ledger: sent) -> pay (custody, once per id) -> finish (ledger: completed or returned, with its entry)

A crash anywhere in between leaves the withdrawal `sent`, and the next run asks again: the custody pays once per id, the ledger
finishes once. What cannot be sent holds up nothing else; a failure is raised at the end, for the alarm.
"""

import logging

from exchange.adapters.postgres import withdrawals
from exchange.adapters.sandbox_custody import custody
from exchange.faults import RetryableFault

AT_MOST = 200

logger = logging.getLogger("exchange.ledger_send_withdrawals")


def lambda_handler(event: dict, context: object) -> dict:
    """Answers how many ended in which status."""
    outcomes: dict[str, int] = {}
    failed: list[str] = []
    for transfer_id in withdrawals.to_send(AT_MOST):
        try:
            outcome = _send(transfer_id)
        except Exception:
            logger.exception("withdrawal %s could not be sent", transfer_id)
            failed.append(str(transfer_id))
        else:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    if failed:
        raise RetryableFault(f"{len(failed)} withdrawal(s) wait for the next run: {', '.join(failed[:10])}")
    return outcomes


def _send(transfer_id) -> str:
    adapter = custody()  # before the ledger says `sent`: without an adapter a withdrawal stays approved
    payout = withdrawals.begin(transfer_id)
    if payout is None:
        return "not_sent"
    receipt = adapter.pay(payout)
    return "sent" if receipt is None else withdrawals.finish(transfer_id, receipt)
