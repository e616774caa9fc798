"""Leaver's tables on moto, and a guard for what AWS refuses and moto does not."""

import re
from typing import TYPE_CHECKING, Any

import boto3
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from tests.contract.stack import WRITTEN

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: of a table's properties, what decides which writes and queries it takes
SHAPE = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
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
    for table in ("Cases", "Connections", "Pace", "Deliveries"):
        written = WRITTEN["Resources"][table]["Properties"]
        client.create_table(TableName=table, **{name: written[name] for name in SHAPE if name in written})


def _refuse_reserved_words(params: dict[str, Any], **_: Any) -> None:
    for name, text in params.items():
        if name.endswith("Expression"):
            # names may stand in for words that are reserved: only the bare ones count
            words = {word.upper() for word in re.findall(r"(?<![#:\w])[A-Za-z_]\w*", text)} - _SYNTAX
            reserved = words & set(ReservedKeywords.get_reserved_keywords())
            assert not reserved, f"{name}: Attribute name is a reserved keyword: {reserved}"
