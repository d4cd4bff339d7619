"""What a function's role lets it do, as the template says it: statements from the template, and the question put to them.

Owns IAM's language as far as the template speaks it. What is not known here (an operator, a condition's key, NotAction, a
managed policy) raises at the start, and is never taken for a yes. Roles are read as the cloud has them: what the template
leaves out for the emulator (the database's user, the endpoints of the VPC) counts. `local/border.py` asks; nothing here knows
a service's API.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from local.plan import FunctionPlan, Plan
from local.template import Assembly, Resource, TemplateError

if TYPE_CHECKING:
    from local.resources import Resources

# The values that a request has for a condition's key; none where it does not have the key.
Context = Callable[[str], list[str]]

_KEYS = {"dynamodb:LeadingKeys", "dynamodb:Attributes", "s3:prefix"}
# The same in every request: the clients of AWS speak TLS in the cloud.
_FACTS = {"aws:SecureTransport": ["true"]}
_OPERATORS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "StringEquals": lambda asked, given: bool(asked) and all(value in given for value in asked),
    "StringLike": lambda asked, given: bool(asked) and all(_fits(given, value) for value in asked),
    "Bool": lambda asked, given: bool(asked) and all(value in given for value in asked),
    "ForAllValues:StringEquals": lambda asked, given: all(value in given for value in asked),
}
_KNOWN_PARTS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
# What Lambda itself does with a function's role; it makes no function, or no event source mapping, that lacks one of these.
_OF_THE_VPC = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")
_OF_A_POLLER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def no_context(key: str) -> list[str]:
    return []


class Rights:
    """What one function may do. Raises TemplateError for a statement that is not understood."""

    def __init__(self, statements: list[dict[str, Any]]) -> None:
        self._statements = [statement for statement in map(_Statement, statements) if statement.possible]
        self._concerning: dict[tuple[str, str], tuple[bool, list[_Statement]]] = {}

    def refusal(self, action: str, resource: str, context: Context) -> str | None:
        """None where the request is allowed, else why not, in AWS's words."""
        known = self._concerning.get((action, resource))
        if known is None:
            if len(self._concerning) >= 4096:  # some resources are named by who asks: a connection, an object
                self._concerning.clear()
            found = [statement for statement in self._statements if statement.concerns(action, resource)]
            known = all(statement.allows and not statement.conditions for statement in found) and bool(found), found
            self._concerning[action, resource] = known
        certain, found = known
        if certain:
            return None
        applying = [statement for statement in found if statement.applies(context)]
        for statement in applying:
            if not statement.allows:
                return f"with an explicit deny in {'a resource' if statement.of_a_resource else 'an identity'}-based policy"
        return None if applying else f"because no identity-based policy allows the {action} action"


class _Statement:
    def __init__(self, body: dict[str, Any]) -> None:
        if not (body.keys() <= _KNOWN_PARTS and {"Effect", "Action", "Resource"} <= body.keys()):
            raise TemplateError(f"a policy's statement has the parts {sorted(body)}, wanted {sorted(_KNOWN_PARTS)}")
        self.allows = {"Allow": True, "Deny": False}[body["Effect"]]
        self.of_a_resource = "Principal" in body
        self._actions = [action.lower() for action in _list(body["Action"])]
        self._resources = _list(body["Resource"])
        self.possible = True
        self.conditions: list[tuple[Callable[[list[str], list[str]], bool], str, list[str]]] = []
        for operator, keys in body.get("Condition", {}).items():
            for key, values in keys.items():
                holds, given = _OPERATORS.get(operator), [str(value) for value in _list(values)]
                if holds is None or not (key in _KEYS or key in _FACTS):
                    raise TemplateError(f"the condition {operator} on {key} of a policy has no local part")
                if key in _FACTS:
                    self.possible = self.possible and holds(_FACTS[key], given)
                else:
                    self.conditions.append((holds, key, given))

    def concerns(self, action: str, resource: str) -> bool:
        return _fits(self._actions, action.lower()) and _fits(self._resources, resource)

    def applies(self, context: Context) -> bool:
        return all(holds(context(key), given) for holds, key, given in self.conditions)


def _fits(patterns: list[str], value: str) -> bool:
    return any(pattern == value or (("*" in pattern or "?" in pattern) and _compiled(pattern).fullmatch(value) is not None)
               for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in pattern), re.DOTALL)


def _list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


# --- from the template

def add_rights(plan: Plan, cloud: Assembly, resources: "Resources") -> None:
    """Writes into the plan what each function may do and reach. `cloud`: the assembly as it is deployed to the cloud.

    Raises TemplateError for what is not understood, and where Lambda would refuse to make a function or a mapping.
    """
    plan.tables = {cloud.value(table.stack, {"Ref": table.logical_id}): table.properties["KeySchema"][0]["AttributeName"]
                   for table in cloud.of_type("AWS::DynamoDB::Table")}
    plan.policies = _of_resources(cloud, resources)
    reachable = _endpoints(cloud)
    roles = {cloud.value(role.stack, {"Fn::GetAtt": [role.logical_id, "Arn"]}): role
             for role in cloud.of_type("AWS::IAM::Role")}
    for resource in cloud.of_type("AWS::Lambda::Function"):
        function = plan.functions.get(resources.function_name(resource))
        if function is None:
            continue
        role = roles[cloud.property_of(resource, "Role")]
        function.role = f"{role.stack}-{role.logical_id}"
        function.statements = _of_role(cloud, role)
        function.reaches = reachable if "VpcConfig" in resource.properties else None
        function.arns = _arns(cloud, cloud.property_of(resource, "Environment", {}).get("Variables", {}))
        _check_what_lambda_needs(plan, function)


def rights_of(plan: Plan, function: FunctionPlan) -> Rights:
    """Of its role, and of the policies of resources that speak of everybody."""
    return Rights(function.statements + plan.policies)


def _of_role(cloud: Assembly, role: Resource) -> list[dict[str, Any]]:
    if role.properties.keys() & {"ManagedPolicyArns", "PermissionsBoundary"}:
        raise TemplateError(f"{role.key}: rights that are not the role's own have no local part")
    documents = [policy["PolicyDocument"] for policy in cloud.property_of(role, "Policies", [])]
    documents += [cloud.property_of(policy, "PolicyDocument") for policy in cloud.of_type("AWS::IAM::Policy")
                  if policy.stack == role.stack and {"Ref": role.logical_id} in policy.properties["Roles"]]
    return [statement for document in documents for statement in document["Statement"]]


def _of_resources(cloud: Assembly, resources: "Resources") -> list[dict[str, Any]]:
    """The statements about everybody. One that gives something to somebody gives nothing here; one that denies it, and a key's
    policy that does more than leave the key to roles, are not understood."""
    found = []
    for policy in cloud.of_type("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"):
        if not resources.exists(policy.stack, policy.properties.get("Bucket")):
            continue  # a bucket of the cloud only, which no function here can name
        for statement in cloud.property_of(policy, "PolicyDocument")["Statement"]:
            if statement["Principal"] in ("*", {"AWS": "*"}):
                found.append(statement)
            elif statement["Effect"] == "Deny":
                raise TemplateError(f"{policy.key} denies something to {statement['Principal']}, which has no local part")
    for key in cloud.of_type("AWS::KMS::Key"):
        for statement in cloud.property_of(key, "KeyPolicy")["Statement"]:
            if (statement["Effect"], statement["Action"]) != ("Allow", "kms:*") or ":root" not in str(statement["Principal"]):
                raise TemplateError(f"{key.key}: a key's policy that does more than leave the key to roles has no local part")
    return found


def _endpoints(cloud: Assembly) -> list[str]:
    """The services that the VPC has a way to, by the last part of the endpoint's name."""
    found = []
    for endpoint in cloud.of_type("AWS::EC2::VPCEndpoint"):
        if "PolicyDocument" in endpoint.properties:
            raise TemplateError(f"{endpoint.key}: an endpoint's policy has no local part")
        if endpoint.properties["VpcEndpointType"] == "Gateway" or endpoint.properties.get("PrivateDnsEnabled") is True:
            found.append(cloud.property_of(endpoint, "ServiceName").rsplit(".", 1)[-1])
    return sorted(found)


def _arns(cloud: Assembly, variables: dict[str, str]) -> dict[str, str]:
    """What a function's variables name, where that is no service's resource: the database's user and the connections' API."""
    region, account, found = cloud.value("", {"Ref": "AWS::Region"}), cloud.value("", {"Ref": "AWS::AccountId"}), {}
    if "DATABASE_DSN" in variables:
        target = dict(part.split("=", 1) for part in variables["DATABASE_DSN"].split())
        for cluster in cloud.of_type("AWS::RDS::DBCluster"):
            host, identifier = (cloud.value(cluster.stack, {"Fn::GetAtt": [cluster.logical_id, name]})
                                for name in ("Endpoint.Address", "DBClusterResourceId"))
            if host == target["host"]:
                found["database"] = f"arn:aws:rds-db:{region}:{account}:dbuser:{identifier}/{target['user']}"
    if "CONNECTIONS_ENDPOINT" in variables:
        api, _, rest = variables["CONNECTIONS_ENDPOINT"].removeprefix("https://").partition(".execute-api.")
        found["connections"] = f"arn:aws:execute-api:{region}:{account}:{api}/{rest.partition('/')[2]}"
    return found


def _check_what_lambda_needs(plan: Plan, function: FunctionPlan) -> None:
    queues = [mapping.arn for mapping in plan.mappings if mapping.function == function.name]
    needed = [(action, "*") for action in _OF_THE_VPC if function.reaches is not None]
    rights = rights_of(plan, function)
    for action, resource in needed + [(action, queue) for action in _OF_A_POLLER for queue in queues]:
        if refused := rights.refusal(action, resource, no_context):
            raise TemplateError(f"{function.name}: Lambda is not authorized to perform: {action} on {resource} {refused}")
    if function.reaches is None and function.environment.keys() & {"DATABASE_DSN", "REDIS_URL"}:
        raise TemplateError(f"{function.name} is not in the VPC, where PostgreSQL and Valkey are, and has their addresses")
