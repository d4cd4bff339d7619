"""What would be uploaded: every function's code has its handler, and imports with nothing but its layers.

Runs on the flavour for this machine's processor and Python, and reads the one for the cloud's default (arm64).
"""

import json
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from infra.assembly import Assembly

from cdk.operations import BY_NAME
from cdk.settings import ROOT
from layers.build import build_dependencies, build_exchange, build_matching
from matching_core.build import build_for

# Forks one child per handler: each has an interpreter that has imported nothing of ours, without paying for its start.
IMPORTER = """
import importlib, json, os, sys, traceback
jobs = json.load(sys.stdin)
import boto3, orjson, psycopg, pydantic, pynamodb.models, redis, aws_lambda_powertools  # of the dependencies' layer
outcome = {}
for name, job in jobs.items():
    read, write = os.pipe()
    if os.fork() == 0:
        os.environ.clear(); os.environ.update(job["environment"])
        sys.path[:0] = job["paths"]
        before = set(sys.modules)
        try:
            module, function = job["handler"].rsplit(".", 1)
            made = getattr(importlib.import_module(module), function)
            answer = {"callable": callable(made), "file": sys.modules[module].__file__}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(write, json.dumps(answer).encode()); os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        outcome[name] = json.loads(pipe.read())
    os.wait()
print(json.dumps(outcome))
"""


def asset(assembly: Assembly, resource: dict) -> Path:
    return assembly.folder / resource["Metadata"]["aws:asset:path"]


def environment(function: dict) -> dict[str, str]:
    """The function's variables, with stand-ins where only a deploy knows the value."""
    stand_ins = {"DATABASE_DSN": "host=127.0.0.1 dbname=x", "REDIS_URL": "redis://127.0.0.1:1/0",
                 "CONNECTIONS_ENDPOINT": "https://127.0.0.1/x"}
    values = {name: value if isinstance(value, str) else stand_ins.get(name, "stand-in")
              for name, value in function["Properties"]["Environment"]["Variables"].items()}
    return values | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x",
                     "AWS_SECRET_ACCESS_KEY": "x", "POWERTOOLS_SERVICE_NAME": "test"}


def test_every_asset_has_the_handler_that_the_template_names(host_assembly: Assembly) -> None:
    for key, (_, function) in host_assembly.functions().items():
        module, _, name = function["Properties"]["Handler"].rpartition(".")
        source = asset(host_assembly, function) / f"{module}.py"
        assert source.is_file(), f"{key}: {source.parent} has no {module}.py"
        assert f"def {name}(" in source.read_text(encoding="utf-8"), key
        assert not list(asset(host_assembly, function).rglob("*.pyc")), key


def test_every_handler_imports_with_its_layers_and_variables_only(host_assembly: Assembly) -> None:
    layers = {(stack, name): asset(host_assembly, layer) / "python"
              for (stack, name), layer in host_assembly.of_type("AWS::Lambda::LayerVersion").items()}
    dependencies = next(path for path in layers.values() if (path / "psycopg").is_dir())
    jobs = {}
    for (stack, logical), (operation, function) in host_assembly.functions().items():
        paths = [layers[stack, layer["Ref"]] for layer in function["Properties"].get("Layers", [])]
        assert len(paths) == len(set(paths))
        jobs[f"{operation} {logical}"] = {
            "handler": function["Properties"]["Handler"], "environment": environment(function),
            "paths": [str(asset(host_assembly, function)), *map(str, paths)]}
    # -I -S: neither this virtual environment nor this folder; only what the layers bring.
    program = f"import sys; sys.path[:0] = [{str(dependencies)!r}]\n{IMPORTER}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], input=json.dumps(jobs), text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert {name: answer["error"] for name, answer in outcome.items() if "error" in answer} == {}
    assert all(answer["callable"] for answer in outcome.values())
    assert outcome.keys() == jobs.keys()


def test_the_core_is_only_where_it_is_used(host_assembly: Assembly) -> None:
    for operation, function in host_assembly.functions().values():
        names = {layer["Ref"] for layer in function["Properties"].get("Layers", [])}
        matching = {name for name in names if "Matching" in name}
        assert bool(matching) == any(use.name == "CORE" for use in BY_NAME[operation].uses), operation


@pytest.mark.parametrize("architecture, machine", [("arm64", 0xB7), ("x86_64", 0x3E)])
def test_layers_are_of_their_architecture(architecture: str, machine: int) -> None:
    """ELF e_machine of every library; a wheel of the wrong processor imports nowhere but here."""
    target = {"architecture": architecture, "python": "3.13"}
    libraries = [path for folder in (build_matching(**target), build_dependencies(**target))
                 for path in folder.rglob("*.so*")]
    assert len(libraries) > 5
    for library in libraries:
        assert struct.unpack_from("<H", library.read_bytes(), 18)[0] == machine, library


@pytest.mark.parametrize("target, machine", [("aarch64", 0xB7), ("x86_64", 0x3E)])
def test_the_core_is_built_with_debians_headers(target: str, machine: int, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """They have this machine's pyconfig.h in a folder of its architecture, and ask in its place for that of the target's."""
    here = "x86_64-linux-gnu"
    theirs = Path(sysconfig.get_config_h_filename())
    apart = theirs.parent.parent / str(sysconfig.get_config_var("MULTIARCH")) / theirs.parent.name / theirs.name
    headers, configuration = (tmp_path / folder / theirs.parent.name for folder in ("include", f"include/{here}"))
    shutil.copytree(theirs.parent, headers)
    configuration.mkdir(parents=True)
    (configuration / theirs.name).write_bytes((apart if apart.exists() else theirs).read_bytes())
    (headers / theirs.name).write_text("".join(
        f"#ifdef __{architecture}__\n#include <{architecture}-linux-gnu/{headers.name}/{theirs.name}>\n#endif\n"
        for architecture in ("x86_64", "aarch64")))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(headers)})
    monkeypatch.setattr(sysconfig, "get_config_var", {"MULTIARCH": here}.get)
    library = build_for(target, tmp_path / "built")
    assert struct.unpack_from("<H", library.read_bytes(), 18)[0] == machine


def test_the_layer_has_every_service_that_is_called() -> None:
    """Its botocore is slimmed: a client of a service whose model was left out cannot be made."""
    sources = [path.read_text(encoding="utf-8") for folder in ("functions", "layers/exchange/python")
               for path in (ROOT / folder).rglob("*.py")]
    made = r"""\b(?:boto3|answers)\.client\(\s*["']([a-z0-9-]+)["']"""
    called = {service for source in sources for service in re.findall(made, source)}
    assert {"sqs", "s3", "kms", "rds", "cloudwatch"} <= called
    models = {path.name for path in (build_dependencies(architecture="arm64", python="3.13")
                                     / "python" / "botocore" / "data").iterdir() if path.is_dir()}
    assert called | {"dynamodb"} <= models  # that one by pynamodb


def test_the_dependencies_fit_a_function() -> None:
    """250 MB is the limit for a function and its layers together, unpacked."""
    folder = build_dependencies(architecture="arm64", python="3.13")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 60_000_000


def test_the_listing_in_the_layer_is_markets_yaml() -> None:
    import yaml
    listing = json.loads((build_exchange() / "python" / "exchange" / "markets.json").read_text(encoding="utf-8"))
    assert listing == yaml.safe_load((ROOT / "markets.yaml").read_text(encoding="utf-8"))
