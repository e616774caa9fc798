"""Every resource of a template, made through moto's API or listed with the reason why it is not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.aws.builders import BUILDERS
from local.aws.moto_server import MotoServer
from local.aws.template import ACCOUNT, REGION, Json, Template, TemplateError


@dataclass(frozen=True)
class Resource:
    """A resource of the stack; `ref` and `attributes` are what `Ref` and `Fn::GetAtt` give for it."""

    logical_id: str
    type: str
    properties: Mapping[str, Json]
    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _NotBuilt:
    """A type that the local world leaves out, and why; others may still refer to it by `ref` and `arn`."""

    why: str
    arn: str = ""
    ref: str = "{name}"


_ARN = f"arn:aws:{{service}}:{REGION}:{ACCOUNT}"

NOT_BUILT: Mapping[str, _NotBuilt] = {
    "AWS::ApiGatewayV2::Api": _NotBuilt("local.http_api listens in its place"),
    "AWS::ApiGatewayV2::ApiMapping": _NotBuilt("nothing local has a domain"),
    "AWS::ApiGatewayV2::DomainName": _NotBuilt("nothing local has a domain"),
    "AWS::ApiGatewayV2::Integration": _NotBuilt("local.http_api calls the function"),
    "AWS::ApiGatewayV2::Route": _NotBuilt("local.http_api knows the way"),
    "AWS::ApiGatewayV2::Stage": _NotBuilt("nothing local is throttled, and no access log is written"),
    "AWS::Logs::MetricFilter": _NotBuilt("no access log is written"),
    "AWS::Events::ApiDestination": _NotBuilt(
        "local.api_destination posts to it",
        arn=f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/{{name}}",
    ),
    "AWS::Events::Connection": _NotBuilt(
        "local.api_destination reads its secret for each post",
        arn=f"arn:aws:events:{REGION}:{ACCOUNT}:connection/{{name}}",
    ),
    "AWS::IAM::Role": _NotBuilt(
        "moto enforces no policy: here every function may do everything",
        arn=f"arn:aws:iam::{ACCOUNT}:role/{{name}}",
    ),
    "AWS::IAM::Policy": _NotBuilt("moto enforces no policy: here every function may do everything"),
    "AWS::S3::BucketPolicy": _NotBuilt(
        "moto denies the put that names If-None-Match as well: here everybody may store, and delete what is not locked"
    ),
    "AWS::Lambda::EventInvokeConfig": _NotBuilt("local.asynchronous_invocation retries, then sends to the queue"),
    "AWS::Lambda::EventSourceMapping": _NotBuilt(
        "local.event_source_mapping polls the queue; one batch at a time for each, whatever its MaximumConcurrency"
    ),
    "AWS::Lambda::Function": _NotBuilt(
        "local.runtime_api runs it in a process of its own",
        arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    ),
    "AWS::Lambda::LayerVersion": _NotBuilt(
        "it is on the function's PYTHONPATH, its dependencies are those of this interpreter",
        ref=f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{{name}}:1",
    ),
    "AWS::Lambda::Permission": _NotBuilt("nothing local asks who may invoke a function"),
}

#: resources that exist here, but not all that AWS would do with them
BUILT_IN_PART: Mapping[str, str] = {
    "AWS::CloudWatch::Alarm": "made, never raised: no metric reaches moto",
    "AWS::CloudWatch::Dashboard": "made, and shows nothing: no metric reaches moto",
    "AWS::DynamoDB::Table": "not encrypted",
    "AWS::Events::EventBusPolicy": "kept, not enforced: anybody here may speak for Leaver",
    "AWS::Events::Rule": "a target is tried once and its dead-letter queue never used; local.schedule fires schedules",
    "AWS::Logs::LogGroup": "not encrypted, kept as long as the world; one stream for all processes of a function",
    "AWS::KMS::Key": "its policy is kept, not enforced: anybody here may sign",
    "AWS::S3::Bucket": "locked by its default rule; nothing expires, and locks can be shortened",
    "AWS::SQS::Queue": "not encrypted; a FIFO queue forgets a deduplication id with its message, not in five minutes",
    "AWS::SQS::QueuePolicy": "kept, not enforced",
}


#: the property that gives a resource its name; without it CloudFormation invents one
_NAME_PROPERTIES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Archive": "ArchiveName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
}


class Stack:
    """The resources of `template` in `aws`, each made once, those first that others refer to."""

    def __init__(self, template: Template, aws: MotoServer, api_url: str = "") -> None:
        """Make them all; a type that is neither made nor left out knowingly is a TemplateError.

        An HTTP API tells `api_url` as its address.
        """
        self._api_url = api_url
        self._template = template
        self._aws = aws
        self._resources: dict[str, Resource] = {}
        self._under_way: list[str] = []
        for logical_id in template.resources:
            self._make(logical_id)
        self._describe()

    def __getitem__(self, logical_id: str) -> Resource:
        """Return the resource of that name; KeyError when the template has none."""
        return self._resources[logical_id]

    def of_type(self, kind: str) -> list[Resource]:
        """Return every resource of a type, in the template's order."""
        return [self._resources[name] for name, it in self._template.resources.items() if it["Type"] == kind]

    def not_built(self) -> Iterable[tuple[str, list[str], str]]:
        """Yield type, logical ids and the reason for all that is missing here, or is less than it is in AWS."""
        for kind, why in sorted({**{kind: it.why for kind, it in NOT_BUILT.items()}, **BUILT_IN_PART}.items()):
            if resources := self.of_type(kind):
                yield kind, [resource.logical_id for resource in resources], why

    def ref(self, logical_id: str) -> str:
        """Give what `Ref` stands for."""
        return self._make(logical_id).ref

    def attribute(self, logical_id: str, name: str) -> str:
        """Give what `Fn::GetAtt` stands for."""
        resource = self._make(logical_id)
        if name not in resource.attributes:
            raise TemplateError(f"{resource.type} {logical_id} has no attribute {name} here")
        return resource.attributes[name]

    def _describe(self) -> None:
        """Let DescribeStacks tell parameters and outputs; moto's CloudFormation makes nothing of it."""
        outputs = {name: {"Value": self._template.resolve(it, self)} for name, it in self._template.outputs.items()}
        parameters = self._template.parameters
        description = {
            "Parameters": {name: {"Type": "String"} for name in parameters},
            "Resources": {},
            "Outputs": outputs,
        }
        self._aws.client("cloudformation").create_stack(
            StackName=self._template.stack_name,
            TemplateBody=json.dumps(description),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )

    def _make(self, logical_id: str) -> Resource:
        if logical_id in self._resources:
            return self._resources[logical_id]
        if logical_id not in self._template.resources:
            raise TemplateError(f"{' → '.join(self._under_way)} refers to {logical_id}, which is not in the template")
        if logical_id in self._under_way:
            raise TemplateError(f"{' → '.join([*self._under_way, logical_id])} is a circle")
        self._under_way.append(logical_id)
        declared = self._template.resources[logical_id]
        properties = self._template.resolve(declared.get("Properties", {}), self)
        self._resources[logical_id] = self._build(logical_id, declared["Type"], properties)
        self._under_way.pop()
        return self._resources[logical_id]

    def _build(self, logical_id: str, kind: str, properties: Json) -> Resource:
        name = properties.get(_NAME_PROPERTIES.get(kind, ""), f"{self._template.stack_name}-{logical_id}")
        if kind in NOT_BUILT:
            form = NOT_BUILT[kind]
            attributes = {"Arn": form.arn.format(name=name)} if form.arn else {}
            if kind == "AWS::ApiGatewayV2::Api":
                attributes["ApiEndpoint"] = self._api_url
            return Resource(logical_id, kind, properties, form.ref.format(name=name), attributes)
        if kind not in BUILDERS:
            raise TemplateError(
                f"{logical_id} is an {kind}, which the local world neither builds nor leaves out knowingly"
            )
        ref, attributes = BUILDERS[kind](self._aws, name, properties)
        return Resource(logical_id, kind, properties, ref, attributes)
