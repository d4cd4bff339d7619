"""Waiting for what follows an answer: the match, the settlement and the feed come after it, within tens of milliseconds."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], within_s: float = 15.0) -> T:
    """The condition's first true value; AssertionError when there is none within `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within_s} s; last answer {value!r}"
        time.sleep(0.03)
