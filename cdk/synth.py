"""The templates as files, for the local runtime and the tests, kept until something they are made from changes.

    python -m cdk.synth --local [--out FOLDER]      the local flavour: same logic, no layer is built, no asset copied
    python -m cdk.synth [--out FOLDER]              what `cdk synth` writes, without the CDK's command line

The local flavour depends on `cdk/`, `app.py`, `cdk.json`, `markets.yaml` and the names under `functions/`; the folder
is answered as it is when its `.inputs` holds the hash of those.
"""

import argparse
import hashlib
import json
import shutil
import time
from pathlib import Path

from cdk.settings import ROOT, Settings

INPUTS_FILE = ".inputs"


def synthesise(out_dir: Path, *, local: bool, context: dict[str, str] | None = None) -> Path:
    """Writes the cloud assembly into `out_dir` and answers it; quick when nothing changed (local flavour only).

    Not atomic: a caller that shares the folder with others brings its own lock. Raises BadSettings.
    """
    out_dir = Path(out_dir)
    merged = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"] | (context or {})
    wanted = inputs_hash(merged)
    inputs_file = out_dir / INPUTS_FILE
    if local and inputs_file.is_file() and inputs_file.read_text(encoding="utf-8") == wanted:
        return out_dir
    shutil.rmtree(out_dir, ignore_errors=True)
    # Importing aws_cdk starts Node and takes seconds: only when there is something to do.
    from aws_cdk import App

    from cdk.stacks import build

    merged |= {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True,
               "aws:cdk:disable-asset-staging": local}
    app = App(outdir=str(out_dir), context=merged)
    build(app, settings=Settings.from_context(merged, local=local))
    app.synth()
    inputs_file.write_text(wanted, encoding="utf-8")
    return out_dir


def inputs_hash(context: dict) -> str:
    """Of everything the local flavour is made from."""
    digest = hashlib.sha256(json.dumps(context, sort_keys=True, default=str).encode())
    digest.update(str(ROOT).encode())  # the local flavour names its assets by their full path
    files = [ROOT / "app.py", ROOT / "cdk.json", ROOT / "markets.yaml", *sorted((ROOT / "cdk").rglob("*.py"))]
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    functions_dir = Path(context.get("functions", ROOT / "functions"))
    for handler in sorted(functions_dir.glob("*/handler.py")):
        digest.update(f"{handler.parent.name}\0".encode())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cdk.synth", description=__doc__.partition("\n")[0])
    parser.add_argument("--local", action="store_true", help="the local flavour")
    parser.add_argument("--out", type=Path, default=None, help="default: build/cdk.local or cdk.out")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    out = arguments.out or (ROOT / "build" / "cdk.local" if arguments.local else ROOT / "cdk.out")
    started = time.monotonic()
    synthesise(out, local=arguments.local, context=dict(pair.split("=", 1) for pair in arguments.context))
    templates = sorted(path.name for path in out.glob("*.template.json"))
    print(f"{out}: {', '.join(templates)} in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
