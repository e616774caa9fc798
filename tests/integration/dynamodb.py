"""Leaver's tables on moto, and a guard for what AWS refuses and moto does not."""

import re
from typing import TYPE_CHECKING, Any

import boto3
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from leaver.cases.table import ListedCase

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: the key of the index `state`
INDEXED_BY = ("state", "effective_at")
#: one for all tests: each new one would read the API's description anew
SESSION = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-central-1")
_SYNTAX = {
    *("SET", "REMOVE", "ADD", "AND", "OR", "NOT", "IN", "BETWEEN"),
    *("IF_NOT_EXISTS", "ATTRIBUTE_EXISTS", "ATTRIBUTE_NOT_EXISTS", "CONTAINS", "BEGINS_WITH"),
}


def dynamodb() -> "DynamoDBClient":
    """A client that refuses expressions which name a reserved word, as AWS does."""
    client = SESSION.client("dynamodb")
    client.meta.events.register("provide-client-params.dynamodb.*", _refuse_reserved_words)
    return client


def make_tables(client: "DynamoDBClient") -> None:
    """Cases, Connections, Pace and Deliveries, with the keys and indexes of template.yaml."""
    client.create_table(
        TableName="Pace",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "bucket", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "bucket", "KeyType": "HASH"}],
    )
    client.create_table(
        TableName="Deliveries",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "delivery", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "delivery", "KeyType": "HASH"}],
    )
    client.create_table(
        TableName="Cases",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "partition", "AttributeType": "S"},
            {"AttributeName": "entry", "AttributeType": "S"},
            {"AttributeName": "watch", "AttributeType": "S"},
            {"AttributeName": "watch_at", "AttributeType": "S"},
            {"AttributeName": "state", "AttributeType": "S"},
            {"AttributeName": "effective_at", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "partition", "KeyType": "HASH"},
            {"AttributeName": "entry", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "watch",
                "KeySchema": [
                    {"AttributeName": "watch", "KeyType": "HASH"},
                    {"AttributeName": "watch_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["case_id", "state", "started_at", "deadline_at", "outstanding"],
                },
            },
            {
                "IndexName": "state",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "effective_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": [each for each in ListedCase.model_fields if each not in INDEXED_BY],
                },
            },
        ],
    )
    client.create_table(
        TableName="Connections",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "connection", "AttributeType": "S"},
            {"AttributeName": "status", "AttributeType": "S"},
            {"AttributeName": "refresh_at", "AttributeType": "S"},
            {"AttributeName": "role", "AttributeType": "S"},
            {"AttributeName": "provider", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "connection", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "role",
                "KeySchema": [
                    {"AttributeName": "role", "KeyType": "HASH"},
                    {"AttributeName": "provider", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["account", "owner", "owner_id", "replaced_owner"],
                },
            },
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": "refresh_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["version", "trouble_since"]},
            },
        ],
    )


def _refuse_reserved_words(params: dict[str, Any], **_: Any) -> None:
    for name, text in params.items():
        if name.endswith("Expression"):
            # names may stand in for words that are reserved: only the bare ones count
            words = {word.upper() for word in re.findall(r"(?<![#:\w])[A-Za-z_]\w*", text)} - _SYNTAX
            reserved = words & set(ReservedKeywords.get_reserved_keywords())
            assert not reserved, f"{name}: Attribute name is a reserved keyword: {reserved}"
