"""Cores of older rules that are kept to replay what they matched: what is listed is there, and built wherever the core is."""

import importlib
import tempfile
from pathlib import Path

import pytest

import layers.build
import matching_core
from exchange import events
from exchange.adapters import core as cores
from exchange.journal import NewerCore, OlderCore
from exchange.markets import listing
from matching_core import build, keep

VERSION = matching_core.CORE_VERSION


def test_the_cores_that_are_listed_are_kept() -> None:
    assert list(events.CORES) == sorted(set(events.CORES)) and events.CORES[-1] == VERSION
    assert sorted(build.kept()) == [f"matching_core.kept.v{version}" for version in sorted(events.CORES[:-1])]
    core = cores.core_for(listing().markets["BTC-USD"])
    for version in events.CORES:
        assert core.of(version, "an entry").version == version
    with pytest.raises(OlderCore):
        core.of(events.CORES[0] - 1, "an entry")
    with pytest.raises(NewerCore):
        core.of(VERSION + 1, "an entry")


@pytest.mark.slow
def test_a_core_is_kept_built_and_shipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """As `python -m matching_core.keep` does it, in a folder that stands for the package's."""
    with tempfile.TemporaryDirectory(dir=layers.build.ROOT / "build", prefix="kept-") as folder:
        root = Path(folder)
        kept = root / "kept" / f"v{VERSION}"
        monkeypatch.setattr(keep, "into", lambda: kept)
        assert keep.main() == 0 and keep.main() == 1
        assert "is there already" in capsys.readouterr().err

        name = f"matching_core.kept.v{VERSION}"
        monkeypatch.setenv("CFLAGS", "-O1")
        build.build(kept, name)
        monkeypatch.setattr(matching_core, "__path__", [*matching_core.__path__, folder])
        monkeypatch.setattr(cores, "CORES", (VERSION, VERSION + 1))
        older = cores.core_for(listing().markets["BTC-USD"]).older()
        package = importlib.import_module(name)
        assert package.Book is not matching_core.Book and older.version == VERSION
        book = older.create()
        assert older.restore(book.snapshot()).state_hash() == matching_core.Book.create().state_hash()

        monkeypatch.setattr(build, "kept", lambda: {name: kept})
        monkeypatch.setattr(layers.build, "OUT", root / "layers")
        layer = layers.build.build_matching(architecture="arm64", python="3.13")
        for part in ("matching_core", f"matching_core/kept/v{VERSION}"):
            assert {"__init__.py", "book.py", "_core.abi3.so"} <= {path.name for path in (layer / "python" / part).iterdir()}
