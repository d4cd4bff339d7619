"""Watches over the dead man's switches: cancels all orders of an account whose switch has run out.

Started every minute. It fires what has run out, and goes on looking for as long as a switch runs out within its minute; so a
bot that keeps its switch set is watched all the time. A switch that is set for less than what is left of a minute that nobody
watches fires at the next minute's start.
"""

import logging
import time

from exchange.adapters import cancels
from exchange.adapters.postgres import cancel_switches

WATCH_S = 60
LOOK_EVERY_S = 1.0

logger = logging.getLogger("exchange.engine_cancel_after")


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers how many accounts' orders were canceled. Raises when a service fails;
    what had run out is then found again."""
    until, fired = time.monotonic() + WATCH_S, 0
    while True:
        fired += _fire()
        wait_s = cancel_switches.next_s()
        if wait_s is None or time.monotonic() + wait_s > until:
            return {"fired": fired}
        time.sleep(min(max(wait_s, 0.05), LOOK_EVERY_S))


def _fire() -> int:
    found = cancel_switches.run_out()
    for account, at_ms in found:
        # Named by the switch: a second try within the queue's window sends nothing twice.
        ids = cancels.cancel_all(account, market=None, now_ms=time.time_ns() // 1_000_000,
                                 name=f"cancel-after:{account}:{at_ms}")
        cancel_switches.remove_run_out(account)
        logger.warning("the switch of account %s ran out, cancels sent: %s", account, len(ids))
    return len(found)
