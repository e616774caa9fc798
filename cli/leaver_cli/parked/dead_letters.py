"""A queue in which messages wait for a person, and what can be told of each."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

#: seconds that a message is hidden at most while somebody looks at it, should the looking end in a crash
HIDDEN = 60
#: seconds; waiting makes SQS ask all its servers, so that an empty answer can be believed
WAIT = 1
#: empty answers in a row that are believed whatever the count says
BELIEVED = 3
#: the most messages that SQS hands out, or takes back, at once
_BATCH = 10


class Cause(StrEnum):
    """What stands for an error's name where no function gave one."""

    #: SQS moved it here after maxReceiveCount
    CRASHED = "crashed"
    #: EventBridge could not bring it to its target
    UNDELIVERED = "undelivered"
    #: no rule knows its detail-type
    UNROUTED = "unrouted"
    #: a tick of the schedule that was lost: every later tick does its work
    LAPSED = "lapsed"


@dataclass(frozen=True)
class ParkedMessage:
    """A message that waits for a person. Its body can hold personal data."""

    sqs_id: str
    receipt_handle: str
    body: str
    #: those of type String
    attributes: Mapping[str, str]
    #: to this queue, or where SQS moved it here, to the queue it failed in
    sent_at: datetime
    group: str | None
    #: the ARN of the queue that SQS took it from, where it did
    taken_from: str
    #: what it is if nothing on it says so
    unexplained: Cause

    @property
    def message_id(self) -> str:
        """The id that it had at first; its receipt lies under it, unless it brought an event with an id."""
        return self.attributes.get("message_id", self.sqs_id)

    @property
    def known_as(self) -> frozenset[str]:
        """Every id under which a log line, a receipt or an announcement may name it."""
        event_id = self.content.get("id")
        return frozenset({self.sqs_id, self.message_id}) | ({event_id} if isinstance(event_id, str) else set())

    @property
    def content(self) -> Mapping[str, Any]:
        """The body, where it is a JSON object; else nothing."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def error(self) -> str:
        """What stopped it: the name of Leaver's error, or a Cause."""
        if "error" in self.attributes:
            return self.attributes["error"]
        if self._is_a_tick():
            return Cause.LAPSED
        return Cause.UNDELIVERED if "RULE_ARN" in self.attributes else self.unexplained

    @property
    def reason(self) -> str:
        """Why, in a sentence that holds no personal data."""
        match self.error:
            case Cause.CRASHED:
                return "the function ended without a decision, again and again: its log tells"
            case Cause.UNDELIVERED:
                code, message = self.attributes.get("ERROR_CODE", "unknown"), self.attributes.get("ERROR_MESSAGE", "")
                return f"EventBridge: {code} {message}".rstrip()
            case Cause.UNROUTED:
                return f"no rule knows the detail-type {self.content.get('detail-type')!r}"
            case Cause.LAPSED:
                return "a tick of the schedule failed: its log tells; every later tick does its work"
        return self.attributes.get("reason", "")

    @property
    def queue(self) -> str:
        """The name of the queue that it came from, or was meant for; empty where nobody wrote it down."""
        meant_for = self.attributes.get("TARGET_ARN", "")
        # What EventBridge could not deliver may have been meant for a function.
        target = meant_for if ":sqs:" in meant_for else ""
        return (self.attributes.get("queue") or target or self.taken_from).rpartition(":")[2]

    @property
    def case_id(self) -> str | None:
        """The case that its command, or a person's decision, is of."""
        detail = self.content.get("detail", self.content)
        named = (detail.get("case_id") or detail.get("case")) if isinstance(detail, dict) else None
        return named if isinstance(named, str) else None

    @property
    def since(self) -> datetime:
        """When it failed first, or was sent."""
        with suppress(ValueError):
            return datetime.fromisoformat(self.attributes.get("first_failed_at", ""))
        return self.sent_at

    def _is_a_tick(self) -> bool:
        # EventBridge parks the event itself, Lambda a record of the failed call with the event in it.
        event = self.content.get("requestPayload", self.content)
        return isinstance(event, dict) and (event.get("source"), event.get("detail-type")) == (
            "aws.events",
            "Scheduled Event",
        )


class DeadLetterQueue:
    """One queue of parked messages."""

    def __init__(self, sqs: "SQSClient", url: str, *, unexplained: Cause) -> None:
        self._sqs = sqs
        self._url = url
        self._unexplained = unexplained
        self._held: dict[str, str] = {}
        #: how many messages it has handed out
        self.shown = 0

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._url.rpartition("/")[2]

    def count(self) -> int:
        """How many are parked, about: those included that somebody looks at right now."""
        return self._counted("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")

    @contextmanager
    def messages(self) -> Iterator[Iterator[ParkedMessage]]:
        """Hand out each message once; those that are not deleted are visible again when the block ends.

        Of a FIFO group SQS shows ten messages, and the next ones only when these are deleted.
        """
        try:
            yield self._receive_all()
        finally:
            self._give_back()

    def delete(self, message: ParkedMessage) -> None:
        """Take a message out of parking for good."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt_handle)
        del self._held[message.sqs_id]

    def _receive_all(self) -> Iterator[ParkedMessage]:
        seen: set[str] = set()
        empty = 0
        # An empty answer alone proves nothing, and the count lags: it takes both, or several empty answers.
        while empty < BELIEVED:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HIDDEN,
                WaitTimeSeconds=WAIT,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp", "MessageGroupId", "DeadLetterQueueSourceArn"],
            )
            received = answer.get("Messages", [])
            self._held |= {each["MessageId"]: each["ReceiptHandle"] for each in received}
            # In a long run the first ones are visible again before the last one was seen.
            fresh = [each for each in received if each["MessageId"] not in seen]
            seen |= {each["MessageId"] for each in received}
            for each in fresh:
                self.shown += 1
                yield self._read(each)
            if fresh:
                empty = 0
                continue
            empty += 1
            if not received and self._counted("ApproximateNumberOfMessages") == 0:
                return

    def _read(self, message: "MessageTypeDef") -> ParkedMessage:
        return ParkedMessage(
            sqs_id=message["MessageId"],
            receipt_handle=message["ReceiptHandle"],
            body=message["Body"],
            attributes={
                name: each["StringValue"]
                for name, each in message.get("MessageAttributes", {}).items()
                if "StringValue" in each
            },
            sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, tz=UTC),
            group=message["Attributes"].get("MessageGroupId"),
            taken_from=message["Attributes"].get("DeadLetterQueueSourceArn", ""),
            unexplained=self._unexplained,
        )

    def _give_back(self) -> None:
        handles = list(self._held.values())
        self._held.clear()
        for start in range(0, len(handles), _BATCH):
            # Whatever can't be given back comes back by itself, HIDDEN seconds after it was received.
            with suppress(BotoCoreError, ClientError):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                        for index, handle in enumerate(handles[start : start + _BATCH])
                    ],
                )

    def _counted(self, *attributes: Any) -> int:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=attributes)
        return sum(int(value) for value in answer["Attributes"].values())
