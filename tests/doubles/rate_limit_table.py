"""The table of the pace in memory, as DynamoDB keeps it; tests/integration/test_pacing.py holds it to moto."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Values = Mapping[str, int]


class ConditionalCheckFailedException(ClientError):
    """An item that is not as it was to be."""


#: every condition that the pace sets: part by part, what it asks of an item
_ASKS: dict[str, Callable[[Values, Values], bool]] = {
    "tat BETWEEN :now AND :last": lambda item, told: "tat" in item and told[":now"] <= item["tat"] <= told[":last"],
    "attribute_not_exists(tat) OR tat < :now": lambda item, told: "tat" not in item or item["tat"] < told[":now"],
    "attribute_not_exists(tat) OR tat < :until": lambda item, told: "tat" not in item or item["tat"] < told[":until"],
    "attribute_not_exists(slowed_at)": lambda item, _: "slowed_at" not in item,
    "slowed_at = :seen": lambda item, told: item.get("slowed_at") == told[":seen"],
}


@dataclass
class RateLimitTable:
    """What DynamoDB does with the writes of a pace, and how many there were."""

    items: dict[str, dict[str, int]] = field(default_factory=dict)
    writes: int = 0
    #: whether it is out of order
    broken: bool = False
    exceptions: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)
    )

    @property
    def client(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self)

    def update_item(self, **asked: Any) -> dict[str, Any]:
        self.writes += 1
        if self.broken:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "UpdateItem")
        assert (asked["ReturnValues"], asked["ReturnValuesOnConditionCheckFailure"]) == ("ALL_NEW", "ALL_OLD")
        bucket = asked["Key"]["bucket"]["S"]
        item = self.items.get(bucket, {})
        told = {name: int(value["N"]) for name, value in asked["ExpressionAttributeValues"].items()}
        parts = re.split(r"(?<=\)) AND (?=\()", asked["ConditionExpression"])
        asks = [_ASKS[part[1:-1] if part.startswith("(") else part] for part in parts]
        if not all(holds(item, told) for holds in asks):
            old = {"Item": _stored(bucket, item)} if item else {}
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}, **old}
            raise ConditionalCheckFailedException(error, "UpdateItem")
        new = dict(item)
        for name, value in re.findall(r"(\w+) = (tat \+ :\w+|:\w+)", asked["UpdateExpression"]):
            new[name] = item["tat"] + told[value.removeprefix("tat + ")] if "+" in value else told[value]
        self.items[bucket] = new
        return {"Attributes": _stored(bucket, new)}


def _stored(bucket: str, item: Values) -> dict[str, Any]:
    return {"bucket": {"S": bucket}, **{name: {"N": str(value)} for name, value in item.items()}}
