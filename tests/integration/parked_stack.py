"""The queues and the bus of a stack on moto, messages parked in them as the real ones are, and the command line."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import Result
from moto import mock_aws
from typer.testing import CliRunner

from leaver.messages.publisher import DeadLetter, Publisher
from leaver_cli.main import app
from leaver_cli.parked import dead_letters as parking
from leaver_cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

REGION = "eu-central-1"
ARN = f"arn:aws:sqs:{REGION}:123456789012:"
FAILED_AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
QUEUES = (
    "leaver-retrieve-user-token",
    "leaver-revoke-access-token",
    "leaver-revoke-sso-token",
    "leaver-revoke-grants",
    "leaver-purge-user-tokens",
    "leaver-deactivate-user",
    "leaver-schedule-refreshes",
    "leaver-start-offboarding",
    "leaver-look-up-person",
    "leaver-notify-people",
    "leaver-reconcile",
)
#: those of them beside which there is an urgent one
LANED = ("leaver-revoke-access-token", "leaver-revoke-sso-token", "leaver-revoke-grants", "leaver-start-offboarding")

#: as EventBridge attaches them to what it could not deliver
NOT_DELIVERED = {
    "RULE_ARN": f"arn:aws:events:{REGION}:123456789012:rule/leaver/leaver-RevokeSsoTokenRule",
    "TARGET_ARN": f"{ARN}leaver-revoke-sso-token",
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "The queue policy does not allow it",
    "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    "RETRY_ATTEMPTS": "185",
}

#: an event of the bus, of a type that no rule knows
EVENT = {
    "version": "0",
    "id": "a2362ecc-0ad9-5045-99ee-d4ee055b810a",
    "detail-type": "RevokeEverything",
    "source": "leaver.command",
    "account": "123456789012",
    "time": "2026-11-20T08:30:00Z",
    "region": REGION,
    "resources": ["arn:aws:iam::123456789012:user/ada"],
    "detail": {"user_id": "ada@example.com"},
}


_make_client = boto3.Session.client
_CLIENTS: dict[tuple[object, ...], Any] = {}


def client(session: boto3.Session, service: Any, **asked: Any) -> Any:
    """Make a client once for all commands of this process: to make nine of them takes longer than most commands."""
    told = frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    key = (session.region_name, session.profile_name, told, service, *sorted(asked.items()))
    if key not in _CLIENTS:
        _CLIENTS[key] = _make_client(session, service, **asked)
    return _CLIENTS[key]


class World:
    """One stack called `leaver`."""

    def __init__(self) -> None:
        self.sqs: SQSClient = boto3.client("sqs", region_name=REGION)
        self.events: EventBridgeClient = boto3.client("events", region_name=REGION)
        for name in QUEUES:
            self.sqs.create_queue(QueueName=name)
            self.sqs.create_queue(QueueName=f"{name}-dead-letters")
        for name in LANED:
            self.sqs.create_queue(QueueName=f"{name}-urgent")
        for name in ("leaver-refresh-access-token", "leaver-seal-case"):
            self.sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
            self.sqs.create_queue(QueueName=f"{name}-dead-letters.fifo", Attributes={"FifoQueue": "true"})
        unfed = (f"leaver-{function}-dead-letters" for function in ("watch-deadlines", "reconcile"))
        for name in ("leaver-unrouted", "leaver-unrouted-dead-letters", *unfed):
            self.sqs.create_queue(QueueName=name)
        self.events.create_event_bus(Name="leaver")

    @property
    def stack(self) -> Stack:
        return Stack("leaver", sqs=self.sqs, events=self.events)

    def url(self, queue: str) -> str:
        return self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def park(
        self,
        body: str = '{"user_id": "ada@example.com"}',
        *,
        function: str = "revoke-sso-token",
        error: str = "Rejected",
        reason: str = "Zoom 4711: missing scope",
        message_id: str = "first-id",
        group: str | None = None,
    ) -> None:
        """Park as the consumer of a function does."""
        fifo = ".fifo" if group else ""
        Publisher(
            events=self.events,
            sqs=self.sqs,
            bus="leaver",
            dead_letter_queue_url=self.url(f"leaver-{function}-dead-letters{fifo}"),
        ).dead_letter(
            DeadLetter(
                body=body,
                reason=reason,
                error=error,
                function=f"leaver-{function}",
                queue=f"{ARN}leaver-{function}{fifo}",
                first_failed_at=FAILED_AT,
                message_id=message_id,
                group=group,
            )
        )

    def put(self, queue: str, body: Any, attributes: Mapping[str, str] | None = None) -> str:
        """Put a message into a queue; returns its id."""
        return self.sqs.send_message(
            QueueUrl=self.url(queue),
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
            },
        )["MessageId"]

    def take(self, queue: str) -> "list[MessageTypeDef]":
        """Everything visible in a queue, out of it."""
        found: list[MessageTypeDef] = []
        while received := self.sqs.receive_message(
            QueueUrl=self.url(queue),
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            for each in received:
                self.sqs.delete_message(QueueUrl=self.url(queue), ReceiptHandle=each["ReceiptHandle"])
            found += received
        return found

    def bodies(self, queue: str) -> list[str]:
        return [each["Body"] for each in self.take(queue)]


@contextmanager
def world_on_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty stack; an empty queue answers at once."""
    monkeypatch.setattr(parking, "WAIT", 0)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "LEAVER_STACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(boto3.Session, "client", client)
    with mock_aws():
        yield World()


def leaver(*arguments: str, answer: str | None = None, mix_stderr: bool = True) -> Result:
    """Run the command line in a pipe."""
    environ = {"COLUMNS": "200", "AWS_DEFAULT_REGION": REGION}
    return CliRunner(mix_stderr=mix_stderr).invoke(app, list(arguments), input=answer, env=environ)
