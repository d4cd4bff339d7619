"""Random sequences of all that can happen to the ledger (`ledger_machine`), the same few in each run, and new ones for longer:

    make soak-ledger SECONDS=600
"""

import os
import time
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.ledger_machine import LedgerMachine

SECONDS = float(os.environ.get("LEDGER_SOAK_S", "0"))


@pytest.fixture
def machine(postgres_dsn, _ledger_template, monkeypatch):
    """The machine, on a copy of the migrated template for each example."""
    made = []

    def new_dsn() -> str:
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            while made:
                connection.execute(f"DROP DATABASE {made.pop()} WITH (FORCE)")
            made.append(f"machine_{uuid4().hex[:12]}")
            connection.execute(f"CREATE DATABASE {made[-1]} TEMPLATE {_ledger_template}")
        dsn = postgres_dsn.replace("/postgres?", f"/{made[-1]}?")
        monkeypatch.setenv("DATABASE_DSN", dsn)
        return dsn

    monkeypatch.setattr(LedgerMachine, "new_dsn", staticmethod(new_dsn))
    yield LedgerMachine
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        while made:
            connection.execute(f"DROP DATABASE {made.pop()} WITH (FORCE)")


@pytest.mark.timeout(max(600, int(SECONDS * 2)))
def test_the_books_are_right_after_every_step(machine):
    """Without a soak a dozen sequences; with one, new ones until the time is over."""
    deadline = time.monotonic() + SECONDS
    while True:
        run_state_machine_as_test(machine, settings=settings(
            max_examples=8, stateful_step_count=30, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            derandomize=not SECONDS, phases=(Phase.generate,) if not SECONDS else (Phase.generate, Phase.shrink)))
        if time.monotonic() >= deadline:
            break
    print(dict(machine.reached))
    assert machine.reached["TRADE"] > 0 and machine.reached["killed"] > 0 and machine.reached["DONE"] > 0
