"""The fuzzers' corpus, played under the address and undefined-behaviour sanitizers: each input is checked from outside
after every batch (matching_core/fuzz/check.h). `make fuzz` goes on from there.
"""

import subprocess
from pathlib import Path

import pytest

from tests.core.fuzzing import CORPUS, HARNESSES, OPTIONS, SANITIZED, build_harness, play_on_both, run_on
from tests.core.planted import PLANTED
from tests.core.variants import CLANG, copy_sources, needs


@pytest.fixture(scope="module", params=HARNESSES)
def harness(request, tmp_path_factory) -> tuple[str, Path]:
    needs(CLANG, "fuzzer")
    return request.param, build_harness(tmp_path_factory.mktemp("fuzz"), request.param)


@pytest.mark.slow
def test_the_corpus_finds_nothing(harness: tuple[str, Path]) -> None:
    name, binary = harness
    run_on(binary, sorted((CORPUS / name).iterdir()))


@pytest.mark.slow
def test_a_second_of_fuzzing_finds_nothing(harness: tuple[str, Path], tmp_path: Path) -> None:
    """That the fuzzer goes on from its corpus at all; with a fixed seed, so that the run is the same each time."""
    name, binary = harness
    run = subprocess.run([str(binary), str(tmp_path), str(CORPUS / name), "-runs=3000", "-seed=1", "-max_len=1200"],
                         cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=100, env=OPTIONS)
    assert run.returncode == 0, run.stderr[-6000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", HARNESSES)
def test_both_cores_play_the_corpus_alike(name: str, tmp_path: Path) -> None:
    needs(CLANG, "fuzzer")
    assert play_on_both(name, sorted((CORPUS / name).iterdir()), tmp_path) > 500


# Bugs that no sanitizer and no assertion sees: what the harness checks from outside must.
BLIND = {"apply": "the opened market keeps its auction price", "restore": "a restored open market may be crossed"}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARNESSES)
def test_the_corpus_finds_a_planted_bug(name: str, tmp_path: Path) -> None:
    """Else the checks would be blind, or the corpus too small to see anything."""
    needs(CLANG, "fuzzer")
    binary = build_harness(tmp_path, name, SANITIZED, copy_sources(tmp_path, PLANTED[BLIND[name]]))
    with pytest.raises(AssertionError, match="does not hold"):
        run_on(binary, sorted((CORPUS / name).iterdir()))
