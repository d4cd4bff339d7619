"""Keeps the core as it is, before its rules change: a journal is replayed by the rules that it was matched by.

    python -m matching_core.keep      today's core -> matching_core/kept/v<CORE_VERSION>

What is kept is what replaying takes: the C core and its facade. The naive core, the fuzzers and the tests stay with today's
rules. docs/OPERATIONS.md says what else a change of rules takes.
"""

import shutil
import sys
from pathlib import Path

from matching_core import CORE_VERSION

HERE = Path(__file__).parent
MODULES = ("__init__.py", "book.py", "errors.py", "memory.py", "declarations.h")


def keep(folder: Path) -> None:
    """Today's core as a package in `folder`. Raises FileExistsError where there is one."""
    shutil.copytree(HERE / "src", folder / "src")
    for module in MODULES:
        shutil.copy(HERE / module, folder)


def into() -> Path:
    """Where today's core is kept."""
    return HERE / "kept" / f"v{CORE_VERSION}"


def main() -> int:
    if into().exists():
        print(f"{into()} is there already", file=sys.stderr)
        return 1
    keep(into())
    print(f"kept in {into()}; python -m matching_core.build builds it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
