"""A grant that nobody uses is found, and so is a use that nobody granted, and an excuse that is none."""

import pytest

from local.aws.partitions import Reach
from tests.contract.stack import FULL, stack
from tests.used import Grant, faults, grants, table

ROTATES = Reach("leaver-refresh-access-token", "secretsmanager:PutSecretValue", "leaver/tokens/zoom/zoom")
READS = Reach("leaver-seal-case", "dynamodb:GetItem", "case#")
GRANTED = [
    Grant("RefreshAccessToken", "secretsmanager:PutSecretValue", "leaver/tokens/*"),
    Grant("SealCase", "dynamodb:GetItem", "case#*"),
]


def test_what_is_granted_and_used_is_no_fault() -> None:
    assert faults(GRANTED, [ROTATES, READS], excused={}) == []


@pytest.mark.parametrize(
    ("action", "resource", "name"),
    [
        ("dynamodb:DeleteItem", "arn:aws:dynamodb:::table/Connections", "Connections"),
        ("kms:Decrypt", "arn:aws:kms:::key/Key", "key/Key"),
        ("s3:GetObject", "arn:aws:s3:::payroll/*", "payroll/*"),
    ],
)
def test_a_grant_that_is_planted_in_the_template_and_used_by_nobody_is_found(
    action: str, resource: str, name: str
) -> None:
    made = stack(FULL)
    before = set(grants(made))
    [policy] = made["SealCaseRole"]["Properties"]["Policies"]
    planted = {"Effect": "Allow", "Action": action, "Resource": resource}
    policy["PolicyDocument"]["Statement"].append(planted)
    found = set(grants(made)) - before
    assert found == {Grant("SealCase", action, name)}
    told = faults([*GRANTED, *found], [ROTATES, READS], excused={})
    assert told == [f"SealCase {action} {name}: granted, and used by no test"]


def test_another_functions_or_another_partitions_use_does_not_count() -> None:
    others = [READS._replace(access_key="leaver-revoke-sso-token"), READS._replace(name="person#")]
    assert faults(GRANTED, [ROTATES, *others], excused={}) == [
        "SealCase dynamodb:GetItem case#*: granted, and used by no test"
    ]


def test_what_is_used_and_not_granted_is_found() -> None:
    writes = READS._replace(action="dynamodb:PutItem")
    assert faults(GRANTED, [ROTATES, READS, writes], excused={}) == [
        "leaver-seal-case dynamodb:PutItem case#: used, and not granted"
    ]


def test_an_excuse_counts_only_for_what_is_granted_and_never_used() -> None:
    reader = GRANTED[1]
    assert faults(GRANTED, [ROTATES], excused={reader: "why"}) == []
    assert faults(GRANTED, [ROTATES, READS], excused={reader: "why"}) == [
        "SealCase dynamodb:GetItem case#*: excused, but used or not granted"
    ]


def test_the_table_has_a_row_for_each_function() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in table(GRANTED, [READS])}
    assert rows["SealCase"] == ["1", "1", "0"]
    assert rows["RefreshAccessToken"] == ["1", "0", "0"]
