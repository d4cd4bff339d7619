"""The exchange as a new user would start it, and nothing patched.

`exchange` is shared by a session. A test that kills or stops parts starts its own with `start_exchange`.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.exchange import RunningExchange as Exchange


@pytest.fixture(scope="session")
def exchange() -> Iterator[Exchange]:
    """The session's exchange."""
    folder = Path(tempfile.mkdtemp(prefix="exchange-"))
    running = Exchange(folder)
    try:
        running.start()
        yield running
        assert running.stop() == 0, running.process.stderr.read()
    finally:
        running.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Exchange]]:
    """Starts exchanges of the test's own; what still runs at its end is killed."""
    started: list[Exchange] = []

    def start(data: Path | None = None, *arguments: str, environment: dict[str, str] | None = None) -> Exchange:
        running = Exchange(data or tmp_path_factory.mktemp("exchange"), *arguments, environment=environment)
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.kill_all()
