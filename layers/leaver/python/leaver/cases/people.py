"""Whoever left, under each of their names: which case is theirs, and the tombstone that says so to everybody."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.cases.kinds import Kind
from leaver.cases.partitions import KEY, of_person
from leaver.messages.names import name_of
from leaver.storage.tables import Items, update_with_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: the sort key of a name's item in the Cases table
ENTRY: Final = "person"
#: before any event: of somebody of whom nobody has said whether they leave
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Name(BaseModel):
    """One name of one person."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    partition: str
    entry: str = ENTRY
    #: the person's case, the last that was opened
    case: str | None = None
    #: when the last event about this person happened: what is older comes too late
    occurred_at: AwareDatetime
    #: whether that event said that they stay: cancelled, or reinstated
    stays: bool = False
    #: the tombstone: since when nothing may be given to this person any more
    gone_since: AwareDatetime | None = None
    #: the person's cases in which they stay, by kind: of each the last that was opened
    containments: dict[Kind, str] = Field(default_factory=dict)
    #: nothing that was asked for before this may be kept, though the person stays: our clock, by such a case
    cutoff: AwareDatetime | None = None
    item_version: int = 0

    def has_later_event(self, at: datetime) -> bool:
        """Whether an event that happened later has come before."""
        # To the second, as the table keeps it: else an event would come later than itself.
        return self.occurred_at > at.replace(microsecond=0)

    def with_stay(self, at: datetime) -> Self | None:
        """With an event that says that the person stays; None where a later one has come before."""
        return None if self.has_later_event(at) else self.model_copy(update={"occurred_at": at, "stays": True})

    def with_tombstone(self, case_id: str, now: datetime) -> Self | None:
        """With this case's tombstone; None where it stands."""
        if self.gone_since and self.case == case_id:
            return None
        return self.model_copy(update={"gone_since": self.gone_since or now, "case": case_id})

    def without_tombstone(self, case_id: str | None = None) -> Self | None:
        """Without a tombstone; None where there is none, or where it is another case's than the one that is named."""
        if self.gone_since is None or case_id not in {None, self.case}:
            return None
        return self.model_copy(update={"gone_since": None})

    def with_containment(self, kind: Kind, case_id: str) -> Self:
        """With this case of a kind in which they stay."""
        return self.model_copy(update={"containments": {**self.containments, kind: case_id}})

    def with_cutoff(self, now: datetime) -> Self:
        """With nothing kept that was asked for before now; a cutoff is raised, and never lowered."""
        return self.model_copy(update={"cutoff": max(self.cutoff or now, now)})


class People:
    """The names in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=KEY, model=Name.model_validate)

    def read(self, name: str) -> Name | None:
        """Read what is remembered of a name, as of now; None of somebody who never left."""
        return self._items.read(partition=_key(name), entry=ENTRY)

    def gone(self, names: Iterable[str]) -> bool:
        """Whether a tombstone stands on any of these names."""
        return any(found.gone_since for found in map(self.read, names) if found)

    def refuse_what_was_asked(self, names: Iterable[str], at: datetime) -> str | None:
        """Why nothing may be kept that was asked for at this time for somebody of these names; None where it may."""
        found = [each for each in map(self.read, names) if each]
        if any(each.gone_since for each in found):
            return "the user left"
        # The table keeps seconds: of the cutoff's own second nothing is kept.
        if any(each.cutoff and at.replace(microsecond=0) <= each.cutoff for each in found):
            return "the user's access was cut off after the token was asked for"
        return None

    def change(self, name: str, at: datetime, update: Callable[[Name], Name | None]) -> Name | None:
        """Change what is remembered of a name, from nothing where nothing was; `at` is when the event happened.

        None, and nothing written, where `update` makes None of it.
        """
        nothing = Name(partition=_key(name), occurred_at=at.replace(microsecond=0))
        while True:
            if self.read(name) is None:
                new = update(nothing)
                if new is None or self._items.add(new):
                    return new
                continue
            return update_with_retry(lambda: self.read(name) or nothing, update, self._items.compare_and_swap)


def _key(name: str) -> str:
    return of_person(name_of(name))
