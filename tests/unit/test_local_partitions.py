"""The local world tells what a function got at, and the tests hold that to its role, the queues and the bus."""

from typing import Any

import pytest

from local.aws.partitions import Reach, passed, reached
from tests.e2e.conftest import strays

KEY = {"partition": {"S": "case#c-1"}, "entry": {"S": "case"}}
BY = "AWS4-HMAC-SHA256 Credential=leaver-revoke-sso-token/20261128/eu-central-1/dynamodb/aws4_request, Signature=0"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetItem", {"Key": KEY}),
        ("UpdateItem", {"Key": KEY}),
        ("PutItem", {"Item": KEY | {"state": {"S": "open"}}}),
        ("BatchGetItem", {"RequestItems": {"Cases": {"Keys": [KEY]}}}),
        (
            "Query",
            {
                "KeyConditionExpression": "#partition = :one",
                "ExpressionAttributeValues": {":one": {"S": "case#c-1"}},
            },
        ),
    ],
)
def test_each_way_to_a_partition_is_seen(operation: str, request_: dict[str, Any]) -> None:
    assert list(reached(BY, operation, request_)) == [Reach("leaver-revoke-sso-token", operation, "case#")]


def test_another_table_and_an_index_are_none_of_them() -> None:
    assert list(reached(BY, "GetItem", {"Key": {"connection": {"S": "zoom"}}})) == []
    assert list(reached(BY, "Query", {"KeyConditionExpression": "#watch = :watch"})) == []


@pytest.mark.parametrize(
    ("target", "request_", "expected"),
    [
        ("secretsmanager.GetSecretValue", {"SecretId": "leaver/tokens/zoom/zoom"}, "leaver/tokens/zoom/zoom"),
        ("AmazonSQS.SendMessage", {"QueueUrl": "http://127.0.0.1:1/1/leaver-seal-case.fifo"}, "leaver-seal-case.fifo"),
        (
            "AWSEvents.PutEvents",
            {"Entries": [{"Source": "leaver", "DetailType": "SsoTokenRevoked"}]},
            "leaver/SsoTokenRevoked",
        ),
    ],
)
def test_each_way_through_a_door_is_seen_and_is_none_of_the_strays(
    target: str, request_: dict[str, Any], expected: str
) -> None:
    [found] = passed(BY, target, request_)
    assert found.kind == expected
    assert strays([found]) == set()


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("secretsmanager:GetSecretValue", "leaver/tokens/venafi/venafi"),
        ("secretsmanager:PutSecretValue", "leaver/tokens/zoom/zoom"),
        ("sqs:SendMessage", "leaver-revoke-grants"),
        ("sqs:ReceiveMessage", "leaver-revoke-sso-token-dead-letters"),
        ("events:PutEvents", "leaver/GrantsRevoked"),
        ("events:PutEvents", "leaver.command/RevokeSsoToken"),
    ],
)
def test_what_a_role_a_queue_or_the_bus_denies_is_a_stray(operation: str, kind: str) -> None:
    reach = Reach("leaver-revoke-sso-token", operation, kind)
    assert strays([reach]) == {reach}


def test_what_a_role_may_not_is_a_stray_and_what_the_test_itself_does_is_none() -> None:
    reads, writes = (Reach("leaver-revoke-sso-token", each, "case#") for each in ("GetItem", "UpdateItem"))
    assert strays([reads, writes, writes._replace(access_key="local")]) == {writes}
