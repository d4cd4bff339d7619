"""Unmodified clients against the session's exchange (`exchange`, see e2e/conftest.py).

They are given its URLs and a key, and nothing else.
"""

from collections.abc import Callable, Iterator

import pytest
from e2e.clients.driving import HERE as CLIENTS
from e2e.clients.driving import PYTHON, Driver, settings_of

from bench.client import Key
from bench.exchange import RunningExchange as Exchange

RICH = {"USD": "100000", "BTC": "10", "ETH": "100", "SOL": "1000"}


@pytest.fixture(scope="session", autouse=True)
def environments() -> None:
    """The clients' own environments, made by `make clients`."""
    for part in (PYTHON, CLIENTS / "node" / "node_modules"):
        assert part.exists(), f"{part} is not there; `make clients` installs the clients"


@pytest.fixture(scope="module")
def key(exchange: Exchange) -> Key:
    """Of an account of the module's own, with RICH's balances."""
    return exchange.funded_key(RICH)


@pytest.fixture(scope="module")
def drive(exchange: Exchange) -> Iterator[Callable[..., Driver]]:
    """Starts a driver's script; what still runs at the module's end is stopped. `key`: who it trades for, else an account of
    its own with RICH's balances; `on`: another exchange than the session's."""
    started: list[Driver] = []

    def start(script: str, product_id: str = "SOL-USD", *, key: Key | None = None, on: Exchange = exchange) -> Driver:
        started.append(Driver(script, settings_of(on, key or on.funded_key(RICH), product_id)))
        return started[-1]

    yield start
    for driver in started:
        driver.close()
