"""The pace: how fast all functions together call one provider account, kept in one item of DynamoDB for each."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import LeaverError, NoSlot, Throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: the share of the limit that is kept for an urgent leaver, who then waits for nobody; but room for one call and a half
#: a second, of a limit that allows for it: one for that leaver, and half for the unevenness of the way to the provider
RESERVED: Final = 0.03
RESERVED_AT_LEAST: Final = 1.5
RESERVED_AT_MOST: Final = 0.25
#: how far ahead routine calls are booked: an urgent leaver beyond the reserved share waits for no more than that
ROUTINE_HORIZON: Final = timedelta(seconds=1)
#: urgent calls are booked further ahead: as long as there are any, routine ones find no slot
URGENT_HORIZON: Final = timedelta(seconds=5)
#: how long it is believed without another look that there is no slot: a person may have taken the item away
BELIEVED: Final = timedelta(minutes=1)
#: how long a batch waits for its slots before it goes back to the queue; to come back would cost a delivery each. What
#: it waits altogether is this and the horizon at most, whatever is refused meanwhile: a function must not be killed
PATIENCE: Final = timedelta(seconds=5)
#: whoever saw the bucket in use so lately takes it to be still
LATELY: Final = timedelta(seconds=2)
#: how long nobody calls after a refusal: by then the provider counts anew, whenever its seconds begin
PAUSE: Final = timedelta(seconds=1)
#: what a refusal does to the rate, for everybody, at most once a second
SLOWER: Final = 0.8
#: and what a single one does, for which somebody else's passing call is enough: the first for so long
A_LITTLE_SLOWER: Final = 0.95
LONG_CLEAN: Final = timedelta(seconds=30)
#: and how it comes back: this share of the whole rate for each second without a refusal
FASTER_A_SECOND: Final = 0.01
#: the slowest that refusals make it
SLOWEST: Final = 0.05
#: a limit that lasts longer than this is no limit per second: the account is let alone meanwhile
LASTING: Final = timedelta(seconds=2)
#: but no longer than this without another try, whatever one answer said: it may have been one server's, or one URL's
PROBED: Final = timedelta(seconds=30)
#: and where the limit of the day is used up: it may have been raised
LOOKED_AT_AGAIN: Final = timedelta(hours=1)
#: how long the table is not asked any more after it did not answer: a batch must not spend its time on it
OUT_OF_ORDER: Final = timedelta(seconds=10)

_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class _Bucket:
    """What was last seen of an account's item, in microseconds: by now it may be further on."""

    #: when the next call that nobody has booked yet may go out (GCRA's "theoretical arrival time")
    tat: int = 0
    #: thousandths of the rate that were left when it was last made slower, and when that was
    factor: int = 1000
    slowed_at: int = 0
    #: when this was seen
    seen_at: int = 0

    def share(self, now: int) -> float:
        """How much of the rate is to be used now."""
        recovered = (now - self.slowed_at) / _SECOND * FASTER_A_SECOND
        return min(1.0, self.factor / 1000 + recovered)


@dataclass(eq=False)
class Reservation:
    """One command's turn: when its calls may go out, and whom to tell if the provider refuses them all the same."""

    #: None where nobody paces it
    lane: "Lane | None" = None
    calls: int = 0
    #: None as long as there is no slot
    at: datetime | None = None


@dataclass(eq=False)
class Lane:
    """What a batch asks of one account, urgent or not: it is booked together, so that one write pays for all of it."""

    account: str
    urgent: bool
    #: how long it waits for slots
    patient_until: datetime
    #: those whose calls have not gone out
    waiting: list[Reservation] = field(default_factory=list)


@dataclass(frozen=True)
class Demand:
    """What one command asks of the pace."""

    connection: str
    #: to the provider's REST API, at most
    calls: int
    urgent: bool


class RateLimiter:
    """One bucket for each provider account, shared by all functions and all that run at the same time (GCRA).

    A booking is at most three conditional writes, most often one, and no read; where it is known already that there is
    no slot, it is none. `per_second` is the account's limit. Leaver's calls are all of Zoom's class Light (Zoom,
    "Rate limits"); one of another class would need a bucket of its own.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        *,
        table: str,
        per_second: float,
        account_of: Callable[[str], str],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._reserved = reserved(per_second)
        self._shared = per_second - self._reserved
        self._account_of = account_of
        self._clock = clock
        self._sleep = sleep
        self._seen: dict[str, _Bucket] = {}
        #: until when this process lets an account alone, because one of its own calls was refused
        self._paused: dict[str, datetime] = {}
        #: until when the calls go out as they come, because the table does not answer
        self._unpaced_until = datetime.min.replace(tzinfo=UTC)
        #: the threads of a batch find out together what there is, and the first of them books for all
        self._lock = threading.Lock()

    def reserve(self, wanted: Sequence[Demand | None]) -> list[Reservation]:
        """Book the calls of a batch, account by account, each lane for itself; in the order of `wanted`.

        It does not wait for anything, or what is booked for one account would be missed for the sake of another.
        """
        accounts = {name: self._account(name) for name in dict.fromkeys(each.connection for each in wanted if each)}
        lanes: dict[tuple[str, bool], Lane] = {}
        patient_until = self._clock() + PATIENCE
        reservations = []
        for each in wanted:
            if each is None or (account := accounts[each.connection]) is None:
                reservations.append(Reservation())
                continue
            lane = lanes.setdefault((account, each.urgent), Lane(account, each.urgent, patient_until))
            reservations.append(Reservation(lane, each.calls))
            lane.waiting.append(reservations[-1])
        with self._lock:
            for lane in lanes.values():
                if not self._pause(lane.account):
                    self._book_lane(lane, lane.waiting)
        return reservations

    def is_in_demand(self) -> bool:
        """Whether slots are scarce, as far as is known here: what was booked last is still ahead."""
        now = _micros(self._clock())
        return any(seen.tat > now for seen in self._seen.values())

    def wait(self, reservation: Reservation) -> None:
        """Return when it is this command's turn; raises NoSlot where it has none for a while."""
        if reservation.lane is None:
            return
        try:
            while (until := self._not_before(reservation, reservation.lane)) is not None:
                self._sleep(max(0.0, (until - self._clock()).total_seconds()))
        finally:
            with self._lock:
                reservation.lane.waiting.remove(reservation)

    def record_throttle(self, reservation: Reservation, refusal: Throttled) -> None:
        """Make everybody slower, because the limit was reached all the same: others may share it."""
        if reservation.lane is None or isinstance(refusal, NoSlot) or not refusal.account_wide:
            return
        account = reservation.lane.account
        now = self._clock()
        with self._lock, suppress(BotoCoreError, ClientError):
            if self._unpaced_until > now:
                return
            alone = self._pause(account) is None
            self._paused[account] = now + PAUSE
            self._slow_down(account, _micros(now), _micros(now + PAUSE), alone=alone)
            closed = min(refusal.until - now, LOOKED_AT_AGAIN if refusal.for_the_day else PROBED)
            if closed > LASTING:
                self._close(account, _micros(now + closed))
                self._close(_reserve(account), _micros(now + closed))

    # -- booking

    def _not_before(self, reservation: Reservation, lane: Lane) -> datetime | None:
        """Return when to look again whether it is this command's turn, None if it is; raises NoSlot."""
        with self._lock:
            if self._to_be_booked(reservation):
                # Another call may have been refused since this one was booked: it is booked anew, after the pause.
                free = self._pause(lane.account)
                if free is None:
                    free = self._book_lane(lane, [each for each in lane.waiting if self._to_be_booked(each)])
                if free is not None and self._to_be_booked(reservation):
                    if free > lane.patient_until:
                        raise NoSlot("the provider's limit is used up for the moment", until=free)
                    return free
            return reservation.at if reservation.at is not None and reservation.at > self._clock() else None

    def _to_be_booked(self, reservation: Reservation) -> bool:
        paused = self._paused.get(reservation.lane.account) if reservation.lane else None
        return reservation.at is None or (paused is not None and reservation.at < paused)

    def _pause(self, account: str) -> datetime | None:
        """Until when this process lets an account alone, because a call of its own was refused; None if it need not."""
        until = self._paused.get(account)
        return until if until is not None and until > self._clock() else None

    def _book_lane(self, lane: Lane, reservations: Sequence[Reservation]) -> datetime | None:
        """Book what waits, as far as it fits into the patience; returns when to ask again for the rest of it."""
        now = _micros(self._clock())
        if self._unpaced_until > self._clock():
            _spread(reservations, now, math.inf)
            return None
        try:
            if (
                lane.urgent
                and self._book(_reserve(lane.account), reservations[0].calls / self._reserved, now, 0) is not None
            ):
                reservations[0].at = _moment(now)
                reservations = reservations[1:]
            if not reservations:
                return None
            rate = self._shared * self._seen.get(lane.account, _Bucket()).share(now)
            fitting = _fitting(reservations, rate * PATIENCE.total_seconds())
            horizon = int((URGENT_HORIZON if lane.urgent else ROUTINE_HORIZON).total_seconds() * _SECOND)
            start = self._book(lane.account, sum(reservation.calls for reservation in fitting) / rate, now, horizon)
        except (BotoCoreError, ClientError):
            # A pace that can't be kept must not keep anybody's access alive: then the provider's own limit decides.
            self._unpaced_until = self._clock() + OUT_OF_ORDER
            _spread(reservations, now, math.inf)
            return None
        if start is not None:
            _spread(fitting, start, rate)
            if len(fitting) == len(reservations):
                return None
        return _moment(max(self._seen[lane.account].tat - horizon, now + 1))

    def _book(self, bucket: str, seconds: float, now: int, horizon: int) -> int | None:
        """Book so many seconds of a bucket; when they begin, or None where that would be beyond the horizon.

        A horizon of 0 takes a bucket that is free now, or nothing.
        """
        width = math.ceil(seconds * _SECOND)
        lately = now - int(LATELY.total_seconds() * _SECOND)
        for attempt in range(3):
            seen = self._seen.get(bucket, _Bucket())
            if seen.tat > now + horizon and now - seen.seen_at < int(BELIEVED.total_seconds() * _SECOND):
                return None
            # A bucket that was left alone for a while does not save its slots up.
            queue = horizon > 0 and (seen.tat >= now or (attempt == 0 and seen.tat >= lately))
            if queue:
                told = {":width": width, ":now": now, ":last": now + horizon}
                booked = self._write(bucket, "SET tat = tat + :width", "tat BETWEEN :now AND :last", told)
            else:
                told = {":from_now": now + width, ":now": now}
                booked = self._write(bucket, "SET tat = :from_now", "attribute_not_exists(tat) OR tat < :now", told)
            if booked is not None:
                return booked - width
            if horizon == 0 or self._seen[bucket].tat > now + horizon:
                return None
        return None

    # -- slowing down

    def _slow_down(self, account: str, now: int, until: int, *, alone: bool) -> None:
        """Write it at most once a second; who comes second has slowed down with the first."""
        for _ in range(3):
            seen = self._seen.get(account, _Bucket())
            if seen.slowed_at > now - _SECOND:
                # A little is too little, where the first of several was taken for a single one.
                if alone or seen.factor <= SLOWER * 1000:
                    return
                slower_by = SLOWER / A_LITTLE_SLOWER
            else:
                clean = now - seen.slowed_at > int(LONG_CLEAN.total_seconds() * _SECOND)
                slower_by = A_LITTLE_SLOWER if clean else SLOWER
            factor = round(max(SLOWEST, seen.share(now) * slower_by) * 1000)
            slower: dict[str, int] = {":factor": factor, ":now": now}
            update = "SET factor = :factor, slowed_at = :now"
            # Slower than what was seen, and of a rate that others made slower since, that might be faster.
            condition = "attribute_not_exists(slowed_at)"
            if seen.slowed_at:
                condition = "slowed_at = :seen"
                slower[":seen"] = seen.slowed_at
            if seen.tat < until:
                update += ", tat = :until"
                condition = f"({condition}) AND (attribute_not_exists(tat) OR tat < :until)"
                slower[":until"] = until
            if self._write(account, update, condition, slower) is not None:
                return

    def _close(self, bucket: str, until: int) -> None:
        if self._seen.get(bucket, _Bucket()).tat < until:
            self._write(bucket, "SET tat = :until", "attribute_not_exists(tat) OR tat < :until", {":until": until})

    def _write(self, bucket: str, update: str, condition: str, bound: Mapping[str, int]) -> int | None:
        """Write on a condition; the `tat` that was written, or None. Either way what the item holds now is seen."""
        try:
            item = self._dynamodb.update_item(
                TableName=self._table,
                Key={"bucket": {"S": bucket}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"N": str(value)} for name, value in bound.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )["Attributes"]
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            self._see(bucket, _item(error))
            return None
        self._see(bucket, item)
        return int(item["tat"]["N"]) if "tat" in item else 0

    def _see(self, bucket: str, item: Mapping[str, Any]) -> None:
        told = {name: int(item[name]["N"]) for name in ("tat", "factor", "slowed_at") if name in item}
        self._seen[bucket] = _Bucket(seen_at=_micros(self._clock()), **told)

    def _account(self, connection: str) -> str | None:
        try:
            return self._account_of(connection)
        except (LeaverError, BotoCoreError, ClientError):
            # Nothing is called through a connection that can't be used or read; the command itself says why not.
            return None


def reserved(per_second: float) -> float:
    """How much of a limit is kept for an urgent leaver; both in calls a second."""
    return min(max(RESERVED * per_second, RESERVED_AT_LEAST), RESERVED_AT_MOST * per_second)


def _fitting(reservations: Sequence[Reservation], calls: float) -> list[Reservation]:
    """As many of them as are so many calls, and the first of them whatever it takes."""
    fitting: list[Reservation] = []
    for reservation in reservations:
        if fitting and sum(each.calls for each in fitting) + reservation.calls > calls:
            break
        fitting.append(reservation)
    return fitting


def _spread(reservations: Sequence[Reservation], start: int, rate: float) -> None:
    """Give each its own moment of what was booked together."""
    before = 0
    for reservation in reservations:
        reservation.at = _moment(start + int(before / rate * _SECOND))
        before += reservation.calls


def _item(refused: ClientError) -> Mapping[str, Any]:
    """The item that did not meet a condition; the stubs of boto3 do not know that it comes along."""
    return cast("Mapping[str, Any]", refused.response.get("Item", {}))


def _reserve(account: str) -> str:
    return f"{account}#urgent"


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * _SECOND)


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / _SECOND, tz=UTC)
