"""From a batch of queue messages to one command at a time; every failure is decided here, once."""

import math
import random
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypedDict, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from botocore.exceptions import BotoCoreError, ClientError

from leaver.cases.completion import CaseCompletion
from leaver.cases.receipts import ENDED, Receipt, Receipts
from leaver.consuming.rate_limiter import Demand, RateLimiter, Reservation
from leaver.errors import (
    AlreadyInBatch,
    BadMessage,
    CredentialStale,
    LeaverError,
    NeedsReauthorization,
    NoSlot,
    Rejected,
    Throttled,
)
from leaver.messages.commands import Command, parse
from leaver.messages.envelope import Envelope, Payload
from leaver.messages.events import Announcement
from leaver.messages.publisher import DeadLetter, Publisher
from leaver.outcomes import Outcome, Result

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

AnyCommand = TypeVar("AnyCommand", bound=Command)

#: SQS lets a message be invisible for 12 hours since it was received: less the function's own minute, and one more
LONGEST_PAUSE = timedelta(hours=12) - timedelta(minutes=2)
#: a command older than this, that belongs to no case, might hit somebody who was hired again
TOO_OLD = timedelta(days=14)
#: deliveries after which another refusal says more of this message than of the provider's limit
OFTEN = 5
#: what the refresher gets before a reader looks again
REFRESH_PAUSE = timedelta(seconds=20)
FIRST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(minutes=15)
#: milliseconds that must be left for a message to be begun: one call that hangs, and then the receipt
TIME_FOR_ONE = 35_000
#: the announcement of success is sent for these alone: for any other outcome it would be a lie
TRUE_SUCCESS = ENDED | {Outcome.RETRIEVED, Outcome.REFRESHED, Outcome.PURGED, Outcome.DEACTIVATED}
#: what only waits, by the name under which it is counted
_WAITS: Mapping[type[Exception], str] = {NoSlot: "no_slot", AlreadyInBatch: "already_in_batch"}
#: nothing happened that anybody would want to hear of
QUIET = frozenset({Outcome.STILL_FRESH, Outcome.REFUSED})


class LambdaContext(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills the function."""


class BatchItemFailure(TypedDict):
    """A message that Lambda must not delete."""

    itemIdentifier: str


class BatchFailures(TypedDict):
    """What ReportBatchItemFailures expects."""

    batchItemFailures: list[BatchItemFailure]


@dataclass(frozen=True)
class Message(Generic[AnyCommand]):
    """One message of a batch: what it asks for, or why that can't be said."""

    envelope: Envelope
    receipt: Receipt
    command: AnyCommand | Exception
    #: the receipt that stands under the same key, final or not
    standing: Receipt | None = None

    @property
    def is_done(self) -> bool:
        """Whether the last word on it has been said, and nobody put it back since."""
        said = self.standing.outcome if self.standing else None
        return said is not None and not (said is Outcome.FAILED and self.envelope.redriven)


@dataclass(frozen=True)
class Handled:
    """What is left to do for a message when its own work is done."""

    #: whether Lambda may delete it
    acknowledged: bool
    announcement: Announcement | None = None


@dataclass(frozen=True)
class Consumer(Generic[AnyCommand]):
    """One function's way from its queue to its operation and on to receipt, announcement and acknowledgement."""

    function: str
    command: type[AnyCommand]
    #: None where there is nothing to put on a receipt, and nothing to announce
    operation: Callable[[AnyCommand], Result | None]
    sqs: "SQSClient"
    publisher: Publisher
    #: refreshes and hand-overs leave none: their journal is the record, or the command that follows
    receipts: Receipts | None
    give_up_after: timedelta
    #: for commands that may be a case's step
    completion: CaseCompletion | None
    clock: Callable[[], datetime]
    logger: Logger
    metrics: Metrics
    #: as wide as a batch: the messages are worked on side by side
    executor: Executor
    #: None where nobody limits the calls
    rate_limiter: RateLimiter | None = None
    #: takes the names of a batch's connections, to read them once for all of its commands
    prepare: Callable[[Iterable[str]], None] | None = None
    read: Callable[[Payload], AnyCommand] | None = None
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def consume(self, event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
        """Work through a batch, side by side; returns the messages that must come back, each already told when.

        What the whole batch needs is asked for once: the receipts that stand, the turns, the connections, and the
        announcements in the end. Where slots are scarce, first the receipts: what is done must not take any.
        """
        records = SQSEvent(dict(event)).records
        messages = self._once_each([self._read_message(Envelope(record)) for record in records])
        if self.rate_limiter is not None and self.rate_limiter.is_in_demand():
            messages = self._looked_up(messages)
            reservations, _ = self._at_once(messages, self._reservations, self._prepared)
        else:
            messages, reservations, _ = self._at_once(messages, self._looked_up, self._reservations, self._prepared)
        handled = list(
            self.executor.map(
                lambda message, reservation: self._handle(message, reservation, context), messages, reservations
            )
        )
        failures: list[BatchItemFailure] = [
            {"itemIdentifier": message.envelope.record.message_id}
            for message, acknowledged in zip(messages, self._announced(messages, handled), strict=True)
            if not acknowledged
        ]
        if self.metrics.metric_set:
            self.metrics.flush_metrics()
        return {"batchItemFailures": failures}

    def _at_once(self, messages: Sequence[Message[AnyCommand]], *ask: Callable[..., Any]) -> list[Any]:
        return list(self.executor.map(lambda each: each(messages), ask))

    def _read_message(self, envelope: Envelope) -> Message[AnyCommand]:
        receipt = self._unread(envelope)
        try:
            payload = envelope.parse()
            receipt = self._unread(envelope, payload)
            command = self._read(payload)
            receipt = self._receipt(command, payload, envelope)
            _refuse_replayed(payload)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not touch the neighbours in the batch
            return Message(envelope, receipt, error)
        return Message(envelope, receipt, command)

    def _once_each(self, messages: Sequence[Message[AnyCommand]]) -> list[Message[AnyCommand]]:
        """Let the second of two messages for one receipt come back: side by side, both would call the provider."""
        seen: set[tuple[str, str]] = set()
        once = []
        for message in messages:
            key = (message.receipt.case_id, message.receipt.entry)
            if key in seen and self.receipts is not None and not isinstance(message.command, Exception):
                until = self.clock() + timedelta(seconds=1)
                twice = AlreadyInBatch("this batch holds the same command already", until=until, account_wide=False)
                once.append(replace(message, command=twice))
            else:
                once.append(message)
            seen.add(key)
        return once

    def _looked_up(self, messages: Sequence[Message[AnyCommand]]) -> list[Message[AnyCommand]]:
        """Join each command to the receipt that stands; where that can't be read, nothing is carried out."""
        if self.receipts is None:
            return list(messages)
        asked = [message.receipt for message in messages if not isinstance(message.command, Exception)]
        try:
            standing = self.receipts.standing(asked)
        except Exception as error:  # noqa: BLE001 - each message comes back for itself
            return [each if isinstance(each.command, Exception) else replace(each, command=error) for each in messages]
        return [replace(each, standing=standing.get((each.receipt.case_id, each.receipt.entry))) for each in messages]

    def _reservations(self, messages: Sequence[Message[AnyCommand]]) -> Sequence[Reservation]:
        wanted = [_demand(message) for message in messages]
        return [Reservation() for _ in wanted] if self.rate_limiter is None else self.rate_limiter.reserve(wanted)

    def _prepared(self, messages: Sequence[Message[AnyCommand]]) -> None:
        if self.prepare is not None:
            self.prepare(wanted.connection for message in messages if (wanted := _demand(message)))

    def _handle(self, message: Message[AnyCommand], reservation: Reservation, context: LambdaContext) -> Handled:
        """Carry out one message."""
        # What was parked and put back arrives as a new message, and is as old as it was.
        receipt = message.receipt.as_old_as(message.standing) if message.standing else message.receipt
        if isinstance(message.command, Exception):
            return self._failed(receipt, message.envelope, message.command, reservation)
        try:
            return self._carry_out(message.command, replace(message, receipt=receipt), reservation, context)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not touch the neighbours in the batch
            return self._failed(receipt, message.envelope, error, reservation)

    def _carry_out(
        self, command: AnyCommand, message: Message[AnyCommand], reservation: Reservation, context: LambdaContext
    ) -> Handled:
        if command.case_id is None and self.clock() - message.receipt.requested_at > TOO_OLD:
            raise Rejected("older than 14 days: it might hit somebody who was hired again")
        if message.standing and message.is_done:
            self._count_into_case(message.standing)
            return Handled(acknowledged=True, announcement=self._announcement(message.standing))
        if self.rate_limiter is not None:
            self.rate_limiter.wait(reservation)
        if context.get_remaining_time_in_millis() < TIME_FOR_ONE:
            return self._comes_back(message.envelope, timedelta(0))
        over = self.completion is not None and command.case_id is not None and self.completion.is_over(command.case_id)
        if message.standing and message.standing.outcome:
            self._reopen(message.standing)
        result = Result(Outcome.REFUSED) if over else self.operation(command)
        return Handled(acknowledged=True, announcement=self._finish(message.receipt, result) if result else None)

    def _announced(self, messages: Sequence[Message[AnyCommand]], handled: Sequence[Handled]) -> list[bool]:
        """Announce what became of the batch; what the bus did not take comes back, and is announced again then."""
        told = [each.announcement for each in handled if each.announcement is not None]
        refused: Mapping[str, Exception] = self.publisher.announce_all(told) if told else {}
        acknowledged = []
        for message, each in zip(messages, handled, strict=True):
            error = refused.get(each.announcement.announcement_id) if each.announcement else None
            if error is not None:
                self.logger.warning("failed", extra={**_told(message.receipt), **_described(error)})
                self._comes_back(message.envelope, self._back_off(message.envelope.receives))
            acknowledged.append(each.acknowledged and error is None)
        return acknowledged

    def _read(self, payload: Payload) -> AnyCommand:
        if self.read:
            return self.read(payload)
        if payload.event is not None and payload.event["detail-type"] != self.command.__name__:
            raise BadMessage(f"detail-type: expected {self.command.__name__}")
        return parse(self.command, payload.detail, direct=payload.event is None)

    def _unread(self, envelope: Envelope, payload: Payload | None = None) -> Receipt:
        """What can be said of a message whose command can't be read (yet)."""
        return Receipt(
            case_id=f"message#{payload.id if payload else envelope.message_id}",
            entry=f"receipt#{self.command.__name__}",
            command=self.command.__name__,
            system=self.command.system,
            subject="unknown",
            requested_at=(payload.said_at if payload else None) or envelope.sent_at,
            first_attempt_at=envelope.first_received_at,
        )

    def _receipt(self, command: AnyCommand, payload: Payload, envelope: Envelope) -> Receipt:
        unread = self._unread(envelope, payload)
        return unread.model_copy(
            update={
                "case_id": command.case_id or unread.case_id,
                "entry": f"{unread.entry}#{command.connection}" if command.case_id else unread.entry,
                "subject": command.subject,
                "connection": command.connection,
                "requested_at": command.requested_at or unread.requested_at,
            }
        )

    def _reopen(self, standing: Receipt) -> None:
        if self.receipts:
            self.receipts.reopen(standing)

    def _finish(self, receipt: Receipt, result: Result, reason: str | None = None) -> Announcement | None:
        """Write the receipt and count it; returns what is to be announced of it."""
        closed = receipt.closed(result, now=self.clock(), reason=reason)
        if self.receipts:
            closed = self.receipts.finish(closed)
        self._count_into_case(closed)
        self._count(str(closed.outcome))
        if closed.time_to_revoke is not None:
            name = f"{self.command.__name__}.TimeToRevoke"
            self.metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=closed.time_to_revoke)
        self.logger.info("finished", extra=_told(closed))
        return self._announcement(closed)

    def _count_into_case(self, closed: Receipt) -> None:
        if self.completion is not None and closed.belongs_to_a_case:
            self.completion.count_receipt(closed)

    def _announcement(self, closed: Receipt) -> Announcement | None:
        return None if closed.outcome in QUIET else _announcement(self.command, closed)

    def _failed(self, receipt: Receipt, envelope: Envelope, error: Exception, reservation: Reservation) -> Handled:
        """Set a failed message aside."""
        if type(error) not in _WAITS:
            self.logger.warning("failed", extra={**_told(receipt), **_described(error)})
        try:
            return self._decide(receipt, envelope, error, reservation)
        except Exception as second:  # noqa: BLE001 - nothing is acknowledged: the queue's own visibility brings it back
            self.logger.warning("could not be set aside", extra={**_told(receipt), **_described(second)})
            return Handled(acknowledged=False)

    def _decide(self, receipt: Receipt, envelope: Envelope, error: Exception, reservation: Reservation) -> Handled:
        """What each kind of failure does to its message: this is the one place that says so."""
        if isinstance(error, Throttled):
            self._count(_WAITS.get(type(error), "throttled"))
            pause = error.until - self.clock()
            if type(error) not in _WAITS:
                if self.rate_limiter is not None and envelope.receives <= OFTEN:
                    self.rate_limiter.record_throttle(reservation, error)
                elif envelope.receives > OFTEN:
                    # Who is refused again and again is no sign of the account's limit, and must not slow everybody.
                    pause = max(pause, self._back_off(envelope.receives - OFTEN))
            return self._comes_back(envelope, pause)
        if isinstance(error, NeedsReauthorization):
            self.metrics.add_metric(name="NeedsReauthorization", unit=MetricUnit.Count, value=1)
        if isinstance(error, NeedsReauthorization | Rejected | BadMessage):
            return self._park(receipt, envelope, error)
        if self.clock() - envelope.first_received_at >= self.give_up_after:
            return self._park(receipt, envelope, error)
        attempts = self.receipts.count_failure(receipt) if self.receipts else envelope.receives
        if isinstance(error, CredentialStale):
            self.publisher.request_refresh(
                error.connection, error.version, now=self.clock(), for_revocation=error.for_revocation
            )
            return self._comes_back(envelope, REFRESH_PAUSE)
        return self._comes_back(envelope, self._back_off(attempts))

    def _park(self, receipt: Receipt, envelope: Envelope, error: Exception) -> Handled:
        reason = _reason(error)
        self.publisher.park(
            DeadLetter(
                body=envelope.record.body,
                reason=reason,
                error=type(error).__name__,
                function=self.function,
                queue=envelope.record.event_source_arn,
                first_failed_at=receipt.first_attempt_at,
                message_id=envelope.message_id,
                group=envelope.group,
            )
        )
        failed = Result.told_by(error, Outcome.FAILED) if isinstance(error, LeaverError) else Result(Outcome.FAILED)
        return Handled(acknowledged=True, announcement=self._finish(receipt, failed, reason=reason))

    def _back_off(self, attempts: int) -> timedelta:
        longest = min(FIRST_BACK_OFF * 2 ** min(attempts - 1, 20), LONGEST_BACK_OFF).total_seconds()
        return timedelta(seconds=self.jitter(longest / 2, longest))

    def _comes_back(self, envelope: Envelope, pause: timedelta) -> Handled:
        try:
            self.sqs.change_message_visibility(
                QueueUrl=envelope.queue_url(self.sqs.meta.endpoint_url),
                ReceiptHandle=envelope.record.receipt_handle,
                VisibilityTimeout=math.ceil(min(max(pause, timedelta(0)), LONGEST_PAUSE).total_seconds()),
            )
        except (BotoCoreError, ClientError) as error:
            # It comes back all the same, when the queue's own visibility timeout is over.
            self.logger.warning("could not be told when to come back", extra=_described(error))
        return Handled(acknowledged=False)

    def _count(self, what: str) -> None:
        self.metrics.add_metric(name=f"{self.command.__name__}.{what}", unit=MetricUnit.Count, value=1)


def _refuse_replayed(payload: Payload) -> None:
    if payload.event is not None and "replay-name" in payload.event:
        raise Rejected("a replayed event is not carried out: send the command anew if it is meant")


def _demand(message: Message[AnyCommand]) -> Demand | None:
    command = message.command
    if isinstance(command, Exception) or message.is_done or command.connection is None or not command.needed_calls:
        return None
    return Demand(command.connection, command.needed_calls, urgent=command.urgency == "urgent")


def _announcement(command: type[Command], closed: Receipt) -> Announcement:
    told = closed.model_dump(exclude={"case_id", "entry", "details"})
    return Announcement(
        # The same receipt makes the same id, so that a repeated announcement shows as what it is.
        announcement_id=f"{closed.case_id}/{closed.entry}/{closed.outcome}/{closed.attempts}",
        detail_type=command.announced_as if closed.outcome in TRUE_SUCCESS else "RevocationFailed",
        case_id=closed.case_id if closed.belongs_to_a_case else None,
        details=closed.details,
        **told,
    )


def _told(receipt: Receipt) -> dict[str, Any]:
    return receipt.model_dump(mode="json", exclude_none=True)


def _described(error: Exception) -> dict[str, Any]:
    described: dict[str, Any] = {"error": type(error).__name__, "reason": _reason(error)}
    if isinstance(error, LeaverError):
        return described | {
            "provider_status": error.provider_status,
            "provider_code": error.provider_code,
            "tracking_id": error.tracking_id,
        }
    # Of a bug only where it was: the message of a foreign exception may quote anything, a token included.
    frames = traceback.extract_tb(error.__traceback__)
    return described | {"at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def _reason(error: Exception) -> str:
    match error:
        case LeaverError():
            return error.reason
        case ClientError():
            return f"AWS answered {error.response['Error']['Code']} to {error.operation_name}"
    return f"unexpected {type(error).__name__}"
