"""The cases in the Cases table, with what lies beside them."""

from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.cases.kinds import Kind
from leaver.cases.partitions import KEY, of_case, of_receipts
from leaver.cases.receipts import Receipt
from leaver.cases.record import ENTRY, HELD, LOOK_AGAIN, OF_A_CONNECTION, REPLACE, WATCHED, Case, Said
from leaver.cases.seal import Stored
from leaver.cases.states import State
from leaver.errors import Rejected
from leaver.storage.tables import Items, Value, columns, item, read_as, timestamp, update_with_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class CaseSummary(BaseModel):
    """What the index `watch` knows of a case."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    case_id: str
    state: State
    started_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    outstanding: tuple[str, ...]

    @property
    def to_replace(self) -> list[str]:
        """The steps for which a service connection needs a new owner."""
        return [each for each in self.outstanding if each.startswith(f"{REPLACE}#")]

    def waiting(self, usable: Container[str]) -> list[str]:
        """The steps whose account has no connection; `usable` are the accounts that have, as `provider/account`."""
        named = {each: each.partition("#") for each in self.outstanding}
        return [
            each
            for each, (command, _, at) in named.items()
            # Behind the account there may be the number of an alias.
            if command not in OF_A_CONNECTION and at not in usable and at.rpartition("#")[0] not in usable
        ]

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is under way for longer than it may be."""
        return self.state is State.OPEN and self.deadline_at is not None and self.deadline_at <= now


class ListedCase(BaseModel):
    """What the index `state` knows of a case, for people who look over many.

    Less than 1 KB: each change of a case is paid for here once more, for each KB that was begun, and twice where the
    state changes. Steps and the event as it came are read with the case.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    state: State
    effective_at: AwareDatetime
    case_id: str
    email: str
    names: tuple[str, ...]
    kind: Kind
    source: str
    event_id: str
    urgency: str
    requested_at: AwareDatetime
    started_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    outstanding: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    because: str | None = None
    return_held: Said | None = None
    sweep_of: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is under way for longer than it may be."""
        return self.state is State.OPEN and self.deadline_at is not None and self.deadline_at <= now


class UnreadableCase(NamedTuple):
    """A case that waits for a person, and why."""

    case_id: str
    reason: str


class Cases:
    """The cases in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=KEY, model=read_as(Case))
        self._dynamodb = dynamodb
        self._table = table

    def read(self, case_id: str) -> Case | None:
        """Read a case as it is now."""
        return self._items.read(partition=of_case(case_id), entry=ENTRY)

    def require(self, case_id: str) -> Case:
        """Read a case that must be there; raises LookupError where it is not."""
        case = self.read(case_id)
        if case is None:
            raise LookupError(f"case {case_id} is not there")
        return case

    def add(self, case: Case) -> Case | None:
        """Write a case that is not there yet; returns it as it was written, None where another stands there."""
        return _as_written(case) if self._items.add(case) else None

    def change(self, case: Case, update: Callable[[Case], Case | None]) -> Case | None:
        """Change a case into what `update` makes of it; None, and nothing written, where that is None.

        `case` is what was read of it before. It is read again where that is no longer what stands in the table, and
        before it is left as it is: what a None rests on is as of now.
        """
        changed = update(case)
        if changed is not None and (written := self._swap(case, changed)) is not None:
            return written
        return update_with_retry(partial(self.require, case.case_id), update, self._swap)

    def settle(self, case: Case, update: Callable[[Case], Case | None]) -> Case:
        """The same; returns the case as it is then, changed or not."""
        changed = update(case)
        if changed is not None and (written := self._swap(case, changed)) is not None:
            return written
        while True:
            standing = self.require(case.case_id)
            changed = update(standing)
            if changed is None:
                return standing
            if (written := self._swap(standing, changed)) is not None:
                return written

    def _swap(self, old: Case, new: Case) -> Case | None:
        written = self._items.compare_and_swap(old, new)
        return None if written is None else _as_written(written)

    def read_stored(self, case_id: str) -> dict[str, Stored]:
        """Read what is stored of a case as it is now, by sort key: the case, its receipts, and what else lies there."""
        found = [each for partition in (of_case, of_receipts) for each in self._lying_in(partition(case_id))]
        return {str(each["entry"]): each for each in found}

    def read_receipts(self, case_id: str) -> dict[str, Receipt]:
        """Read a case's receipts as they are now, by their sort key."""
        found = self._lying_in(of_receipts(case_id))
        return {str(each["entry"]): read_as(Receipt)(each) for each in found}

    def write_receipt(self, stored: Stored) -> None:
        """Write a receipt of a case that is over as a whole, where one stands."""
        self._dynamodb.put_item(
            TableName=self._table,
            Item=item(stored),
            ConditionExpression="attribute_exists(#partition)",
            ExpressionAttributeNames={"#partition": "partition"},
        )

    def _lying_in(self, partition: str) -> Iterator[dict[str, Value]]:
        return self._items.query(None, "#partition = :one", {"#partition": "partition"}, {":one": partition})

    def find_due(self, now: datetime) -> Iterator[str]:
        """Find the cases at which something has to be done by now, the longest waiting first, by the index `watch`."""
        condition, bound = "#watch = :watch AND watch_at <= :now", {":watch": WATCHED, ":now": timestamp(now)}
        for found in self._items.query("watch", condition, {"#watch": "watch"}, bound):
            yield _id_of(found)

    def find_in(self, state: State) -> Iterator[ListedCase | UnreadableCase]:
        """Find every case in this state, the first to take effect first, by the index `state`."""
        for found in self._items.query("state", "#state = :state", {"#state": "state"}, {":state": state}):
            try:
                yield read_as(ListedCase)(found)
            except Rejected as rejected:
                yield UnreadableCase(_id_of(found), rejected.reason)

    def count_held(self) -> int:
        """How many cases wait for a person, by the index `watch`; none of them is sent."""
        return self._items.count("#watch = :watch", {"#watch": "watch"}, {":watch": HELD}, index="watch")

    def read_summaries(self, now: datetime) -> Iterator[CaseSummary]:
        """Look over every case under way and whatever else is due soon, by the index `watch`.

        What is under way is looked at again within LOOK_AGAIN; what waits for its day or its sweep is not read, however
        much that is.
        """
        # Twice as long, for clocks that differ.
        condition, bound = "#watch = :watch AND watch_at <= :soon", {":soon": timestamp(now + 2 * LOOK_AGAIN)}
        for found in self._items.query("watch", condition, {"#watch": "watch"}, {":watch": WATCHED, **bound}):
            try:
                yield read_as(CaseSummary)(found)
            except Rejected:
                # Counted all the same: whoever looks at it says what is wrong, and every other goes on.
                yield CaseSummary(case_id=_id_of(found), state=State.OPEN, outstanding=())


def receipts_of(case: Case, stored: Mapping[str, Stored]) -> dict[str, Receipt]:
    """The receipts of a case's steps among what is stored of it, by their sort key; what is another's is not one."""
    return case.own_among(
        {step.name: Receipt.model_validate(stored[step.name]) for step in case.steps if step.name in stored}
    )


def _id_of(found: Mapping[str, Value]) -> str:
    # By its key, of which DynamoDB knows that it is text.
    return str(found["partition"]).removeprefix(of_case(""))


def _as_written(case: Case) -> Case:
    # The table keeps times to the second: what is handed on must say the same as what is read again.
    return Case.model_validate(columns(case))
