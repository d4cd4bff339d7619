"""What each resource type of the template is on this machine; the real ones are made in the emulator, idempotently.

Owns the two lists that together must name every type in the template: what has a local part, and what has none and why.
A type in neither list stops the start. Physical ids that a service draws (user pool, client, key) are kept in
`resources.json`, so that a restart finds them.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
from botocore.config import Config

from exchange.adapters.aws import answers
from local.template import Assembly, Resource, TemplateError, function_name

NO_LOCAL_PART = {
    "AWS::Lambda::Permission": "the gateway, consumers and schedules call only what the template wires",
    "AWS::Lambda::LayerVersion": "the sources and the virtual environment are on the import path",
    "AWS::Lambda::EventInvokeConfig": "a schedule's failed invocation is reported, not repeated",
    "AWS::ApiGatewayV2::Stage": "one stage, without a prefix; throttling is left to the machine",
    "AWS::ApiGatewayV2::Deployment": "the routes of the template are what is served",
    "AWS::ApiGatewayV2::IntegrationResponse": "Lambda proxy integrations have none",
    "AWS::ApiGatewayV2::RouteResponse": "read with its route's RouteResponseSelectionExpression",
    "AWS::ApiGatewayV2::DomainName": "127.0.0.1 has no certificate",
    "AWS::ApiGatewayV2::ApiMapping": "127.0.0.1 has no domain name",
    "AWS::SNS::Topic": "nobody is paged by a local run",
    "AWS::SNS::TopicPolicy": "nobody is paged by a local run",
    "AWS::SNS::Subscription": "nobody is paged by a local run",
    "AWS::CloudWatch::Alarm": "nobody is paged by a local run",
    "AWS::CloudWatch::CompositeAlarm": "nobody is paged by a local run",
    "AWS::CloudWatch::Dashboard": "`python -m local status` instead",
    "AWS::Logs::LogGroup": "logs are files in the data folder",
    "AWS::Logs::MetricFilter": "logs are files in the data folder",
    "AWS::RDS::DBCluster": "the embedded PostgreSQL stands for it",
    "AWS::RDS::DBInstance": "the embedded PostgreSQL stands for it",
    "AWS::RDS::DBSubnetGroup": "a unix socket has no network",
    "AWS::RDS::DBClusterParameterGroup": "the embedded PostgreSQL has its own settings",
    "AWS::RDS::DBParameterGroup": "the embedded PostgreSQL has its own settings",
    "AWS::RDS::DBProxy": "the functions connect to the server itself",
    "AWS::RDS::DBProxyTargetGroup": "the functions connect to the server itself",
    "AWS::SecretsManager::Secret": "the embedded PostgreSQL has no password",
    "AWS::SecretsManager::SecretTargetAttachment": "the embedded PostgreSQL has no password",
    "AWS::ElastiCache::ServerlessCache": "the embedded Valkey stands for it",
    "AWS::ElastiCache::SubnetGroup": "127.0.0.1 has no subnets",
    "AWS::ApplicationAutoScaling::ScalableTarget": "the pool of workers has a fixed size",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "the pool of workers has a fixed size",
    "AWS::CDK::Metadata": "describes the CDK's version",
    "AWS::CloudFormation::CustomResource": "deploy-time steps; what is to run at deploy runs at start",
}
_NO_LOCAL_PART_PREFIXES = {
    "AWS::EC2::": "127.0.0.1 has no network of its own",
    "Custom::": "deploy-time steps; what is to run at deploy runs at start",
}
# Read by plan.py and rights.py, made by nobody: what they say is what the runtime does, and lets do.
_READ_BY_PLAN = frozenset({
    "AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::EventSourceMapping",
    "AWS::SQS::Queue", "AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Authorizer",
    "AWS::IAM::Role", "AWS::IAM::Policy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy",
})
TRIGGERS = frozenset({"PreSignUp"})


class Resources:
    """`Ref` and `Fn::GetAtt` of every resource; makes the emulator's ones when they are first referred to."""

    def __init__(self, assembly: Assembly, *, emulator_url: str, region: str, account: str, state_file: Path,
                 api_endpoints: Callable[[Resource], str]) -> None:
        self._assembly = assembly
        self._region = region
        self._account = account
        self._state_file = state_file
        self._api_endpoints = api_endpoints
        self._ids: dict[str, str] = json.loads(state_file.read_text()) if state_file.exists() else {}
        self._made: dict[str, str] = {}
        self._clients: dict[str, Any] = {}
        self._emulator_url = emulator_url
        self._makers: dict[str, Callable[[Resource], str]] = {
            "AWS::Cognito::UserPool": self._user_pool, "AWS::Cognito::UserPoolClient": self._user_pool_client,
            "AWS::Cognito::UserPoolGroup": self._user_pool_group, "AWS::DynamoDB::Table": self._table,
            "AWS::KMS::Key": self._key, "AWS::KMS::Alias": self._alias, "AWS::S3::Bucket": self._bucket}

    def check_types(self) -> None:
        """Raises TemplateError naming every type that the local runtime has no answer for."""
        unknown = sorted({resource.type for resource in self._assembly.resources.values()
                          if resource.type not in self._makers and resource.type not in _READ_BY_PLAN
                          and reason_without_local_part(resource.type) is None})
        if unknown:
            raise TemplateError(f"the template has resource types without a local part: {', '.join(unknown)}. Give them"
                                " one, or list them with the reason why they need none (local/resources.py).")

    def make(self) -> None:
        """Makes all that is missing in the emulator. May be repeated."""
        for resource in self._assembly.of_type(*self._makers):
            self.ref(resource)

    def exists(self, stack: str, reference: Any) -> bool:
        """Whether what `{"Ref": ...}` names is there on this machine; True for None, which names nothing."""
        return reference is None or f"{stack}/{reference['Ref']}" in self._assembly.resources

    # --- ResourceValues

    def ref(self, resource: Resource) -> str:
        if resource.type in self._makers:
            if resource.key not in self._made:
                self._made[resource.key] = self._makers[resource.type](resource)
            return self._made[resource.key]
        match resource.type:
            case "AWS::Lambda::Function":
                return self.function_name(resource)
            case "AWS::Lambda::Version":
                return f"{self._arn('lambda', 'function')}:{self._function_of(resource)}:1"
            case "AWS::Lambda::Alias":
                alias = self._assembly.property_of(resource, "Name")
                return f"{self._arn('lambda', 'function')}:{self._function_of(resource)}:{alias}"
            case "AWS::SQS::Queue":
                return f"https://sqs.{self._region}.amazonaws.com/{self._account}/{self.queue_name(resource)}"
        # Ids of the gateway's parts must be unique over all stacks; of the rest, nobody here reads them.
        return f"{resource.stack}.{resource.logical_id}"

    def attribute(self, resource: Resource, name: str) -> str:
        match resource.type, name:
            case "AWS::Lambda::Function", "Arn":
                return f"{self._arn('lambda', 'function')}:{self.function_name(resource)}"
            case "AWS::Lambda::Version", "Version":
                return "1"
            case "AWS::SQS::Queue", "Arn":
                return f"{self._arn('sqs')}:{self.queue_name(resource)}"
            case "AWS::SQS::Queue", "QueueName":
                return self.queue_name(resource)
            case "AWS::SQS::Queue", "QueueUrl":
                return self.ref(resource)
            case "AWS::ApiGatewayV2::Api", "ApiEndpoint":
                return self._api_endpoints(resource)
            case "AWS::Cognito::UserPool", "Arn":
                return f"{self._arn('cognito-idp', 'userpool')}/{self.ref(resource)}"
            case "AWS::Cognito::UserPool", "ProviderURL":
                return issuer(self._region, self.ref(resource))
            case "AWS::Cognito::UserPool", "ProviderName":
                return issuer(self._region, self.ref(resource)).removeprefix("https://")
            case "AWS::DynamoDB::Table", "Arn":
                return f"{self._arn('dynamodb', 'table')}/{self.ref(resource)}"
            case "AWS::KMS::Key", "Arn":
                return f"{self._arn('kms', 'key')}/{self.ref(resource)}"
            case "AWS::KMS::Key", "KeyId":
                return self.ref(resource)
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{self.ref(resource)}"
        if reason_without_local_part(resource.type) is not None or resource.type in _READ_BY_PLAN:
            return f"{resource.stack}.{resource.logical_id}.{name}"
        raise TemplateError(f"{resource.key}: {resource.type} has no attribute {name} in the local runtime")

    # --- names

    def function_name(self, resource: Resource) -> str:
        return self._assembly.property_of(resource, "FunctionName", f"{resource.stack}-{resource.logical_id}")

    def queue_name(self, resource: Resource) -> str:
        fifo = str(self._assembly.property_of(resource, "FifoQueue", False)).lower() == "true"
        default = f"{resource.stack}-{resource.logical_id}" + (".fifo" if fifo else "")
        return self._assembly.property_of(resource, "QueueName", default)

    def _function_of(self, resource: Resource) -> str:
        """The name of the function that a version or alias stands for."""
        return function_name(self._assembly.property_of(resource, "FunctionName"))

    def _arn(self, service: str, kind: str = "") -> str:
        return f"arn:aws:{service}:{self._region}:{self._account}" + (f":{kind}" if kind else "")

    # --- making

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        if service not in self._clients:
            self._clients[service] = answers.client(
                service, endpoint_url=self._emulator_url, region_name=self._region, aws_access_key_id="local",
                aws_secret_access_key="local", config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}))
        return self._clients[service]

    def _kept(self, resource: Resource, exists: Callable[[str], Any], create: Callable[[], str]) -> str:
        """The id drawn in an earlier run, if the thing still exists; otherwise a new one."""
        known = self._ids.get(resource.key)
        if known is not None:
            try:
                exists(known)
                return known
            except botocore.exceptions.ClientError:
                pass
        self._ids[resource.key] = create()
        temporary = self._state_file.with_suffix(".new")
        temporary.write_text(json.dumps(self._ids, indent=2) + "\n")
        os.replace(temporary, self._state_file)
        return self._ids[resource.key]

    def _call(self, service: str, operation: str, values: dict[str, Any]) -> dict[str, Any]:
        """Calls an operation with those of `values` that it takes: CloudFormation has properties that it does not."""
        client = self.client(service)
        method = client.meta.method_to_api_mapping[operation]
        shape = client.meta.service_model.operation_model(method).input_shape
        return getattr(client, operation)(**_shaped(shape, values))

    def _user_pool(self, resource: Resource) -> str:
        values = self._assembly.properties(resource)
        values["PoolName"] = values.pop("UserPoolName", resource.logical_id)
        triggers = set(values.get("LambdaConfig", {}))
        if not triggers <= TRIGGERS:
            raise TemplateError(f"{resource.key}: the triggers {sorted(triggers - TRIGGERS)} have no local part")
        cognito = self.client("cognito-idp")
        pool = self._kept(resource, lambda known: cognito.describe_user_pool(UserPoolId=known),
                          lambda: self._call("cognito-idp", "create_user_pool", values)["UserPool"]["Id"])
        self._call("cognito-idp", "update_user_pool", values | {"UserPoolId": pool})
        return pool

    def _user_pool_client(self, resource: Resource) -> str:
        values = self._assembly.properties(resource)
        values.setdefault("ClientName", resource.logical_id)
        cognito, pool = self.client("cognito-idp"), values["UserPoolId"]
        client = self._kept(
            resource, lambda known: cognito.describe_user_pool_client(UserPoolId=pool, ClientId=known),
            lambda: self._call("cognito-idp", "create_user_pool_client", values)["UserPoolClient"]["ClientId"])
        self._call("cognito-idp", "update_user_pool_client", values | {"ClientId": client})
        return client

    def _user_pool_group(self, resource: Resource) -> str:
        values = self._assembly.properties(resource)
        try:
            self._call("cognito-idp", "create_group", values)
        except self.client("cognito-idp").exceptions.GroupExistsException:
            pass
        return values["GroupName"]

    def _table(self, resource: Resource) -> str:
        values = self._assembly.properties(resource)
        values.setdefault("TableName", f"{resource.stack}-{resource.logical_id}")
        try:
            found = self.client("dynamodb").describe_table(TableName=values["TableName"])["Table"]
        except self.client("dynamodb").exceptions.ResourceNotFoundException:
            self._call("dynamodb", "create_table", values | {"DeletionProtectionEnabled": False})
            return values["TableName"]
        if found["KeySchema"] != values["KeySchema"]:
            raise TemplateError(f"the table {values['TableName']} has another key than the template; start with --fresh")
        return values["TableName"]

    def _key(self, resource: Resource) -> str:
        kms = self.client("kms")
        return self._kept(resource, lambda known: kms.describe_key(KeyId=known),
                          lambda: kms.create_key(Description=resource.logical_id)["KeyMetadata"]["KeyId"])

    def _alias(self, resource: Resource) -> str:
        values = self._assembly.properties(resource)
        key = values["TargetKeyId"].rsplit("/", 1)[-1]
        try:
            self.client("kms").create_alias(AliasName=values["AliasName"], TargetKeyId=key)
        except self.client("kms").exceptions.AlreadyExistsException:
            self.client("kms").update_alias(AliasName=values["AliasName"], TargetKeyId=key)
        return values["AliasName"]

    def _bucket(self, resource: Resource) -> str:
        default = f"{resource.stack}-{resource.logical_id}".lower()[:63]
        name = self._assembly.property_of(resource, "BucketName", default)
        s3 = self.client("s3")
        if name not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=name)
        return name


def reason_without_local_part(type_name: str) -> str | None:
    """Why a type needs no local part, or None if it needs one."""
    if type_name in NO_LOCAL_PART:
        return NO_LOCAL_PART[type_name]
    return next((reason for prefix, reason in _NO_LOCAL_PART_PREFIXES.items() if type_name.startswith(prefix)), None)


def issuer(region: str, pool: str) -> str:
    return f"https://cognito-idp.{region}.amazonaws.com/{pool}"


def _shaped(shape: Any, value: Any) -> Any:
    """`value` cut to what an API shape takes, with CloudFormation's texts turned into its booleans and numbers."""
    match shape.type_name:
        case "structure":
            return {name: _shaped(shape.members[name], part) for name, part in value.items() if name in shape.members}
        case "list":
            return [_shaped(shape.member, part) for part in value]
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "integer" | "long":
            return int(value)
        case "string":
            return value if isinstance(value, str) else json.dumps(value)
    return value
