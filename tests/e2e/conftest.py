"""The exchange as a new user would start it, and nothing patched.

`exchange` is shared by a session. A test that kills or stops parts starts its own with `start_exchange`.

Two workers share the files (`-n 2 --dist loadfile --no-loadscope-reorder`, as `make test` does): a test waits for half of
its time. Each has an `exchange` of its own, and everything else that is started has free ports and a temporary folder.
What measures by the clock is marked `alone` and runs after them. An exchange stops by itself when its worker is gone.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.exchange import RunningExchange as Exchange

HERE = Path(__file__).parent
# What takes longest comes first, so that no worker is left alone with it at the end; then the files on the shared exchange.
LONG = ("test_screen", "test_local_runtime", "test_faults", "test_stalls", "test_order_flow", "test_api_examples",
        "test_deployed", "test_hostile")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of the files (within one, and among those that are not named, it is pytest's), and how long a test may take."""
    mine = [item for item in items if item.path.is_relative_to(HERE)]
    mine.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    for item in mine:
        # One that starts three exchanges, beside a busy neighbour.
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))
    items[:] = [item for item in items if not item.path.is_relative_to(HERE)] + mine


@contextmanager
def whole_exchange(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Exchange]:
    """An exchange that its tests leave whole: it stops by itself when it is told to."""
    folder = Path(tempfile.mkdtemp(prefix="exchange-"))
    running = Exchange(folder, *arguments, environment=environment)
    try:
        running.start()
        yield running
        assert running.stop() == 0, running.process.stderr.read()
    finally:
        running.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def exchange() -> Iterator[Exchange]:
    """The session's exchange."""
    with whole_exchange() as running:
        yield running


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
