"""The composition root of what tells people: the front door's, with a topic, a bus for announcements, no provider."""

import json
import os
from functools import cache
from typing import Any, Final, Protocol

from botocore.config import Config

from leaver.consuming.answers import Answers, ProbeAnswers
from leaver.front_door import in_init, logger, now, seen_deliveries, session, settings_of
from leaver.messages.notices import Notice
from leaver.messages.publisher import Publisher

__all__ = [
    "function_name",
    "in_init",
    "logger",
    "now",
    "probe_answers",
    "publisher",
    "seen_deliveries",
    "settings_of",
    "topic",
]

#: ten messages, and of each three calls, fit into a minute
_AWS: Final = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


class _Sns(Protocol):
    """What is used of SNS's client."""

    def publish(self, *, TopicArn: str, Subject: str, MessageStructure: str, Message: str) -> Any:  # noqa: N803 - boto3's
        """Send a message to a topic's subscribers."""


class Topic:
    """An SNS topic: e-mail gets text, AWS's chat app its schema."""

    def __init__(self, sns: _Sns, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def tell(self, notice: Notice) -> None:
        """Send a notice to whoever subscribed; raises what SNS raises."""
        # The chat app subscribes by https; every other protocol takes the default.
        by_protocol = {"default": notice.as_mail(), "https": json.dumps(notice.for_chat())}
        self._sns.publish(
            TopicArn=self._arn, Subject=notice.title, MessageStructure="json", Message=json.dumps(by_protocol)
        )


def function_name() -> str:
    """What the function is called in AWS."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "notify_people")


@cache
def topic(arn: str) -> Topic:
    """The topic of this ARN."""
    return Topic(session().client("sns", config=_AWS), arn)


@cache
def publisher(bus: str, dead_letter_queue_url: str) -> Publisher:
    """The bus and the queue that notify_people may write to."""
    return Publisher(
        events=session().client("events", config=_AWS),
        sqs=session().client("sqs", config=_AWS),
        bus=bus,
        dead_letter_queue_url=dead_letter_queue_url,
    )


@cache
def probe_answers(table: str) -> ProbeAnswers:
    """What says that notify_people is there."""
    return ProbeAnswers(function_name(), Answers(session().client("dynamodb", config=_AWS), table=table), now)
