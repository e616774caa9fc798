"""The way of a batch: read, look up, reserve, carry out side by side, record, announce, acknowledge."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from leaver.cases.ceiling import Ceiling
from leaver.cases.heard import Fate
from leaver.cases.receipts import Progress, Receipts
from leaver.cases.record import Case
from leaver.cases.states import OVER
from leaver.consuming.answers import ProbeAnswers
from leaver.consuming.failures import LONGEST_BACK_OFF, FailureHandler, reason_of
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.consuming.journal import EventJournal
from leaver.consuming.message import Handled, Message, MessageReader
from leaver.consuming.previews import Previews
from leaver.consuming.rate_limiter import RateLimiter, Reservation
from leaver.consuming.recorder import OutcomeRecorder
from leaver.errors import AboveCeiling, AlreadyInBatch, BadMessage, Killed, Rejected
from leaver.messages.commands import Command
from leaver.messages.envelope import Envelope, Payload
from leaver.messages.previews import Preview, Probe, read_preview, read_probe
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from leaver.providers.time_left import TimeLeft

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

AnyCommand = TypeVar("AnyCommand", bound=Command)

#: a command older than this, that belongs to no case, might hit somebody who was hired again
MAX_AGE = timedelta(days=14)
#: milliseconds that must be left for a message to be begun: one call that hangs, and then the receipt
TIME_FOR_ONE_MESSAGE = 35_000
#: A message without a receipt that failed is back within this time, and given up then: whoever comes later was killed,
LAST_TRY_WITHIN = 2 * LONGEST_BACK_OFF
#: if it came so often (who is killed is back after 9 minutes at most). Else its function stood still: it gets its try.
OFTEN = 150


@dataclass(frozen=True)
class Consumer(Generic[AnyCommand]):
    """One function's way from its queue to its operation and on to receipt, announcement and acknowledgement."""

    function: str
    command: type[AnyCommand]
    #: None where there is nothing to put on a receipt, and nothing to announce
    operation: Callable[..., Result | Fate | None]
    sqs: "SQSClient"
    publisher: Publisher
    #: see OutcomeRecorder
    receipts: Receipts | None
    give_up_after: timedelta
    clock: Callable[[], datetime]
    logger: Logger
    metrics: Metrics
    #: as wide as a batch: the messages are worked on side by side
    executor: Executor
    #: whether the operation takes several calls, and beside its command the Progress of an earlier run; what it adds is
    #: kept if it fails
    resumes: bool = False
    #: None where nobody limits the calls
    rate_limiter: RateLimiter | None = None
    #: takes the names of a batch's connections, to read them once for all of its commands
    prepare: Callable[[Iterable[str]], None] | None = None
    #: see MessageReader
    name_connection: Callable[[str | None, str | None], str] | None = None
    #: see MessageReader
    read: Callable[[Payload], AnyCommand] | None = None
    #: reads the case of a command and holds the command to it; None where commands are a step of no case
    read_case: Callable[[str, AnyCommand], Case] | None = None
    #: for commands that end somebody's access; None for any other
    ceiling: Ceiling | None = None
    #: has seal_case look at the cases of which a step has a final receipt; returns which it could not tell of, and why.
    #: None where commands are a step of no case
    request_seals: Callable[[Iterable[str]], Mapping[str, Exception]] | None = None
    #: for HR events, of which none may end in silence
    journal: EventJournal[AnyCommand] | None = None
    #: answers what a command would find; None where nobody asks that
    previews: Previews[AnyCommand] | None = None
    #: answers whether the queue is worked on; None where nobody can ask
    probes: ProbeAnswers | None = None
    #: goes by each invocation: no call that the operation makes outlasts it
    time_left: TimeLeft = field(default_factory=TimeLeft)
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def consume(self, event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
        """Work through a batch, side by side; returns the messages that must come back, each already told when."""
        self.time_left.begins(context.get_remaining_time_in_millis)
        envelopes = [Envelope(record) for record in event["Records"]]
        asked = [(question, each) for each in envelopes if (question := self._read_question(each.body))]
        asking = [each for _, each in asked]
        read = [self._reader.read(each) for each in envelopes if each not in asking]
        for message in read:
            self._measure_wait(message.envelope)
        messages, reservations = self._ask_for_all(self._postpone_duplicates(read))
        handled = list(self.executor.map(partial(self._handle, context=context), messages, reservations))
        acknowledged = self._tell(messages, handled)
        answered = list(self.executor.map(partial(self._answer, context=context), asked))
        if self.metrics.metric_set:
            self.metrics.flush_metrics()
        ids = [*(each.envelope.id_in_queue for each in messages), *(each.id_in_queue for _, each in asked)]
        done = zip(ids, [*acknowledged, *answered], strict=True)
        return {"batchItemFailures": [{"itemIdentifier": each} for each, is_done in done if not is_done]}

    def _read_question(self, body: str) -> Preview | Probe | None:
        """Read what a person asks of this function; None of what is to be carried out, or is none of its questions."""
        return (read_probe(body) if self.probes else None) or (read_preview(body) if self.previews else None)

    def _answer(self, asked: tuple[Preview | Probe, Envelope], *, context: LambdaContext) -> bool:
        """Tell what a command would find, or that we are here; tells whether its message is done with."""
        question, envelope = asked
        try:
            if isinstance(question, Probe):
                if self.probes is not None:
                    self.probes.answer(question, envelope)
                return True
            if self.previews is None or context.get_remaining_time_in_millis() < TIME_FOR_ONE_MESSAGE:
                return False
            self.previews.answer(
                question,
                envelope,
                read=self._reader.read_asked,
                rate_limiter=self.rate_limiter,
                say=reason_of,
                clock=self.clock,
            )
        except Exception as error:  # noqa: BLE001 - it must not touch the neighbours in the batch
            self.logger.warning("question not answered", extra={"reason": reason_of(error)})
            return False
        return True

    def _measure_wait(self, envelope: Envelope) -> None:
        """Tell how long a message has waited: SQS's own metric leaves out what was received three times."""
        lane = "UrgentWaited" if envelope.is_urgent else "Waited"
        waited = max(timedelta(0), self.clock() - envelope.sent_at).total_seconds()
        self.metrics.add_metric(name=f"{self.command.__name__}.{lane}", unit=MetricUnit.Seconds, value=waited)

    # -- what the whole batch needs, asked for once

    def _postpone_duplicates(self, messages: Sequence[Message[AnyCommand]]) -> list[Message[AnyCommand]]:
        """Let the second of two messages for one receipt come back: side by side, both would call the provider."""
        seen: set[tuple[str, str]] = set()
        once = []
        for message in messages:
            if message.receipt_key in seen and self.receipts is not None and not isinstance(message.command, Exception):
                until = self.clock() + timedelta(seconds=1)
                twice = AlreadyInBatch("this batch holds the same command already", until=until, account_wide=False)
                once.append(replace(message, command=twice))
            else:
                once.append(message)
            seen.add(message.receipt_key)
        return once

    def _ask_for_all(
        self, messages: Sequence[Message[AnyCommand]]
    ) -> tuple[Sequence[Message[AnyCommand]], Sequence[Reservation]]:
        """Ask for standing receipts, slots and connections at the same time.

        Where slots are scarce, for the receipts first: what is done must not take a slot.
        """
        if self.rate_limiter is not None and self.rate_limiter.is_in_demand():
            messages = self._look_up_receipts(messages)
            reservations, _ = self._ask_at_once(messages, self._reserve, self._read_connections)
        else:
            messages, reservations, _ = self._ask_at_once(
                messages, self._look_up_receipts, self._reserve, self._read_connections
            )
        return messages, reservations

    def _ask_at_once(self, messages: Sequence[Message[AnyCommand]], *ask: Callable[..., Any]) -> list[Any]:
        return list(self.executor.map(lambda each: each(messages), ask))

    def _look_up_receipts(self, messages: Sequence[Message[AnyCommand]]) -> Sequence[Message[AnyCommand]]:
        """Join each command to the receipt that stands; where that can't be read, nothing is carried out."""
        if self.receipts is None:
            return messages
        asked = [message.case_receipt for message in messages if not isinstance(message.command, Exception)]
        try:
            standing = self.receipts.standing(asked)
        except Exception as error:  # noqa: BLE001 - each message comes back for itself
            return [each if isinstance(each.command, Exception) else replace(each, command=error) for each in messages]
        return [each.beside(standing.get(each.receipt_key)) for each in messages]

    def _reserve(self, messages: Sequence[Message[AnyCommand]]) -> Sequence[Reservation]:
        if self.rate_limiter is None:
            return [Reservation() for _ in messages]
        return self.rate_limiter.reserve([message.demand for message in messages])

    def _read_connections(self, messages: Sequence[Message[AnyCommand]]) -> None:
        if self.prepare is not None:
            self.prepare(demand.connection for message in messages if (demand := message.demand))

    # -- one message

    def _handle(self, message: Message[AnyCommand], reservation: Reservation, context: LambdaContext) -> Handled:
        """Carry out one message; whatever goes wrong, it must not touch the neighbours in the batch."""
        try:
            if self.journal is not None:
                self.journal.hear(message)
            handled = self._try(message, reservation, context)
            if self.journal is not None and handled.fate is not None:
                self.journal.close(message, handled.fate)
        except Exception as error:  # noqa: BLE001 - see above
            return self._failures.handle(message, error, reservation)
        return handled

    def _try(self, message: Message[AnyCommand], reservation: Reservation, context: LambdaContext) -> Handled:
        if isinstance(message.command, Exception):
            return self._failures.handle(message, message.command, reservation)
        try:
            return self._begin(message.command, message, reservation, context)
        except Exception as error:  # noqa: BLE001 - see above
            return self._failures.handle(message, error, reservation)

    def _begin(
        self, command: AnyCommand, message: Message[AnyCommand], reservation: Reservation, context: LambdaContext
    ) -> Handled:
        if command.case_id is None and self.clock() - message.receipt.requested_at > MAX_AGE:
            raise Rejected("older than 14 days: it might hit somebody who was hired again")
        if not message.is_done:
            self._keep_below_ceiling(command, message.envelope)
            if self.rate_limiter is not None:
                self.rate_limiter.wait(reservation)
            if context.get_remaining_time_in_millis() < TIME_FOR_ONE_MESSAGE:
                return self._failures.return_to_queue(message.envelope, timedelta(0))
        # After the wait, in which the case may be cancelled; whatever failed until here is no word on the case.
        case = self._read_case(command)
        step = message.as_step()
        progress = dict(message.receipt.progress or {})
        try:
            is_over = case is not None and case.state in OVER and not command.outlasts_case
            return self._carry_out(command, step, progress, is_over=is_over)
        except Exception as error:  # noqa: BLE001 - see above
            told = step.receipt.model_copy(update={"progress": progress or None})
            return self._failures.handle(replace(step, receipt=told), error, reservation)

    def _keep_below_ceiling(self, command: AnyCommand, envelope: Envelope) -> None:
        """Raise AboveCeiling for more people than the hour may have, unless a person has sent it back."""
        if self.ceiling is None or command.case_id is not None or envelope.redriven:
            return
        # In the hour when it came: whatever waits or fails for longer is not counted in the next one too.
        if self.ceiling.is_above(command, envelope.first_received_at):
            raise AboveCeiling("ceiling: for more than MostAnHour people in this hour; redrive it if that is meant")

    def _read_case(self, command: AnyCommand) -> Case | None:
        if command.case_id is None:
            return None
        if self.read_case is None:
            raise BadMessage("case_id: expected none, since this command is a step of no case")
        return self.read_case(command.case_id, command)

    def _carry_out(
        self, command: AnyCommand, message: Message[AnyCommand], progress: Progress, *, is_over: bool
    ) -> Handled:
        if message.standing and message.is_done:
            return self._recorder.repeat(message.standing)
        if self.receipts and message.standing and message.standing.outcome:
            self.receipts.reopen(message.standing)
        if not is_over:
            self._count_killed_runs(message)
        given = (command, progress) if self.resumes else (command,)
        result = Result(Outcome.REFUSED) if is_over else self.operation(*given)
        if isinstance(result, Fate):
            self._recorder.count(result.name)
            return Handled(acknowledged=True, fate=result)
        return self._recorder.record(message.receipt, result) if result else Handled(acknowledged=True)

    def _count_killed_runs(self, message: Message[AnyCommand]) -> None:
        """Raise Killed where a run that had this very message said nothing more, and it is to be given up.

        Who is killed can't count the failure. So a run that begins later than GiveUpAfter says first that it begins.
        """
        envelope = message.envelope
        late = self.clock() - envelope.first_received_at - self.give_up_after
        if late < timedelta(0):
            return
        standing = message.standing
        noted = (standing.last_try if standing else None) or {}
        was_killed = noted.get(envelope.id_in_queue, envelope.receives) < envelope.receives
        came_often = late >= LAST_TRY_WITHIN and envelope.receives >= OFTEN
        if was_killed or (self.receipts is None and came_often):
            raise Killed("the runs that had this message were killed again and again: time, memory or a fault of ours")
        if self.receipts is not None:
            last_try = {**noted, envelope.id_in_queue: envelope.receives}
            self.receipts.note(message.receipt.model_copy(update={"last_try": last_try}))

    # -- what came of it

    def _tell(self, messages: Sequence[Message[AnyCommand]], handled: Sequence[Handled]) -> list[bool]:
        """Tell seal_case and the bus what became of the batch; what either did not take comes back, and is told again.

        One message for each case, at one go for all of them: each request is paid for.
        """
        case_ids = dict.fromkeys(each.case_id for each in handled if each.case_id is not None)
        unsealed = self.request_seals(case_ids) if self.request_seals and case_ids else {}
        announcements = [each.announcement for each in handled if each.announcement is not None]
        refused: Mapping[str, Exception] = self.publisher.announce_all(announcements) if announcements else {}
        acknowledged = []
        for message, each in zip(messages, handled, strict=True):
            error = unsealed.get(each.case_id or "")
            if each.announcement and error is None:
                error = refused.get(each.announcement.announcement_id)
            if error is not None:
                self._failures.log("failed", message, error)
                self._failures.return_to_queue(message.envelope, self._failures.back_off(message.envelope.receives))
            acknowledged.append(each.acknowledged and error is None)
        return acknowledged

    @cached_property
    def _reader(self) -> MessageReader[AnyCommand]:
        return MessageReader(self.command, self.read, self.name_connection)

    @cached_property
    def _recorder(self) -> OutcomeRecorder:
        return OutcomeRecorder(
            command=self.command,
            receipts=self.receipts,
            clock=self.clock,
            logger=self.logger,
            metrics=self.metrics,
        )

    @cached_property
    def _failures(self) -> FailureHandler:
        return FailureHandler(
            function=self.function,
            sqs=self.sqs,
            publisher=self.publisher,
            receipts=self.receipts,
            recorder=self._recorder,
            rate_limiter=self.rate_limiter,
            give_up_after=self.give_up_after,
            clock=self.clock,
            logger=self.logger,
            jitter=self.jitter,
        )
