"""One message of a queue: an EventBridge event that a rule delivered, or just its detail, sent by hand."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from leaver.errors import BadMessage

# It becomes a key of the table: one that the table does not take would keep its message from ever being set aside.
_EVENT_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Envelope:
    """A message by its attributes; `parse` reads its content.

    Powertools' SQSRecord would load the classes of all other event sources: 13 to 25 ms of a cold start.
    """

    #: as Lambda hands it over
    record: Mapping[str, Any]

    @property
    def body(self) -> str:
        """What was sent."""
        body: str = self.record["body"]
        return body

    @property
    def queue(self) -> str:
        """The ARN of the queue it came from."""
        arn: str = self.record["eventSourceARN"]
        return arn

    @property
    def receipt_handle(self) -> str:
        """What SQS wants to hear of whoever says when it shall come back."""
        handle: str = self.record["receiptHandle"]
        return handle

    @property
    def _attributes(self) -> Mapping[str, str]:
        attributes: Mapping[str, str] = self.record["attributes"]
        return attributes

    @property
    def id_in_queue(self) -> str:
        """What SQS calls it now."""
        message_id: str = self.record["messageId"]
        return message_id

    @property
    def message_id(self) -> str:
        """The SQS message's own id, or the one that it had before it was dead-lettered and redriven."""
        return self._id_before_dead_letter or self.id_in_queue

    @property
    def redriven(self) -> bool:
        """Whether a person put it back from a dead-letter queue."""
        return self._id_before_dead_letter is not None

    @property
    def _id_before_dead_letter(self) -> str | None:
        attribute = self.record["messageAttributes"].get("message_id") or {}
        return attribute.get("stringValue") or None

    @property
    def first_received_at(self) -> datetime:
        """When any function first saw it."""
        return _moment(self._attributes["ApproximateFirstReceiveTimestamp"])

    @property
    def sent_at(self) -> datetime:
        """When it was put into the queue."""
        return _moment(self._attributes["SentTimestamp"])

    @property
    def sender(self) -> str:
        """Who put it into the queue: SQS's own word, an AWS principal's id."""
        return self._attributes.get("SenderId") or "unknown"

    @property
    def receives(self) -> int:
        """How often any function saw it."""
        return int(self._attributes["ApproximateReceiveCount"])

    @property
    def group(self) -> str | None:
        """The group of a FIFO queue's message; other queues' groups only share a queue out fairly."""
        return self._attributes.get("MessageGroupId") if self.queue.endswith(".fifo") else None

    @property
    def is_urgent(self) -> bool:
        """Whether it came by the urgent lane."""
        return self.queue.endswith("-urgent")

    @property
    def came_by_rule(self) -> bool:
        """Whether it is an event that a rule of EventBridge's matched."""
        try:
            return self.parse().event is not None
        except BadMessage:
            return False

    def queue_url(self, endpoint: str) -> str:
        """The URL of the queue it came from, at SQS's endpoint (AWS gives functions the ARN alone)."""
        *_, account, name = self.queue.split(":")
        return f"{endpoint.rstrip('/')}/{account}/{name}"

    def parse(self) -> "Payload":
        """Read the content; raises BadMessage where the body is not a JSON object with a detail."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadMessage("body: expected JSON") from None
        if not isinstance(body, dict):
            raise BadMessage("body: expected a JSON object")
        event = body if "detail-type" in body and "detail" in body else None
        detail = body if event is None else event["detail"]
        if not isinstance(detail, dict):
            raise BadMessage("detail: expected a JSON object")
        if event is None:
            return Payload(self.message_id, None, detail, sent_at=None, heard_at=self.sent_at, sender=self.sender)
        event_id, sent_at = event.get("id"), _sent_at(event)
        return Payload(
            id=event_id if isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id) else self.message_id,
            event=event,
            detail=detail,
            sent_at=sent_at,
            heard_at=min(sent_at, self.sent_at),
            sender=self.sender,
        )


@dataclass(frozen=True)
class Payload:
    """The content of a message."""

    #: the event's id, or the message's
    id: str
    #: the EventBridge envelope; None where the detail was sent by hand
    event: Mapping[str, Any] | None
    detail: Mapping[str, Any]
    #: the event's time; None where the detail was sent by hand
    sent_at: datetime | None
    #: the same, or when the message came; never later, for whoever puts an event on the bus says its time
    heard_at: datetime
    #: who put it into the queue; of an event that is the bus
    sender: str


def _sent_at(event: Mapping[str, Any]) -> datetime:
    try:
        sent_at = datetime.fromisoformat(event["time"])
        return (sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadMessage("time: expected the event's time, ISO-8601") from None


def _moment(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)
