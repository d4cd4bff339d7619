"""Which error codes an operation answers, found in the source: its handler, and all of `exchange` that the handler reaches.

The source is parsed, not run. From the handler the search goes through every function that is called or handed on, with the
text constants that are given for its parameters, so that `f"invalid_{name}"` is known for each `name`. A refusal that is caught
on the way and not raised again is an answer for one item of many, not the request's error.

It says at least what can be answered: which way a condition goes it does not know. The tests hold every error they get
against it.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cdk.operations import Door
from openapi.reading import LAYER, ROOT

ERRORS_MODULE, DOOR_MODULE, AUTH_MODULE, REQUEST_MODULE = (
    f"exchange.api.{name}" for name in ("errors", "door", "auth", "request"))
REFUSED = ("exchange.order_terms", "OrderRefused")
# Who is asking is found out another way at each door.
AUTHENTICATION = {Door.APPLICATION: "_from_token", Door.TRADING: "_from_signature"}
# What the gateway says itself before any function is called; see docs/API.md.
OF_THE_GATEWAY = {Door.APPLICATION: {401: {"unauthorized"}}, Door.TRADING: {}}

# Operations that let a hold grow. That the account is frozen is for the database to find, so it is in no function's text.
HOLDING = {"api_place_order", "api_place_orders", "api_amend_order", "api_request_withdrawal"}


@dataclass(slots=True)
class Codes:
    """`by_status`: of the request's errors; `of_items`: of parts of a request that is answered all the same."""

    by_status: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    of_items: set[str] = field(default_factory=set)

    def add(self, other: "Codes") -> None:
        for status, codes in other.by_status.items():
            self.by_status[status] |= codes
        self.of_items |= other.of_items


def codes_of(handler: str, *, public: bool, doors: tuple[Door, ...]) -> Codes:
    """Of a route of `functions/<handler>` at these doors."""
    found = Codes()
    found.add(_reached(str(ROOT / "functions" / handler / "handler.py"), "lambda_handler"))
    for status, codes in _reached(DOOR_MODULE, "operation").by_status.items():
        if status not in (401, 403):
            found.by_status[status] |= codes
    if handler in HOLDING:
        found.by_status[400].add("account_frozen")
    if not public:
        found.by_status[403] |= _reached(DOOR_MODULE, "operation").by_status[403]
        for door in doors:
            found.add(_reached(AUTH_MODULE, AUTHENTICATION[door]))
            for status, codes in OF_THE_GATEWAY[door].items():
                found.by_status[status] |= codes
    return found


@dataclass(frozen=True)
class _Module:
    """A file of source: its functions (methods as `Class.method`), classes, what it imports, and the errors it has at hand."""

    name: str
    functions: dict[str, ast.FunctionDef]
    classes: dict[str, ast.ClassDef]
    imported: dict[str, tuple[str, str]]
    constants: dict[str, ast.expr]


@dataclass(frozen=True, slots=True)
class _Error:
    """An error class: the status of its answer, its own code, and where its code stands among the arguments."""

    status: int
    code: str | None
    position: int


@cache
def _reached(module: str, function: str) -> Codes:
    search = _Search()
    search.visit(_module(module), function, {}, frozenset())
    return search.found


class _Search:
    def __init__(self) -> None:
        self.found = Codes()
        self._seen: set[tuple] = set()

    def visit(self, module: _Module, name: str, given: dict[str, str], caught: frozenset[str]) -> None:
        """What a function, or every method of a class, can raise. `given`: texts of its parameters; `caught`: the classes whose
        errors do not leave the caller."""
        key = (module.name, name, tuple(sorted(given.items())), caught)
        if key in self._seen:
            return
        self._seen.add(key)
        if (module.name, name) == (REQUEST_MODULE, "Request"):
            return  # of a request only those methods count that are called
        if name in module.classes:
            for method in module.functions:
                if method.startswith(f"{name}."):
                    self.visit(module, method, {}, caught)
        elif name in module.functions:
            for statement in module.functions[name].body:
                self._walk(module, statement, given, caught)

    def _walk(self, module: _Module, node: ast.AST, given: dict[str, str], caught: frozenset[str]) -> None:
        if isinstance(node, ast.Try):
            kept = {name for handler in node.handlers if not _raises(handler) for name in _names(handler.type)}
            for statement in node.body:
                self._walk(module, statement, given, caught | kept)
            for part in [*node.handlers, *node.orelse, *node.finalbody]:
                self._walk(module, part, given, caught)
            return
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and (error := _error(module, node.exc)):
            self._take(module, node.exc, error, given, caught)
            return
        if isinstance(node, ast.Call) and (error := _error(module, node)):
            # Made and not raised: the answer for an item, or the door's own last words.
            self._take(module, node, error, given, frozenset(("OrderRefused",)))
            return
        if isinstance(node, ast.Call):
            self._call(module, node, given, caught)
        elif isinstance(node, ast.Name | ast.Attribute):
            self._refer(module, node, {}, caught)
        for child in _children(node):
            self._walk(module, child, given, caught)

    def _call(self, module: _Module, call: ast.Call, given: dict[str, str], caught: frozenset[str]) -> None:
        target = _target(module, call.func)
        if target is None:
            return
        where, name = target
        function = where.functions.get(name)
        texts: dict[str, str] = {}
        if function is not None:
            parameters = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
            if parameters[:1] == ["self"]:
                parameters = parameters[1:]
            passed = [*zip(parameters, call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
            texts = {parameter: text for parameter, value in passed if (text := _text(value, given)) is not None}
        self.visit(where, name, texts, caught)

    def _refer(self, module: _Module, node: ast.expr, given: dict[str, str], caught: frozenset[str]) -> None:
        """A function that is handed on, or an error that stands ready in the module."""
        if isinstance(node, ast.Name) and isinstance(ready := module.constants.get(node.id), ast.Call):
            if error := _error(module, ready):
                self._take(module, ready, error, given, frozenset(("OrderRefused",)))
            return
        target = _target(module, node)
        if target is not None and not _needs_texts(*target):
            self.visit(*target, given, caught)

    def _take(self, module: _Module, call: ast.Call, error: _Error, given: dict[str, str], caught: frozenset[str]) -> None:
        code = next((word.value for word in call.keywords if word.arg == "code"), None)
        if code is None and len(call.args) > error.position:
            code = call.args[error.position]
        if code is not None and ast.unparse(code) == "refused.code":
            return  # an OrderRefused, which was found where it was raised
        text = error.code if code is None else _text(code, given)
        if text is None:
            raise ValueError(f"{module.name}: the code of {ast.unparse(call)} cannot be told")
        if ast.unparse(call.func) in caught:
            self.found.of_items.add(text)
        else:
            self.found.by_status[error.status].add(text)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Without annotations, which call nothing."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST))


def _names(node: ast.expr | None) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node is not None else set()


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) for part in ast.walk(handler))


def _text(node: ast.expr, given: dict[str, str]) -> str | None:
    """The text of a constant, of a parameter that was given one, or of an f-string of these."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return given.get(node.id)
    if isinstance(node, ast.JoinedStr):
        parts = [_text(part.value if isinstance(part, ast.FormattedValue) else part, given) for part in node.values]
        return None if None in parts else "".join(parts)
    return None


def _needs_texts(module: _Module, name: str) -> bool:
    """Whether a function puts a code together from its parameters: then only its calls say which."""
    return name in module.functions and any(
        isinstance(part, ast.Call) and _error(module, part) and any(isinstance(text, ast.JoinedStr) and _text(text, {}) is None
                                                                    for text in part.args[-1:])
        for part in ast.walk(module.functions[name]))


def _target(module: _Module, node: ast.expr) -> tuple[_Module, str] | None:
    """The function or class of ours that a name or an attribute is."""
    if isinstance(node, ast.Name):
        if node.id in module.functions or node.id in module.classes:
            return module, node.id
        where, name = module.imported.get(node.id, ("", ""))
        return (_module(where), name) if _is_ours(where) else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "request":
            return _module(REQUEST_MODULE), f"Request.{node.attr}"
        where, name = module.imported.get(node.value.id, ("", ""))
        if _is_ours(f"{where}.{name}"):
            return _module(f"{where}.{name}"), node.attr
    return None


def _is_ours(module: str) -> bool:
    return module.startswith("exchange.") and _path(module).is_file()


def _error(module: _Module, call: ast.Call) -> _Error | None:
    """The error class that a call makes one of."""
    if not isinstance(call.func, ast.Name):
        return None
    where, name = module.imported.get(call.func.id, (module.name, call.func.id))
    if (where, name) == REFUSED or (where == "exchange.orders" and name == REFUSED[1]):
        return _Error(400, None, 0)
    return _errors().get(name) if where == ERRORS_MODULE else None


@cache
def _errors() -> dict[str, _Error]:
    """The classes of `exchange.api.errors`."""
    found: dict[str, _Error] = {}
    for name, made in _module(ERRORS_MODULE).classes.items():
        own = {node.targets[0].id: node.value.value for node in made.body
               if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)}
        if "status" in own:
            found[name] = _Error(own["status"], own["code"], 1)
    return found


def _path(module: str) -> Path:
    return Path(module) if module.endswith(".py") else LAYER / f"{module.replace('.', '/')}.py"


@cache
def _module(name: str) -> _Module:
    tree = ast.parse(_path(name).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    functions |= {f"{kind}.{node.name}": node for kind, made in classes.items() for node in made.body
                  if isinstance(node, ast.FunctionDef)}
    imported = {alias.asname or alias.name: (node.module, alias.name) for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) for alias in node.names}
    constants = {node.targets[0].id: node.value for node in tree.body
                 if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    return _Module(name, functions, classes, imported, constants)
