"""For how many people anything may begin in an hour before somebody has looked: the guard, and the ceiling."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from leaver.cases.partitions import of_hour
from leaver.cases.record import Case
from leaver.errors import NotRead
from leaver.messages.commands import Command
from leaver.messages.names import name_of
from leaver.messages.speakers import OPERATOR
from leaver.storage.tables import item, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: what people are counted under
ROUTINE: Final = "routine"
URGENT: Final = "urgent"
EVERYBODY: Final = "everybody"
#: A counter that many write at once is split by this, so that they do not wait for each other. Those who come at one
#: moment through different parts do not see each other: that lets through one in 250 too many at the most.
PEOPLE_A_PART: Final = 250
#: All parts of all counters are read at once, each for a fee; a part bears a thousand people a second.
MOST_PARTS: Final = 8


class PeopleAnHour:
    """Who was counted in an hour: one marker for each person, and counters."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def find_exceeded(self, person: str, limits: Mapping[str, int | None], at: datetime) -> str | None:
        """Count a person in this hour under each of these, once however often; None where no limit is exceeded by that.

        Otherwise returns which one is, the first, and counts nothing.
        """
        mark = mark_of(person)
        while True:
            counted, counts = self._read(mark, _parts(limits), at)
            new = [kind for kind in limits if kind not in counted]
            for kind in new:
                limit = limits[kind]
                if limit is not None and sum(counts[kind]) >= limit:
                    return kind
            parts = {kind: int(mark, 16) % len(counts[kind]) for kind in new}
            was = {kind: counts[kind][part] for kind, part in parts.items() if limits[kind] is not None}
            if not new or self._count(mark, parts, was, at):
                return None

    def is_first_beyond(self, kind: str, person: str, at: datetime) -> bool:
        """Whether this person is the first of the hour who exceeded a limit: also when asked again."""
        return self._mark_first(kind, mark_of(person), at) == mark_of(person)

    def count(self, kind: str, limit: int | None, at: datetime) -> int:
        """How many were counted under that in this hour until now."""
        return sum(self._read("", _parts({kind: limit}), at)[1][kind])

    def _read(self, mark: str, parts: Mapping[str, int], at: datetime) -> tuple[set[str], dict[str, list[int]]]:
        """Read under what a person is counted, and what each part of the counters holds."""
        places = {kind: [of_hour(at, kind, part) for part in range(number)] for kind, number in parts.items()}
        wanted = [of_hour(at, mark), *(place for each in places.values() for place in each)]
        answer = self._dynamodb.batch_get_item(
            RequestItems={self._table: {"Keys": [_key(place) for place in wanted], "ConsistentRead": True}}
        )
        if answer["UnprocessedKeys"]:
            raise NotRead("table Cases: DynamoDB did not read who was counted in this hour")
        found = {str(each["partition"]["S"]): each for each in answer["Responses"][self._table]}
        kinds = found.get(of_hour(at, mark), {}).get("kinds", {"SS": []})["SS"]
        counts = {
            kind: [int(found[place]["people"]["N"]) if place in found else 0 for place in each]
            for kind, each in places.items()
        }
        return set(kinds), counts

    def _count(self, mark: str, parts: Mapping[str, int], was: Mapping[str, int], at: datetime) -> bool:
        """Mark and count a person, both or nothing; False where somebody came in between."""
        kinds = list(parts)
        marked = {
            "TableName": self._table,
            "Key": _key(of_hour(at, mark)),
            "UpdateExpression": "ADD kinds :kinds",
            "ConditionExpression": " AND ".join(f"NOT contains(kinds, :k{number})" for number in range(len(kinds))),
            "ExpressionAttributeValues": {
                ":kinds": {"SS": kinds},
                **{f":k{number}": {"S": kind} for number, kind in enumerate(kinds)},
            },
        }
        counted = [self._counted(of_hour(at, kind, part), was.get(kind)) for kind, part in parts.items()]
        transaction: Any = [{"Update": each} for each in (marked, *counted)]
        try:
            self._dynamodb.transact_write_items(TransactItems=transaction)
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = {each.get("Code", "None") for each in error.response["CancellationReasons"]}
            if reasons - {"None", "ConditionalCheckFailed", "TransactionConflict"}:
                raise
            return False
        return True

    def _counted(self, place: str, was: int | None) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": _key(place),
            "UpdateExpression": "ADD people :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        if was:
            update["ConditionExpression"] = "people = :was"
            update["ExpressionAttributeValues"][":was"] = {"N": str(was)}
        elif was == 0:
            update["ConditionExpression"] = "attribute_not_exists(people)"
        return update

    def _mark_first(self, kind: str, mark: str, at: datetime) -> str:
        updated = self._dynamodb.update_item(
            TableName=self._table,
            Key=_key(of_hour(at, "beyond", kind)),
            UpdateExpression="SET first_mark = if_not_exists(first_mark, :mark)",
            ExpressionAttributeValues={":mark": {"S": mark}},
            ReturnValues="ALL_NEW",
        )
        return str(values(updated["Attributes"])["first_mark"])


@dataclass(frozen=True)
class Ceiling:
    """The deployment's limits for an hour, and who was counted."""

    people: PeopleAnHour
    #: for how many people anything may begin, cases and commands together; one source may use half of it
    most: int
    #: for how many of them a routine case; None for whoever begins no cases
    routine: int | None = None

    def find_exceeded(self, case: Case, now: datetime) -> str | None:
        """Count the person of a case that begins; returns the limit that stops it.

        What a person has released, or asked for, passes.
        """
        if case.released or OPERATOR in {case.source, *(each.source for each in case.said)}:
            return None
        first: dict[str, int | None] = {URGENT: None} if case.urgency == "urgent" else {ROUTINE: self.routine}
        return self.people.find_exceeded(
            case.email, first | {f"from {case.source}": max(self.most // 2, 1), EVERYBODY: self.most}, now
        )

    def is_above(self, command: Command, at: datetime) -> bool:
        """Count the person of a command that belongs to no case; tells whether the ceiling stops it."""
        return self.people.find_exceeded(command.person, {EVERYBODY: self.most}, at) is not None

    def gauges(self, now: datetime) -> dict[str, int]:
        """How many begin in this hour; those of its last minute are still counted when the next begins."""
        hours = (now, now - timedelta(minutes=1))
        everybody = max(self.people.count(EVERYBODY, self.most, each) for each in hours)
        return {
            "UrgentCasesAnHour": max(self.people.count(URGENT, None, each) for each in hours),
            "CeilingPercent": everybody * 100 // self.most,
        }


def mark_of(person: str) -> str:
    """What stands for somebody in a key: their name may be long, and spelled in several ways."""
    return sha256(name_of(person).encode()).hexdigest()[:32]


def _parts(limits: Mapping[str, int | None]) -> dict[str, int]:
    return {kind: min(max(1, (limit or 1) // PEOPLE_A_PART), MOST_PARTS) for kind, limit in limits.items()}


def _key(partition: str) -> Any:
    return item({"partition": partition, "entry": "hour"})
