"""The door's connections: since when each is there, when it spoke last, and for how long it may be silent."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict

from leaver.errors import NotRead
from leaver.storage.secrets import error_code
from leaver.storage.tables import Value, item, read_as, timestamp, values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: how long a connection may be silent of which nobody said otherwise
SILENT_AFTER: Final = timedelta(days=7)
#: how often it is noted, at most, that a connection spoke
NOTED_EVERY: Final = timedelta(minutes=1)
#: three items among the deliveries, each with one attribute for each place, and none that expires
_CONNECTED: Final = item({"delivery": "connected"})
_SPOKE: Final = item({"delivery": "spoke"})
#: of which silence people were told: since when it was
_TOLD: Final = item({"delivery": "silent"})


class Place(BaseModel):
    """One connection, as it was made; 0 seconds of silence: it never rings."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: AwareDatetime
    silent_after: timedelta = SILENT_AFTER
    spoke_at: AwareDatetime | None = None

    @property
    def silent_since(self) -> datetime:
        """When it spoke last; of one that never spoke, since when it is there."""
        return self.spoke_at or self.since

    def silent_for(self, now: datetime) -> timedelta:
        """How long nothing came."""
        return now - self.silent_since

    def is_silent(self, now: datetime) -> bool:
        """Whether it is silent for longer than it may be."""
        return bool(self.silent_after) and self.silent_for(now) > self.silent_after


class Places:
    """The connections by `place`, which is `<source>/<connection>`, in the table of deliveries."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._noted: dict[str, datetime] = {}

    def connected(self) -> Mapping[str, Place]:
        """All connections, and when each spoke last. Raises Rejected where somebody wrote something else."""
        spoke = self._read(_SPOKE)
        return {
            place: read_as(Place)(told | ({"spoke_at": spoke[place]} if place in spoke else {}))
            for place, told in self._read(_CONNECTED).items()
        }

    def names(self) -> list[str]:
        """The connections that there are.

        Raises NotRead where the table does not answer, or knows of none: it may have been lost, and they be there.
        """
        try:
            found = list(self._read(_CONNECTED))
        except (BotoCoreError, ClientError) as error:
            raise NotRead(f"connections of the door: {error_code(error)}") from None
        if not found:
            raise NotRead("connections of the door: there is none")
        return found

    def connect(self, place: str, now: datetime, *, silent_after: timedelta | None = None) -> None:
        """Note that a connection is there, and how long it may be silent; what was noted of it before stays."""
        standing = self.connected().get(place) or Place(since=now)
        seconds = int((standing.silent_after if silent_after is None else silent_after).total_seconds())
        self._set(_CONNECTED, place, {"since": timestamp(standing.since), "silent_after": seconds})

    def note_spoken(self, place: str, now: datetime) -> None:
        """Note that a connection spoke; where the table does not answer, the next delivery notes it."""
        if place in self._noted and now - self._noted[place] < NOTED_EVERY:
            return
        try:
            self._set(_SPOKE, place, timestamp(now))
        except (BotoCoreError, ClientError):
            return
        self._noted[place] = now

    def of_which_nobody_was_told(self, silent: Mapping[str, Place]) -> Mapping[str, Place]:
        """Those of these silences that are not noted as told: each is told once, and the next one is another."""
        told = self._read(_TOLD) if silent else {}
        return {place: each for place, each in silent.items() if told.get(place) != timestamp(each.silent_since)}

    def note_told(self, place: str, silent: Place) -> None:
        """Note that people were told of a silence."""
        self._set(_TOLD, place, timestamp(silent.silent_since))

    def _read(self, key: Mapping[str, Any]) -> dict[str, Any]:
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return values({name: value for name, value in found.get("Item", {}).items() if name not in key})

    def _set(self, key: Mapping[str, Any], place: str, value: Value) -> None:
        self._dynamodb.update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression="SET #place = :told",
            ExpressionAttributeNames={"#place": place},
            ExpressionAttributeValues=item({":told": value}),
        )
