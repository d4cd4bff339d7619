"""Reads a synthesised assembly for the tests: resources by type, functions by operation, rights by function."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from cdk.operations import OPERATION_TAG


@dataclass
class Assembly:
    """All stacks of one folder; logical ids are unique within a stack only, so everything is keyed (stack, id)."""

    folder: Path
    templates: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Assembly":
        return cls(folder, {path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
                            for path in sorted(folder.glob("*.template.json"))})

    def of_type(self, type_: str) -> dict[tuple[str, str], dict]:
        """Resources of a type, by (stack, logical id)."""
        return {(stack, name): resource for stack, template in self.templates.items()
                for name, resource in template["Resources"].items() if resource["Type"] == type_}

    def functions(self) -> dict[tuple[str, str], tuple[str, dict]]:
        """(operation, resource) of each function that is ours; CDK's own providers have no tag."""
        found = {}
        for key, resource in self.of_type("AWS::Lambda::Function").items():
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"].get("Tags", [])}
            if OPERATION_TAG in tags:
                found[key] = (tags[OPERATION_TAG], resource)
        return found

    def operation_of(self, stack: str, node: object) -> str:
        """The operation of the function that an ARN or name expression of `stack` speaks of, through its alias too."""
        names = [name for name in self.templates[stack]["Resources"] if json.dumps(name) in json.dumps(node)]
        functions, aliases = self.functions(), self.of_type("AWS::Lambda::Alias")
        for name in names:
            if (stack, name) in functions:
                return functions[stack, name][0]
            if (stack, name) in aliases:
                return self.operation_of(stack, aliases[stack, name]["Properties"]["FunctionName"])
        raise AssertionError(f"{stack}: {node} names no function of ours")

    def imported(self, stack: str, node: object) -> tuple[str, object]:
        """The stack and the expression that an import stands for; any other expression is itself."""
        if not (isinstance(node, dict) and "Fn::ImportValue" in node):
            return stack, node
        [found] = [(exporter, output["Value"]) for exporter, template in self.templates.items()
                   for output in template.get("Outputs", {}).values()
                   if output.get("Export", {}).get("Name") == node["Fn::ImportValue"]]
        return found

    def statements(self, stack: str, function: dict) -> list[dict]:
        """Every allowed statement of the function's role."""
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        body = self.templates[stack]["Resources"][role]["Properties"]
        assert not body.get("ManagedPolicyArns"), f"{role} has managed policies"
        found = [statement for policy in body.get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]
        for (policy_stack, _), policy in self.of_type("AWS::IAM::Policy").items():
            if policy_stack == stack and {"Ref": role} in policy["Properties"]["Roles"]:
                found += policy["Properties"]["PolicyDocument"]["Statement"]
        return found


def as_list(value: object) -> list:
    """IAM writes a list of one as the one."""
    return value if isinstance(value, list) else [value]
