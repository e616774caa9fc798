"""Tell people what Leaver announces: one sentence to a topic, and the same to the bus for whoever listens there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from leaver import notifying
from leaver.consuming.invocation import BatchFailures
from leaver.errors import BadMessage, LeaverError, explain
from leaver.messages.envelope import Envelope, Payload
from leaver.messages.events import PeopleNotified
from leaver.messages.notices import Notice, notice_of
from leaver.messages.previews import Probe, read_probe
from leaver.messages.publisher import DeadLetter
from leaver.messages.speakers import ANNOUNCEMENTS
from leaver.settings import Consumes

PeopleNotified.model_rebuild()

_TOLD: Final = PeopleNotified.__name__


class Settings(Consumes):
    """What `notify_people` reads from its environment."""

    #: empty: only the bus is told
    notify_topic_arn: str = ""
    #: what of a person may be seen: the case's id alone, or what the announcement calls them too
    notify_with: Literal["id", "email"]


@dataclass(frozen=True)
class Notifier:
    """What it takes to tell people."""

    function: str
    with_address: bool
    #: None where no topic is wanted
    tell: Callable[[Notice], None] | None
    announce: Callable[[PeopleNotified], None]
    dead_letter: Callable[[DeadLetter], None]
    has_told: Callable[[str], bool]
    remember: Callable[[list[str]], None]
    #: since a message was first received
    give_up_after: timedelta
    clock: Callable[[], datetime]
    log: Callable[[str, Mapping[str, Any]], None]
    answer: Callable[[Probe, Envelope], None]

    def notify(self, event: Mapping[str, Any]) -> BatchFailures:
        """Work through a batch; what fails comes back when the queue's visibility timeout is over."""
        envelopes = [Envelope(record) for record in event["Records"]]
        failed = [each.id_in_queue for each in envelopes if not self._is_done(each)]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    def _is_done(self, envelope: Envelope) -> bool:
        if (probe := read_probe(envelope.body)) is not None:
            return self._is_answered(probe, envelope)
        try:
            self._notify(envelope.parse())
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not touch the neighbours in the batch
            return self._set_aside(envelope, error)
        return True

    def _is_answered(self, probe: Probe, envelope: Envelope) -> bool:
        try:
            self.answer(probe, envelope)
        except Exception as error:  # noqa: BLE001 - it must not touch the neighbours in the batch
            # It comes back, and is no dead letter: whoever asked waits no more by then.
            self.log("probe not answered", {"reason": _reason(error), "message_id": envelope.message_id})
            return False
        return True

    def _notify(self, payload: Payload) -> None:
        event = payload.event
        if event is None or event.get("source") != ANNOUNCEMENTS:
            raise BadMessage(f"source: expected {ANNOUNCEMENTS}, of an event as the bus delivers it")
        detail_type = str(event["detail-type"])
        if detail_type == _TOLD:
            # It did not reach the address that the deployment gave, and a person redrove it.
            self.announce(_read_told(payload.detail))
            return
        notice = notice_of(detail_type, payload.detail, with_address=self.with_address)
        if notice is None:
            return
        # Each way by itself: where one fails and is tried again, the other is not told twice.
        self._once("bus", notice, lambda told: self.announce(told.as_event()))
        if self.tell is not None:
            self._once("topic", notice, self.tell)

    def _once(self, way: str, notice: Notice, tell: Callable[[Notice], None]) -> None:
        key = f"notice#{notice.announcement_id}#{way}"
        if not self.has_told(key):
            tell(notice)
            self.remember([key])

    def _set_aside(self, envelope: Envelope, error: Exception) -> bool:
        """Park what can't succeed, or is given up; returns whether it is parked."""
        reason = _reason(error)
        self.log("failed", {"error": type(error).__name__, "reason": reason, "message_id": envelope.message_id})
        is_late = self.clock() - envelope.first_received_at >= self.give_up_after
        if not (is_late or _is_hopeless(error)):
            return False
        letter = DeadLetter(
            body=envelope.body,
            reason=reason,
            error=type(error).__name__,
            function=self.function,
            queue=envelope.queue,
            first_failed_at=envelope.first_received_at,
            message_id=envelope.message_id,
            group=None,
        )
        try:
            self.dead_letter(letter)
        except (BotoCoreError, ClientError) as second:
            self.log("could not be set aside", {"error": type(second).__name__, "message_id": envelope.message_id})
            return False
        return True


def _read_told(detail: Mapping[str, Any]) -> PeopleNotified:
    try:
        return PeopleNotified.model_validate({"case_id": None, **detail, "detail_type": _TOLD})
    except ValidationError as error:
        raise BadMessage(explain(error, PeopleNotified)) from None


def _is_hopeless(error: Exception) -> bool:
    """Whether it fails as often as it is tried: what AWS refuses, a person has to mend."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        return 400 <= status < 500 and "Throttl" not in error.response["Error"]["Code"]
    return isinstance(error, BadMessage)


def _reason(error: Exception) -> str:
    match error:
        case LeaverError():
            return error.reason
        case ClientError():
            return f"AWS answered {error.response['Error']['Code']} to {error.operation_name}"
    # Not the message of a foreign exception: it may quote anything.
    return f"unexpected {type(error).__name__}"


@cache
def notifier() -> Notifier:
    """Build what telling needs."""
    settings = notifying.settings_of(Settings)
    publisher = notifying.publisher(settings.event_bus_name, settings.dead_letter_queue_url)
    told = notifying.seen_deliveries(settings.deliveries_table)
    logger = notifying.logger()
    return Notifier(
        function=notifying.function_name(),
        with_address=settings.notify_with == "email",
        tell=notifying.topic(settings.notify_topic_arn).tell if settings.notify_topic_arn else None,
        announce=publisher.announce,
        dead_letter=publisher.dead_letter,
        has_told=told.has,
        remember=told.remember,
        give_up_after=timedelta(seconds=settings.give_up_after),
        clock=notifying.now,
        log=lambda what, about: logger.warning(what, extra=about),
        # Its client is made when somebody asks, and not at every start.
        answer=lambda probe, envelope: notifying.probe_answers(settings.deliveries_table).answer(probe, envelope),
    )


notifying.in_init(notifier)


def lambda_handler(event: Mapping[str, Any], _context: object) -> BatchFailures:
    """Work through a batch of announcements."""
    return notifier().notify(event)
