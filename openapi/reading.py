"""What a handler's source says of its operation: first line, scope, and what it reads from the query and the body.

The source is parsed, not run. Calls of `request.query...` and `request.json()` are found in the handler and, through the
functions of `exchange.api` that it hands its request to, in those. A name or a limit that is no constant there is looked up
among the module's own constants.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYER = ROOT / "layers" / "exchange" / "python"

PAGE = {"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
        "before": {"type": "integer", "minimum": 0}, "after": {"type": "integer", "minimum": 0}}


@dataclass(slots=True)
class Reading:
    """`summary`: the first line of the module's head; `answer`: the handler's own docstring."""

    summary: str = ""
    answer: str = ""
    scope: str | None = None
    bucket: str = "private"
    query: dict[str, dict] = field(default_factory=dict)
    has_body: bool = False
    is_paged: bool = False


@dataclass(slots=True)
class _Module:
    tree: ast.Module
    functions: dict[str, ast.FunctionDef]
    imported: dict[str, str]  # name -> module it comes from
    constants: dict[str, object]


def read_handler(name: str) -> Reading:
    """The reading of `functions/<name>/handler.py`."""
    module = _module(ROOT / "functions" / name / "handler.py")
    reading = Reading()
    head = (ast.get_docstring(module.tree) or "").split("\n\n", 1)
    reading.summary = re.sub(r"\s+", " ", head[0]).partition(": ")[2].rstrip(".") or head[0]
    handler = module.functions["lambda_handler"]
    reading.answer = re.sub(r"\s+", " ", ast.get_docstring(handler) or "")
    for decorator in handler.decorator_list:
        if isinstance(decorator, ast.Call):
            given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
            reading.scope, reading.bucket = given.get("scope"), given.get("bucket", "private")
    _follow(module, handler, reading, set())
    return reading


def _follow(module: _Module, function: ast.FunctionDef, reading: Reading, seen: set[str]) -> None:
    """What `function` and those it hands a request to read from it."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Attribute) and _is_request(call.func.value):
            _read_call(module, call, reading)
        elif isinstance(call.func, ast.Name) and any(_is_request(argument) for argument in call.args):
            _follow_call(module, call.func.id, reading, seen)


def _follow_call(module: _Module, name: str, reading: Reading, seen: set[str]) -> None:
    where = module.imported.get(name)
    if name == "page_of":
        reading.is_paged = True
        reading.query |= PAGE
    elif name in module.functions and name not in seen:
        _follow(module, module.functions[name], reading, seen | {name})
    elif where is not None and where.startswith("exchange.api") and f"{where}.{name}" not in seen:
        other = _module(LAYER / f"{where.replace('.', '/')}.py")
        if name in other.functions:
            _follow(other, other.functions[name], reading, seen | {f"{where}.{name}"})


def _is_request(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "request"


def _read_call(module: _Module, call: ast.Call, reading: Reading) -> None:
    method = call.func.attr
    if method == "json":
        reading.has_body = True
    if not method.startswith("query") or not call.args:
        return
    name, *rest = (_value(module, argument) for argument in call.args)
    if not isinstance(name, str) or name.endswith("[]"):
        return
    reading.query.setdefault(name, _schema(method, rest))


def _schema(method: str, rest: list[object]) -> dict:
    if method == "query_int":
        names = ("default", "minimum", "maximum")
        return {"type": "integer", **{key: value for key, value in zip(names, rest, strict=False) if isinstance(value, int)}}
    if method == "query_choice":
        choices, default = (*rest, None, None)[:2]
        return {"type": "string", **({"enum": list(choices)} if choices else {}), **({"default": default} if default else {})}
    if method == "query_time_ms":
        return {"type": "string", "description": "ISO 8601; UTC where no zone is given"}
    if method == "query_all":
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "string"}


def _value(module: _Module, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        pass
    if isinstance(node, ast.Name):
        return module.constants.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        where = module.imported.get(node.value.id)
        path = LAYER / f"{where.replace('.', '/')}/{node.value.id}.py" if where else None
        return _module(path).constants.get(node.attr) if path is not None and path.exists() else None
    return None


def _module(path: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    imported = {alias.asname or alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                for alias in node.names}
    constants: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                constants[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return _Module(tree, functions, imported, constants)
