"""docs/deploy-policy.json lets somebody deploy: it grants what CloudFormation needs for each type of the template."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stack import ROOT

POLICY: dict[str, Any] = json.loads((ROOT / "docs" / "deploy-policy.json").read_text())
#: what SAM makes of a type of its own
MADE = {
    "AWS::Serverless::Function": {
        *("AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"),
        *("AWS::Lambda::EventInvokeConfig", "AWS::IAM::Role"),
    },
    "AWS::Serverless::LayerVersion": {"AWS::Lambda::LayerVersion"},
}
#: what CloudFormation would need for properties that the template does not set
UNUSED = (
    *("dynamodb:*Item", "dynamodb:Query", "dynamodb:Scan", "dynamodb:*Import*", "dynamodb:ImportTable"),
    *("dynamodb:*Replica", "dynamodb:*Kinesis*", "kinesis:*", "firehose:*", "elasticfilesystem:*", "s3files:*"),
    *("s3tables:*", "s3:*Metadata*", "s3:*bject*", "s3:REST.PUT.OBJECT", "s3:*OwnershipControls", "s3:*Abac"),
    *("iam:*GroupPolicy", "iam:*UserPolicy", "lambda:PassCapacityProvider", "lambda:AssociateRuntimeAlias"),
    # Whoever deploys reads and writes nothing under the key.
    *("kms:*crypt*", "kms:GenerateDataKey*"),
)
#: AWS's limit for a managed policy, without blanks
LONGEST = 6144


def types() -> set[str]:
    """The types of the template, as CloudFormation sees them."""
    lines = (ROOT / "template.yaml").read_text().splitlines()
    named = {line.split()[1] for line in lines if line.strip().startswith("Type: AWS::") and line.count("::") > 1}
    return {made for each in named for made in MADE.get(each, {each})}


def needed() -> Iterator[tuple[str, str]]:
    """Each type, with an action that its handlers take, by CloudFormation's own registry."""
    # To import cfnlint is to import sympy, which takes seconds.
    spec = find_spec("cfnlint")
    assert spec
    assert spec.origin
    registry = Path(spec.origin).parent / "data/schemas"
    named = json.loads((registry / "providers/us-east-1.json").read_text())
    for kind in types():
        schema = json.loads((registry / f"resources/{named[kind]}.json").read_text())
        for handler in schema["handlers"].values():
            yield from ((kind, each) for each in handler.get("permissions", []))


def test_every_action_that_cloudformation_takes_for_the_templates_types_is_granted() -> None:
    granted = [action for statement in POLICY["Statement"] for action in statement["Action"]]
    found = set(needed())
    assert {kind for kind, _ in found} == types()
    lacking = {(kind, each) for kind, each in found if not any(fnmatchcase(each, to) for to in (*granted, *UNUSED))}
    assert lacking == set()


@pytest.mark.parametrize("denied", ["lambda:InvokeFunction", "sqs:SendMessage", "dynamodb:GetItem", "events:PutEvents"])
def test_whoever_deploys_may_not_speak_for_leaver_or_read_cases(denied: str) -> None:
    assert [to for each in POLICY["Statement"] for to in each["Action"] if fnmatchcase(denied, to)] == []


def test_it_fits_a_managed_policy() -> None:
    assert len("".join(json.dumps(POLICY).split())) <= LONGEST
