"""A 429 is each client's own exception, or is waited for; on an exchange of its own, whose limits can be reached."""

from collections.abc import Callable

import ccxt
import pytest
from e2e.clients.ccxt_clients import rest_client
from e2e.clients.driving import Driver, Refused
from e2e.conftest import Exchange

pytestmark = pytest.mark.slow


def test_too_many_requests(start_exchange: Callable[..., Exchange], drive: Callable[..., Driver]) -> None:
    exchange = start_exchange(environment={"RATE_LIMITS": "private=1/3"})
    key = exchange.api_key(exchange.new_user())
    client = rest_client(exchange, key)
    with pytest.raises(ccxt.RateLimitExceeded):
        for _ in range(30):
            client.fetch_balance()
    client.session.close()
    private = drive("drivers/coinbasepro_driver.py", key=key, on=exchange)["private"]
    with pytest.raises(Refused) as refused:
        for _ in range(30):
            private.get_accounts()
    assert (refused.value.kind, refused.value.message) == ("RateLimitError", "rate limit exceeded")
    patient = drive("node/coinbase_pro_node.mjs", key=key, on=exchange)["rest.account"]
    assert all(isinstance(patient.listAccounts(), list) for _ in range(3))  # it tries again every second
