"""What was heard: every HR event is recorded before anything else, and closed by exactly one fate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.cases.partitions import KEY, of_day
from leaver.storage.tables import Items, read_as, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FateName = Literal[
    "opened", "changed", "repeated", "nothing_follows", "refused", "dead_lettered", "dismissed", "handed_on"
]


@dataclass(frozen=True)
class Fate:
    """What finally became of an HR event; a reason holds no value of the event."""

    name: FateName
    case_id: str | None = None
    because: str | None = None


class Heard(BaseModel):
    """A message with an HR event, as it came to a queue; in the item beside it, with `fate`, what became of it.

    The message is in the key, and not the event: EventBridge may deliver one twice, and then each has a fate.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    partition: str
    #: `<time>#<message id>`, and of the fate `<time>#<message id>#fate`
    entry: str
    heard_at: AwareDatetime
    message_id: str
    #: None where the message could not be read
    source: str | None = None
    event_id: str | None = None
    #: it came by a rule of EventBridge's, which counts what it matches
    by_rule: bool | None = None
    fate: FateName | None = None
    case_id: str | None = None
    because: str | None = None

    def closed(self, fate: Fate) -> "Heard":
        """The item that says what became of it."""
        said = {"fate": fate.name, "case_id": fate.case_id, "because": fate.because}
        return self.model_copy(update=said | {"entry": f"{self.entry}#fate"})


def heard(
    message_id: str, at: datetime, *, source: str | None, event_id: str | None, by_rule: bool | None = None
) -> Heard:
    """A message that was first received then; repeated deliveries of it are the same."""
    return Heard(
        partition=of_day(at),
        entry=f"{timestamp(at)}#{message_id}",
        heard_at=at,
        message_id=message_id,
        source=source,
        event_id=event_id,
        by_rule=by_rule,
    )


class HeardEvents:
    """What was heard, in the Cases table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=KEY, model=read_as(Heard))

    def put_once(self, item: Heard) -> None:
        """Write an item unless it is there: what was heard is heard once, and the first fate stands."""
        self._items.add(item)

    def find_open(self, day: datetime) -> Iterator[Heard]:
        """Find what was heard on a day, in UTC, and has no fate; the oldest first."""
        found = list(self.read_day(day))
        closed = {each.entry.removesuffix("#fate") for each in found if each.fate}
        yield from (each for each in found if each.entry not in closed and not each.fate)

    def read_day(self, day: datetime) -> Iterator[Heard]:
        """Read all that was heard on a day, in UTC, and each fate beside it; the oldest first."""
        yield from map(read_as(Heard), self._items.query(None, "#key = :key", {"#key": KEY[0]}, {":key": of_day(day)}))

    def count_day(self, day: datetime) -> int:
        """How many items lie there of a day, in UTC: what was heard, and fates."""
        return self._items.count("#key = :key", {"#key": KEY[0]}, {":key": of_day(day)})

    def find_fates(self, since: datetime, until: datetime) -> Iterator[Heard]:
        """Find what became of whatever was first received since then, as of now."""
        names, day = {"#partition": "partition"}, since
        while day.date() <= until.date():
            bound = {":day": of_day(day), ":since": timestamp(since)}
            found = self._items.query(None, "#partition = :day AND entry >= :since", names, bound)
            yield from (each for each in map(read_as(Heard), found) if each.fate)
            day += timedelta(days=1)
