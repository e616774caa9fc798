"""The rate of each provider account, shared by all functions: one DynamoDB item each, changed on conditions alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: how long a full bucket is believed to be full without another look: a person may have deleted the item
BELIEVED: Final = timedelta(minutes=1)
#: a bucket that was in use so recently is taken to be in use
RECENTLY: Final = timedelta(seconds=2)
#: what a 429 does to the rate, for everybody, at most once a second
SLOWER: Final = 0.8
#: A single 429 after 30 quiet seconds is probably another app's burst: slow down by 5 % only.
A_LITTLE_SLOWER: Final = 0.95
QUIET: Final = timedelta(seconds=30)
#: Share of the whole rate that is regained in each second without a 429: twice as much in the first seconds and half as
#: much after them, so that most of the time passes a little below the limit that others leave. Where less than a third
#: of the rate is left, refusals went on: nothing is hurried then.
FASTER_A_SECOND: Final = 0.01
FIRST_SECONDS: Final = 3
HURRIED_FROM: Final = 333
#: the lowest share of the rate
SLOWEST: Final = 0.05

_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class Bucket:
    """An item as it was last seen, in microseconds: others may have changed it since."""

    #: when the next call that nobody has reserved may go out (GCRA's "theoretical arrival time")
    tat: int = 0
    #: thousandths of the rate that were left when it was last made slower, and when that was
    factor: int = 1000
    slowed_at: int = 0
    seen_at: int = 0

    def share(self, now: int) -> float:
        """How much of the rate may be used now."""
        seconds = (now - self.slowed_at) / _SECOND
        soon = min(2 * seconds, 2 * FIRST_SECONDS + (seconds - FIRST_SECONDS) / 2)
        seconds = max(seconds, soon) if self.factor >= HURRIED_FROM else seconds
        return min(1.0, self.factor / 1000 + seconds * FASTER_A_SECOND)


class Buckets:
    """The table's items. Times are microseconds; no method reads, each write returns what the item then holds."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str, clock: Callable[[], datetime]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._seen: dict[str, Bucket] = {}

    def __getitem__(self, name: str) -> Bucket:
        return self._seen.get(name, Bucket())

    def are_in_demand(self, now: int) -> bool:
        """Whether any is reserved beyond now, as far as this process has seen."""
        return any(bucket.tat > now for bucket in self._seen.values())

    def reserve(self, name: str, seconds: float, now: int, horizon: int) -> int | None:
        """Reserve so many seconds of a bucket; when they begin, or None where that would be beyond the horizon.

        A horizon of 0 takes a bucket that is free now, or nothing.
        """
        width = math.ceil(seconds * _SECOND)
        recently = now - int(RECENTLY.total_seconds() * _SECOND)
        for attempt in range(3):
            bucket = self[name]
            if bucket.tat > now + horizon and now - bucket.seen_at < int(BELIEVED.total_seconds() * _SECOND):
                return None
            # A bucket that was left alone for a while does not save its slots up.
            queue = horizon > 0 and (bucket.tat >= now or (attempt == 0 and bucket.tat >= recently))
            if queue:
                values = {":width": width, ":now": now, ":last": now + horizon}
                end = self._write(name, "SET tat = tat + :width", "tat BETWEEN :now AND :last", values)
            else:
                values = {":from_now": now + width, ":now": now}
                end = self._write(name, "SET tat = :from_now", "attribute_not_exists(tat) OR tat < :now", values)
            if end is not None:
                return end - width
            if horizon == 0 or self[name].tat > now + horizon:
                return None
        return None

    def slow_down(self, name: str, now: int, until: int, *, alone: bool) -> None:
        """Lower the rate for everybody, at most once a second, and let nobody call before `until`.

        `alone`: this process was throttled once, and not several times at the same moment.
        """
        for _ in range(3):
            bucket = self[name]
            if bucket.slowed_at > now - _SECOND:
                # A little is too little, where the first of several was taken for a single one.
                if alone or bucket.factor <= SLOWER * 1000:
                    return
                slower_by = SLOWER / A_LITTLE_SLOWER
            else:
                quiet = now - bucket.slowed_at > int(QUIET.total_seconds() * _SECOND)
                slower_by = A_LITTLE_SLOWER if quiet else SLOWER
            values = {":factor": round(max(SLOWEST, bucket.share(now) * slower_by) * 1000), ":now": now}
            update = "SET factor = :factor, slowed_at = :now"
            # Slower than what was seen, and of a rate that others made slower since, that might be faster.
            condition = "attribute_not_exists(slowed_at)"
            if bucket.slowed_at:
                condition = "slowed_at = :seen"
                values[":seen"] = bucket.slowed_at
            if bucket.tat < until:
                update += ", tat = :until"
                condition = f"({condition}) AND (attribute_not_exists(tat) OR tat < :until)"
                values[":until"] = until
            if self._write(name, update, condition, values) is not None:
                return

    def close(self, name: str, until: int) -> None:
        """Let nobody reserve anything before then."""
        if self[name].tat < until:
            self._write(name, "SET tat = :until", "attribute_not_exists(tat) OR tat < :until", {":until": until})

    def _write(self, name: str, update: str, condition: str, values: Mapping[str, int]) -> int | None:
        """Write on a condition; returns the `tat` that was written, or None where the condition was not met."""
        try:
            item: Mapping[str, Any] = self._dynamodb.update_item(
                TableName=self._table,
                Key={"bucket": {"S": name}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={key: {"N": str(value)} for key, value in values.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            self._remember(name, _item_of(error))
            return None
        self._remember(name, item)
        return int(item["tat"]["N"]) if "tat" in item else 0

    def _remember(self, name: str, item: Mapping[str, Any]) -> None:
        numbers = {key: int(item[key]["N"]) for key in ("tat", "factor", "slowed_at") if key in item}
        self._seen[name] = Bucket(seen_at=to_microseconds(self._clock()), **numbers)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return int(moment.timestamp() * _SECOND)


def from_microseconds(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return datetime.fromtimestamp(microseconds / _SECOND, tz=UTC)


def _item_of(error: ClientError) -> Mapping[str, Any]:
    """The item that did not meet a condition; the stubs of boto3 do not know that it comes along."""
    return cast("Mapping[str, Any]", error.response.get("Item", {}))
