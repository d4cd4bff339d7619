"""All queues of the exchange with their depth and the age of their oldest message, dead letters included.

Read only. In the cloud the counts come from SQS and the ages from CloudWatch, a minute or two old; on one machine both from the
table. Called by `functions/api_admin_get_health`.
"""

import os
from dataclasses import dataclass

from exchange.adapters.ports import command_queue
from exchange.markets import listing


@dataclass(frozen=True, slots=True)
class QueueRow:
    """`dead`: a dead-letter queue, where one message is one too many. `oldest_age_s`: None where it is not known."""

    name: str
    dead: bool
    waiting: int
    in_flight: int
    oldest_age_s: float | None


def queue_urls() -> dict[str, str]:
    """URL of each queue by its short name: `commands-BTC-USD`, `settle`, and each with `-dead`."""
    prefix = os.environ["COMMAND_QUEUE_URL_PREFIX"]
    live = {f"commands-{market}": f"{prefix}{market}.fifo" for market in listing().markets}
    live |= {name: os.environ[f"{name.upper()}_QUEUE_URL"] for name in ("settle", "feed", "push", "beat")}
    return live | {f"{name}-dead": f"{url.removesuffix('.fifo')}-dead.fifo" for name, url in live.items()}


def queue_rows(ages_s: dict[str, float]) -> list[QueueRow]:
    """`ages_s`: by queue name (the URL's last part), for the queues that do not tell themselves."""
    rows = []
    for name, url in queue_urls().items():
        depth = command_queue().depth(url)
        age_s = depth.oldest_age_s if depth.oldest_age_s is not None else ages_s.get(url.rsplit("/", 1)[-1])
        rows.append(QueueRow(name, name.endswith("-dead"), depth.waiting, depth.in_flight, age_s))
    return rows
