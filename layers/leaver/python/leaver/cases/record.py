"""A leaver's case: everything that must end, recorded first, and what is outstanding of it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Json

from leaver.cases.receipts import Receipt
from leaver.outcomes import Outcome
from leaver.storage.tables import Items, item, timestamp, update_with_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: the sort key of the case's own item; its receipts lie beside it
ENTRY: Final = "case"
#: the index `watch`: what has to be looked at, and when
WATCHED: Final = "case"
#: how soon a case is looked at again that may owe an announcement, or have lost a command
LOOK_AGAIN: Final = timedelta(minutes=1)
#: a step that no message can do: a person connects the service connection anew
REPLACE: Final = "ReplaceServiceConnection"
#: these end a step; a user who is not found ends it only where it is certain who is meant
DONE: Final = frozenset({Outcome.REVOKED, Outcome.ALREADY_GONE, Outcome.PURGED, Outcome.DEACTIVATED})

#: So many cases of an hour are remembered by their ids, and counted once however often they are tried. An item holds
#: 400 KB: with a flood of leavers in it no further case could begin, so beyond that a repeated try counts again.
TOLD_APART: Final = 2_000

Owed = Literal[
    "OffboardingStarted", "OffboardingCompleted", "OffboardingOverdue", "OffboardingCancelled", "OffboardingHeld"
]


class State(StrEnum):
    """How far a case is."""

    #: waits for its time
    SCHEDULED = "scheduled"
    #: waits for a person: there were too many in an hour
    HELD = "held"
    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REINSTATED = "reinstated"
    #: a person looked at a held one and threw it away
    DISCARDED = "discarded"


#: whoever gets a command of such a case does not carry it out
OVER: Final = frozenset({State.CANCELLED, State.REINSTATED, State.DISCARDED})
#: at most one such case per person
UNDER_WAY: Final = frozenset({State.SCHEDULED, State.HELD, State.OPEN})


class Step(BaseModel):
    """One thing that must end: a command with its fields, or what a person must do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    connection: str
    #: the command's fields beside case, urgency and time
    detail: dict[str, str]

    @property
    def name(self) -> str:
        """Names the step within its case, and its receipt."""
        return f"{self.command}#{self.connection}"

    @property
    def receipt(self) -> str:
        """The sort key of its receipt."""
        return f"receipt#{self.name}"


class Case(BaseModel):
    """The case's own item in the Cases table. Changed by making another of it: each method says what the change is."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    case_id: str
    entry: str = ENTRY
    state: State
    #: whose access: the e-mail address of the HR event, and the ids that Zoom confirmed
    email: str
    zoom_user_id: str | None = None
    #: JSON: every name of the person under which a tombstone is raised
    names: str
    event_id: str
    source: str
    actor: str | None = None
    urgency: Literal["urgent", "routine"]
    #: when the HR event happened, and when it is to take effect
    requested_at: AwareDatetime
    effective_at: AwareDatetime
    started_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    #: JSON: the steps, in order
    steps: str
    #: JSON: the names of the steps that are not done
    outstanding: str
    #: JSON: the announcements that are still owed
    owed: str = "[]"
    overdue: bool = False
    #: when commands that seemed lost were sent again, and how often
    resent_at: AwareDatetime | None = None
    resent: int = 0
    #: the seal: the last digest of the chain over the receipts
    head: str | None = None
    #: JSON: what no API can end, and until when it lives
    residual: str = "[]"
    #: this case looks once more for access that came back after that one
    sweep_of: str | None = None
    watch: str | None = None
    watch_at: AwareDatetime | None = None
    item_version: int = 0

    def all_steps(self) -> list[Step]:
        """The steps, in order."""
        return [Step.model_validate(each) for each in json.loads(self.steps)]

    def id_at(self, provider: str) -> str | None:
        """The id that this provider confirmed; None where it was not asked, or knows nobody."""
        return {"zoom": self.zoom_user_id}.get(provider)

    def all_names(self) -> list[str]:
        """Every name of the person."""
        names: list[str] = json.loads(self.names)
        return names

    def all_outstanding(self) -> list[str]:
        """The names of the steps that are not done, in order."""
        outstanding: list[str] = json.loads(self.outstanding)
        return outstanding

    def all_owed(self) -> list[Owed]:
        """The announcements that are still owed, in order."""
        owed: list[Owed] = json.loads(self.owed)
        return owed

    def owing(self, *announcements: Owed) -> Self:
        """With these announcements owed as well."""
        owed = self.all_owed()
        return self.model_copy(update={"owed": json.dumps(owed + [each for each in announcements if each not in owed])})

    def told(self, announcement: Owed) -> Self:
        """With one announcement less owed."""
        return self.model_copy(update={"owed": json.dumps([each for each in self.all_owed() if each != announcement])})

    def watched(self, at: datetime | None) -> Self:
        """To be looked at again then; never again where that is None."""
        return self.model_copy(update={"watch": WATCHED if at else None, "watch_at": at})

    def started(self, now: datetime, *, deadline: timedelta, look_again: timedelta) -> Self:
        """Under way from now on."""
        told = {"state": State.OPEN, "started_at": now, "deadline_at": now + deadline}
        return self.model_copy(update=told).owing("OffboardingStarted").watched(now + look_again)

    def extended(self, steps: Iterable[Step], names: Iterable[str]) -> Self:
        """With the steps and names that it lacks: never a second set."""
        mine = {step.name for step in self.all_steps()}
        missing = [step for step in steps if step.name not in mine]
        return self.model_copy(
            update={
                "steps": json.dumps([step.model_dump() for step in [*self.all_steps(), *missing]]),
                "outstanding": json.dumps(self.all_outstanding() + [step.name for step in missing]),
                "names": json.dumps(sorted({*self.all_names(), *names})),
            }
        )

    def without(self, step: str) -> Self:
        """With one step less outstanding."""
        return self.model_copy(
            update={"outstanding": json.dumps([each for each in self.all_outstanding() if each != step])}
        )

    def over(self, state: State, now: datetime) -> Self:
        """Ended without being done: what is outstanding is not carried out any more. Watched until that was told."""
        told = {"state": state, "finished_at": now}
        return self.model_copy(update=told).owing("OffboardingCancelled").watched(now + LOOK_AGAIN)

    def sealed(self, head: str, residual: Sequence[Mapping[str, Any]], now: datetime) -> Self:
        """Done, and closed with the digest of its receipts. Watched until that was told."""
        told = {"state": State.COMPLETED, "finished_at": now, "head": head, "residual": json.dumps(list(residual))}
        return self.model_copy(update=told).owing("OffboardingCompleted").watched(now + LOOK_AGAIN)

    def sent_again(self, now: datetime) -> Self:
        """With commands that seemed lost on their way once more."""
        return self.model_copy(update={"resent_at": now, "resent": self.resent + 1})

    def late(self, now: datetime) -> Self:
        """Overdue, where it is, and owing the announcement of that: once."""
        if self.overdue or self.deadline_at is None or now < self.deadline_at:
            return self
        return self.model_copy(update={"overdue": True}).owing("OffboardingOverdue")

    @property
    def time_to_revoke(self) -> int | None:
        """Seconds from when it was to take effect until the last receipt; None while it is not done."""
        if self.state is not State.COMPLETED or self.finished_at is None:
            return None
        return max(0, int((self.finished_at - max(self.requested_at, self.effective_at)).total_seconds()))


class CaseSummary(BaseModel):
    """What the index `watch` knows of a case."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    case_id: str
    state: State
    started_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    outstanding: Json[list[str]]

    @property
    def to_replace(self) -> list[str]:
        """The steps for which a service connection needs a new owner."""
        return [each for each in self.outstanding if each.startswith(f"{REPLACE}#")]

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is under way for longer than it may be."""
        return self.state is State.OPEN and self.deadline_at is not None and self.deadline_at <= now


class Cases:
    """The cases in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=("case_id", "entry"), model=Case.model_validate)
        self._dynamodb = dynamodb
        self._table = table

    def read(self, case_id: str) -> Case | None:
        """Read a case as it is now."""
        return self._items.read(case_id=case_id, entry=ENTRY)

    def add(self, case: Case) -> bool:
        """Write a case that is not there yet; tells whether it was written."""
        return self._items.add(case)

    def change(self, case_id: str, to: Callable[[Case], Case | None]) -> Case | None:
        """Change a case as it is now into what `to` makes of it; None, and nothing written, where that is None."""

        def read() -> Case:
            found = self.read(case_id)
            if found is None:
                raise LookupError(f"case {case_id} is not there")
            return found

        return update_with_retry(read, to, self._items.compare_and_swap)

    def receipts(self, case_id: str) -> dict[str, Receipt]:
        """Read a case's receipts as they are now, by their sort key."""
        condition = "#case_id = :case_id AND begins_with(#entry, :receipt)"
        names = {"#case_id": "case_id", "#entry": "entry"}
        found = self._items.query(None, condition, names, {":case_id": case_id, ":receipt": "receipt#"})
        return {str(each["entry"]): Receipt.model_validate(each) for each in found}

    def to_look_at(self, now: datetime) -> Iterator[str]:
        """Find the cases at which something has to be done by now, the longest waiting first, by the index `watch`."""
        for found in self._items.query(
            "watch",
            "#watch = :watch AND watch_at <= :now",
            {"#watch": "watch"},
            {":watch": WATCHED, ":now": timestamp(now)},
        ):
            yield str(found["case_id"])

    def held(self) -> Iterator[str]:
        """Find the cases that wait for a person, by the index `watch`."""
        for found in self._items.query("watch", "#watch = :watch", {"#watch": "watch"}, {":watch": "held"}):
            yield str(found["case_id"])

    def summaries(self) -> Iterator[CaseSummary]:
        """Look over every case that is watched, held ones too, by the index `watch`."""
        for watch in (WATCHED, "held"):
            for found in self._items.query("watch", "#watch = :watch", {"#watch": "watch"}, {":watch": watch}):
                yield CaseSummary.model_validate(found)

    def opened(self, urgency: Literal["routine", "urgent"], at: datetime) -> int:
        """How many such cases were opened in this hour, until now."""
        found = self._dynamodb.get_item(TableName=self._table, Key=_hour(urgency, at), ConsistentRead=True)
        return int(found["Item"]["opened"]["N"]) if "Item" in found else 0

    def count_routine(self, now: datetime, *, case_id: str) -> int:
        """Count a routine case into its hour, once however often it is tried; returns how many there are."""
        return self._count("routine", now, case_id)

    def count_urgent(self, now: datetime, *, case_id: str) -> int:
        """Count an urgent case into its hour; returns how many there are."""
        return self._count("urgent", now, case_id)

    def _count(self, urgency: str, now: datetime, case_id: str) -> int:
        key = _hour(urgency, now)
        try:
            updated = self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="ADD opened :one, cases :case",
                ConditionExpression="NOT contains(cases, :id) AND (attribute_not_exists(opened) OR opened < :many)",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":case": {"SS": [case_id]},
                    ":id": {"S": case_id},
                    ":many": {"N": str(TOLD_APART)},
                },
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            updated = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)["Item"]
            if case_id not in updated["cases"]["SS"]:
                updated = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression="ADD opened :one",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                    ReturnValues="ALL_NEW",
                )["Attributes"]
        return int(updated["opened"]["N"])


def _hour(urgency: str, at: datetime) -> dict[str, Any]:
    return item({"case_id": f"hour#{urgency}#{at:%Y-%m-%dT%H}", "entry": "hour"})


def sweep_of(case_id: str) -> str:
    """The id of the case that looks once more, after a case is done, for access that came back."""
    return f"{case_id}.sweep"


def chain(receipts: Sequence[Receipt]) -> list[str]:
    """Digest each receipt together with the digest before it, so that a changed, missing or moved one shows.

    SHA-256 over the digest before (64 zeros at first) and the receipt's canonical JSON: keys sorted, no spaces, UTF-8.
    """
    digests: list[str] = []
    before = "0" * 64
    for receipt in receipts:
        told = receipt.model_dump(mode="json", exclude_none=True)
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(f"{before}{canonical}".encode()).hexdigest()
        digests.append(before)
    return digests
