"""Seeds of a randomized test: a few of them in the quick loop of `make check`, the others in `make test`."""

import pytest


def seeds(count: int, *, quick: int) -> list:
    """`count` values of a `parametrize`, from 0; those from `quick` on are marked slow."""
    return [seed if seed < quick else pytest.param(seed, marks=pytest.mark.slow) for seed in range(count)]
