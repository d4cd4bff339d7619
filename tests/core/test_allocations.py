"""The core allocates nothing after a book was made: what a command costs does not depend on any allocator's mood.

Two proofs. The compiled core asks the linker for nothing but functions that move bytes and jump: no allocator, no system
call, nothing else through which memory could come; it has no variables of its own either, so all state is in the block. And
a run of the recorded streams in a process where every allocator is replaced by one that counts: no call reaches one. The
first holds for every input, because a function that is not linked cannot be called; the second shows that the functions
which are linked do not allocate on the core's behalf.
"""

import re
import subprocess
from pathlib import Path

import pytest

from matching_core.build import FLAGS
from tests.core.variants import CLANG, CORE, answer_of, compile_driver, copy_sources, needs, recording

MAY_BE_CALLED = {"memcpy", "memmove", "memset", "memcmp", "setjmp", "_setjmp", "longjmp"}
OBJECT_FLAGS = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]


@pytest.fixture(scope="module")
def symbols(tmp_path_factory) -> list[tuple[str, str]]:
    """(type, name) of each symbol in the object of the core, compiled as for this machine."""
    built = tmp_path_factory.mktemp("unit") / "unit.o"
    subprocess.run(["cc", *OBJECT_FLAGS, "-fno-pic", "-fno-stack-protector", "-I", str(CORE / "src"), "-c",
                    str(CORE / "fuzz" / "unit.c"), "-o", str(built)], check=True)
    listing = subprocess.run(["nm", str(built)], check=True, capture_output=True, text=True).stdout
    return [(kind, name) for kind, name in re.findall(r"^[0-9a-f ]{16} (\w) (\S+)$", listing, re.MULTILINE)]


@pytest.mark.slow
def test_the_core_can_call_no_allocator(symbols: list[tuple[str, str]]) -> None:
    wanted = {name for kind, name in symbols if kind == "U"}
    assert wanted and wanted <= MAY_BE_CALLED


@pytest.mark.slow
def test_the_core_has_no_variables(symbols: list[tuple[str, str]]) -> None:
    assert {"T", "t"} & {kind for kind, _ in symbols}
    assert not [name for kind, name in symbols if kind in "BbDdCcGgSs"]


def test_every_entry_point_was_looked_at() -> None:
    declared = set(re.findall(r"\b(mc_\w+)\(", (CORE / "declarations.h").read_text()))
    assert declared == set(re.findall(r"\)(mc_\w+)", (CORE / "fuzz" / "unit.c").read_text()))


def test_the_core_has_no_assembly_and_no_arrays_of_unknown_length() -> None:
    """So nothing is called that the linker does not see, and the stack is bounded."""
    for source in sorted((CORE / "src").iterdir()):
        assert not re.search(r"\b(asm|__asm__|alloca|__builtin_alloca)\b", source.read_text()), source.name
    subprocess.run(["cc", *OBJECT_FLAGS, "-Wvla", "-Werror", "-fsyntax-only", "-I", str(CORE / "src"),
                    str(CORE / "fuzz" / "unit.c")], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["cc", CLANG])
def test_no_call_allocates(tmp_path: Path, compiler: str) -> None:
    if compiler != "cc":
        needs(compiler)
    answer = answer_of(compile_driver(copy_sources(tmp_path), [compiler], ["-O2", "-fno-builtin"], "allocations"))
    assert answer is not None, "a call of the core asked for memory"
    assert not recording().first_difference(answer)
