"""Stand-ins with a memory: a clock, a queue's messages, SQS and the bus, and receipts."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from botocore.exceptions import ClientError

from leaver.cases.receipts import Receipt, Receipts
from leaver.consuming.invocation import BatchFailures
from leaver.consuming.rate_limiter import Demand, RateLimiter, Reservation
from leaver.errors import Throttled
from leaver.messages.commands import Command
from leaver.outcomes import Outcome

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

AnyCommand = TypeVar("AnyCommand", bound=Command)

#: when all tests begin
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:leaver-revoke-sso-token"
FIFO_QUEUE = "arn:aws:sqs:eu-central-1:123456789012:leaver-refresh-access-token.fifo"
SQS_URL = "https://sqs.eu-central-1.amazonaws.com"
DEAD_LETTERS = f"{SQS_URL}/123456789012/leaver-dead-letters"
FIFO_DEAD_LETTERS = f"{DEAD_LETTERS}.fifo"
REFRESH_QUEUE = f"{SQS_URL}/123456789012/leaver-refresh-access-token.fifo"


@dataclass
class Clock:
    """A clock that stands still until it is told how much time passes."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)


def event(detail_type: Any, detail: Any, **envelope: Any) -> str:
    """The body of a message that a rule of the bus delivered."""
    standard = {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": detail_type,
        "source": "leaver.command",
        "account": "123456789012",
        "time": "2026-11-22T09:29:00Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }
    return json.dumps(standard | {name.replace("_", "-"): value for name, value in envelope.items()})


def record(
    body: str | Mapping[str, Any],
    *,
    message_id: str | None = None,
    queue: str = QUEUE,
    sent_at: datetime = NOW - timedelta(minutes=1),
    first_received_at: datetime = NOW,
    receives: int = 1,
    group: str | None = None,
    before_parking: str | None = None,
) -> dict[str, Any]:
    """One message as Lambda receives it; `before_parking` is the id that `leaver redrive` keeps."""
    message_id = message_id or str(uuid4())
    attributes = {
        "ApproximateReceiveCount": str(receives),
        "SentTimestamp": str(int(sent_at.timestamp() * 1000)),
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": str(int(first_received_at.timestamp() * 1000)),
    }
    own: dict[str, Any] = {}
    if before_parking:
        own["message_id"] = {
            "stringValue": before_parking,
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        }
    return {
        "messageId": message_id,
        "receiptHandle": f"handle of {message_id}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": attributes | ({"MessageGroupId": group, "MessageDeduplicationId": "d"} if group else {}),
        "messageAttributes": own,
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": "eu-central-1",
    }


def batch(*records: Mapping[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def returned(failures: BatchFailures) -> set[str]:
    """The ids of the messages that Lambda must not delete."""
    return {failure["itemIdentifier"] for failure in failures["batchItemFailures"]}


@dataclass
class Context:
    """Lambda's context; the time that is left can be told one call after the other."""

    left: list[int] = field(default_factory=lambda: [60_000])
    aws_request_id: str = "6f6e8a0c-1b2d-4e3f-8a9b-0c1d2e3f4a5b"

    def get_remaining_time_in_millis(self) -> int:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def client_error(operation: str, code: str = "InternalError", message: str = "it says something") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class OneByOne(Executor):
    """Works on the messages of a batch one after the other, in their order."""

    def map(self, function: Callable[..., Any], *given: Iterable[Any], **_: object) -> Iterator[Any]:  # type: ignore[override]  # typeshed's names can't be given
        return map(function, *given)


class NoLimit(RateLimiter):
    """The pace of a provider that takes as much as it gets."""

    def __init__(self) -> None:
        self.told: list[Throttled] = []

    def reserve(self, wanted: Sequence[Demand | None]) -> list[Reservation]:
        return [Reservation() for _ in wanted]

    def record_throttle(self, reservation: Reservation, refusal: Throttled) -> None:
        assert reservation.lane is None
        self.told.append(refusal)


@dataclass
class FakeSqs:
    """SQS as far as Leaver speaks to it: what was sent, and when which message is visible again."""

    #: receipt handle → seconds
    visible_in: dict[str, int] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    #: operations that are out of order
    broken: set[str] = field(default_factory=set)
    #: how many of the next batch's messages are refused
    refuses: int = 0
    meta: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(endpoint_url=SQS_URL))

    @property
    def client(self) -> "SQSClient":
        return cast("SQSClient", self)

    def to(self, queue_url: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["QueueUrl"] == queue_url]

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803 - AWS's names
        self._works("ChangeMessageVisibility")
        assert QueueUrl.startswith(SQS_URL)
        assert isinstance(VisibilityTimeout, int)
        assert 0 <= VisibilityTimeout <= 43_200
        self.visible_in[ReceiptHandle] = VisibilityTimeout

    def send_message(self, **message: Any) -> None:
        self._works("SendMessage")
        self._accept(message)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        self._works("SendMessageBatch")
        assert 0 < len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        refused, self.refuses = Entries[: self.refuses], 0
        for entry in Entries[len(refused) :]:
            self._accept({"QueueUrl": QueueUrl, **entry})
        failed = [{"Id": each["Id"], "Code": "InternalError", "SenderFault": False} for each in refused]
        return {"Successful": [], **({"Failed": failed} if failed else {})}

    def _works(self, operation: str) -> None:
        if operation in self.broken:
            raise client_error(operation)

    def _accept(self, message: dict[str, Any]) -> None:
        fifo = message["QueueUrl"].endswith(".fifo")
        assert fifo == ("MessageDeduplicationId" in message), "AWS refuses it on one kind and demands it on the other"
        assert fifo <= ("MessageGroupId" in message)
        attributes = message.get("MessageAttributes", {})
        assert len(attributes) <= 10
        assert all(each["DataType"] == "String" and each["StringValue"] for each in attributes.values())
        self.sent.append(message)


@dataclass
class FakeBus:
    """EventBridge: the events that were put."""

    put: list[dict[str, Any]] = field(default_factory=list)
    #: how many of the next entries are refused
    refuses: int = 0
    #: whether it is out of order
    broken: bool = False
    calls: int = 0

    @property
    def client(self) -> "EventBridgeClient":
        return cast("EventBridgeClient", self)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        assert 0 < len(Entries) <= 10
        if self.broken:
            raise client_error("PutEvents")
        self.calls += 1
        refused, self.refuses = Entries[: self.refuses], max(0, self.refuses - len(Entries))
        self.put += Entries[len(refused) :]
        answers = [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"} for _ in refused]
        return {
            "FailedEntryCount": len(refused),
            "Entries": answers + [{"EventId": "1"}] * (len(Entries) - len(refused)),
        }

    @property
    def announced(self) -> list[dict[str, Any]]:
        """What was announced: details with their `detail_type`."""
        return [
            {"detail_type": each["DetailType"], **json.loads(each["Detail"])}
            for each in self.put
            if each["Source"] == "leaver"
        ]


class InMemoryReceipts(Receipts):
    """Receipts with the same rules as the table's; `broken` ones can't be written."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Receipt] = {}
        self.broken = False

    @property
    def only(self) -> Receipt:
        (receipt,) = self.items.values()
        return receipt

    def read(self, receipt: Receipt) -> Receipt | None:
        return self.items.get((receipt.case_id, receipt.entry))

    def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
        keys = {(each.case_id, each.entry) for each in receipts}
        return {key: self.items[key] for key in keys if key in self.items}

    def count_failure(self, receipt: Receipt) -> int:
        written = self._put(receipt)
        if written is None:
            raise client_error("UpdateItem", "ConditionalCheckFailedException")
        return written.attempts

    def finish(self, closed: Receipt) -> Receipt:
        return self._put(closed) or self.items[closed.case_id, closed.entry]

    def reopen(self, receipt: Receipt) -> None:
        standing = self.items[receipt.case_id, receipt.entry]
        if standing.outcome is Outcome.FAILED:
            taken_back = dict.fromkeys(("outcome", "finished_at", "reason", "provider_status", "provider_code"))
            self.items[receipt.case_id, receipt.entry] = standing.model_copy(update=taken_back)

    def _put(self, receipt: Receipt) -> Receipt | None:
        if self.broken:
            raise client_error("UpdateItem", "InternalServerError")
        standing = self.items.get((receipt.case_id, receipt.entry))
        if standing and standing.outcome:
            return None
        written = receipt.model_copy(
            update={
                "attempts": (standing.attempts if standing else 0) + 1,
                "first_attempt_at": standing.first_attempt_at if standing else receipt.first_attempt_at,
            }
        )
        self.items[receipt.case_id, receipt.entry] = written
        return written
