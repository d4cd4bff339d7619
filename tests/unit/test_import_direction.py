"""The domain imports nothing from AWS, PostgreSQL or Redis, and the core nothing of the exchange."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "exchange" / "python" / "exchange"
SERVICES = {"boto3", "botocore", "pynamodb", "psycopg", "redis", "aws_lambda_powertools", "aws_cdk", "jwt"}
# The door and its helpers stand between the domain and the adapters: they may call adapters, never a service's library.
DOMAIN = sorted(path for path in PACKAGE.glob("*.py")) + sorted((PACKAGE / "feed").glob("*.py"))
DOOR = sorted((PACKAGE / "api").glob("*.py"))
CORE = sorted((ROOT / "matching_core").glob("*.py"))


def imported(path: Path) -> set[str]:
    """The full names of the modules that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.stem)
def test_the_domain_knows_no_service_and_no_adapter(path: Path) -> None:
    found = imported(path)
    assert not {name for name in found if name.partition(".")[0] in SERVICES}
    assert not {name for name in found if name.startswith(("exchange.adapters", "exchange.api", "matching_core", "local"))}


@pytest.mark.parametrize("path", DOOR, ids=lambda path: path.stem)
def test_the_door_knows_no_services_library(path: Path) -> None:
    assert not {name for name in imported(path) if name.partition(".")[0] in SERVICES}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_the_core_imports_alone(path: Path) -> None:
    assert not {name for name in imported(path) if name.partition(".")[0] in SERVICES | {"exchange", "local", "cdk"}}


@pytest.mark.parametrize("path", [path for path in DOMAIN if path.name not in ("markets.py",)], ids=lambda path: path.stem)
def test_no_clock_randomness_or_environment_in_the_domain(path: Path) -> None:
    assert not imported(path) & {"random", "secrets", "os", "time"}
