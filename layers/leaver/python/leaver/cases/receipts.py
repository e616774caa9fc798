"""Receipts: what became of each command, in the provider's terms. They also keep a finished call from repeating."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from leaver.cases.partitions import KEY, OF_A_MESSAGE, of_receipts
from leaver.errors import NotRead, ProviderResponse, Rejected
from leaver.messages.names import name_of
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Value, item, read_as, timestamp, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: only these mean that the access is gone
ENDED = frozenset({Outcome.REVOKED, Outcome.ALREADY_GONE})
#: the announcement of success is sent for these alone: for any other outcome it would be a lie
SUCCESSES = ENDED | {Outcome.RETRIEVED, Outcome.REFRESHED, Outcome.PURGED, Outcome.DEACTIVATED}
#: these say nothing of the access: a command that is sent after such a word is tried anew
OPEN_TO_ANOTHER_TRY = frozenset({Outcome.FAILED, Outcome.NOT_SEARCHABLE})

#: what a receipt keeps for the next run alone
WHILE_OPEN = frozenset({"refused_version", "progress", "last_try"})
#: what an operation of several calls has done already, in its own words
Progress = dict[str, str | int | bool]


class Receipt(BaseModel):
    """An item of the Cases table: one command, and what came of it. Without an outcome it is still open."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: the case, or `message#<event or message id>` for a command that belongs to none
    case_id: str
    #: the step's name, or the command's
    entry: str
    command: str
    system: str
    subject: str
    #: of a step, whose account it is about; the connection is what it went over
    account: str | None = None
    connection: str | None = None
    requested_at: AwareDatetime
    first_attempt_at: AwareDatetime
    attempts: int = 0
    #: the token version that the provider refused to this command, while it is open
    refused_version: str | None = None
    #: while it is open, or failed: how far an operation of several calls came, for the next run to go on there
    progress: Progress | None = None
    #: while it is open: of which message a run began, later than GiveUpAfter, whose end nobody has heard of; and how
    #: often that message had been received by then
    last_try: dict[str, int] | None = None
    outcome: Outcome | None = None
    provider_status: int | None = None
    provider_code: str | None = None
    tracking_id: str | None = None
    reason: str | None = None
    finished_at: AwareDatetime | None = None
    #: seconds from `requested_at`, where access really ended
    time_to_revoke: int | None = None
    #: names and counts
    details: dict[str, str | int | bool] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def partition(self) -> str:
        """Where it lies in the table."""
        return of_receipts(self.case_id)

    @property
    def response(self) -> ProviderResponse:
        """The provider's response to the last attempt."""
        return ProviderResponse(self.provider_status, self.provider_code, self.tracking_id)

    @property
    def names(self) -> frozenset[str]:
        """How the provider itself names the person whose access ended: its own id, and the address that it knows."""
        return frozenset(name_of(str(self.details[each])) for each in ("user_id", "address") if each in self.details)

    @property
    def belongs_to_a_case(self) -> bool:
        """Whether `case_id` is a case's: those can't hold a #."""
        return not self.case_id.startswith(OF_A_MESSAGE)

    def going_on(self, first: Self) -> Self:
        """The same receipt with the times of an earlier one for the same command, and with its progress."""
        return self.model_copy(
            update={
                "requested_at": min(self.requested_at, first.requested_at),
                "first_attempt_at": min(self.first_attempt_at, first.first_attempt_at),
                # Whom a command had found before it failed is found no better later: a name may be another's by then.
                "progress": first.progress if first.outcome in {None, Outcome.FAILED} else None,
            }
        )

    def closed(self, result: Result, *, now: datetime, reason: str | None = None) -> Self:
        """The same receipt with the last word on it."""
        waited = max(0, int((now - self.requested_at).total_seconds()))
        return self.model_copy(
            update={
                "attempts": self.attempts + 1,
                "outcome": result.outcome,
                **result.response.fields(),
                "reason": reason,
                # Whoever asked may have a clock that is ahead of ours: nothing ends before it is asked for.
                "requested_at": min(self.requested_at, now),
                "finished_at": now,
                "time_to_revoke": waited if result.outcome in ENDED else None,
                "details": dict(result.details),
                "progress": self.progress if result.outcome is Outcome.FAILED else None,
                "last_try": None,
            }
        )

    def closed_by(self, who: str, because: str, *, now: datetime) -> Self:
        """The same receipt with a person's word for the last, beside what the provider had said."""
        told: dict[str, str | int | bool] = {**self.details, "who": who, "because": because}
        if self.outcome is not None:
            told["before"] = self.outcome
        said = {"outcome": Outcome.CLOSED, "finished_at": now, "details": told}
        said |= {"requested_at": min(self.requested_at, now)}
        return self.model_copy(update=said | {"progress": None, "last_try": None})


class Receipts:
    """The receipts in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, receipt: Receipt) -> Receipt | None:
        """Read what stands under this receipt's key as of now."""
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(receipt), ConsistentRead=True)
        return read_as(Receipt)(values(found["Item"])) if "Item" in found else None

    def standing(self, receipts: Sequence[Receipt]) -> Mapping[tuple[str, str], Receipt | Rejected]:
        """Read what stands under the keys of a batch's receipts as of now, at one go; by case id and entry.

        What can't be read is Rejected, for its own message alone.
        Raises NotRead where DynamoDB leaves some of them out again and again.
        """
        if not receipts:
            return {}
        wanted = {(each.case_id, each.entry): _key(each) for each in receipts}
        asked: Mapping[str, Any] = {self._table: {"Keys": list(wanted.values()), "ConsistentRead": True}}
        keys = {(each.partition, each.entry): (each.case_id, each.entry) for each in receipts}
        found: dict[tuple[str, str], Receipt | Rejected] = {}
        for _ in range(3):
            answer = self._dynamodb.batch_get_item(RequestItems=asked)
            for each in answer["Responses"].get(self._table, []):
                stored = values(each)
                key = keys[str(stored["partition"]), str(stored["entry"])]
                try:
                    found[key] = read_as(Receipt)(stored)
                except Rejected as unreadable:
                    found[key] = unreadable
            asked = answer.get("UnprocessedKeys", {})
            if not asked:
                return found
        # One that was passed over would be taken for one that is not there, and its call repeated.
        raise NotRead("DynamoDB did not answer for all receipts of a batch")

    def count_failure(self, receipt: Receipt) -> int:
        """Count one failed attempt that will be repeated; returns how many there were."""
        return self._write(receipt).attempts

    def note(self, receipt: Receipt) -> None:
        """Write an open receipt as it is now; nothing has failed."""
        self._write(receipt, failures=0)

    def finish(self, closed: Receipt) -> Receipt:
        """Write the last word unless it has been said already; returns the receipt as it stands.

        A success takes the place of a failure that another delivery reported meanwhile.
        """
        try:
            return self._write(closed)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            standing = self.read(closed)
            if standing is None:
                raise
            if standing.outcome is Outcome.FAILED and closed.outcome in SUCCESSES:
                self.reopen(standing)
                return self.finish(closed)
            return standing

    def close(self, before: Receipt, closed: Receipt) -> Receipt | None:
        """Write a person's word where `before` still stands, or nothing did; None where another word came first."""
        try:
            return self._write(closed, instead_of=before.outcome)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            # A write whose answer was lost is repeated by botocore, and then meets itself.
            standing = self.read(closed)
            return standing if standing is not None and _columns(standing) == _columns(closed) else None

    def reopen(self, receipt: Receipt) -> None:
        """Take back a word that ended nothing, because the command was sent again."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(receipt),
                UpdateExpression="REMOVE outcome, finished_at, reason, provider_status, provider_code, tracking_id"
                ", refused_version, last_try",
                ConditionExpression="outcome IN (:failed, :not_searchable)",
                ExpressionAttributeValues=item({":failed": Outcome.FAILED, ":not_searchable": Outcome.NOT_SEARCHABLE}),
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            # Another delivery said a last word in between, and it stands.
            return

    def _write(self, receipt: Receipt, *, instead_of: Outcome | None = None, failures: int = 1) -> Receipt:
        columns = _columns(receipt)
        before: dict[str, Value] = {":before": instead_of} if instead_of else {}
        # What an earlier run noted and this one does not is no longer so.
        ended = [name for name in ("progress", "last_try") if name not in columns]
        updated = self._dynamodb.update_item(
            TableName=self._table,
            Key=_key(receipt),
            UpdateExpression="SET "
            + ", ".join(f"#{name} = :{name}" for name in columns)
            + ", first_attempt_at = if_not_exists(first_attempt_at, :first)"
            + ", attempts = if_not_exists(attempts, :none) + :one"
            + (f" REMOVE {', '.join(ended)}" if ended else ""),
            ConditionExpression="outcome = :before" if before else "attribute_not_exists(outcome)",
            ExpressionAttributeNames={f"#{name}": name for name in columns},
            ExpressionAttributeValues=item(
                {
                    **{f":{name}": value for name, value in columns.items()},
                    ":first": timestamp(receipt.first_attempt_at),
                    ":none": 0,
                    ":one": failures,
                    **before,
                }
            ),
            ReturnValues="ALL_NEW",
        )
        return Receipt.model_validate(values(updated["Attributes"]))


def _key(receipt: Receipt) -> dict[str, Any]:
    return item({"partition": receipt.partition, "entry": receipt.entry})


def _columns(receipt: Receipt) -> Mapping[str, Value]:
    """Everything but the key and what the table itself counts."""
    counted = {*KEY, "first_attempt_at", "attempts"}
    fields = receipt.model_dump(exclude=counted, exclude_none=True)
    return {name: timestamp(value) if isinstance(value, datetime) else value for name, value in fields.items()}
