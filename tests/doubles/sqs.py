"""SQS in memory: the messages that were sent, and when a message is visible again."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tests.doubles.aws_errors import client_error

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SQS_URL = "https://sqs.eu-central-1.amazonaws.com"
DEAD_LETTERS = f"{SQS_URL}/123456789012/leaver-dead-letters"
FIFO_DEAD_LETTERS = f"{DEAD_LETTERS}.fifo"
REFRESH_QUEUE = f"{SQS_URL}/123456789012/leaver-refresh-access-token.fifo"
SEAL_QUEUE = f"{SQS_URL}/123456789012/leaver-seal-case.fifo"
LOOK_UP_QUEUE = f"{SQS_URL}/123456789012/leaver-look-up-person"
INTAKE_QUEUE = f"{SQS_URL}/123456789012/leaver-start-offboarding"


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
