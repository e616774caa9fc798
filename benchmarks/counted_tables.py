"""DynamoDB's tables in memory, in which the hundred-thousandth case is found as fast as the first; calls are counted.

They take what Leaver asks of them while cases begin and are looked after, and know no other expression than these; at
AWS, too, a key or an index leads to an item however many there are. tests/integration/test_counted_tables.py holds them
to moto.
"""

import re
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.call_counter import read_units, size_of
from leaver.cases.table import CaseSummary, ListedCase
from tests.doubles.rate_limit_table import ConditionalCheckFailedException, RateLimitTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Mapping[str, Any]]
Key = tuple[str, ...]

#: by table and index, the key, and what of an item is found there: None for all of it
_KEYS: Final[Mapping[str, Mapping[str | None, tuple[Key, frozenset[str] | None]]]] = {
    "Cases": {
        None: (("partition", "entry"), None),
        "watch": (("watch", "watch_at"), frozenset(CaseSummary.model_fields)),
        "state": (("state", "effective_at"), frozenset(ListedCase.model_fields)),
    },
    "Connections": {
        None: (("connection",), None),
        "role": (("role", "provider"), frozenset({"account", "owner", "owner_id", "replaced_owner"})),
    },
    "Deliveries": {None: (("delivery",), None)},
}
#: bytes of a query's page
_PAGE: Final = 1024 * 1024
_OPERATORS: Final = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


@dataclass
class Table:
    """The items of one table by their key, and what lies under each key of an index, in order."""

    keys: Mapping[str | None, tuple[Key, frozenset[str] | None]]
    items: dict[Key, Item] = field(default_factory=dict)
    #: by index and the first part of its key: the second part, and which item that is
    ordered: defaultdict[tuple[str | None, str], list[tuple[str, Key]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def key_of(self, named: Item) -> Key:
        """The key of an item, or of what names one."""
        return tuple(named[name]["S"] for name in self.keys[None][0])

    def put(self, new: Item) -> None:
        """Have an item, whatever was there."""
        key = self.key_of(new)
        old = self.items.get(key)
        for index in self.keys:
            before, after = self._place(index, old), self._place(index, new)
            if before == after:
                continue
            if before is not None:
                lying = self.ordered[index, before[0]]
                del lying[bisect_left(lying, (before[1], key))]
            if after is not None:
                insort(self.ordered[index, after[0]], (after[1], key))
        self.items[key] = new

    def _place(self, index: str | None, item: Item | None) -> tuple[str, str] | None:
        names = self.keys[index][0]
        if item is None or any(name not in item for name in names):
            return None
        return item[names[0]]["S"], item[names[1]]["S"] if len(names) > 1 else ""


class CountedTables:
    """A client of DynamoDB's, and all tables behind it."""

    def __init__(self) -> None:
        self.tables = {name: Table(keys) for name, keys in _KEYS.items()}
        self.pace = RateLimitTable()
        self.calls: Counter[str] = Counter()
        self.read_units = 0.0
        # Who looks over many cases asks side by side.
        self._lock = Lock()
        self.exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)

    @property
    def client(self) -> "DynamoDBClient":
        """The tables as a client of boto3's."""
        return cast("DynamoDBClient", self)

    def get_item(self, **asked: Any) -> dict[str, Any]:
        """One item."""
        table = self.tables[asked["TableName"]]
        found = table.items.get(table.key_of(asked["Key"]))
        return self._counted("GetItem", asked, {} if found is None else {"Item": found})

    def put_item(self, **asked: Any) -> dict[str, Any]:
        """An item that is not there yet."""
        table = self.tables[asked["TableName"]]
        self._check(asked, table.items.get(table.key_of(asked["Item"]), {}), "PutItem")
        table.put(asked["Item"])
        return {}

    def update_item(self, **asked: Any) -> dict[str, Any]:
        """An item that is changed, or made."""
        if asked["TableName"] == "Pace":
            return self.pace.update_item(**asked)
        table = self.tables[asked["TableName"]]
        item = table.items.get(table.key_of(asked["Key"]), {})
        self._check(asked, item, "UpdateItem")
        new = _updated(item or asked["Key"], asked)
        table.put(new)
        return {"Attributes": new} if asked.get("ReturnValues") == "ALL_NEW" else {}

    def query(self, **asked: Any) -> dict[str, Any]:
        """A page of what lies under one key, in order."""
        names, bound = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        table, index = self.tables[asked["TableName"]], asked.get("IndexName")
        (first, *second), projected = table.keys[index]
        told = [part.split() for part in asked["KeyConditionExpression"].split(" AND ")]
        conditions = [(names.get(name, name), sign, bound[value]["S"]) for name, sign, value in told]
        assert conditions[0][:2] == (first, "=")
        assert [name for name, _, _ in conditions[1:]] == second[: len(conditions) - 1]
        lying = table.ordered[index, conditions[0][2]]
        start, end = _slice(lying, conditions[1:])
        start = max(start, int(asked.get("ExclusiveStartKey", {"place": {"N": "0"}})["place"]["N"]))
        items: list[Item] = []
        size = 0
        while start < end and size < _PAGE:
            item = table.items[lying[start][1]]
            if projected is not None:
                shown = projected | {*table.keys[None][0], first, *second}
                item = {name: value for name, value in item.items() if name in shown}
            size += size_of(item)
            items.append(item)
            start += 1
        more = {"LastEvaluatedKey": {"place": {"N": str(start)}}} if start < end else {}
        self._counted("Query", asked, {"Items": items})
        found = {} if asked.get("Select") == "COUNT" else {"Items": items}
        return {"Count": len(items)} | found | more

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """One page after the other."""
        assert operation == "query"
        return SimpleNamespace(paginate=self._pages)

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        """What tells this table from every other."""
        self.calls["DescribeTable"] += 1
        return {"Table": {"TableId": TableName, "CreationDateTime": datetime(2026, 1, 1, tzinfo=UTC)}}

    def _pages(self, **asked: Any) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            page = self.query(**asked, **more)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _counted(self, operation: str, asked: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
        units = read_units(operation, asked, found)
        with self._lock:
            self.calls[operation] += 1
            self.read_units += units
        return found

    def _check(self, asked: Mapping[str, Any], item: Item, operation: str) -> None:
        self.calls[operation] += 1
        condition = asked.get("ConditionExpression")
        if condition is not None and not _holds(condition, item, asked):
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}
            raise ConditionalCheckFailedException(error | ({"Item": item} if item else {}), operation)


def _slice(lying: list[tuple[str, Key]], conditions: list[tuple[str, str, str]]) -> tuple[int, int]:
    """From where to where a condition on the second part of a key holds."""
    start, end = 0, len(lying)
    for _, sign, value in conditions:
        # No key is so great.
        above = (value, (chr(0x10FFFF),))
        if sign in {"=", ">="}:
            start = bisect_left(lying, (value, ()))
        if sign in {"=", "<="}:
            end = bisect_right(lying, above)
        assert sign in {"=", ">=", "<="}
    return start, end


def _holds(condition: str, item: Item, asked: Mapping[str, Any]) -> bool:
    if len(either := _apart(condition, " OR ")) > 1:
        return any(_holds(each, item, asked) for each in either)
    if len(every := _apart(condition, " AND ")) > 1:
        return all(_holds(each, item, asked) for each in every)
    if condition.startswith("("):
        return _holds(condition[1:-1], item, asked)
    if exists := re.fullmatch(r"attribute_(not_)?exists\((\S+)\)", condition):
        return (_named(exists[2], asked) in item) is (exists[1] is None)
    name, sign, value = condition.split()
    standing = item.get(_named(name, asked))
    return standing is not None and bool(_OPERATORS[sign](_plain(standing), _plain(_bound(value, asked))))


def _apart(condition: str, word: str) -> list[str]:
    """The parts of a condition that are joined by this word outside of any parenthesis."""
    parts = [""]
    for piece in condition.split(word):
        is_inside = parts[-1].count("(") > parts[-1].count(")")
        if is_inside:
            parts[-1] += word + piece
        else:
            parts.append(piece)
    return parts[1:]


def _updated(item: Item, asked: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(item)
    for clause, told in re.findall(r"(SET|REMOVE|ADD) (.+?)(?= REMOVE | ADD |$)", asked["UpdateExpression"]):
        for part in re.split(r", (?![^(]*\))", told):
            match clause:
                case "SET":
                    name, value = part.split(" = ")
                    if kept := re.fullmatch(r"if_not_exists\((\S+), (\S+)\)", value):
                        new.setdefault(_named(kept[1], asked), _bound(kept[2], asked))
                    else:
                        new[_named(name, asked)] = _bound(value, asked)
                case "REMOVE":
                    new.pop(_named(part, asked), None)
                case "ADD":
                    name, value = part.split()
                    new[_named(name, asked)] = _sum(new.get(_named(name, asked)), _bound(value, asked))
    return new


def _sum(standing: Mapping[str, Any] | None, added: Mapping[str, Any]) -> Mapping[str, Any]:
    match added:
        case {"N": number}:
            return {"N": str(int(standing["N"] if standing else 0) + int(number))}
        case {"SS": texts}:
            return {"SS": sorted({*(standing["SS"] if standing else ()), *texts})}
    raise ValueError("neither a number nor a set of texts")


def _plain(typed: Mapping[str, Any]) -> Any:
    return int(typed["N"]) if "N" in typed else typed["S"]


def _named(name: str, asked: Mapping[str, Any]) -> str:
    return str(asked["ExpressionAttributeNames"][name]) if name.startswith("#") else name


def _bound(name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    value: Mapping[str, Any] = asked["ExpressionAttributeValues"][name]
    return value
