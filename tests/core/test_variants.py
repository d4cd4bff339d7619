"""The same answers from every build (I5), no undefined behaviour, and planted bugs that the streams must find.

Determinism across compilers, optimisation levels and machines: the recorded commands give the same events, state hashes,
levels and snapshots, byte for byte. A planted bug that answers like the sound core would mean that the streams, and with
them the differential test, are blind there.
"""

import sys

import pytest

from tests.core.planted import PLANTED
from tests.core.variants import (
    CLANG,
    answer_of,
    answers_as_recorded,
    compile_driver,
    compile_for_arm64,
    copy_sources,
    needs,
    recording,
)

ZIG = (sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.34")
BUILDS = {
    "gcc-O0": (("cc",), ("-O0",)),
    "gcc-O3": (("cc",), ("-O3",)),
    "clang-O0": ((CLANG,), ("-O0",)),
    "clang-O3": ((CLANG,), ("-O3",)),
    "looking-ahead": (("cc",), ("-O2", "-DLOOK_FURTHER_FROM=15")),
    "without-sse": (("cc",), ("-O2", "-U__SSE2__")),
    "ziglang-O3": (ZIG, ("-O3",)),
}
SANITIZERS = ("-O1", "-g", "-DLOOK_FURTHER_FROM=15", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILDS)
def test_every_build_answers_the_same(tmp_path, name: str) -> None:
    compiler, flags = BUILDS[name]
    if compiler[0] == CLANG:
        needs(CLANG)
    driver = compile_driver(copy_sources(tmp_path), [*compiler], [*flags])
    _same(answer_of(driver))
    assert answers_as_recorded(driver)


@pytest.mark.slow
def test_64_bit_arm_answers_the_same(tmp_path) -> None:
    """What runs in Lambda: the same compiler, the other machine, instruction by instruction under an emulator."""
    needs("qemu-aarch64")
    _same(answer_of(compile_for_arm64(copy_sources(tmp_path)), runner=("qemu-aarch64",)))


@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path) -> None:
    """Address and undefined-behaviour sanitizers end the process on their first finding."""
    needs(CLANG, "fuzzer")
    _same(answer_of(compile_driver(copy_sources(tmp_path), [CLANG], [*SANITIZERS])))


def _same(answer: bytes | None) -> None:
    assert answer is not None, "it died"
    assert not recording().first_difference(answer)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(tmp_path, name: str) -> None:
    assert not answers_as_recorded(compile_driver(copy_sources(tmp_path, PLANTED[name]), ["cc"], ["-O0"]))
