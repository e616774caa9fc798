"""One function's consumer with everything around it in memory, and an operation that does as it is told."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics

from leaver.cases.reporting import StepReports
from leaver.consuming.consumer import Consumer
from leaver.messages.commands import Command
from leaver.messages.envelope import Payload
from leaver.messages.publisher import Publisher
from leaver.outcomes import Result
from tests.doubles.cases_table import InMemoryCases
from tests.doubles.clock import Clock
from tests.doubles.event_bus import FakeBus
from tests.doubles.executor import OneByOne
from tests.doubles.lambda_events import Context, batch, returned
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.sqs import DEAD_LETTERS, REFRESH_QUEUE, SEAL_QUEUE, FakeSqs

AnyCommand = TypeVar("AnyCommand", bound=Command)


class Operation:
    """An operation that does as it is told, the last of it again and again, and keeps the commands it was given."""

    def __init__(self, *does: Result | Exception | None) -> None:
        self.does = list(does)
        self.commands: list[Any] = []

    def __call__(self, command: Any) -> Result | None:
        self.commands.append(command)
        does = self.does.pop(0) if len(self.does) > 1 else self.does[0]
        if isinstance(does, Exception):
            raise does
        return does


@dataclass
class ConsumerHarness:
    """One function's consumer, with everything around it in memory."""

    clock: Clock = field(default_factory=Clock)
    sqs: FakeSqs = field(default_factory=FakeSqs)
    bus: FakeBus = field(default_factory=FakeBus)
    receipts: InMemoryReceipts = field(default_factory=InMemoryReceipts)
    log: io.StringIO = field(default_factory=io.StringIO)
    cases: InMemoryCases = field(init=False)

    def __post_init__(self) -> None:
        self.cases = InMemoryCases(receipts=self.receipts)

    def publisher(self, dead_letters: str = DEAD_LETTERS) -> Publisher:
        return Publisher(
            events=self.bus.client,
            sqs=self.sqs.client,
            bus="leaver",
            dead_letter_queue_url=dead_letters,
            refresh_queue_url=REFRESH_QUEUE,
            seal_queue_url=SEAL_QUEUE,
        )

    @property
    def reports(self) -> StepReports:
        return StepReports(self.cases)

    def consumer(
        self,
        command: type[AnyCommand],
        operation: Callable[..., Result | None],
        *,
        receipts: bool = True,
        resumes: bool = False,
        read: Callable[[Payload], AnyCommand] | None = None,
        dead_letters: str = DEAD_LETTERS,
    ) -> Consumer[AnyCommand]:
        return Consumer(
            function="leaver-under-test",
            command=command,
            operation=operation,
            resumes=resumes,
            sqs=self.sqs.client,
            publisher=self.publisher(dead_letters),
            receipts=self.receipts if receipts else None,
            give_up_after=timedelta(hours=24),
            read_case=self.reports.read_case if receipts else None,
            request_seals=self.publisher(dead_letters).request_seals if receipts else None,
            clock=self.clock,
            # Powertools keeps one logger per service name, with its first stream.
            logger=Logger(service=str(uuid4()), stream=self.log),
            metrics=Metrics(service="leaver", namespace="Leaver"),
            executor=OneByOne(),
            # There is one connection to each provider, called as it is.
            name_connection=(lambda named, _: named or _only_connection_of(command)) if command.calls else None,
            read=read,
            jitter=lambda _, longest: longest,
        )

    @property
    def parked(self) -> list[dict[str, Any]]:
        """The messages on the dead-letter queue."""
        return [message for message in self.sqs.sent if message["QueueUrl"].startswith(DEAD_LETTERS)]

    @property
    def parked_attributes(self) -> dict[str, str]:
        """The message attributes of the one message that was parked."""
        (message,) = self.parked
        return {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}

    @property
    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def written_outside(self) -> str:
        """All that leaves the function but a parked message's own body."""
        attributes = [message.get("MessageAttributes") for message in self.sqs.sent]
        receipts = [receipt.model_dump_json() for receipt in self.receipts.items.values()]
        return "\n".join([json.dumps(attributes), json.dumps(self.bus.put), *receipts, self.log.getvalue()])


def consume(consumer: Consumer[Any], *records: dict[str, Any]) -> set[str]:
    return returned(consumer.consume(batch(*records), Context()))


def _only_connection_of(command: type[Command]) -> str:
    return "venafi" if command.system == "venafi" else "zoom"
