"""What Lambda gives a handler: messages of a queue as an event, and the context; and which messages it gets back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from leaver.consuming.invocation import BatchFailures
from tests.doubles.clock import NOW

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:leaver-revoke-sso-token"
FIFO_QUEUE = "arn:aws:sqs:eu-central-1:123456789012:leaver-refresh-access-token.fifo"


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
