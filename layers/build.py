"""Builds the three Lambda layers under `build/layers/`, each only when its inputs changed.

    python -m layers.build [--architecture arm64] [--python 3.13]

    exchange       the sources of `layers/exchange/python`, and markets.json made from markets.yaml
    matching       the package `matching_core` with the core cross-compiled for the architecture
    dependencies   the first block of requirements.txt, as wheels for the architecture and Python of the functions

Called by `cdk/layers.py`. Nothing here needs Docker or a compiler beyond the `ziglang` wheel. A layer is built into a
new folder and renamed, so that an interrupted build leaves none that looks complete.

Why boto3 is in the layer although the runtime brings one: the runtime's is changed by AWS between two deploys, and it
is not the one the tests ran on; pynamodb reaches into botocore's internals. The price is the layer's size, so the
service models that no function uses are left out (100 MB of 110).
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "layers"
STAMP = ".inputs"
PIP_PLATFORMS = {"arm64": "aarch64", "x86_64": "x86_64"}
# Amazon Linux 2023 has glibc 2.34; wheels name the oldest they run on.
GLIBC_TAGS = ("manylinux_2_28_{machine}", "manylinux_2_17_{machine}", "manylinux2014_{machine}")
# What functions call, and what botocore itself reads.
BOTOCORE_MODELS = {"sqs", "dynamodb", "s3", "kms", "rds", "cloudwatch", "apigatewaymanagementapi", "sts"}
UNUSED_IN_LAMBDA = ("**/__pycache__", "**/*.pyc", "**/tests", "*.dist-info/RECORD", "bin")


def build_exchange() -> Path:
    """The domain and its adapters; the same on every architecture."""
    sources = ROOT / "layers" / "exchange" / "python"
    markets = ROOT / "markets.yaml"

    def fill(folder: Path) -> None:
        shutil.copytree(sources, folder / "python", ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "markets.json"))
        listing = yaml.safe_load(markets.read_text(encoding="utf-8"))
        (folder / "python" / "exchange" / "markets.json").write_text(json.dumps(listing, indent=1), encoding="utf-8")

    return _built(OUT / "exchange", [Path(__file__), markets, *_files(sources)], fill)


def build_matching(*, architecture: str, python: str) -> Path:
    """The matching core for one architecture, with the cores that are kept. One file serves every Python (abi3)."""
    from matching_core.build import build_for, kept

    packages = {"matching_core": ROOT / "matching_core"} | kept()
    target = PIP_PLATFORMS[architecture]

    def fill(folder: Path) -> None:
        for name, package in packages.items():
            into = folder.joinpath("python", *name.split("."))
            into.mkdir(parents=True)
            for module in sorted(package.glob("*.py")):
                shutil.copy(module, into)
            build_for(target, into, package, name)
            for leftover in into.glob("*.stamp"):
                leftover.unlink()

    inputs = [Path(__file__)]
    for package in packages.values():
        inputs += [*sorted(package.glob("*.py")), *sorted(package.glob("*.h")), *_files(package / "src")]
    return _built(OUT / f"matching-{architecture}", inputs, fill)


def build_dependencies(*, architecture: str, python: str) -> Path:
    """The third-party packages of the functions; wheels only, so nothing is compiled for the wrong machine."""
    requirements = lambda_requirements()

    def fill(folder: Path) -> None:
        machine = PIP_PLATFORMS[architecture]
        platforms = [argument for tag in GLIBC_TAGS for argument in ("--platform", tag.format(machine=machine))]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
             "--no-warn-conflicts", "--only-binary=:all:", "--implementation", "cp", "--python-version", python,
             *platforms, "--target", str(folder / "python"), *requirements], check=True)
        _slim(folder / "python")

    inputs = hashlib.sha256(json.dumps(requirements).encode()).hexdigest()
    return _built(OUT / f"dependencies-{architecture}-{python}", [Path(__file__)], fill, extra=inputs)


def lambda_requirements() -> list[str]:
    """The first block of requirements.txt: from its heading to the first blank line after it."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    _, heading, rest = text.partition("# --- the Lambda's\n")
    if not heading:
        raise ValueError("requirements.txt has no block headed '# --- the Lambda's'")
    return [line for line in rest.partition("\n\n")[0].splitlines() if line and not line.startswith("#")]


def _slim(packages: Path) -> None:
    for pattern in UNUSED_IN_LAMBDA:
        for found in sorted(packages.glob(pattern)):
            shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)
    for model in (packages / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in BOTOCORE_MODELS:
            shutil.rmtree(model)
    for model in (packages / "boto3" / "data").iterdir():
        if model.is_dir() and model.name not in BOTOCORE_MODELS:
            shutil.rmtree(model)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _built(folder: Path, inputs: list[Path], fill: Callable[[Path], None], extra: str = "") -> Path:
    """`folder`, filled anew when the hash of the inputs is not the one it was filled with."""
    digest = hashlib.sha256(extra.encode())
    for path in inputs:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    wanted = digest.hexdigest()
    stamp = folder.with_name(folder.name + STAMP)
    if folder.is_dir() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".filling-") as scratch:
        fresh = Path(scratch) / "layer"
        fresh.mkdir()
        fill(fresh)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    stamp.write_text(wanted, encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m layers.build", description=__doc__.partition("\n")[0])
    parser.add_argument("--architecture", choices=sorted(PIP_PLATFORMS), default="arm64")
    parser.add_argument("--python", default="3.13")
    arguments = parser.parse_args()
    target = {"architecture": arguments.architecture, "python": arguments.python}
    for folder in (build_exchange(), build_matching(**target), build_dependencies(**target)):
        size = sum(path.stat().st_size for path in _files(folder))
        print(f"{folder.relative_to(ROOT)}  {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
