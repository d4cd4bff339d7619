"""What a process of the local runtime asks of the operating system."""

import resource
import subprocess
import sys

import pytest

from local.processes import MOST_OPEN_FILES

ASK = """import resource
from local.processes import allow_many_connections
allow_many_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "after"), [(300, 2000, 2000), (2000, 2000, 2000), (300, None, MOST_OPEN_FILES)])
def test_the_limit_of_open_files_is_lifted_as_far_as_it_may_be(soft: int, hard: int | None, after: int) -> None:
    present = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard is None and present < MOST_OPEN_FILES:
        pytest.skip("this machine allows no more")
    allowed = present if hard is None else hard
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, allowed)))
    assert done.stdout.split() == [str(after), str(allowed)]
