"""CPU seconds of the running exchange, by part, from the kernel's own accounting."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _children() -> dict[int, list[int]]:
    tree: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))):
            tree.setdefault(int(stat[1]), []).append(int(name))
    return tree


def cpu_seconds(parts: dict[str, int]) -> dict[str, float]:
    """User and system seconds since its start of each part (name -> pid), its children included. A child that is itself
    a part counts for itself only; `<part> children` are the others below a part that has some."""
    tree = _children()
    named = set(parts.values())

    def used(pid: int) -> float:
        stat = _stat(pid)
        return (int(stat[11]) + int(stat[12])) / _TICKS if stat else 0.0

    def below(pid: int) -> float:
        return sum(used(child) + below(child) for child in tree.get(pid, []) if child not in named)

    figures = {}
    for name, pid in parts.items():
        figures[name] = used(pid)
        if children := below(pid):
            figures[f"{name} children"] = children
    return figures
