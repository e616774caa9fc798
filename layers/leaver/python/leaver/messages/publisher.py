"""What leaves Leaver: announcements, commands, requests to refresh, and dead letters."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from leaver.errors import Undelivered
from leaver.messages.commands import Command
from leaver.messages.events import (
    Announcement,
    CaseAnnouncement,
    ConnectionAnnouncement,
    PeopleNotified,
    ReconciliationAnnouncement,
    SourceAnnouncement,
)
from leaver.messages.speakers import ANNOUNCEMENTS, COMMANDS
from leaver.storage.tables import timestamp

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

AnyAnnouncement = (
    Announcement
    | ConnectionAnnouncement
    | CaseAnnouncement
    | SourceAnnouncement
    | PeopleNotified
    | ReconciliationAnnouncement
)

#: the most entries that PutEvents and SendMessageBatch take at once
_BATCH = 10


@dataclass(frozen=True)
class Due:
    """A connection whose tokens should be refreshed now, and the version that they have."""

    connection: str
    version: str


@dataclass(frozen=True)
class DeadLetter:
    """A message that can't be done as it is, and what somebody needs to know to mend it."""

    body: str
    reason: str
    error: str
    function: str
    #: the ARN of the queue it came from
    queue: str
    first_failed_at: datetime
    #: the id under which its receipt lies, when it comes back as another message
    message_id: str
    #: FIFO only
    group: str | None


class Publisher:
    """The bus, the refresh queue and this function's dead-letter queue. A partial failure is an error."""

    def __init__(
        self,
        *,
        events: "EventBridgeClient",
        sqs: "SQSClient",
        bus: str,
        dead_letter_queue_url: str,
        refresh_queue_url: str | None = None,
        seal_queue_url: str | None = None,
    ) -> None:
        self._events = events
        self._sqs = sqs
        self._bus = bus
        self._dead_letter_queue_url = dead_letter_queue_url
        self._refresh_queue_url = refresh_queue_url
        self._seal_queue_url = seal_queue_url

    def announce(self, announcement: AnyAnnouncement) -> None:
        """Tell the bus what became of a command, how a connection is, or how far a case; raises Undelivered."""
        self._put_events([self._entry(announcement)])

    def announce_all(self, announcements: Sequence[Announcement]) -> dict[str, Exception]:
        """Tell the bus what became of a batch's commands; returns what it did not take, by announcement id, and why."""
        refused: dict[str, Exception] = {}
        for batch in _batches(announcements):
            try:
                answers = self._events.put_events(Entries=[self._entry(each) for each in batch])["Entries"]
            except (BotoCoreError, ClientError) as error:
                refused |= dict.fromkeys((each.announcement_id for each in batch), error)
                continue
            for each, answer in zip(batch, answers, strict=True):
                if "ErrorCode" in answer:
                    refused[each.announcement_id] = Undelivered(f"the bus refused an event: {answer['ErrorCode']}")
        return refused

    def send_commands(self, commands: Sequence[Command]) -> None:
        """Put commands on the bus; raises Undelivered if it took less than all of them."""
        self._put_events(
            [
                _entry(self._bus, COMMANDS, type(each).__name__, each.model_dump(mode="json", exclude_defaults=True))
                for each in commands
            ]
        )

    def request_refresh(self, connection: str, version: str, *, now: datetime, for_revocation: bool = False) -> None:
        """Ask the refresher to replace a refused version of a connection's tokens; raises Undelivered."""
        detail: dict[str, Any] = {"connection": connection, "failed_version": version}
        if for_revocation:
            detail["for_revocation"] = True
        self._send_refreshes(
            [(detail, _deduplication_id(connection, version, now) + (":revoke" if for_revocation else ""))]
        )

    def schedule(self, due: Iterable[Due], *, now: datetime) -> int:
        """Send one refresh message for each connection that is due; returns how many. Raises Undelivered."""
        messages = [
            ({"connection": each.connection}, _deduplication_id(each.connection, each.version, now)) for each in due
        ]
        self._send_refreshes(messages)
        return len(messages)

    def forward_refresh(self, detail: Mapping[str, Any]) -> None:
        """Pass on a refresh that somebody asked for: never deduplicated, since they ask because they mean it now."""
        self._send_refreshes([(detail, str(uuid4()))])

    def request_seal(self, case_id: str) -> None:
        """Ask seal_case to look at a case: never deduplicated, since each time another receipt may be there."""
        for error in self.request_seals([case_id]).values():
            raise error

    def request_seals(self, case_ids: Iterable[str]) -> dict[str, Exception]:
        """The same of each of these; returns those that the queue did not take, and why."""
        if self._seal_queue_url is None:
            raise Undelivered("this function has no seal queue")
        refused: dict[str, Exception] = {}
        for batch in _batches([*case_ids]):
            entries: Any = [
                {
                    "Id": str(index),
                    "MessageBody": json.dumps({"case_id": each}),
                    "MessageGroupId": "cases",
                    "MessageDeduplicationId": str(uuid4()),
                }
                for index, each in enumerate(batch)
            ]
            try:
                answer = self._sqs.send_message_batch(QueueUrl=self._seal_queue_url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                refused |= dict.fromkeys(batch, error)
                continue
            for entry in answer.get("Failed", []):
                refused[batch[int(entry["Id"])]] = Undelivered(f"the seal queue refused a message: {entry['Code']}")
        return refused

    def request_days(self, now: datetime) -> None:
        """Ask seal_case to tell of the days that are over: once where several ask within five minutes of one hour."""
        if self._seal_queue_url is None:
            raise Undelivered("this function has no seal queue")
        self._sqs.send_message(
            QueueUrl=self._seal_queue_url,
            MessageBody=json.dumps({"days": "over"}),
            # A day of thousands of events takes its time: no case waits behind it.
            MessageGroupId="days",
            MessageDeduplicationId=f"days {now:%Y-%m-%dT%H}",
        )

    def request_run(self, summary: Mapping[str, Any]) -> None:
        """Ask seal_case to sign what a run of reconciliation found: once where a run says so again."""
        if self._seal_queue_url is None:
            raise Undelivered("this function has no seal queue")
        self._sqs.send_message(
            QueueUrl=self._seal_queue_url,
            MessageBody=json.dumps({"reconciled": summary}),
            # What can't be signed comes back: no case waits behind it.
            MessageGroupId="reconciliations",
            MessageDeduplicationId=summary["result"]["sha256"],
        )

    def request_begin(self, case_id: str, queue_url: str) -> None:
        """Ask start_offboarding to begin a planned case: it can ask whose the address is by now."""
        self._sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"case": case_id, "decision": "begin"}))

    def hand_on(self, told: BaseModel, queue_url: str) -> None:
        """Send what somebody else has to go on with, straight to that queue; raises what SQS raises."""
        body = json.dumps(told.model_dump(mode="json", exclude_defaults=True))
        self._sqs.send_message(QueueUrl=queue_url, MessageBody=body)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Put a message aside for a person, with the reason as message attributes; raises what SQS raises."""
        attributes = {
            "reason": letter.reason,
            "error": letter.error,
            "function": letter.function,
            "queue": letter.queue,
            "first_failed_at": timestamp(letter.first_failed_at),
            "message_id": letter.message_id,
        }
        fifo: dict[str, Any] = (
            {"MessageGroupId": letter.group, "MessageDeduplicationId": str(uuid4())} if letter.group else {}
        )
        self._sqs.send_message(
            QueueUrl=self._dead_letter_queue_url,
            MessageBody=letter.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
            **fifo,
        )

    def _entry(self, announcement: AnyAnnouncement) -> Any:
        detail = announcement.model_dump(mode="json", exclude={"detail_type"}, exclude_none=True)
        return _entry(self._bus, ANNOUNCEMENTS, announcement.detail_type, detail)

    def _put_events(self, entries: Sequence[Any]) -> None:
        for batch in _batches(entries):
            answer = self._events.put_events(Entries=batch)
            if answer["FailedEntryCount"]:
                codes = {entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry}
                raise Undelivered(f"the bus refused {answer['FailedEntryCount']} events: {', '.join(sorted(codes))}")

    def _send_refreshes(self, messages: Sequence[tuple[Mapping[str, Any], str]]) -> None:
        if self._refresh_queue_url is None:
            raise Undelivered("this function has no refresh queue")
        for batch in _batches(messages):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._refresh_queue_url,
                Entries=[
                    {
                        "Id": str(index),
                        "MessageBody": json.dumps(detail),
                        "MessageGroupId": detail["connection"],
                        "MessageDeduplicationId": deduplication_id,
                    }
                    for index, (detail, deduplication_id) in enumerate(batch)
                ],
            )
            if failed := answer.get("Failed"):
                codes = {entry["Code"] for entry in failed}
                raise Undelivered(f"the refresh queue refused {len(failed)} messages: {', '.join(sorted(codes))}")


def _entry(bus: str, source: str, detail_type: str, detail: Mapping[str, Any]) -> dict[str, str]:
    return {"EventBusName": bus, "Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}


def _deduplication_id(connection: str, version: str, now: datetime) -> str:
    # N readers of one dead token are one refresh; but SQS would also swallow an honest second request for 5 minutes.
    return f"{connection}:{version}:{now:%Y%m%d%H%M}"


def _batches(entries: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH))
