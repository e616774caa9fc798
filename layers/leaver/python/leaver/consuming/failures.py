"""What happens to a message that failed: whether it comes back, when, or is dead-lettered. Decided here, once."""

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from leaver.cases.heard import Fate
from leaver.cases.receipts import Receipts
from leaver.consuming.message import Handled, Message
from leaver.consuming.rate_limiter import RateLimiter, Reservation
from leaver.consuming.recorder import OutcomeRecorder, log_fields
from leaver.errors import (
    NO_RESPONSE,
    AlreadyInBatch,
    BadMessage,
    CredentialStale,
    LeaverError,
    NeedsReauthorization,
    NoSlot,
    Rejected,
    Throttled,
)
from leaver.messages.envelope import Envelope
from leaver.messages.publisher import DeadLetter, Publisher
from leaver.outcomes import Outcome, Result

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: SQS lets a message be invisible for 12 hours since it was received: less the function's own minute, and one more
LONGEST_PAUSE = timedelta(hours=12) - timedelta(minutes=2)
#: In a queue that keeps an order a message that is away holds up all that come after it.
LONGEST_PAUSE_IN_ORDER = timedelta(minutes=1)
#: After this many deliveries a 429 is treated as this message's problem, not the account's.
ACCOUNT_WIDE_DELIVERIES = 5
#: what the refresher gets before a reader looks again
REFRESH_PAUSE = timedelta(seconds=20)
#: A provider may let a refresh wait for a day: a revocation that needs one is not given up before so many attempts.
REFRESHES_OF_A_REVOCATION = 10
#: what can't succeed however often it is tried
HOPELESS = (NeedsReauthorization, Rejected, BadMessage)
FIRST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(minutes=15)


@dataclass(frozen=True)
class FailureHandler:
    """Sets the failed messages of one function aside."""

    function: str
    sqs: "SQSClient"
    publisher: Publisher
    receipts: Receipts | None
    recorder: OutcomeRecorder
    rate_limiter: RateLimiter | None
    give_up_after: timedelta
    clock: Callable[[], datetime]
    logger: Logger
    jitter: Callable[[float, float], float]

    def handle(self, message: Message[Any], error: Exception, reservation: Reservation) -> Handled:
        """Set a failed message aside; where that fails as well, the queue's own visibility timeout brings it back."""
        if not isinstance(error, NoSlot | AlreadyInBatch):
            self.log("failed", message, error)
        try:
            return self._decide(message, error, reservation)
        except Exception as second:  # noqa: BLE001 - nothing is acknowledged
            self.log("could not be set aside", message, second)
            return Handled(acknowledged=False)

    def _decide(self, message: Message[Any], error: Exception, reservation: Reservation) -> Handled:
        """What each kind of failure does to its message: this is the one place that says so."""
        match error:
            case NoSlot() | AlreadyInBatch():
                return self._wait(message, error)
            case LeaverError(is_postponed=True):
                self.recorder.count("postponed")
                return Handled(acknowledged=True)
            case Throttled():
                return self._slow_down(message, error, reservation)
            case _ if isinstance(error, HOPELESS) or (self._is_late(message) and not _may_wait(message, error)):
                return self._dead_letter(message, error)
            case CredentialStale():
                return self._request_refresh(message, error)
            case _:
                return self.return_to_queue(message.envelope, self.back_off(self._count_attempt(message)))

    def _is_late(self, message: Message[Any]) -> bool:
        return self.clock() - message.envelope.first_received_at >= self.give_up_after

    def _wait(self, message: Message[Any], error: NoSlot | AlreadyInBatch) -> Handled:
        """Let a message come back when its turn comes: nothing failed."""
        self.recorder.count("no_slot" if isinstance(error, NoSlot) else "already_in_batch")
        return self.return_to_queue(message.envelope, error.until - self.clock())

    def _slow_down(self, message: Message[Any], error: Throttled, reservation: Reservation) -> Handled:
        """Let a message come back when the provider says so, and everybody else be slower."""
        self.recorder.count("throttled")
        self._keep_progress(message)
        pause = error.until - self.clock()
        deliveries = message.envelope.receives
        if deliveries > ACCOUNT_WIDE_DELIVERIES:
            pause = max(pause, self.back_off(deliveries - ACCOUNT_WIDE_DELIVERIES))
        elif self.rate_limiter is not None:
            self.rate_limiter.record_throttle(reservation, error)
        return self.return_to_queue(message.envelope, pause)

    def _request_refresh(self, message: Message[Any], error: CredentialStale) -> Handled:
        """Have the refresher replace the token before the message comes back, unless it did so in vain."""
        if _is_refused_anew(message, error):
            # A third token would fare no better, and each is one of the versions that AWS takes of a secret in a day.
            reason = f"{error.reason}, although it replaced one that was refused"
            return self._dead_letter(message, Rejected(reason, error.response))
        receipt = message.receipt.model_copy(update={"refused_version": error.refused_version})
        self._count_attempt(replace(message, receipt=receipt))
        self.publisher.request_refresh(
            error.connection, error.version, now=self.clock(), for_revocation=error.for_revocation
        )
        return self.return_to_queue(message.envelope, REFRESH_PAUSE)

    def _dead_letter(self, message: Message[Any], error: Exception) -> Handled:
        """Put a message aside for a person, and say on its receipt why."""
        if isinstance(error, NeedsReauthorization):
            self.recorder.metrics.add_metric(name="NeedsReauthorization", unit=MetricUnit.Count, value=1)
        envelope, reason = message.envelope, reason_of(error)
        self.publisher.dead_letter(
            DeadLetter(
                body=envelope.body,
                reason=reason,
                error=type(error).__name__,
                function=self.function,
                queue=envelope.queue,
                first_failed_at=message.receipt.first_attempt_at,
                message_id=envelope.message_id,
                group=envelope.group,
            )
        )
        failed = Result(Outcome.FAILED, error.response if isinstance(error, LeaverError) else NO_RESPONSE)
        handled = self.recorder.record(message.receipt, failed, reason)
        return replace(handled, fate=Fate("dead_lettered", because=reason))

    def _keep_progress(self, message: Message[Any]) -> None:
        """Keep what the next run has to know, where nothing failed: a run that was throttled was not killed."""
        before = message.standing.progress if message.standing else None
        if self.receipts and (message.receipt.progress != before or self._is_late(message)):
            self.receipts.note(message.receipt)

    def _count_attempt(self, message: Message[Any]) -> int:
        return self.receipts.count_failure(message.receipt) if self.receipts else message.envelope.receives

    def back_off(self, attempts: int) -> timedelta:
        """How long a message stays away after so many attempts: longer each time, never just as long."""
        longest = min(FIRST_BACK_OFF * 2 ** min(attempts - 1, 20), LONGEST_BACK_OFF).total_seconds()
        return timedelta(seconds=self.jitter(longest / 2, longest))

    def return_to_queue(self, envelope: Envelope, pause: timedelta) -> Handled:
        """Let a message come back after a pause."""
        longest = LONGEST_PAUSE if envelope.group is None else LONGEST_PAUSE_IN_ORDER
        try:
            self.sqs.change_message_visibility(
                QueueUrl=envelope.queue_url(self.sqs.meta.endpoint_url),
                ReceiptHandle=envelope.receipt_handle,
                VisibilityTimeout=math.ceil(min(max(pause, timedelta(0)), longest).total_seconds()),
            )
        except (BotoCoreError, ClientError) as error:
            # It comes back all the same, when the queue's own visibility timeout is over.
            self.logger.warning("could not be told when to come back", extra=_error_fields(error))
        return Handled(acknowledged=False)

    def log(self, event: str, message: Message[Any], error: Exception) -> None:
        """Log what happened to a message, and why."""
        self.logger.warning(event, extra=log_fields(message.receipt) | _error_fields(error))


def _may_wait(message: Message[Any], error: Exception) -> bool:
    """Whether too few refreshes were asked for: the time went by while the provider let the refresher wait."""
    attempts = message.standing.attempts if message.standing else 0
    return isinstance(error, CredentialStale) and error.for_revocation and attempts < REFRESHES_OF_A_REVOCATION


def _is_refused_anew(message: Message[Any], stale: CredentialStale) -> bool:
    """Whether the provider refuses a newer token than the one that it refused to this message before."""
    before, now = message.refused_version, stale.refused_version
    return before is not None and now is not None and before != now


def _error_fields(error: Exception) -> dict[str, Any]:
    fields: dict[str, Any] = {"error": type(error).__name__, "reason": reason_of(error)}
    if isinstance(error, LeaverError):
        return fields | error.response.fields()
    # Of a bug only where it was: the message of a foreign exception may quote anything, a token included.
    frames = traceback.extract_tb(error.__traceback__)
    return fields | {"at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def reason_of(error: Exception) -> str:
    """Say what went wrong, without what a foreign exception may quote."""
    match error:
        case LeaverError():
            return error.reason
        case ClientError():
            return f"AWS answered {error.response['Error']['Code']} to {error.operation_name}"
    return f"unexpected {type(error).__name__}"
