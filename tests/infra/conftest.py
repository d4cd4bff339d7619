"""The templates under test, synthesised once per run: the local flavour for what is said in them, and the deployable
flavour of this machine's processor and Python for what is in their assets."""

import platform
import sys

import pytest
from infra.assembly import Assembly

from cdk.synth import synthesise

ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


@pytest.fixture(scope="session")
def local_assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return Assembly.read(synthesise(tmp_path_factory.mktemp("cdk.local"), local=True))


@pytest.fixture(scope="session")
def production_assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """The local flavour of a stage that is no sandbox."""
    return Assembly.read(synthesise(tmp_path_factory.mktemp("cdk.production"), local=True, context={"stage": "production"}))


@pytest.fixture(scope="session")
def host_assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    screen = tmp_path_factory.mktemp("screen")
    (screen / "index.html").write_text("<!doctype html>")  # these tests are about the functions' assets
    return Assembly.read(synthesise(tmp_path_factory.mktemp("cdk.out"), local=False, context={
        "architecture": ARCHITECTURE, "python": python, "screen": str(screen)}))
