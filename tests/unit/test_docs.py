"""The docs name what the code has: every route, error code, feed channel and table.

Error codes are read from the source: the code given to an error's constructor, or its class's own where none is given. A code
that is put together from a name (`invalid_{name}`) stands for the names that the calls of its function pass.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cdk.operations import DEFAULT_PATH, OPERATIONS, Route
from exchange.api import errors
from exchange.events import RejectCode
from exchange.feed import messages
from exchange.feed.requests import CHANNELS

ROOT = Path(__file__).resolve().parents[2]
EXCHANGE = ROOT / "layers" / "exchange" / "python" / "exchange"
# The feed's BadRequest is another class, without codes.
SOURCES = [path for path in [*sorted(EXCHANGE.rglob("*.py")), *sorted((ROOT / "functions").glob("api_*/handler.py"))]
           if "feed" not in path.relative_to(ROOT).parts]
API_ERRORS = {name: kind for name, kind in vars(errors).items()
              if isinstance(kind, type) and issubclass(kind, errors.ApiError)}
# Where the code stands among the arguments; after the message, except where there is no message to choose.
POSITION = dict.fromkeys(API_ERRORS, 1) | {"OrderRefused": 0}
ROUTES = [(operation.name, route) for operation in OPERATIONS for route in operation.routes if route.path != DEFAULT_PATH]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names)


def names_passed(tree: ast.Module, inside: dict[ast.AST, ast.FunctionDef], function: ast.FunctionDef) -> set[str]:
    """What the module's calls of `function` give for its parameter `name`, through functions that hand theirs on."""
    index = [argument.arg for argument in function.args.args].index("name")
    names: set[str] = set()
    for use in calls(tree, {function.name}):
        given = use.args[index]
        names |= {given.value} if isinstance(given, ast.Constant) else names_passed(tree, inside, inside[use])
    return names


def codes_in(tree: ast.Module) -> set[str]:
    """The codes of the errors that a module makes. An expression that this cannot read fails the test."""
    inside: dict[ast.AST, ast.FunctionDef] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            inside |= dict.fromkeys(ast.walk(function), function)  # the innermost comes last
    found: set[str] = set()
    for call in calls(tree, set(POSITION)):
        kind = call.func.id
        position = POSITION[kind]
        given = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
        if given is None and len(call.args) > position:
            given = call.args[position]
        if given is None:
            found.add(API_ERRORS[kind].code)
        elif isinstance(given, ast.Constant):
            found.add(given.value)
        elif isinstance(given, ast.JoinedStr):
            pieces = [piece.value if isinstance(piece, ast.Constant) else "{}" for piece in given.values]
            found |= {"".join(pieces).replace("{}", name) for name in names_passed(tree, inside, inside[call])}
        else:
            # What was refused as an OrderRefused is passed on with its own code.
            assert ast.unparse(given) == "refused.code", f"unreadable code: {ast.unparse(call)}"
    return found


@cache
def produced_codes() -> frozenset[str]:
    return frozenset().union(*(codes_in(ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES))


def test_codes_are_read_from_all_kinds_of_source() -> None:
    """One of each kind: a constant, a class's own, one put together, one in a handler."""
    assert {"timestamp_expired", "unavailable", "internal_error", "not_found", "price_too_precise", "invalid_stp",
            "faucet_limit_reached"} <= produced_codes()


@pytest.mark.parametrize("code", sorted(produced_codes()))
def test_every_error_code_is_in_the_table(code: str) -> None:
    table = page("API.md").partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert f"`{code}`" in "".join(line for line in table.splitlines() if line.startswith("| "))


@pytest.mark.parametrize("code", [code.name.lower() for code in RejectCode])
def test_every_reject_reason_is_documented(code: str) -> None:
    assert f"`{code}`" in page("API.md")


@pytest.mark.parametrize("reason", sorted(messages.CANCEL_REASONS.values()))
def test_every_cancel_reason_is_documented(reason: str) -> None:
    assert f"`{reason}`" in page("FEED.md")


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=[route.key for _, route in ROUTES])
def test_every_route_is_documented_with_its_scope(name: str, route: Route) -> None:
    rows = [line.split("|") for line in page("API.md").splitlines() if line.startswith("| `") and f"`{route.key}`" in line]
    assert len(rows) == 1, f"{len(rows)} rows for {route.key}, wanted 1"
    source = (ROOT / "functions" / name / "handler.py").read_text(encoding="utf-8")
    scope = "public" if route.public else re.search(r'@operation\(scope="(\w+)"', source)[1]
    assert rows[0][2].strip() == scope


def test_no_route_is_documented_that_does_not_exist() -> None:
    section = page("API.md").partition("\n## Routes\n")[2].partition("\n### ")[0]
    documented = {key for line in section.splitlines() if line.startswith("| `")
                  for key in re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]*)`", line.split("|")[1])}
    assert documented == {route.key for _, route in ROUTES}


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_every_channel_is_documented(channel: str) -> None:
    section = page("FEED.md").partition("\n## Channels\n")[2].partition("\n## ")[0]
    assert f"\n| `{channel}` |" in section


def tables() -> list[str]:
    sources = [*EXCHANGE.rglob("*.sql"), EXCHANGE / "adapters" / "postgres" / "migrate.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    made = set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)", text))
    renamed = dict(re.findall(r"ALTER TABLE ([\w.]+) RENAME TO (\w+)", text))
    return sorted({renamed.get(name, name) for name in made})


@pytest.mark.parametrize("table", tables())
def test_every_table_is_documented(table: str) -> None:
    assert f"`{table}`" in page("DATA.md")


def test_the_tables_were_found() -> None:
    assert {"postings", "fills", "schema_migrations", "embedded.journal"} <= set(tables())


def test_no_table_is_documented_that_does_not_exist() -> None:
    section = page("DATA.md").partition("\n## PostgreSQL: the ledger\n")[2].partition("\n## ")[0]
    documented = {name for line in section.splitlines() if line.startswith("| `")
                  for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
    assert documented == {table for table in tables() if not table.startswith("embedded.")}


@pytest.mark.parametrize("number", range(1, 11))
def test_every_invariant_is_kept_in_two_places_and_checked(number: int) -> None:
    """One row each; what the last column names exists: an operation, or a file or folder of tests."""
    [row] = [line.split(" | ") for line in page("INVARIANTS.md").splitlines() if line.startswith(f"| I{number} |")]
    assert len(row) == 5 and all(cell.strip(" |") for cell in row)
    names = re.findall(r"`([a-z_0-9/.]+)`", row[4])
    operations = {operation.name for operation in OPERATIONS}
    assert names and all(name in operations or (ROOT / name).exists() for name in names), names
