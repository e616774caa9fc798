"""A function's queue to which anything may come: each message is done, parked or comes back, and nothing is echoed."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from itertools import count as counting
from logging import getLogger
from typing import Any, Final, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from leaver.consuming.consumer import Consumer
from leaver.consuming.journal import EventJournal
from leaver.messages.commands import Command
from leaver.messages.envelope import Payload
from leaver.outcomes import Outcome, Result
from tests.doubles.cases_table import InMemoryHeard
from tests.doubles.consumer_harness import ConsumerHarness, consume
from tests.doubles.hr_events import CANARY
from tests.doubles.lambda_events import record
from tests.field import Field
from tests.length import length

#: what may become of an input, as the table of the proof has it
ENDINGS: Final = ("done", "parked", "returned")
#: inputs of each kind in `make test`
FEW: Final = 6
DONE: Final = Result(Outcome.ALREADY_GONE)


class Harmed(AssertionError):
    """An input did what none may do: by it a message is lost, something leaks, or a function crashes."""

    def __init__(self, harm: Literal["lost", "leaked", "crashed"]) -> None:
        super().__init__(harm)
        self.harm = harm


@dataclass
class FuzzedQueue:
    """One function with everything around it in memory; after each message it is as if none had come."""

    command: type[Command]
    operation: Callable[[Any], Any]
    read: Callable[[Payload], Any] | None = None
    #: for HR events: the source of a command, and how it is called there
    name: Callable[[Any], tuple[str, str | None]] | None = None
    adapt: Callable[[ConsumerHarness, Consumer[Any]], Consumer[Any]] = lambda _, consumer: consumer
    harness: ConsumerHarness = attribute(default_factory=ConsumerHarness)
    heard: InMemoryHeard = attribute(init=False)
    _numbers: Iterator[int] = attribute(default_factory=counting)

    def __post_init__(self) -> None:
        consumer = self.harness.consumer(self.command, self.operation, read=self.read)
        # Else pytest would keep every line of every message.
        getLogger(consumer.logger.name).propagate = False
        self._consumer = self.adapt(self.harness, consumer)

    def takes(self, body: str, *, echoes: bool = False) -> str:
        """Deliver a message and tell how it ended; `echoes`: what was understood may show, for it names somebody."""
        self._forget()
        message_id = f"message-{next(self._numbers)}"
        come_back = consume(self._consumer, record(body, message_id=message_id))
        ending = self._ending(message_id, come_back)
        # What cannot be written as UTF-8, neither DynamoDB nor a log takes.
        self._written().encode()
        if not echoes:
            self.must_not_echo()
        return ending

    def must_not_echo(self) -> None:
        """Raise Harmed where something that came shows outside."""
        if CANARY in self._written():
            raise Harmed("leaked")

    def _written(self) -> str:
        return self.harness.written_outside() + "".join(each.model_dump_json() for each in self.heard.items.scan())

    def _ending(self, message_id: str, come_back: set[str]) -> str:
        said = self.harness.logged
        crashes = [each for each in said if str(each.get("reason")).startswith("unexpected ")]
        if crashes or [line for line in said if line["message"] == "could not be set aside"]:
            raise Harmed("crashed")
        if come_back:
            assert come_back == {message_id}
            assert f"handle of {message_id}" in self.harness.sqs.visible_in
            return "returned"
        fates = [each.fate for each in self.heard.fates]
        if self.harness.parked:
            kept: object = self.harness.parked_attributes["reason"] and (
                fates == ["dead_lettered"] or self.name is None
            )
        else:
            kept = fates or any(receipt.outcome for receipt in self.harness.receipts.items.values())
        if not kept or not (self.harness.bus.announced or fates):
            raise Harmed("lost")
        return "parked" if self.harness.parked else "done"

    def _forget(self) -> None:
        self.harness.sqs.sent.clear()
        self.harness.sqs.visible_in.clear()
        self.harness.bus.put.clear()
        self.harness.receipts.items.clear()
        self.harness.log.seek(0)
        self.harness.log.truncate()
        self.heard = InMemoryHeard()
        if self.name is not None:
            journal = EventJournal(self.heard, self.name, self._consumer.logger)
            self._consumer = replace(self._consumer, journal=journal)


def fuzz(
    what: str,
    inputs: SearchStrategy[Any],
    ending_of: Callable[[Any], str],
    record_property: Callable[[str, object], None],
    field: Field,
) -> None:
    """Try so many inputs of a kind, and record how they ended, and whether one did any harm."""
    ended: Counter[str] = Counter()

    @settings(max_examples=length(FEW), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def try_one(value: Any) -> None:
        ended[ending_of(value)] += 1

    harms = dict.fromkeys(("lost", "leaked", "crashed"), 0)
    try:
        try_one()
    except Exception as error:
        harms[getattr(error, "harm", "crashed")] += 1
        raise
    finally:
        record_property("fuzzed", (what, ended.total(), *(ended[each] for each in ENDINGS)))
        field("a fuzzed input", what.partition(":")[0].partition(",")[0], ended.total() + sum(harms.values()), **harms)
