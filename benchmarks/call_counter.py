"""Counts what boto3 asks of AWS, in the units that AWS charges for."""

from collections import Counter
from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from boto3 import Session

from benchmarks.bill import Bill

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: bytes of one unit
_WRITTEN: Final = 1024
_READ: Final = 4096

Item = Mapping[str, Mapping[str, Any]]


class CallCounter:
    """Fills a bill with the calls of every client that `session` makes from now on.

    What moto says of consumed capacity is not what AWS would: the units are counted here, from the items as they are
    before and after a write, and from what a read found. `uncounted` is a client that costs nothing.
    """

    def __init__(self, session: Session, bill: Bill, uncounted: "DynamoDBClient") -> None:
        self.bill = bill
        #: by operation, whatever it costs
        self.calls: Counter[str] = Counter()
        self._uncounted = uncounted
        self._tables: dict[str, Mapping[str, Any]] = {}
        session.events.register("provide-client-params.*.*", self._before)
        session.events.register("after-call.*.*", self._after)

    def _before(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["counted"] = dict(params)
        context["stood"] = [self._standing(each) for each in _writes(model.name, params)]

    def _after(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        params = context["counted"]
        self.calls[model.name] += 1
        match model.service_model.service_name, model.name:
            case "events", "PutEvents":
                self.bill.add("EventBridge events", len(params["Entries"]))
            case "sqs", _:
                self.bill.add("SQS requests", 1)
            case "secretsmanager", _:
                self.bill.add("Secrets Manager calls", 1)
            case "dynamodb", "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems":
                written = zip(_writes(model.name, params), context["stood"], strict=True)
                # What is written all or nothing is written twice.
                times = 2 if model.name == "TransactWriteItems" else 1
                self.bill.add("DynamoDB write units", times * sum(self._written(*each) for each in written))
            case "dynamodb", operation:
                self.bill.add("DynamoDB read units", read_units(operation, params, parsed))
            case "kms", _:
                self.bill.add("KMS signatures", 1)
            case "s3", "PutObject":
                self.bill.add("S3 writes", 1)
            case "s3", _:
                self.bill.add("S3 reads", 1)
            case service, operation:
                raise ValueError(f"what {service} charges for {operation} is not known here")

    def _standing(self, params: Mapping[str, Any]) -> Item:
        table = self._table(params["TableName"])
        named = params.get("Key") or params["Item"]
        key = {each["AttributeName"]: named[each["AttributeName"]] for each in table["KeySchema"]}
        return self._uncounted.get_item(TableName=params["TableName"], Key=key, ConsistentRead=True).get("Item", {})

    def _written(self, params: Mapping[str, Any], stood: Item) -> int:
        stands = self._standing(params)
        units = max(1, ceil(max(size_of(stood), size_of(stands)) / _WRITTEN))
        for index in self._table(params["TableName"]).get("GlobalSecondaryIndexes", []):
            units += _indexed(index, stood, stands)
        return units

    def _table(self, name: str) -> Mapping[str, Any]:
        if name not in self._tables:
            self._tables[name] = self._uncounted.describe_table(TableName=name)["Table"]
        return self._tables[name]


def _writes(operation: str, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    match operation:
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return [params]
        case "TransactWriteItems":
            return [write for each in params["TransactItems"] for write in each.values()]
    return []


def _indexed(index: Mapping[str, Any], stood: Item, stands: Item) -> int:
    """What a write costs in an index: nothing where it changes nothing of what is projected."""
    keys = [each["AttributeName"] for each in index["KeySchema"]]
    before, after = (_projected(index, each) if all(key in each for key in keys) else {} for each in (stood, stands))
    if before == after:
        return 0
    moved = bool(before and after) and any(before[key] != after[key] for key in keys)
    return max(1, ceil(max(size_of(before), size_of(after)) / _WRITTEN)) * (2 if moved else 1)


def _projected(index: Mapping[str, Any], item: Item) -> Item:
    projection = index["Projection"]
    if projection["ProjectionType"] == "ALL":
        return item
    names = {each["AttributeName"] for each in index["KeySchema"]} | set(projection.get("NonKeyAttributes", []))
    return {name: value for name, value in item.items() if name in names}


def read_units(operation: str, params: Mapping[str, Any], parsed: Mapping[str, Any]) -> float:
    """What a read costs, by what it found."""
    if operation == "BatchGetItem":
        asked = sum(len(table["Keys"]) for table in params["RequestItems"].values())
        found = [_units(item) for items in parsed.get("Responses", {}).values() for item in items]
        # A key under which nothing lies costs as much as a small item; all of ours are read as of now.
        return sum(found) + asked - len(found)
    items = [parsed["Item"]] if "Item" in parsed else parsed.get("Items", [])
    units = max(1, ceil(sum(map(size_of, items)) / _READ))
    return units if params.get("ConsistentRead") else units / 2


def _units(item: Item) -> int:
    return max(1, ceil(size_of(item) / _READ))


def size_of(item: Item) -> int:
    """Bytes, as AWS counts them: names and values, and for lists and maps 3 bytes and one for each of their elements.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _length(typed) for name, typed in item.items())


def _length(typed: Mapping[str, Any]) -> int:
    match typed:
        case {"N": number}:
            return len(number.lstrip("-")) // 2 + 2
        case {"BOOL": _}:
            return 1
        case {"L": elements}:
            return 3 + sum(1 + _length(each) for each in elements)
        case {"M": entries}:
            return 3 + len(entries) + size_of(entries)
        case {"SS": texts}:
            return sum(len(text.encode()) for text in texts)
        case {"S": text}:
            return len(text.encode())
    raise ValueError(f"how long this is is not known here: {', '.join(typed)}")
