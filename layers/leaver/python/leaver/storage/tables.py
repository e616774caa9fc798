"""DynamoDB items that are changed by compare-and-swap: whoever writes one says from which version on."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, assert_never

from pydantic import BaseModel, ValidationError

from leaver.errors import Rejected, explain

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryOutputTypeDef

Item = TypeVar("Item", bound=BaseModel)
#: text, whole numbers, truth, and lists and maps of these are all that our items hold
Value = str | int | bool | list["Value"] | tuple["Value", ...] | Mapping[str, "Value"]


#: DynamoDB's names for them
_KINDS = frozenset({"S", "N", "BOOL", "L", "M"})
_WHOLE = re.compile(r"-?[0-9]+")


def read_as(model: type[Item]) -> Callable[[Mapping[str, "Value"]], Item]:
    """Read an item's values as this model; raises Rejected, field by field, where somebody wrote something else."""

    def read(stored: Mapping[str, Value]) -> Item:
        try:
            return model.model_validate(stored)
        except ValidationError as error:
            raise Rejected(f"stored {model.__name__}: {explain(error, model)}") from None

    return read


class Items(Generic[Item]):
    """Items of one kind in one table; their model has `item_version`, and `key` names what of it is the table's key.

    `model` reads an item's values and raises what the caller of `read` is to see; an absent one is None.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        *,
        table: str,
        key: tuple[str, ...],
        model: Callable[[Mapping[str, Value]], Item],
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._key = key
        self._model = model

    def read(self, **key: str) -> Item | None:
        """Read an item as it is now."""
        found = self._dynamodb.get_item(TableName=self._table, Key=item(key), ConsistentRead=True)
        return self._model(values(found["Item"])) if "Item" in found else None

    def add(self, new: Item) -> bool:
        """Write an item that is not there yet; tells whether it was written."""
        after = columns(new)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item(after),
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": self._key[0]},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            # A write whose answer was lost is repeated by botocore, and then meets itself.
            return self._stands(error, after)
        return True

    def compare_and_swap(self, old: Item, new: Item) -> Item | None:
        """Write `new` on condition that the item still is `old`; returns it with its version, None if it was not."""
        item_version = item_version_of(old)
        new = new.model_copy(update={"item_version": item_version + 1})
        before, after = columns(old), columns(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        gone = [name for name in before if name not in after]
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if gone:
            update += " REMOVE " + ", ".join(f"#{name}" for name in gone)
        condition = "#item_version = :was" if item_version else "attribute_not_exists(#item_version)"
        names = {self._key[0], "item_version", *changed, *gone}
        bound: dict[str, Value] = {f":{name}": value for name, value in changed.items()}
        if item_version:
            bound[":was"] = item_version
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=item(self._key_of(before)),
                UpdateExpression=update,
                ConditionExpression=f"attribute_exists(#{self._key[0]}) AND {condition}",
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues=item(bound),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            return new if self._stands(error, after) else None
        return new

    def remove(self, old: Item) -> bool:
        """Delete the item on condition that it still is `old`; tells whether it is gone."""
        item_version = item_version_of(old)
        condition = "item_version = :was" if item_version else "attribute_not_exists(item_version)"
        bound: Any = {"ExpressionAttributeValues": item({":was": item_version})} if item_version else {}
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key=item(self._key_of(columns(old))),
                ConditionExpression=f"attribute_not_exists(#key) OR {condition}",
                ExpressionAttributeNames={"#key": self._key[0]},
                **bound,
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def query(
        self, index: str | None, condition: str, names: Mapping[str, str], bound: Mapping[str, Value]
    ) -> "Iterator[dict[str, Value]]":
        """The values of what a key condition finds, page after page."""
        for page in self._pages(index, condition, names, bound):
            yield from (values(found) for found in page["Items"])

    def count(
        self, condition: str, names: Mapping[str, str], bound: Mapping[str, Value], *, index: str | None = None
    ) -> int:
        """How many items a key condition finds; none of them is sent."""
        return sum(page["Count"] for page in self._pages(index, condition, names, bound, Select="COUNT"))

    def _pages(
        self, index: str | None, condition: str, names: Mapping[str, str], bound: Mapping[str, Value], **wanted: Any
    ) -> "Iterable[QueryOutputTypeDef]":
        asked: dict[str, Any] = {"IndexName": index} if index else {"ConsistentRead": True}
        return self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=dict(names),
            ExpressionAttributeValues=item(bound),
            **asked,
            **wanted,
        )

    def scan(self) -> Iterator[Item]:
        """All items, for people who want to see them, and for nothing that runs by itself."""
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            yield from (self._model(values(found)) for found in page["Items"])

    def _stands(self, error: "ClientError", after: Mapping[str, Value]) -> bool:
        """Whether what did not meet a condition is what was to be written."""
        standing = standing_beside(error)
        return standing is not None and columns(self._model(values(standing))) == after

    def _key_of(self, columns: Mapping[str, Value]) -> dict[str, str]:
        return {name: str(columns[name]) for name in self._key}


def standing_beside(error: "ClientError") -> Mapping[str, Any] | None:
    """The item that did not meet a condition, None where there was none; the stubs of boto3 do not know of it."""
    standing: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]
    return standing


def identity_of(dynamodb: "DynamoDBClient", table: str) -> str:
    """What tells a table from every other that has had its name: a restored one is made anew."""
    description = dynamodb.describe_table(TableName=table)["Table"]
    # moto gives no id
    return f"{description.get('TableId', '')} {description['CreationDateTime'].timestamp()}"


def update_with_retry(
    read: Callable[[], Item], update: Callable[[Item], Item | None], swap: Callable[[Item, Item], Item | None]
) -> Item | None:
    """Read an item, make another of it and swap them, again and again until nothing came in between.

    None, and nothing written, where `update` makes None of what it finds.
    """
    while True:
        old = read()
        new = update(old)
        if new is None:
            return None
        if (written := swap(old, new)) is not None:
            return written


def columns(record: BaseModel) -> dict[str, Value]:
    """What of an item is stored: no nothing, no version before the first change, and times as text."""
    dumped: dict[str, Any] = record.model_dump(exclude_none=True)
    if not dumped.get("item_version"):
        dumped.pop("item_version", None)
    return {name: _stored(value) for name, value in dumped.items()}


def _stored(value: Any) -> Any:
    match value:
        case datetime():
            return timestamp(value)
        case tuple():
            return tuple(_stored(each) for each in value)
        case dict():
            return {name: _stored(each) for name, each in value.items()}
    return value


def item_version_of(record: BaseModel) -> int:
    """How often it was changed."""
    item_version: int = getattr(record, "item_version", 0)
    return item_version


def attribute(value: Value) -> dict[str, Any]:
    """One value in DynamoDB's low-level form, such as {"N": "7"}."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case Mapping():
            return {"M": {name: attribute(each) for name, each in value.items()}}
        case list() | tuple():
            return {"L": [attribute(each) for each in value]}
    assert_never(value)


def item(values: Mapping[str, Value | None]) -> dict[str, dict[str, Any]]:
    """An item or a set of expression values; what is None is left out."""
    return {name: attribute(value) for name, value in values.items() if value is not None}


def values(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """What an item or a map in it holds; attributes of other types (nobody of ours reads them) are passed over."""
    return {name: _value(typed) for name, typed in stored.items() if typed.keys() <= _KINDS}


def _value(typed: Mapping[str, Any]) -> Value:
    match typed:
        case {"N": number}:
            # Nobody of ours writes another number: the model says what it expected.
            return int(number) if _WHOLE.fullmatch(number) else number
        case {"L": elements}:
            return [_value(each) for each in elements if each.keys() <= _KINDS]
        case {"M": entries}:
            return values(entries)
    value: str | bool = next(iter(typed.values()))
    return value


def timestamp(moment: datetime) -> str:
    """ISO-8601 in UTC to the second, always as wide, so that text sorts as time does."""
    # strftime would write the year 1 as one digit
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
