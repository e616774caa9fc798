"""What functions answer to people, among the deliveries: that table keeps nothing for long, and this is no evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from leaver.messages.envelope import Envelope
from leaver.messages.previews import KEPT, WAITED_FOR, Preview, Probe
from leaver.storage.tables import columns, item, read_as, values
from leaver.version import VERSION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Answer(BaseModel):
    """What a function found."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    delivery: str
    #: names and counts, never a secret
    found: dict[str, Any] = Field(default_factory=dict)
    #: why that can't be said now
    because: str | None = None
    #: seconds since 1970; the table clears itself of it after that
    expires_at: int


class Answers:
    """The answers, in the table of deliveries, which keeps nothing for long: they are no evidence."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, question: Preview | Probe) -> Answer | None:
        """Read an answer; None as long as there is none."""
        key = item({"delivery": question.place})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return read_as(Answer)(values(found["Item"])) if "Item" in found else None

    def put(self, answer: Answer) -> None:
        """Write an answer."""
        self._dynamodb.put_item(TableName=self._table, Item=item(columns(answer)))


@dataclass(frozen=True)
class ProbeAnswers:
    """Says that a queue is worked on, by which function and which code."""

    function: str
    answers: Answers
    clock: Callable[[], datetime]

    def answer(self, probe: Probe, envelope: Envelope) -> None:
        """Answer, unless nobody waits any more; raises what writing raises."""
        now = self.clock()
        if now > envelope.sent_at + WAITED_FOR:
            return
        found = {"function": self.function, "version": VERSION}
        self.answers.put(Answer(delivery=probe.place, found=found, expires_at=int((now + KEPT).timestamp())))
