"""Reads a synthesised cloud assembly (`cdk.out`) and evaluates the CloudFormation language in it.

Owns the intrinsic functions, conditions, parameters and exports. What a resource's `Ref` and attributes are is not known
here: the caller gives `ResourceValues` (see resources.py). Everything unknown raises; nothing is ignored silently.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

_SUB_NAME = re.compile(r"\$\{([^}]*)\}")


class TemplateError(Exception):
    """The template asks for something that the local runtime does not know; the message says where and what."""


class _NoValue:
    """`AWS::NoValue`: the property that has it is left out."""


NO_VALUE = _NoValue()


@dataclass(frozen=True)
class Resource:
    """One resource of one stack, unevaluated."""

    stack: str
    logical_id: str
    type: str
    properties: dict[str, Any]
    metadata: dict[str, Any]
    folder: Path  # what asset paths are relative to

    @property
    def key(self) -> str:
        return f"{self.stack}/{self.logical_id}"

    @property
    def asset(self) -> Path | None:
        """The folder of its code, where it has one."""
        path = self.metadata.get("aws:asset:path")
        return (self.folder / path).resolve() if path else None


class ResourceValues(Protocol):
    """What `Ref` and `Fn::GetAtt` of a resource mean on this machine."""

    def ref(self, resource: Resource) -> Any: ...

    def attribute(self, resource: Resource, name: str) -> Any: ...


class Assembly:
    """All stacks of one `cdk.out`, with one namespace of exports."""

    def __init__(self, templates: dict[str, dict[str, Any]], *, folder: Path, region: str, account: str,
                 parameters: dict[str, str] | None = None) -> None:
        self._templates = templates
        self._folder = folder
        self._region = region
        self._account = account
        self._parameters = parameters or {}
        self._values: ResourceValues | None = None
        self._evaluating: list[str] = []
        self.resources: dict[str, Resource] = {}
        for stack, template in templates.items():
            for logical_id, body in template.get("Resources", {}).items():
                resource = Resource(
                    stack=stack, logical_id=logical_id, type=body["Type"], properties=body.get("Properties", {}),
                    metadata=body.get("Metadata", {}), folder=folder)
                if "Condition" not in body or self.condition(stack, body["Condition"]):
                    self.resources[resource.key] = resource

    def use(self, values: ResourceValues) -> None:
        """From now on references to resources are answered by `values`."""
        self._values = values

    def of_type(self, *types: str) -> Iterator[Resource]:
        """The resources of these types, in the template's order."""
        return (resource for resource in self.resources.values() if resource.type in types)

    def properties(self, resource: Resource) -> dict[str, Any]:
        """All properties, evaluated."""
        if resource.key in self._evaluating:
            raise TemplateError("resources refer to each other in a circle: "
                                + " -> ".join([*self._evaluating, resource.key]))
        self._evaluating.append(resource.key)
        try:
            return self.value(resource.stack, resource.properties)
        finally:
            self._evaluating.pop()

    def property_of(self, resource: Resource, name: str, default: Any = None) -> Any:
        """One property, evaluated; for names that others need while the whole cannot be evaluated yet."""
        if name not in resource.properties:
            return default
        value = self.value(resource.stack, resource.properties[name])
        return default if value is NO_VALUE else value

    # --- the language

    def value(self, stack: str, node: Any) -> Any:
        """`node` with every intrinsic function evaluated."""
        if isinstance(node, list):
            return [item for item in (self.value(stack, part) for part in node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref":
                return self._ref(stack, argument)
            if name.startswith("Fn::"):
                function = _FUNCTIONS.get(name)
                if function is None:
                    raise TemplateError(f"{stack}: the function {name} is not known to the local runtime")
                return function(self, stack, argument)
        evaluated = {key: self.value(stack, part) for key, part in node.items()}
        return {key: part for key, part in evaluated.items() if part is not NO_VALUE}

    def condition(self, stack: str, name: str) -> bool:
        conditions = self._templates[stack].get("Conditions", {})
        if name not in conditions:
            raise TemplateError(f"{stack}: the condition {name} is not defined")
        return self._truth(stack, conditions[name])

    def _truth(self, stack: str, node: Any) -> bool:
        if isinstance(node, dict) and len(node) == 1:
            name, argument = next(iter(node.items()))
            match name:
                case "Condition":
                    return self.condition(stack, argument)
                case "Fn::Equals":
                    return self.value(stack, argument[0]) == self.value(stack, argument[1])
                case "Fn::Not":
                    return not self._truth(stack, argument[0])
                case "Fn::And":
                    return all(self._truth(stack, part) for part in argument)
                case "Fn::Or":
                    return any(self._truth(stack, part) for part in argument)
        raise TemplateError(f"{stack}: {node!r} is not a condition that the local runtime knows")

    def _ref(self, stack: str, name: str) -> Any:
        if name.startswith("AWS::"):
            return self._pseudo(stack, name)
        resource = self.resources.get(f"{stack}/{name}")
        if resource is not None:
            return self._resource_values.ref(resource)
        parameter = self._templates[stack].get("Parameters", {}).get(name)
        if parameter is not None:
            if name in self._parameters:
                return self._parameters[name]
            if "Default" not in parameter:
                raise TemplateError(f"{stack}: the parameter {name} has no default")
            return parameter["Default"]
        raise TemplateError(f"{stack}: Ref {name} names neither a resource nor a parameter")

    @property
    def _resource_values(self) -> ResourceValues:
        if self._values is None:
            raise TemplateError("a condition or parameter refers to a resource")
        return self._values

    def _pseudo(self, stack: str, name: str) -> Any:
        values = {"AWS::Region": self._region, "AWS::AccountId": self._account, "AWS::Partition": "aws",
                  "AWS::URLSuffix": "amazonaws.com", "AWS::StackName": stack, "AWS::NoValue": NO_VALUE,
                  "AWS::StackId": f"arn:aws:cloudformation:{self._region}:{self._account}:stack/{stack}/local",
                  "AWS::NotificationARNs": []}
        if name not in values:
            raise TemplateError(f"{stack}: the pseudo parameter {name} is not known")
        return values[name]

    def _attribute(self, stack: str, argument: Any) -> Any:
        logical_id, _, name = argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
        resource = self.resources.get(f"{stack}/{logical_id}")
        if resource is None:
            raise TemplateError(f"{stack}: Fn::GetAtt names {logical_id}, which is no resource")
        return self._resource_values.attribute(resource, self.value(stack, name))

    def _sub(self, stack: str, argument: Any) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                return str(self.value(stack, names[name]))
            return str(self._attribute(stack, name) if "." in name else self._ref(stack, name))

        return _SUB_NAME.sub(replace, text)

    def _if(self, stack: str, argument: Any) -> Any:
        return self.value(stack, argument[1] if self.condition(stack, argument[0]) else argument[2])

    def _import(self, stack: str, argument: Any) -> Any:
        name = self.value(stack, argument)
        if name not in self._exports:
            raise TemplateError(f"{stack}: Fn::ImportValue {name}: no stack exports it")
        exporter, node = self._exports[name]
        return self.value(exporter, node)

    @cached_property
    def _exports(self) -> dict[str, tuple[str, Any]]:
        return {self.value(stack, output["Export"]["Name"]): (stack, output["Value"])
                for stack, template in self._templates.items()
                for output in template.get("Outputs", {}).values() if "Export" in output}

    def _find_in_map(self, stack: str, argument: Any) -> Any:
        name, first, second = (self.value(stack, part) for part in argument[:3])
        try:
            return self._templates[stack]["Mappings"][name][first][second]
        except KeyError:
            raise TemplateError(f"{stack}: Fn::FindInMap {name}/{first}/{second}: no such entry") from None


_FUNCTIONS: dict[str, Callable[[Assembly, str, Any], Any]] = {
    "Fn::GetAtt": Assembly._attribute,
    "Fn::Join": lambda a, stack, arg: str(a.value(stack, arg[0])).join(str(p) for p in a.value(stack, arg[1])),
    "Fn::Sub": Assembly._sub,
    "Fn::If": Assembly._if,
    "Fn::ImportValue": Assembly._import,
    "Fn::Select": lambda a, stack, arg: a.value(stack, arg[1])[int(a.value(stack, arg[0]))],
    "Fn::Split": lambda a, stack, arg: str(a.value(stack, arg[1])).split(a.value(stack, arg[0])),
    "Fn::FindInMap": Assembly._find_in_map,
    "Fn::GetAZs": lambda a, stack, arg: [a._region + letter for letter in "abc"],
    "Fn::Equals": lambda a, stack, arg: a._truth(stack, {"Fn::Equals": arg}),
    "Fn::ToJsonString": lambda a, stack, arg: json.dumps(a.value(stack, arg)),
}


def read_assembly(folder: Path, *, region: str, account: str, parameters: dict[str, str] | None = None) -> Assembly:
    """The assembly in `folder`, deployed with these parameters; raises TemplateError where there is none."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise TemplateError(f"{folder} holds no cloud assembly: manifest.json is missing")
    templates = {}
    for name, artifact in json.loads(manifest.read_text()).get("artifacts", {}).items():
        if artifact["type"] == "aws:cloudformation:stack":
            stack = artifact["properties"].get("stackName", name)
            templates[stack] = json.loads((folder / artifact["properties"]["templateFile"]).read_text())
    if not templates:
        raise TemplateError(f"{folder} holds no stack")
    return Assembly(templates, folder=folder, region=region, account=account, parameters=parameters)


def function_name(reference: str) -> str:
    """The function's name in a name, an ARN, or an ARN with a version or alias."""
    if not reference.startswith("arn:"):
        return reference.partition(":")[0]
    return reference.partition(":function:")[2].partition(":")[0].partition("/")[0]
