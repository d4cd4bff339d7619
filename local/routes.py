"""Which route of an HTTP API a request takes, as API Gateway decides it.

Order: a full match before one with variables before a greedy one before `$default`; a method of its own before ANY.
"""

from dataclasses import dataclass
from urllib.parse import unquote

from local.plan import ApiPlan, RoutePlan

_KEPT = 1000  # methods and lengths are the client's


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the values of its path's variables."""

    route: RoutePlan
    parameters: dict[str, str] | None


class Router:
    """Routes of one HTTP API."""

    def __init__(self, api: ApiPlan) -> None:
        self._exact: dict[tuple[str, str], Match] = {}
        self._variable: list[tuple[str, list[str], RoutePlan]] = []
        self._default: Match | None = None
        for route in api.routes:
            if route.key == "$default":
                self._default = Match(route, None)
                continue
            method, _, path = route.key.partition(" ")
            if "{" in path:
                self._variable.append((method, path.split("/"), route))
            else:
                self._exact[method, path] = Match(route, None)
        # Fixed words first, from the left; greedy variables last.
        self._variable.sort(key=lambda row: ([_weight(part) for part in row[1]], row[0] == "ANY"))
        self._words = {pattern[1] for _, pattern, _ in self._variable}
        self._possible: dict[tuple[str, str, int], list[tuple[list[str], RoutePlan]]] = {}

    def match(self, method: str, path: str) -> Match | None:
        """`path` as sent; the values of variables are decoded."""
        found = self._exact.get((method, path)) or self._exact.get(("ANY", path))
        if found is not None:
            return found
        parts = path.split("/")
        for pattern, route in self._possible_for(method, parts):
            parameters = _fit(pattern, parts)
            if parameters is not None:
                return Match(route, parameters)
        return self._default

    def _possible_for(self, method: str, parts: list[str]) -> list[tuple[list[str], RoutePlan]]:
        """The routes with variables that method, first word and length leave, in their order."""
        word = parts[1] if len(parts) > 1 and parts[1] in self._words else ""
        key = (method, word, len(parts))
        found = self._possible.get(key)
        if found is None:
            found = [(pattern, route) for wanted, pattern, route in self._variable
                     if wanted in (method, "ANY") and (pattern[1] == word or pattern[1].startswith("{"))
                     and (len(pattern) == len(parts) or pattern[-1].endswith("+}"))]
            if len(self._possible) < _KEPT:
                self._possible[key] = found
        return found

    def has_path(self, path: str) -> bool:
        """Whether any method is routed at this path."""
        parts = path.split("/")
        return (any(known == path for _, known in self._exact)
                or any(_fit(pattern, parts) is not None for _, pattern, _ in self._variable))


def _weight(part: str) -> int:
    if part.endswith("+}"):
        return 2
    return 1 if part.startswith("{") else 0


def _fit(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    greedy = pattern[-1].endswith("+}")
    if len(parts) != len(pattern) and not (greedy and len(parts) > len(pattern)):
        return None
    parameters = {}
    for position, wanted in enumerate(pattern):
        if wanted.startswith("{"):
            name = wanted[1:-1]
            value = "/".join(parts[position:]) if name.endswith("+") else parts[position]
            if not value:
                return None
            parameters[name.rstrip("+")] = unquote(value)
        elif wanted != parts[position]:
            return None
    return parameters
