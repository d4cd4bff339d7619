"""A core with other rules than today's, and today's as it is kept for what it has matched: two builds in one process."""

import importlib
import re
import sys
from pathlib import Path

import matching_core
from exchange.adapters.core import core_of
from exchange.replica import Core
from matching_core.build import build
from matching_core.keep import keep

FILLS = 3  # makers that an order of tomorrow's core touches at most


def make_core_of_tomorrow(folder: Path) -> Core:
    """The next version, whose orders touch FILLS makers at most, with today's core kept behind it."""
    today, tomorrow = folder / "kept_core", folder / "next_core"
    for package in (today, tomorrow):
        keep(package)
    for module, definition in (("src/records.h", "#define MC_{} {}"), ("__init__.py", "{} = {}")):
        text = (tomorrow / module).read_text()
        for name, value in (("CORE_VERSION", matching_core.CORE_VERSION + 1), ("MAX_FILLS", FILLS)):
            text, changed = re.subn(re.escape(definition.format(name, "")) + r"\d+", definition.format(name, value), text)
            assert changed == 1, (module, name)
        (tomorrow / module).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        for package in (today, tomorrow):
            build(package, package.name)
        kept, following = (importlib.import_module(package.name) for package in (today, tomorrow))
        assert kept.Book is not matching_core.Book and following.CORE_VERSION == matching_core.CORE_VERSION + 1
    finally:
        sys.path.remove(str(folder))
    return core_of(following, 16, lambda: core_of(kept, 16))
