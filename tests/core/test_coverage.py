"""Every line, both sides of every branch and every condition on its own (MC/DC) of matching_core/src is run by the tests.

Clang counts in three builds of the same sources: behind cffi under the rule, snapshot and corner tests; as the driver of
tests/core/variants.py on the recorded streams; as the fuzzers on their corpus. Assertions are left out of these builds
(MC_COVERAGE): their other side is out of reach of any input. What no test reaches is named with file and line.

A condition of MC/DC counts when two runs differ in it alone and come out differently (LLVM's unique-cause MC/DC, masked by
short circuits).
"""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.core.fuzzing import CORPUS, HARNESSES, build_harness, run_on
from tests.core.variants import (
    CLANG,
    CORE,
    LLVM_COV,
    LLVM_PROFDATA,
    ROOT,
    WARNINGS,
    answer_of,
    compile_driver,
    copy_sources,
    needs,
    recording,
)

FLAGS = ["-O1", "-DMC_COVERAGE", "-DLOOK_FURTHER_FROM=15", "-fprofile-instr-generate", "-fcoverage-mapping", "-fcoverage-mcdc",
         "-Werror", "-Wno-unused", "-Wno-unused-parameter"]
TESTS = ("tests/rules", "tests/core/test_snapshot.py", "tests/core/test_batches.py", "tests/core/test_corners.py")
# Blocks that were written into on purpose: the assertions that would stop the core are not there.
LEFT_OUT = "not naive and not broken"

# "file.h:line: ..." as the test names it, without the line's number -> why no input reaches it.
EXCEPTIONS: dict[str, str] = {}

CODE, BRANCHES = 0, (4, 6)  # llvm::coverage::CounterMappingRegion::RegionKind


@pytest.mark.slow
def test_every_line_branch_and_condition_is_covered(tmp_path: Path) -> None:
    needs(CLANG, LLVM_COV, LLVM_PROFDATA, "fuzzer")
    recording()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(_tests, tmp_path / "tests"), pool.submit(_streams, tmp_path / "streams"),
                pool.submit(_streams, tmp_path / "without-sse", "-U__SSE2__"),
                *(pool.submit(_corpus, tmp_path / name, name) for name in HARNESSES)]
        objects = [run.result() for run in runs]
    missing = Coverage(tmp_path, objects).missing()
    known = {line for line in missing if _without_number(line) in EXCEPTIONS}
    assert not sorted(set(missing) - known), "not covered:\n" + "\n".join(line for line in missing if line not in known)
    unused = set(EXCEPTIONS) - {_without_number(line) for line in known}
    assert not unused, f"exceptions that are covered by now: {unused}"


@pytest.mark.slow
def test_every_condition_can_be_counted(tmp_path: Path) -> None:
    """Clang leaves out what it cannot count, with a warning that it does not turn into an error."""
    needs(CLANG)
    run = subprocess.run([CLANG, *WARNINGS, *FLAGS, "-I", str(CORE / "src"), "-c", str(CORE / "fuzz" / "unit.c"), "-o",
                          str(tmp_path / "unit.o")], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def _tests(folder: Path) -> Path:
    """The library behind cffi, and the tests that are run with it."""
    package = folder / "matching_core"
    shutil.copytree(CORE, package, ignore=shutil.ignore_patterns("_core.abi3.so*", "__pycache__", ".build-*", "fuzz"))
    environment = {**os.environ, "CC": CLANG, "CFLAGS": " ".join(FLAGS),
                   "LLVM_PROFILE_FILE": str(folder / "%p.profraw")}
    subprocess.run([sys.executable, "-m", "matching_core.build"], cwd=folder, check=True, env=environment,
                   stdout=subprocess.DEVNULL)
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-k", LEFT_OUT, "-p", "no:randomly",
                          "-o", f"pythonpath={folder} . layers/exchange/python tests", *TESTS],
                         cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return package / "_core.abi3.so"


def _streams(folder: Path, *flags: str) -> Path:
    folder.mkdir()
    driver = compile_driver(copy_sources(folder), [CLANG], [*FLAGS, *flags])
    assert answer_of(driver, LLVM_PROFILE_FILE=str(folder / "%p.profraw")) is not None
    return driver


def _corpus(folder: Path, name: str) -> Path:
    folder.mkdir()
    harness = build_harness(folder, name, [*FLAGS, "-fsanitize=fuzzer"])
    run_on(harness, sorted((CORPUS / name).iterdir()), LLVM_PROFILE_FILE=str(folder / "%p.profraw"))
    return harness


def _without_number(line: str) -> str:
    file, _, rest = line.partition(":")
    return f"{file}:{rest.partition(':')[2]}"


class Coverage:
    """What the objects' runs have counted, put together by place in the source."""

    def __init__(self, folder: Path, objects: list[Path]) -> None:
        self.code: dict[tuple, int] = defaultdict(int)
        self.branches: dict[tuple, list[int]] = {}
        self.decisions: dict[tuple, list[bool]] = {}
        for number, one in enumerate(objects):
            runs = sorted(one.parent.glob("*.profraw")) or sorted(one.parent.parent.glob("*.profraw"))
            assert runs, f"{one} was not run"
            profile = folder / f"{number}.profdata"
            subprocess.run([LLVM_PROFDATA, "merge", "-o", str(profile), *map(str, runs)], check=True)
            export = subprocess.run([LLVM_COV, "export", str(one), "-instr-profile", str(profile)], check=True,
                                    capture_output=True).stdout
            for function in json.loads(export)["data"][0]["functions"]:
                self._add(function)

    def _add(self, function: dict) -> None:
        files = [self._file(name) for name in function["filenames"]]
        for *place, count, file, _, kind in function["regions"]:
            if kind == CODE and files[file]:
                self.code[files[file], *place] += count
        for *place, true, false, file, _, _ in function["branches"]:
            if files[file]:
                both = self.branches.setdefault((files[file], *place), [0, 0])
                both[0] += true
                both[1] += false
        for record in function["mcdc_records"]:
            place, conditions = record[:4], record[-1]  # what stands between them depends on the version
            if files[0]:
                seen = self.decisions.setdefault((files[0], *place), [False] * len(conditions))
                self.decisions[files[0], *place] = [a or b for a, b in zip(seen, conditions, strict=True)]

    @staticmethod
    def _file(name: str) -> str:
        path = Path(name)
        return path.name if path.parent.name == "src" else ""

    def missing(self) -> list[str]:
        """One line for each place that was not covered: `file:line:column: what, and the text there`."""
        found = []
        for place, count in self.code.items():
            if not count:
                found.append((place, "never runs"))
        for place, (true, false) in self.branches.items():
            if not (true and false):
                found.append((place, f"is never {'true' if not true else 'false'}" if true or false else "is never asked"))
        for place, conditions in self.decisions.items():
            for number, seen in enumerate(conditions):
                if not seen:
                    what = f"never decides alone in {place[1]}:{place[2]}"
                    found.append((self._condition(place, number, len(conditions)), what))
        assert self.code and self.branches and self.decisions
        return [f"{place[0]}:{place[1]}:{place[2]}: {what}: {self._text(place)}" for place, what in sorted(set(found))]

    def _condition(self, decision: tuple, number: int, count: int) -> tuple:
        """The place of a decision's condition, when it can be told."""
        file, *place = decision
        inside = sorted(branch for branch in self.branches if branch[0] == file
                        and tuple(place[:2]) <= branch[1:3] and branch[3:5] <= tuple(place[2:]))
        return inside[number] if len(inside) == count else decision

    @staticmethod
    def _text(place: tuple) -> str:
        file, line, column, last_line, last_column = place
        text = (CORE / "src" / file).read_text().splitlines()[line - 1]
        return text[column - 1:last_column - 1] if line == last_line else text[column - 1:]
