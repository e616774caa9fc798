"""When each command may call its provider account: reserved for a batch together, urgent commands first."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from leaver.consuming.buckets import Buckets, from_microseconds, to_microseconds
from leaver.errors import LeaverError, NoSlot, Throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Share of the rate reserved for urgent calls: 3 %, at least 1.5 calls/s (one call plus jitter), at most 25 %.
URGENT_SHARE: Final = 0.03
URGENT_CALLS_AT_LEAST: Final = 1.5
URGENT_SHARE_AT_MOST: Final = 0.25
#: how far ahead routine calls are reserved: an urgent call beyond the urgent share waits no longer than that
ROUTINE_HORIZON: Final = timedelta(seconds=1)
#: urgent calls are reserved further ahead: as long as there are any, routine ones find no slot
URGENT_HORIZON: Final = timedelta(seconds=5)
#: How long a batch waits for slots before it returns to the queue, which costs a delivery. A function waits at most
#: this and the horizon, however many calls are throttled meanwhile: Lambda must not kill it.
PATIENCE: Final = timedelta(seconds=5)
#: how long nobody calls after a 429: by then the provider counts anew, whenever its seconds begin
PAUSE: Final = timedelta(seconds=1)
#: a limit that lasts longer is no limit per second: the account's buckets are closed meanwhile
LASTING: Final = timedelta(seconds=2)
#: but no longer than this, whatever one answer said: it may have been one server's, or one URL's
CLOSED_AT_MOST: Final = timedelta(seconds=30)
#: and where the limit of the day is used up, no longer than this: it may have been raised
CLOSED_FOR_THE_DAY_AT_MOST: Final = timedelta(hours=1)
#: how long the table is not asked after it did not answer: a batch must not spend its time on it
OUT_OF_ORDER: Final = timedelta(seconds=10)


@dataclass(eq=False)
class Reservation:
    """When one command's calls may go out."""

    #: None where nobody limits the calls
    lane: "Lane | None" = None
    calls: int = 0
    #: None as long as there is no slot
    at: datetime | None = None


@dataclass(eq=False)
class Lane:
    """What a batch asks of one account, urgent or not: reserved together, so that one write pays for all of it."""

    account: str
    urgent: bool
    #: how long it waits for slots
    patient_until: datetime
    #: those whose calls have not gone out
    waiting: list[Reservation] = field(default_factory=list)


@dataclass(frozen=True)
class Demand:
    """What one command asks of the rate limiter."""

    connection: str
    #: to the provider's REST API, at most
    calls: int
    urgent: bool


class RateLimiter:
    """One bucket for each provider account, shared by all functions and all that run at the same time (GCRA).

    A reservation is at most three conditional writes, most often one, and no read; where this process has seen that
    there is no slot, it is none. `per_second` is the account's limit. Leaver's calls are all of Zoom's class Light
    (Zoom, "Rate limits"); one of another class would need a bucket of its own.
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
        self._buckets = Buckets(dynamodb, table=table, clock=clock)
        self._urgent_rate = urgent_rate(per_second)
        self._shared_rate = per_second - self._urgent_rate
        self._account_of = account_of
        self._clock = clock
        self._sleep = sleep
        #: until when this process calls an account no more, because one of its own calls was throttled
        self._pauses: dict[str, datetime] = {}
        #: until when calls go out without a reservation, because the table does not answer
        self._unlimited_until = datetime.min.replace(tzinfo=UTC)
        #: the threads of a batch find out together what there is, and the first of them reserves for all
        self._lock = threading.Lock()

    def reserve(self, demands: Sequence[Demand | None]) -> list[Reservation]:
        """Reserve the calls of a batch, account by account, each lane for itself; in the order of `demands`.

        It waits for nothing: what is reserved at one account would pass while it waits for another.
        """
        accounts = {
            name: self._find_account(name) for name in dict.fromkeys(each.connection for each in demands if each)
        }
        lanes: dict[tuple[str, bool], Lane] = {}
        patient_until = self._clock() + PATIENCE
        reservations = []
        for demand in demands:
            if demand is None or (account := accounts[demand.connection]) is None:
                reservations.append(Reservation())
                continue
            lane = lanes.setdefault((account, demand.urgent), Lane(account, demand.urgent, patient_until))
            reservations.append(Reservation(lane, demand.calls))
            lane.waiting.append(reservations[-1])
        with self._lock:
            for lane in lanes.values():
                if not self._paused_until(lane.account):
                    self._reserve_lane(lane, lane.waiting)
        return reservations

    def is_in_demand(self) -> bool:
        """Whether slots are scarce, as far as this process has seen."""
        return self._buckets.are_in_demand(to_microseconds(self._clock()))

    def wait(self, reservation: Reservation) -> None:
        """Return when this command may call; raises NoSlot where it may not for a while."""
        if reservation.lane is None:
            return
        try:
            while (until := self._not_before(reservation, reservation.lane)) is not None:
                self._sleep(max(0.0, (until - self._clock()).total_seconds()))
        finally:
            with self._lock:
                reservation.lane.waiting.remove(reservation)

    def record_throttle(self, reservation: Reservation, error: Throttled) -> None:
        """Make everybody slower, because the limit was reached all the same: others may share it."""
        if reservation.lane is None or isinstance(error, NoSlot) or not error.account_wide:
            return
        account = reservation.lane.account
        now = self._clock()
        with self._lock, suppress(BotoCoreError, ClientError):
            if self._unlimited_until > now:
                return
            alone = self._paused_until(account) is None
            self._pauses[account] = now + PAUSE
            self._buckets.slow_down(account, to_microseconds(now), to_microseconds(now + PAUSE), alone=alone)
            closed = min(error.until - now, CLOSED_FOR_THE_DAY_AT_MOST if error.for_the_day else CLOSED_AT_MOST)
            if closed > LASTING:
                self._buckets.close(account, to_microseconds(now + closed))
                self._buckets.close(_urgent_bucket(account), to_microseconds(now + closed))

    def _not_before(self, reservation: Reservation, lane: Lane) -> datetime | None:
        """Return when to look again whether this command may call, None if it may; raises NoSlot."""
        with self._lock:
            if self._needs_slot(reservation):
                # Another call may have been throttled since: then it is reserved anew, after the pause.
                free = self._paused_until(lane.account)
                if free is None:
                    free = self._reserve_lane(lane, [each for each in lane.waiting if self._needs_slot(each)])
                if free is not None and self._needs_slot(reservation):
                    if free > lane.patient_until:
                        raise NoSlot("the provider's limit is used up for the moment", until=free)
                    return free
            return reservation.at if reservation.at is not None and reservation.at > self._clock() else None

    def _needs_slot(self, reservation: Reservation) -> bool:
        pause = self._pauses.get(reservation.lane.account) if reservation.lane else None
        return reservation.at is None or (pause is not None and reservation.at < pause)

    def _paused_until(self, account: str) -> datetime | None:
        until = self._pauses.get(account)
        return until if until is not None and until > self._clock() else None

    def _reserve_lane(self, lane: Lane, reservations: Sequence[Reservation]) -> datetime | None:
        """Reserve what waits, as far as it fits into the patience; returns when to ask again for the rest of it."""
        now = to_microseconds(self._clock())
        if self._unlimited_until > self._clock():
            _spread(reservations, now, math.inf)
            return None
        try:
            if lane.urgent and self._reserve_urgent_share(lane, reservations[0], now):
                reservations = reservations[1:]
            if not reservations:
                return None
            rate = self._shared_rate * self._buckets[lane.account].share(now)
            fitting = _first_that_fit(reservations, rate * PATIENCE.total_seconds())
            horizon = (URGENT_HORIZON if lane.urgent else ROUTINE_HORIZON) // timedelta(microseconds=1)
            seconds = sum(reservation.calls for reservation in fitting) / rate
            start = self._buckets.reserve(lane.account, seconds, now, horizon)
        except (BotoCoreError, ClientError):
            # A table that does not answer must not keep anybody's access alive: then the provider's own limit decides.
            self._unlimited_until = self._clock() + OUT_OF_ORDER
            _spread(reservations, now, math.inf)
            return None
        if start is not None:
            _spread(fitting, start, rate)
            if len(fitting) == len(reservations):
                return None
        return from_microseconds(max(self._buckets[lane.account].tat - horizon, now + 1))

    def _reserve_urgent_share(self, lane: Lane, reservation: Reservation, now: int) -> bool:
        start = self._buckets.reserve(_urgent_bucket(lane.account), reservation.calls / self._urgent_rate, now, 0)
        if start is not None:
            reservation.at = from_microseconds(now)
        return start is not None

    def _find_account(self, connection: str) -> str | None:
        try:
            return self._account_of(connection)
        except (LeaverError, BotoCoreError, ClientError):
            # Nothing is called through a connection that can't be used or read; the command itself says why not.
            return None


def urgent_rate(per_second: float) -> float:
    """How many calls a second of a limit are reserved for urgent commands."""
    return min(max(URGENT_SHARE * per_second, URGENT_CALLS_AT_LEAST), URGENT_SHARE_AT_MOST * per_second)


def _first_that_fit(reservations: Sequence[Reservation], calls: float) -> list[Reservation]:
    """As many of them as are so many calls, and the first of them whatever it takes."""
    fitting: list[Reservation] = []
    for reservation in reservations:
        if fitting and sum(each.calls for each in fitting) + reservation.calls > calls:
            break
        fitting.append(reservation)
    return fitting


def _spread(reservations: Sequence[Reservation], start: int, rate: float) -> None:
    """Give each a moment of its own of what was reserved together."""
    calls_before = 0
    for reservation in reservations:
        reservation.at = from_microseconds(start) + timedelta(seconds=calls_before / rate)
        calls_before += reservation.calls


def _urgent_bucket(account: str) -> str:
    return f"{account}#urgent"
