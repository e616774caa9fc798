"""The local world tells what a function got at, and the tests hold that to its role, the queues and the bus."""

from typing import Any

import pytest

from local.aws.partitions import Reach, reached
from tests.used import strays

DYNAMODB = "DynamoDB_20120810."
KEY = {"partition": {"S": "case#c-1"}, "entry": {"S": "case"}}
BY = "AWS4-HMAC-SHA256 Credential=leaver-revoke-sso-token/20261128/eu-central-1/dynamodb/aws4_request, Signature=0"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetItem", {"Key": KEY}),
        ("UpdateItem", {"Key": KEY}),
        ("PutItem", {"Item": KEY | {"state": {"S": "open"}}}),
        (
            "Query",
            {
                "KeyConditionExpression": "#key = :one",
                "ExpressionAttributeNames": {"#key": "partition"},
                "ExpressionAttributeValues": {":one": {"S": "case#c-1"}},
            },
        ),
    ],
)
def test_each_way_to_a_partition_is_seen(operation: str, request_: dict[str, Any]) -> None:
    [found] = reached(BY, f"{DYNAMODB}{operation}", {"TableName": "leaver-Cases"} | request_)
    assert found == Reach("leaver-revoke-sso-token", f"dynamodb:{operation}", "case#")


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("GetItem", {"TableName": "leaver-Connections", "Key": {"connection": {"S": "zoom"}}}, "Connections"),
        ("Query", {"TableName": "leaver-Cases", "IndexName": "watch"}, "Cases/index/watch"),
        ("DescribeTable", {"TableName": "leaver-Cases"}, "Cases"),
    ],
)
def test_another_table_an_index_and_a_table_itself_are_seen_by_their_names(
    operation: str, request_: dict[str, Any], expected: str
) -> None:
    [found] = reached(BY, f"{DYNAMODB}{operation}", request_)
    assert found.name == expected


def test_of_a_batch_each_key_is_seen() -> None:
    found = reached(BY, f"{DYNAMODB}BatchGetItem", {"RequestItems": {"leaver-Cases": {"Keys": [KEY, KEY]}}})
    assert [each[1:] for each in found] == [("dynamodb:BatchGetItem", "case#")] * 2


def test_what_is_noted_of_a_connection_of_the_front_door_is_seen_by_its_own_name() -> None:
    for key, name in (("spoke", "spoke"), ("connected", "connected"), ("0a1b", "Deliveries")):
        request = {"TableName": "leaver-Deliveries", "Key": {"delivery": {"S": key}}}
        [found] = reached(BY, f"{DYNAMODB}UpdateItem", request)
        assert found.name == name
        by_the_door = found._replace(access_key="leaver-receive-webhook")
        assert bool(strays([by_the_door])) == (name != "spoke")


def test_of_secrets_that_are_read_at_once_each_is_seen() -> None:
    found = reached(BY, "secretsmanager.BatchGetSecretValue", {"SecretIdList": ["a", "b"]})
    assert [each[1:] for each in found] == [
        ("secretsmanager:BatchGetSecretValue", "*"),
        ("secretsmanager:GetSecretValue", "a"),
        ("secretsmanager:GetSecretValue", "b"),
    ]


def test_of_a_transaction_each_part_is_seen() -> None:
    parts = [
        {"Update": {"TableName": "leaver-Cases", "Key": {"partition": {"S": f"{kind}#1"}}}} for kind in ("hour", "case")
    ]
    found = reached(BY, f"{DYNAMODB}TransactWriteItems", {"TransactItems": parts})
    assert [each[1:] for each in found] == [("dynamodb:UpdateItem", "hour#"), ("dynamodb:UpdateItem", "case#")]


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
    [found] = reached(BY, target, request_)
    assert found.name == expected
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
    reads, writes = (
        Reach("leaver-revoke-sso-token", f"dynamodb:{each}", "case#") for each in ("GetItem", "UpdateItem")
    )
    assert strays([reads, writes, writes._replace(access_key="local")]) == {writes}
