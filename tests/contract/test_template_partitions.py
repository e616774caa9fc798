"""The stack works in every partition: no ARN, address or key policy names the commercial one."""

import re

import pytest

from tests.contract.stack import FULL, Stack, stack

#: partition → what the names of its services end in
SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-iso": "c2s.ic.gov",
}

#: ARNs that whoever deploys gives
GIVEN = {"Operators", "HrProducers", "EvidenceAdmins", "AlarmTopicArn", "DoorCertificateArn", "NotifyTopicArn"}
#: services that go by the same name in every partition, as principals of a policy
EVERYWHERE = {"lambda.amazonaws.com", "events.amazonaws.com", "apigateway.amazonaws.com"}


def made_in(partition: str) -> Stack:
    parameters = {name: value for name, value in FULL.items() if name not in GIVEN}
    parameters["Operators"] = f"arn:{partition}:iam::123456789012:role/on-call"
    return stack(parameters, {"AWS::Partition": partition, "AWS::URLSuffix": SUFFIXES[partition]})


@pytest.mark.parametrize("partition", SUFFIXES)
def test_every_arn_is_of_the_partition(partition: str) -> None:
    arns = re.findall(r"arn:([^:]*):", str(made_in(partition)))
    assert set(arns) == {partition}


@pytest.mark.parametrize("partition", SUFFIXES)
def test_every_service_goes_by_its_name_there(partition: str) -> None:
    services = set(re.findall(r"[a-z0-9.-]+\.(?:amazonaws\.com(?:\.cn)?|c2s\.ic\.gov)", str(made_in(partition))))
    # kms:ViaService of the roles, and the principal that CloudWatch Logs has in the key's policy
    ours = {f"{name}.eu-west-1.{SUFFIXES[partition]}" for name in ("dynamodb", "secretsmanager", "logs")}
    assert services - EVERYWHERE == ours
