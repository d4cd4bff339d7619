"""For how long a service is left alone after it failed: who asks meanwhile does without it, or is told at once."""

import time


class Pause:
    """`for_s` seconds from each `begin`, by a clock that nobody puts right."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._until_s = 0.0

    def begin(self) -> None:
        self._until_s = time.monotonic() + self._for_s

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self._until_s
