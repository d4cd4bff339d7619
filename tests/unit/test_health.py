"""What of the queues an operator is told; the rest of `exchange.health` is tested through its operation."""

from datetime import UTC, datetime

import pytest

from exchange.health import troubles


@pytest.mark.parametrize("name, age_s, told", [
    ("commands-BTC-USD", 59.9, False), ("commands-BTC-USD", 60, True), ("settle", 75, True),
    ("beat", 75, False), ("beat", 179.9, False), ("beat", 180, True),
])
def test_an_old_message_is_told_of_but_not_one_that_is_at_work(name: str, age_s: float, told: bool) -> None:
    row = {"name": name, "dead": False, "waiting": 0, "in_flight": 1, "oldest_age_s": age_s}
    found = troubles(markets=[], queues=[row], audits=[], withdrawals=[], now=datetime.now(UTC))
    assert [(one["what"], one["subject"]) for one in found] == ([("queue-age", name)] if told else [])


def test_an_age_that_is_not_known_is_no_trouble() -> None:
    row = {"name": "beat", "dead": False, "waiting": 0, "in_flight": 1}
    assert troubles(markets=[], queues=[row], audits=[], withdrawals=[], now=datetime.now(UTC)) == []
