"""The stack that template.yaml makes, in plain values: SAM expanded, parameters chosen, references given names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from local.aws.template import ACCOUNT, PSEUDO_PARAMETERS, REGION, Template, parsed

#: logical id → resource, nothing in it left to resolve
Stack: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]

#: template.yaml as it is written
WRITTEN: Stack = parsed((ROOT / "template.yaml").read_text())

FUNCTIONS = (
    "RetrieveUserToken",
    "RefreshAccessToken",
    "RevokeAccessToken",
    "RevokeSsoToken",
    "RevokeGrants",
    "PurgeUserTokens",
    "DeactivateUser",
    "ScheduleRefreshes",
    "StartOffboarding",
    "LookUpPerson",
    "SealCase",
    "WatchDeadlines",
    "ReceiveWebhook",
    "NotifyPeople",
    "Reconcile",
)
#: what a FIFO queue feeds
FIFO = frozenset({"RefreshAccessToken", "SealCase"})
#: what no message starts, only the schedule
ONLY_SCHEDULED = frozenset({"WatchDeadlines"})
#: what only an HTTP request starts
ONLY_ASKED = frozenset({"ReceiveWebhook"})
CONSUMERS = tuple(each for each in FUNCTIONS if each not in ONLY_SCHEDULED | ONLY_ASKED)

#: what is there without its rule and its event source, until a deployment wants it
OPTED_INTO = frozenset({"DeactivateUser", "NotifyPeople"})

#: what has two lanes: an urgent leaver waits behind nobody else's
LANED = ("RevokeAccessToken", "RevokeSsoToken", "RevokeGrants", "StartOffboarding")
#: whose calls of a provider's limited API are paced
PACED = ("RetrieveUserToken", "RevokeSsoToken", "PurgeUserTokens", "DeactivateUser", "StartOffboarding", "RevokeGrants")

#: the rules of HR sources, which all feed StartOffboarding; every other rule is called after its function
HR_RULES = (
    "StartOffboardingRule",
    "StartOffboardingUrgentRule",
    "OktaRule",
    "SailPointRule",
    "SailPointDeletedRule",
)

#: a permission set of IAM Identity Center, as docs/deploy.md writes it
SIGNED_IN = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Leaver_*"
#: only what a deployment with every provider must be given
SMALLEST = {"VenafiUrl": "https://tpp.example.com", "Operators": SIGNED_IN}
#: every option in use
FULL = SMALLEST | {
    "VenafiCaBundle": "leaver/venafi-ca",
    "VenafiPrefixes": "AD+corp,local",
    "VenafiKnownAddress": "ada@example.com,bob@example.com",
    "Operators": f"{SIGNED_IN},arn:aws:iam::123456789012:role/on-call-*",
    "HrProducers": "arn:aws:iam::123456789012:role/hr-sync,arn:aws:iam::123456789012:role/webhook-*",
    "OktaEventBusName": "aws.partner/okta.com/acme/leaver",
    "SailPointEventBusName": "aws.partner/sailpoint.com/acme/idn/identity-attributes-changed",
    "SailPointDeletedEventBusName": "aws.partner/sailpoint.com/acme/idn/identity-deleted",
    "OktaEmailDomain": "example.com",
    "SailPointEmailDomain": "example.com",
    "BambooHrUrl": "https://acme.bamboohr.com",
    "OktaUrl": "https://acme.okta.com",
    "FrontDoor": "http-api",
    "DoorDomain": "hooks.example.com",
    "DoorCertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/1",
    "UrgentSources": "hibob, caep",
    "UrgentPartners": "okta",
    "DeactivateUsers": "true",
    "EvidenceAdmins": "arn:aws:iam::123456789012:role/evidence-*",
    "Roster": "csv",
    "RosterBucket": "acme-rosters",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:on-call",
    "NotifyTopicArn": "arn:aws:sns:eu-west-1:123456789012:leaver-people",
    "NotifyUrl": "https://hooks.example.com/leaver",
    "NotifyUrlSecret": "leaver/hooks",
    "VenafiSubnetIds": "subnet-1,subnet-2",
    "VenafiSecurityGroupIds": "sg-1",
}

#: in `changed`: take it away
DROP = object()

_ARNS = {
    "AWS::Events::ApiDestination": f"events:{REGION}:{ACCOUNT}:api-destination/",
    "AWS::Events::Connection": f"events:{REGION}:{ACCOUNT}:connection/",
    "AWS::DynamoDB::Table": f"dynamodb:{REGION}:{ACCOUNT}:table/",
    "AWS::Events::EventBus": f"events:{REGION}:{ACCOUNT}:event-bus/",
    "AWS::Events::Rule": f"events:{REGION}:{ACCOUNT}:rule/",
    "AWS::IAM::Role": f"iam::{ACCOUNT}:role/",
    "AWS::KMS::Key": f"kms:{REGION}:{ACCOUNT}:key/",
    "AWS::S3::Bucket": "s3:::",
    "AWS::Lambda::Function": f"lambda:{REGION}:{ACCOUNT}:function:",
}


class _Names:
    """`Ref` is the logical id; an ARN has the shape of AWS's and ends in the explicit name or the logical id."""

    def __init__(self, template: Template, partition: str) -> None:
        self._template = template
        self._partition = partition

    def ref(self, logical_id: str) -> str:
        return logical_id

    def attribute(self, logical_id: str, name: str) -> str:
        resource = self._template.resources[logical_id]
        match resource["Type"], name:
            case "AWS::SQS::Queue", "QueueName":
                return str(self._template.resolve(resource["Properties"]["QueueName"], self))
            case "AWS::SQS::Queue", "Arn":
                return f"arn:{self._partition}:sqs:{REGION}:{ACCOUNT}:{self.attribute(logical_id, 'QueueName')}"
            case "AWS::Logs::LogGroup", "Arn":
                group = self._template.resolve(resource["Properties"]["LogGroupName"], self)
                return f"arn:{self._partition}:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
            case "AWS::ApiGatewayV2::Api", "ApiEndpoint":
                return f"https://{logical_id}.execute-api.{REGION}.amazonaws.com"
            case "AWS::ApiGatewayV2::DomainName", "RegionalDomainName":
                return f"d-{logical_id}.execute-api.{REGION}.amazonaws.com"
            case kind, "Arn":
                return f"arn:{self._partition}:{_ARNS[kind]}{logical_id}"
        raise AssertionError(f"nobody has named {logical_id}.{name} yet")


def stack(parameters: Mapping[str, str], pseudo: Mapping[str, str] = PSEUDO_PARAMETERS) -> Stack:
    """Make the stack that these parameters ask for: each caller has their own."""
    # Read again from JSON, it is a copy, at a third of what copying takes.
    made: Stack = json.loads(_made(frozenset(parameters.items()), frozenset(pseudo.items())))
    return made


@cache
def _made(parameters: frozenset[tuple[str, str]], pseudo: frozenset[tuple[str, str]]) -> str:
    template, names = _template(dict(parameters), dict(pseudo))
    return json.dumps(
        {
            logical_id: template.resolve(resource, names) | {"Type": resource["Type"]}
            for logical_id, resource in template.resources.items()
        }
    )


def outputs(parameters: Mapping[str, str], pseudo: Mapping[str, str] = PSEUDO_PARAMETERS) -> dict[str, Any]:
    """What that stack tells of itself."""
    template, names = _template(parameters, pseudo)
    return {name: template.resolve(value, names) for name, value in template.outputs.items()}


def _template(parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> tuple[Template, _Names]:
    pseudo = {**PSEUDO_PARAMETERS, **pseudo}
    template = Template(ROOT / "template.yaml", parameters, pseudo)
    return template, _Names(template, pseudo["AWS::Partition"])


def fed(stack: Stack) -> tuple[str, ...]:
    """Those that a queue feeds in this stack: some only where the deployment wants it."""
    return tuple(each for each in CONSUMERS if each not in OPTED_INTO or f"{each}Rule" in stack)


def queues_of(function: str) -> tuple[str, ...]:
    """The queues that feed a function, by logical id, the routine one first."""
    return (f"{function}Queue", f"{function}UrgentQueue") if function in LANED else (f"{function}Queue",)


def of_type(stack: Stack, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The properties of all resources of one type, by logical id."""
    for logical_id, resource in stack.items():
        if resource["Type"] == kind:
            yield logical_id, resource["Properties"]


def arn(stack: Stack, queue: str) -> str:
    """A queue's ARN by its logical id."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{stack[queue]['Properties']['QueueName']}"


def kebab(function: str) -> str:
    """RevokeSsoToken → revoke-sso-token."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in function).removeprefix("-")


def snake(function: str) -> str:
    """RevokeSsoToken → revoke_sso_token."""
    return kebab(function).replace("-", "_")


def change(stack: Stack, path: Sequence[str | int], value: object) -> None:
    """Break one thing: set what lies at `path`, or DROP it."""
    node: Any = stack
    for step in path[:-1]:
        node = node[step]
    if value is DROP:
        del node[path[-1]]
    else:
        node[path[-1]] = value
