"""The C core against the naive core on generated streams: the same events, levels, orders, snapshot and state hash.

Each profile reports which named states it reached (tests/core/wanted.py); a state that none reached fails the run.
`python -m tests.core.soak` does the same for as long as one likes.
"""

import struct
from collections import Counter

import pytest

from matching_core import Book
from matching_core.naive import NaiveBook
from matching_core.records import COMMAND
from tests.core.duel import Duel
from tests.core.streams import PROFILES, Profile, Stream
from tests.core.wanted import WANTED

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
_reached: Counter[str] = Counter()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_c_core_and_naive_core_agree(profile: Profile, seed: int) -> None:
    for life in range(profile.lives):
        duel = Duel(profile, f"{seed}.{life}" if life else seed, Book, NaiveBook)
        duel.run()
        _reached.update(duel.reached)


def test_every_named_state_was_reached() -> None:
    if not _reached:
        pytest.skip("runs after the differential test")
    missing = [name for name in WANTED if not _reached[name]]
    assert not missing, f"never reached: {missing}; reached: {dict(_reached)}"


def test_the_stream_is_the_same_for_the_same_seed() -> None:
    first, second = ([*Stream(PROFILES[0], 7, NaiveBook.create()).batches()] for _ in range(2))
    assert first == second
    assert struct.calcsize(COMMAND.format) == COMMAND.size
