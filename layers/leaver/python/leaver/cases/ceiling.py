"""For how many people anything may begin in an hour before somebody has looked: the guard, and the ceiling."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from leaver.cases.partitions import of_hour
from leaver.cases.record import Case
from leaver.messages.commands import Command
from leaver.messages.names import name_of
from leaver.messages.speakers import OPERATOR
from leaver.storage.tables import item, standing_beside, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: what people are counted under
ROUTINE: Final = "routine"
URGENT: Final = "urgent"
EVERYBODY: Final = "everybody"


class PeopleAnHour:
    """Who was counted in an hour: one marker for each person, and counters."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def find_exceeded(self, person: str, limits: Mapping[str, int | None], at: datetime) -> str | None:
        """Count a person in this hour under each of these, once however often; None where no limit is exceeded by that.

        Otherwise returns which one is, the first, and counts nothing. A run that is killed after it has counted leaves
        no mark: then the next one counts once more, and somebody may have to wait for a person.
        """
        mark = mark_of(person)
        counted = self._read_mark(mark, at)
        new = {kind: limit for kind, limit in limits.items() if kind not in counted}
        if not new:
            return None
        if (exceeded := self._count(new, at)) is None:
            self._mark(mark, new, at)
        return exceeded

    def is_first_beyond(self, kind: str, person: str, at: datetime) -> bool:
        """Whether this person is the first of the hour who exceeded a limit: also when asked again."""
        return self._mark_first(kind, mark_of(person), at) == mark_of(person)

    def counts(self, at: datetime) -> dict[str, int]:
        """How many were counted in this hour until now, by what they were counted under."""
        counted = self._read(of_hour(at))
        return {kind: int(number["N"]) for kind, number in counted.items() if "N" in number}

    def _read_mark(self, mark: str, at: datetime) -> Collection[str]:
        """Read under what a person is counted."""
        marked: Collection[str] = self._read(of_hour(at, mark)).get("kinds", {"SS": ()})["SS"]
        return marked

    def _read(self, place: str) -> Mapping[str, Any]:
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(place), ConsistentRead=True)
        return found.get("Item", {})

    def _count(self, limits: Mapping[str, int | None], at: datetime) -> str | None:
        """Count one more under each of these, all or none: DynamoDB does one after the other what many ask at once."""
        numbered = list(enumerate(limits.items()))
        below = [
            f"(attribute_not_exists(#k{number}) OR #k{number} < :l{number})" if limit else f"#k{number} < :l{number}"
            for number, (_, limit) in numbered
            if limit is not None
        ]
        bound = {f":l{number}": {"N": str(limit)} for number, (_, limit) in numbered if limit is not None}
        condition: Any = {"ConditionExpression": " AND ".join(below)} if below else {}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(of_hour(at)),
                UpdateExpression="ADD " + ", ".join(f"#k{number} :one" for number, _ in numbered),
                ExpressionAttributeNames={f"#k{number}": kind for number, (kind, _) in numbered},
                ExpressionAttributeValues={":one": {"N": "1"}, **bound},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition,
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            stands = standing_beside(error) or {}
            counts = {kind: int(stands.get(kind, {"N": "0"})["N"]) for kind in limits}
            return next(kind for kind, limit in limits.items() if limit is not None and counts[kind] >= limit)
        return None

    def _mark(self, mark: str, kinds: Iterable[str], at: datetime) -> None:
        self._dynamodb.update_item(
            TableName=self._table,
            Key=_key(of_hour(at, mark)),
            UpdateExpression="ADD kinds :kinds",
            ExpressionAttributeValues={":kinds": {"SS": list(kinds)}},
        )

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
        hours = [self.people.counts(each) for each in (now, now - timedelta(minutes=1))]
        return {
            "UrgentCasesAnHour": max(each.get(URGENT, 0) for each in hours),
            "CeilingPercent": max(each.get(EVERYBODY, 0) for each in hours) * 100 // self.most,
        }


def mark_of(person: str) -> str:
    """What stands for somebody in a key: their name may be long, and spelled in several ways."""
    return sha256(name_of(person).encode()).hexdigest()[:32]


def _key(partition: str) -> Any:
    return item({"partition": partition, "entry": "hour"})
