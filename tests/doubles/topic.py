"""SNS in memory: what was sent to its topics, and everything refused that AWS refuses."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

TOPIC = "arn:aws:sns:eu-central-1:123456789012:leaver-people"
#: bytes, of the message alone
LARGEST = 262_144
#: protocols that a message may name beside `default`
PROTOCOLS = {"default", "email", "email-json", "sqs", "lambda", "http", "https", "sms", "firehose"}


def refusal(code: str, status: int = 400, message: str = "it says something") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Publish")


@dataclass
class FakeSns:
    """SNS as far as Leaver speaks to it."""

    topics: set[str] = field(default_factory=lambda: {TOPIC})
    #: subject, and by protocol what its subscribers get
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: what the next calls meet instead, the first first
    refuses: list[Exception] = field(default_factory=list)
    calls: int = 0

    def publish(self, *, TopicArn: str, Subject: str, MessageStructure: str, Message: str) -> Any:  # noqa: N803 - AWS's
        self.calls += 1
        if self.refuses:
            raise self.refuses.pop(0)
        if TopicArn not in self.topics:
            raise refusal("NotFound", 404)
        if not re.fullmatch(r"[!-~][ -~]{0,99}", Subject):
            raise refusal("InvalidParameter", message="Subject")
        if MessageStructure != "json":
            raise refusal("InvalidParameter", message="MessageStructure")
        by_protocol = json.loads(Message)
        if not isinstance(by_protocol, dict) or "default" not in by_protocol or by_protocol.keys() - PROTOCOLS:
            raise refusal("InvalidParameter", message="Message Structure - no default entry in JSON message body")
        if not all(isinstance(each, str) and each for each in by_protocol.values()):
            raise refusal("InvalidParameter", message="Message Structure - a protocol's message is no text")
        if len(Message.encode()) > LARGEST:
            raise refusal("InvalidParameter", message="Message too long")
        self.sent.append((Subject, by_protocol))
        return {"MessageId": str(self.calls)}
