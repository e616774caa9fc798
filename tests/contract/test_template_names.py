"""Every name fits AWS's limits, whatever a stack is called: docs/deploy.md says how long its own name may be."""

import re
from collections.abc import Iterator

import pytest

from tests.contract.stack import FULL, ROOT, Stack, of_type, stack

#: type → the property that names it, and how many characters AWS takes
NAMED = {
    "AWS::ApiGatewayV2::Api": ("Name", 128),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::Events::Archive": ("ArchiveName", 48),
    "AWS::Events::EventBus": ("Name", 256),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Lambda::LayerVersion": ("LayerName", 140),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::SQS::Queue": ("QueueName", 80),
}
#: those that CloudFormation names: the stack's name, the logical id and up to 13 characters, with hyphens between
UNNAMED = {
    "AWS::CloudWatch::Alarm": 255,
    "AWS::DynamoDB::Table": 255,
    "AWS::Events::ApiDestination": 64,
    "AWS::Events::Connection": 64,
    "AWS::Events::Rule": 64,
    "AWS::IAM::Role": 64,
    "AWS::S3::Bucket": 63,
}
RANDOM = "X" * 13
#: what has no name, or is named by an id that AWS makes
NAMELESS = {
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Events::EventBusPolicy",
    # its name is the role's own affair
    "AWS::IAM::Policy",
    "AWS::KMS::Key",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
}

[PROMISED] = re.findall(r"its name has at most (\d+) characters", (ROOT / "docs" / "deploy.md").read_text())


def names(stack: Stack, called: str) -> Iterator[tuple[str, int]]:
    """Every physical name of a stack that is `called` so, with its limit."""
    for kind, (name, limit) in NAMED.items():
        yield from ((properties[name], limit) for _, properties in of_type(stack, kind))
    for kind, limit in UNNAMED.items():
        yield from ((f"{called}-{logical_id}-{RANDOM}", limit) for logical_id, _ in of_type(stack, kind))


@pytest.fixture(scope="module")
def longest() -> str:
    """The longest name that a stack may have."""
    return "l" * int(PROMISED)


def test_every_name_of_a_stack_with_the_longest_name_fits(longest: str) -> None:
    made = stack(FULL, {"AWS::StackName": longest})
    assert [(name, limit) for name, limit in names(made, longest) if len(name) > limit] == []


def test_every_name_holds_the_name_of_its_stack(longest: str) -> None:
    made = stack(FULL, {"AWS::StackName": longest})
    assert [name for name, _ in names(made, longest) if longest not in name] == []


def test_of_every_type_it_is_known_how_it_is_named(full: Stack) -> None:
    assert {each["Type"] for each in full.values()} == NAMED.keys() | UNNAMED.keys() | NAMELESS
